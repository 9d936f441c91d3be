"""The image and the compose file, built and run for real.

Needs a Docker engine (``DOCKER_HOST``, or the usual socket). Without one it is skipped, but fails where ``CI`` is set.
``PASSERELLE_TEST_BASE_IMAGE`` names another base image to build on.
"""

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.bundle.folders import find_bundles
from app.errors import PasserelleError
from tests.end_to_end.test_program import free_port
from tests.support.docker_client import compose_command, docker, docker_program, run

ROOT = Path(__file__).parents[2]
IMAGE = "passerelle"
NAME = "passerelle-test"
MODELS_IN_IMAGE = "/srv/passerelle/models"
DEEPL_KEY = {"Authorization": "DeepL-Auth-Key any"}
FAST_CHECK = ["--health-interval=1s", "--health-start-period=60s"]

pytestmark = [pytest.mark.container, pytest.mark.slow]


@pytest.fixture(scope="module")
def image() -> str:
    """The image, built from the work tree."""
    if docker_program() is None:
        message = "no Docker engine can be reached (is DOCKER_HOST set?)"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    arguments = []
    if base_image := os.environ.get("PASSERELLE_TEST_BASE_IMAGE"):
        arguments = ["--build-arg", f"BASE_IMAGE={base_image}"]
    docker("build", "--network=host", *arguments, "-t", IMAGE, ".", timeout_seconds=900)
    return IMAGE


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Arguments that give a container a bundle: none if the image has its own, else a volume with a tiny one."""
    if usable_bundles():
        return []
    pytest.importorskip("onnx", reason="models/ has no bundle, and building a tiny one needs the onnx package")
    from tests.support.onnx_graphs import onnx_bundle

    folder = tmp_path_factory.mktemp("models")
    onnx_bundle(folder / "en-fr")
    for path in (folder, folder / "en-fr"):
        path.chmod(0o755)
    for parent in folder.parents[:2]:  # pytest's own folders are for this user alone
        parent.chmod(0o711)
    return ["--volume", f"{folder}:{MODELS_IN_IMAGE}:ro"]


def usable_bundles() -> list[Path]:
    try:
        return [folder for folder in find_bundles(ROOT / "models") if (folder / "manifest.json").exists()]
    except PasserelleError:
        return []


@pytest.fixture
def offline_container(image: str, models: list[str]) -> Iterator[str]:
    """A container with no way out: a network without a gateway, a read-only file system, no capabilities."""
    docker("rm", "--force", NAME, check=False)
    docker("network", "rm", NAME, check=False)
    docker("network", "create", "--internal", NAME)
    hardened = ["--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL", "--security-opt", "no-new-privileges"]
    docker("run", "--detach", "--name", NAME, "--network", NAME, *hardened, *FAST_CHECK, *models, image)
    yield NAME
    docker("rm", "--force", NAME, check=False)
    docker("network", "rm", NAME, check=False)


def wait_until_healthy(container: str, seconds: float = 90) -> None:
    end = time.monotonic() + seconds
    while True:
        state = json.loads(docker("inspect", "--format", "{{json .State}}", container))
        if state.get("Health", {}).get("Status") == "healthy":
            return
        assert state["Running"], docker("logs", container)
        assert time.monotonic() < end, f"{state}\n{docker('logs', container)}"
        time.sleep(0.5)


def python_inside(container: str, script: str, check: bool = True) -> str:
    return docker("exec", container, "python", "-c", script, check=check)


def request_inside(container: str, path: str, body: dict[str, Any] | None = None) -> Any:
    """What the service answers within the container itself."""
    script = (
        "import json, urllib.request as r\n"
        f"body = {json.dumps(body)!r}\n"
        "data = None if body == 'null' else body.encode()\n"
        f"asked = r.Request('http://127.0.0.1:8000{path}', data, {{'Content-Type': 'application/json'}})\n"
        "print(r.urlopen(asked, timeout=30).read().decode())"
    )
    return json.loads(python_inside(container, script))


def test_translates_with_no_network(offline_container: str) -> None:
    wait_until_healthy(offline_container)
    ready = request_inside(offline_container, "/ready")
    assert ready["status"] == "ready"
    bundle = ready["bundles"][0]
    assert bundle["provider"] == "cpu"
    asked = {"q": "Good morning.\n\nHow are you?", "source": bundle["source"], "target": bundle["target"]}
    translated = request_inside(offline_container, "/translate", asked)["translatedText"]
    assert translated.count("\n\n") == 1
    reach_out = "import socket; socket.create_connection(('1.1.1.1', 53), timeout=3)"
    assert "unreachable" in python_inside(
        offline_container, f"try:\n    {reach_out}\nexcept OSError as error: print('unreachable', error)"
    )


def test_runs_as_nobody_special_and_cannot_write(offline_container: str) -> None:
    wait_until_healthy(offline_container)
    assert docker("exec", offline_container, "id", "-u") == "10001"
    script = "open('/srv/passerelle/app/x', 'w')"
    assert python_inside(offline_container, f"try:\n    {script}\nexcept OSError: print('refused')") == "refused"
    status = python_inside(offline_container, "print(open('/proc/1/status').read())")
    assert "CapEff:\t0000000000000000" in status
    assert "NoNewPrivs:\t1" in status


def test_has_no_training_stack_and_no_installer(image: str) -> None:
    script = (
        "import importlib.util as u; print([n for n in ('tensorflow', 'keras', 'tf2onnx', 'pip', 'pytest') "
        "if u.find_spec(n) and '/opt/passerelle' in (u.find_spec(n).origin or '')])"
    )
    assert docker("run", "--rm", "--network", "none", "--entrypoint", "python", image, "-c", script) == "[]"
    listed = docker("run", "--rm", "--network", "none", "--entrypoint", "ls", image, "/srv/passerelle")
    assert listed.split() == ["app", "models", "training"]  # of which only the converter has its packages


def test_commands_run_in_the_image(image: str) -> None:
    assert "en-fr" in docker("run", "--rm", "--network", "none", image, "models", "list")
    said = docker("run", "--rm", "--network", "none", image, "translate", "--to", "fr", "The cat sleeps.")
    assert said == "Le chat dort."


def test_published_models_are_installed_on_the_volume(image: str, tmp_path: Path) -> None:
    pytest.importorskip("onnx", reason="building a published model needs the onnx package")
    from tests.support.firefox_catalogue import build, running_server

    volume = f"{NAME}-models"
    docker("volume", "rm", volume, check=False)
    hardened = [
        "--rm",
        "--read-only",
        "--tmpfs",
        "/tmp",
        "--cap-drop",
        "ALL",
        "--volume",
        f"{volume}:/var/lib/passerelle",
    ]
    try:
        with running_server() as server:
            published = build(tmp_path, f"{server.address}/")
            server.contents = published.contents()
            arguments = ["en-fr", "en-zh_hant", "--catalogue", f"{server.address}/db/models.json"]
            said = docker("run", *hardened, "--network", "host", image, "models", "install", *arguments)
        assert said.count("installed as /var/lib/passerelle/models/") == 2
        offline = [*hardened, "--network", "none", image]
        listed = docker("run", *offline, "models", "list")
        assert "en-zh-Hant" in listed
        assert "de-es-en" in listed  # what the image brings is still there
        assert "origin " in docker("run", *offline, "models", "info", "en-fr")  # the installed one comes first
        assert docker("run", *offline, "translate", "--from", "en", "--to", "zh-Hant", "The cat sleeps.")
        docker("run", *offline, "models", "remove", "en-fr", "--yes")
        assert docker("run", *offline, "translate", "--to", "fr", "The cat sleeps.") == "Le chat dort."
    finally:
        docker("volume", "rm", volume, check=False)


def test_stops_when_asked(offline_container: str) -> None:
    wait_until_healthy(offline_container)
    began = time.monotonic()
    docker("stop", "--time", "30", offline_container)
    assert time.monotonic() - began < 10
    assert docker("inspect", "--format", "{{.State.ExitCode}}", offline_container) in ("0", "143")


def test_without_a_bundle_it_runs_and_says_why_it_is_not_ready(image: str) -> None:
    docker("rm", "--force", NAME, check=False)
    docker(
        "run",
        "--detach",
        "--name",
        NAME,
        "--network",
        "none",
        "--env",
        "MODELS_DIR=/var/lib/passerelle",
        *FAST_CHECK,
        image,
    )
    try:
        probe = ""
        end = time.monotonic() + 30
        while "/var/lib/passerelle" not in probe and time.monotonic() < end:
            probe = docker("exec", NAME, "python", "-m", "app.healthcheck", check=False)
            time.sleep(0.3)
        assert probe.startswith("not ready: ")
        assert "no usable bundle in /var/lib/passerelle" in probe
    finally:
        docker("rm", "--force", NAME, check=False)


def test_compose(image: str, models: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compose = compose_command()
    if compose is None:
        pytest.skip("neither 'docker compose' nor docker-compose is installed")
    port = free_port()
    monkeypatch.setenv("PASSERELLE_PUBLISHED_PORT", str(port))
    files = ["-f", "docker-compose.yml"]
    if models:
        (tmp_path / "models.yml").write_text(json.dumps({"services": {"passerelle": {"volumes": [models[1]]}}}))
        files += ["-f", str(tmp_path / "models.yml")]
    whole = [*compose, "-p", NAME, *files]
    run([*whole, "config", "--quiet"])
    run([*compose, "-f", "docker-compose.yml", "-f", "docker-compose.gpu.yml", "config", "--quiet"])
    try:
        run([*whole, "up", "--detach", "--no-build"], timeout_seconds=180)
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30, trust_env=False) as client:
            ready = wait_for_ready(client)
            bundle = ready["bundles"][0]
            assert client.get("/health").json() == {"status": "ok"}
            asked = {"q": "Hello.", "source": bundle["source"], "target": bundle["target"]}
            assert client.post("/translate", data=asked).status_code == 200
            assert client.get("/").status_code == client.get("/page/main.js").status_code == 200
            assert client.get("/docs").status_code == 200
            assert client.get("/openapi.json").json()["openapi"].startswith("3.1")
            glossary_id = make_glossary(client, bundle["source"], bundle["target"])
        container = run([*whole, "ps", "-q", "passerelle"])
        check_hardened(container)
        # A new container with the same volume: what was acknowledged is still there.
        run([*whole, "up", "--detach", "--no-build", "--force-recreate"], timeout_seconds=180)
        assert run([*whole, "ps", "-q", "passerelle"]) != container
        with httpx.Client(
            base_url=f"http://127.0.0.1:{port}", timeout=30, trust_env=False, headers=DEEPL_KEY
        ) as client:
            wait_for_ready(client)
            assert client.get(f"/v2/glossaries/{glossary_id}").json()["name"] == "kept"
    finally:
        run([*whole, "down", "--volumes", "--timeout", "15"], check=False)


def make_glossary(client: httpx.Client, source: str, target: str, key: dict[str, str] = DEEPL_KEY) -> str:
    asked = {"name": "kept", "source_lang": source, "target_lang": target, "entries": "a\tb", "entries_format": "tsv"}
    answer = client.post("/v2/glossaries", json=asked, headers=key)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["glossary_id"])


def check_hardened(container: str) -> None:
    """Nobody special, no capabilities, and nothing to write to but the two places that are meant for it."""
    host = json.loads(docker("inspect", "--format", "{{json .HostConfig}}", container))
    assert host["ReadonlyRootfs"] is True
    assert host["CapDrop"] == ["ALL"]
    assert host["SecurityOpt"] == ["no-new-privileges:true"]
    assert host["PidsLimit"] == 4096
    assert docker("exec", container, "id", "-u") == "10001"
    script = (
        "import os\n"
        "for root, folders, _ in os.walk('/'):\n"
        "    folders[:] = [f for f in folders if os.path.join(root, f) not in ('/proc', '/sys', '/dev')]\n"
        "    if os.access(root, os.W_OK):\n"
        "        print(root); folders.clear()"
    )
    assert set(python_inside(container, script).split()) == {"/tmp", "/var/lib/passerelle"}
    status = python_inside(container, "print(open('/proc/1/status').read())")
    assert "CapEff:\t0000000000000000" in status
    assert "NoNewPrivs:\t1" in status


def wait_for_ready(client: httpx.Client, seconds: float = 90) -> Any:
    end = time.monotonic() + seconds
    while True:
        try:
            answer = client.get("/ready")
            if answer.status_code == 200:
                return answer.json()
            problem = answer.text
        except httpx.TransportError as error:
            problem = str(error)
        assert time.monotonic() < end, problem
        time.sleep(0.5)
