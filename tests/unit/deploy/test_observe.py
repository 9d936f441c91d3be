"""The dashboard, the alert rules and Prometheus's configuration: what they ask for is what the service offers."""

import json
import math
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from app.settings import Settings
from tests.support.observe import OBSERVE, dashboard, family_of, metric_names, panel_expressions, panels, rules
from tests.support.service import RunningService, fake_models, running_service

HELLO = {"q": "Hello you", "source": "en", "target": "fr"}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    models = fake_models(tmp_path_factory.mktemp("models"), ("en", "fr"))
    with running_service(Settings(models_dir=models, cache_mib=1)) as running:
        running.client.post("/translate", json=HELLO).raise_for_status()
        running.client.post("/v2/translate", json={"text": ["Hello"], "target_lang": "FR"})
        yield running


def families(service: RunningService) -> set[str]:
    return {family.name for family in text_string_to_metric_families(service.client.get("/metrics").text)}


def test_every_metric_that_is_asked_for_is_there(service: RunningService) -> None:
    offered = {
        sample.name
        for family in text_string_to_metric_families(service.client.get("/metrics").text)
        for sample in family.samples
    }
    for where, expression in [*panel_expressions().items(), *((rule["alert"], rule["expr"]) for rule in rules())]:
        names = metric_names(expression)
        assert names <= offered, where
        assert names or "up{" in expression, where


def test_every_metric_has_its_panel(service: RunningService) -> None:
    shown = {family_of(name) for expression in panel_expressions().values() for name in metric_names(expression)}
    assert {family_of(name) for name in families(service)} - shown == set()


def test_labels_are_those_of_the_service(service: RunningService) -> None:
    labels = {"le", "instance", "job"}
    for family in text_string_to_metric_families(service.client.get("/metrics").text):
        for sample in family.samples:
            labels |= sample.labels.keys()
    for where, expression in [*panel_expressions().items(), *((rule["alert"], rule["expr"]) for rule in rules())]:
        used = set(re.findall(r'([a-z]+)\s*(?:=~|!=|=)\s*"', expression))
        for group in re.findall(r"\bby \(([^)]*)\)", expression):
            used |= {label.strip() for label in group.split(",")}
        assert used <= labels, where


def test_the_dashboard_is_whole() -> None:
    found = dashboard()
    numbers = [panel["id"] for panel in found["panels"]]
    assert len(numbers) == len(set(numbers))
    (source,) = yaml.safe_load((OBSERVE / "provisioning/datasources/prometheus.yml").read_text())["datasources"]
    taken: set[tuple[int, int]] = set()
    for panel in found["panels"]:
        place = panel["gridPos"]
        cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert place["x"] + place["w"] <= 24
        assert not cells & taken, f"{panel['title']} lies over another"
        taken |= cells
    for panel in panels():
        assert panel["datasource"]["uid"] == source["uid"]
        assert all(target["datasource"]["uid"] == source["uid"] for target in panel["targets"])
    variables = {variable["name"] for variable in found["templating"]["list"]}
    used = set(re.findall(r"\$([a-z]+)", json.dumps([panel["targets"] for panel in panels()])))
    assert used == variables


def test_alerts_name_the_settings_defaults() -> None:
    expressions = {rule["alert"]: rule["expr"] for rule in rules()}
    fields = Settings.model_fields
    assert f"* {fields['max_waiting'].default}" in expressions["PasserelleQueueFull"]
    (seconds,) = re.findall(r"> (\d+)", expressions["PasserelleStepHangs"])
    assert float(seconds) < fields["stall_seconds"].default, "the alert comes before the bundle is not ready"


def until(condition: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.3)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def test_promtool_finds_no_fault() -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed (apt install prometheus)")
    done = subprocess.run(
        [promtool, "check", "config", "prometheus.yml"], cwd=OBSERVE, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def prometheus(service: RunningService, tmp_path: Path) -> Iterator[httpx.Client]:
    """The real program with the project's configuration, which asks this service each half second."""
    program = shutil.which("prometheus")
    if program is None:
        pytest.skip("prometheus is not installed (apt install prometheus)")
    configuration = yaml.safe_load((OBSERVE / "prometheus.yml").read_text(encoding="utf-8"))
    configuration["global"] = {"scrape_interval": "500ms", "evaluation_interval": "500ms"}
    configuration["rule_files"] = [str(OBSERVE / name) for name in configuration["rule_files"]]
    (job,) = configuration["scrape_configs"]
    del job["dns_sd_configs"]  # a name that only the compose network has
    job["static_configs"] = [{"targets": [service.url.removeprefix("http://")]}]
    (tmp_path / "prometheus.yml").write_text(yaml.safe_dump(configuration))
    url = f"127.0.0.1:{free_port()}"
    command = [program, f"--config.file={tmp_path}/prometheus.yml", f"--storage.tsdb.path={tmp_path}/data"]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen([*command, f"--web.listen-address={url}"], stdout=log, stderr=log)
    try:
        with httpx.Client(base_url=f"http://{url}", trust_env=False, timeout=20) as client:
            until(lambda: process.poll() is not None or is_up(client))
            assert process.poll() is None, (tmp_path / "log").read_text()
            yield client
    finally:
        process.terminate()
        process.wait(30)


def is_up(client: httpx.Client) -> bool:
    try:
        return client.get("/-/ready").status_code == 200
    except httpx.TransportError:
        return False


def asked(client: httpx.Client, expression: str) -> list[Any]:
    answer = client.get("/api/v1/query", params={"query": expression})
    assert answer.status_code == 200, f"{expression}: {answer.text}"
    found: list[Any] = answer.json()["data"]["result"]
    return found


def test_every_panel_has_data_in_prometheus(service: RunningService, prometheus: httpx.Client) -> None:
    numbers = count()

    def work() -> bool:
        # Never the same again: the cache would know it.
        service.client.post("/translate", json={**HELLO, "q": f"Hello {next(numbers)}"}).raise_for_status()
        # Two scrapes with something between them, so that there are rates.
        return len(asked(prometheus, "count_over_time(passerelle_step_rows_sum[1m]) >= 4")) == 1

    until(work)
    for where, expression in panel_expressions().items():
        found = asked(prometheus, expression)
        assert found, f"{where}: {expression}"
        assert any(not math.isnan(float(series["value"][1])) for series in found), where
    loaded = prometheus.get("/api/v1/rules").json()["data"]["groups"][0]["rules"]
    assert {rule["name"] for rule in loaded} == {rule["alert"] for rule in rules()}
    assert [rule["name"] for rule in loaded if rule["state"] != "inactive"] == [], "nothing is wrong here"
    for rule in rules():
        assert not asked(prometheus, rule["expr"]), rule["alert"]
        # What is compared is there: only the comparison makes it empty.
        if "absent" not in rule["expr"]:
            assert asked(prometheus, re.sub(r"\s(>|==)\s[^>=]*$", "", rule["expr"])) or "5.." in rule["expr"], rule


def test_an_alert_comes(service: RunningService, prometheus: httpx.Client) -> None:
    until(lambda: len(asked(prometheus, "passerelle_failed_steps_total")) == 1)
    service.graphs.opened["en-fr"].hooks.fail_next = RuntimeError("broken")
    assert service.client.post("/translate", json={**HELLO, "q": "Broken"}).status_code == 500
    until(lambda: bool(asked(prometheus, 'ALERTS{alertname="PasserelleStepsFail", alertstate="firing"}')))
