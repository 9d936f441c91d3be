"""What stands around the service says the same as the service, its image and its compose file."""

import re
import shutil
import subprocess
import warnings
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from app.server.environment import variable_of
from app.settings import Settings

ROOT = Path(__file__).parents[3]
DEPLOY = ROOT / "app" / "deploy"
KUBERNETES = DEPLOY / "kubernetes"
VERSIONS = ("1.32", "1.35")
VARIABLES = {variable_of(name) for name in Settings.model_fields}
USER = 10001

Manifest = dict[str, Any]


def read(path: Path) -> list[Manifest]:
    return [found for found in yaml.safe_load_all(path.read_text(encoding="utf-8")) if found]


def rendered(name: str) -> list[Manifest]:
    """A folder of manifests with its patches, as kubectl sends them."""
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        pytest.skip("kubectl is not installed")
    done = subprocess.run([kubectl, "kustomize", str(KUBERNETES / name)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return [found for found in yaml.safe_load_all(done.stdout) if found]


def replicas() -> list[Manifest]:
    names = yaml.safe_load((KUBERNETES / "replicas" / "kustomization.yaml").read_text())["resources"]
    files = {path.name for path in (KUBERNETES / "replicas").glob("*.yml")}
    assert files == set(names), "kustomization.yaml names every file"
    return [manifest for name in names for manifest in read(KUBERNETES / "replicas" / name)]


def one(kind: str, manifests: list[Manifest] | None = None) -> Any:
    (found,) = [manifest for manifest in manifests or replicas() if manifest["kind"] == kind]
    return found


def container(deployment: Manifest) -> Manifest:
    (found,) = deployment["spec"]["template"]["spec"]["containers"]
    return dict(found)


def valid(manifest: Manifest, version: str) -> None:
    with warnings.catch_warnings():  # of the validator's own libraries
        warnings.simplefilter("ignore")
        kubernetes_validate.validate(manifest, version, strict=True)


@pytest.mark.parametrize("version", VERSIONS)
def test_manifests_are_valid(version: str) -> None:
    for manifest in replicas():
        valid(manifest, version)
    wrong = one("Deployment")
    wrong["spec"]["template"]["spec"]["containers"][0]["readinesProbe"] = {}
    with pytest.raises(kubernetes_validate.ValidationError):
        valid(wrong, version)


@pytest.mark.parametrize("name", ["replicas", "one-node"])
def test_rendered_manifests_are_valid(name: str) -> None:
    manifests = rendered(name)
    for manifest in manifests:
        valid(manifest, VERSIONS[-1])
    assert ":" in container(one("Deployment", manifests))["image"], "an image without a version is any"


def test_on_one_node_everything_is_shared() -> None:
    manifests = rendered("one-node")
    spec = one("Deployment", manifests)["spec"]["template"]["spec"]
    claim = one("PersistentVolumeClaim", manifests)["metadata"]["name"]
    volumes = {volume["name"]: volume for volume in spec["volumes"]}
    assert volumes["data"] == {"name": "data", "persistentVolumeClaim": {"claimName": claim}}
    data = one("ConfigMap", manifests)["data"]
    assert data["PASSERELLE_FILES_DIR"].startswith(data_dir() + "/")
    assert int(data["PASSERELLE_MAX_GLOSSARIES"]) > 0
    (rule,) = spec["affinity"]["podAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    assert rule["topologyKey"] == "kubernetes.io/hostname"
    assert rule["labelSelector"]["matchLabels"].items() <= labels(one("Deployment", manifests)).items()


def test_replicas_that_share_nothing_acknowledge_no_glossary() -> None:
    assert one("ConfigMap")["data"]["PASSERELLE_MAX_GLOSSARIES"] == "0"


def labels(deployment: Manifest) -> dict[str, str]:
    found: dict[str, str] = deployment["spec"]["template"]["metadata"]["labels"]
    return found


def test_everything_selects_the_pods() -> None:
    found = labels(one("Deployment"))
    for selector in (
        one("Deployment")["spec"]["selector"]["matchLabels"],
        one("Service")["spec"]["selector"],
        one("PodDisruptionBudget")["spec"]["selector"]["matchLabels"],
        one("NetworkPolicy")["spec"]["podSelector"]["matchLabels"],
    ):
        assert selector.items() <= found.items()
    target = one("HorizontalPodAutoscaler")["spec"]["scaleTargetRef"]
    assert (target["kind"], target["name"]) == ("Deployment", one("Deployment")["metadata"]["name"])


def test_ports_and_paths_are_those_of_the_service() -> None:
    found = container(one("Deployment"))
    (port,) = found["ports"]
    assert port["containerPort"] == Settings.model_fields["port"].default
    assert f"EXPOSE {port['containerPort']}\n" in dockerfile()
    for probe, path in (("startupProbe", "/health"), ("livenessProbe", "/health"), ("readinessProbe", "/ready")):
        assert found[probe]["httpGet"] == {"path": path, "port": port["name"]}
    (served,) = one("Service")["spec"]["ports"]
    assert served["targetPort"] == port["name"]
    ((allowed,),) = [rule["ports"] for rule in one("NetworkPolicy")["spec"]["ingress"]]
    assert allowed["port"] == port["name"]
    annotations = one("Deployment")["spec"]["template"]["metadata"]["annotations"]
    assert annotations["prometheus.io/port"] == str(port["containerPort"])


def test_it_is_as_closed_as_with_compose() -> None:
    pod, found = one("Deployment")["spec"]["template"]["spec"], container(one("Deployment"))
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]["passerelle"]
    assert compose["user"] == f"{USER}:{USER}"
    assert f"USER {USER}:{USER}\n" in dockerfile()
    given = pod["securityContext"]
    assert (given["runAsUser"], given["runAsGroup"], given["runAsNonRoot"]) == (USER, USER, True)
    assert given["seccompProfile"] == {"type": "RuntimeDefault"}
    assert compose["cap_drop"] == found["securityContext"]["capabilities"]["drop"] == ["ALL"]
    assert compose["read_only"] is found["securityContext"]["readOnlyRootFilesystem"] is True
    assert "no-new-privileges:true" in compose["security_opt"]
    assert found["securityContext"]["allowPrivilegeEscalation"] is False
    assert pod["automountServiceAccountToken"] is False
    written = {mount["mountPath"] for mount in found["volumeMounts"]}
    assert written == {"/tmp", data_dir()}
    assert {mount["name"] for mount in found["volumeMounts"]} == {volume["name"] for volume in pod["volumes"]}


def test_there_is_time_to_finish() -> None:
    data, pod = one("ConfigMap")["data"], one("Deployment")["spec"]["template"]["spec"]
    shutdown_seconds = float(data["PASSERELLE_SHUTDOWN_SECONDS"])
    assert shutdown_seconds > Settings.model_fields["request_timeout_seconds"].default
    before = float(container(one("Deployment"))["lifecycle"]["preStop"]["exec"]["command"][1])
    assert pod["terminationGracePeriodSeconds"] >= before + shutdown_seconds + 10


def test_every_setting_that_is_used_exists_and_is_accepted() -> None:
    used: dict[str, str] = dict(one("ConfigMap")["data"])
    used |= read(KUBERNETES / "one-node" / "configmap.yml")[0]["data"]
    for name in ("docker-compose.yml", "docker-compose.gpu.yml", "app/deploy/scale.yml"):
        services = yaml.safe_load((ROOT / name).read_text())["services"]
        used |= services["passerelle"].get("environment", {})
    named = {one["name"] for one in container(one("Deployment"))["env"]}
    assert set(used) | named <= VARIABLES
    assert set(re.findall(r"\bPASSERELLE_[A-Z_]+", dockerfile())) <= VARIABLES
    plain = {name: value for name, value in used.items() if "$" not in value}
    Settings.model_validate({name.removeprefix("PASSERELLE_").lower(): value for name, value in plain.items()})


def test_compose_uses_the_whole_machine_and_a_replica_one_part_of_it() -> None:
    alone, replica = (
        yaml.safe_load((ROOT / name).read_text())["services"]["passerelle"]
        for name in ("docker-compose.yml", "app/deploy/scale.yml")
    )
    assert alone["environment"]["PASSERELLE_WORKERS"] == "auto"
    assert "PASSERELLE_WORKERS" not in replica["environment"], "there are as many replicas as are wanted"
    seconds = float(alone["stop_grace_period"].removesuffix("s"))
    assert seconds > Settings.model_fields["shutdown_seconds"].default + 10, "a worker that hangs is killed first"


def test_the_autoscaler_s_metric_is_one_of_the_service() -> None:
    (pods,) = [metric for metric in one("HorizontalPodAutoscaler")["spec"]["metrics"] if metric["type"] == "Pods"]
    (rule,) = read(KUBERNETES / "prometheus-adapter.yml")[0]["rules"]["custom"]
    name = pods["pods"]["metric"]["name"]
    assert rule["name"]["as"] == name
    assert rule["seriesQuery"].startswith(name + "{")
    metrics = (ROOT / "app" / "api" / "observability" / "metrics.py").read_text(encoding="utf-8")
    assert f'"{name.removeprefix("passerelle_")}"' in metrics


def test_a_replica_of_compose_is_the_service_of_compose() -> None:
    alone = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]["passerelle"]
    scaled = yaml.safe_load((DEPLOY / "scale.yml").read_text())
    replica = scaled["services"]["passerelle"]
    own = {"build", "ports", "environment", "networks", "volumes", "stop_grace_period"}
    assert {key: value for key, value in alone.items() if key not in own} == {
        key: value for key, value in replica.items() if key not in own
    }
    assert "ports" not in replica
    assert set(alone["volumes"]) <= set(replica["volumes"])
    trusted = replica["environment"]["PASSERELLE_TRUSTED_PROXIES"]
    assert trusted == scaled["services"]["proxy"]["networks"]["inside"]["ipv4_address"]


def test_the_proxy_waits_as_long_as_the_service_may_take() -> None:
    text = (DEPLOY / "haproxy.cfg").read_text(encoding="utf-8")
    fields = Settings.model_fields
    (server,) = re.findall(r"^ +timeout server (\d+)s$", text, re.MULTILINE)
    (client,) = re.findall(r"^ +timeout client (\d+)s$", text, re.MULTILINE)
    assert min(int(server), int(client)) > fields["request_timeout_seconds"].default
    (files,) = re.findall(r"set-timeout server (\d+)s if \{ path /translate_file \}", text)
    assert int(files) > fields["file_timeout_seconds"].default
    assert "option httpchk GET /ready" in text


def test_the_proxy_s_configuration_is_valid() -> None:
    haproxy = shutil.which("haproxy")
    if haproxy is None:
        pytest.skip("haproxy is not installed")
    done = subprocess.run(
        [haproxy, "-c", "-f", str(DEPLOY / "haproxy.cfg")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "WARNING" not in done.stderr


@pytest.mark.parametrize("path", ["docker-compose.yml", "app/deploy/scale.yml"])
def test_images_have_versions_and_nothing_else_is_published_to_everybody(path: str) -> None:
    services = yaml.safe_load((ROOT / path).read_text())["services"]
    for name, service in services.items():
        if "extends" in service:
            assert services[name]["extends"]["file"] == "../../docker-compose.yml"
            continue
        if "build" not in service:
            assert re.search(r":v?\d+\.\d+\.\d+", service["image"]), name
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        for port in service.get("ports", []):
            assert port.startswith("127.0.0.1:") or port.endswith(":8000"), name


def dockerfile() -> str:
    return (ROOT / "Dockerfile").read_text(encoding="utf-8")


def data_dir() -> str:
    (found,) = re.findall(r"PASSERELLE_DATA_DIR=(\S+)", dockerfile())
    return str(found)
