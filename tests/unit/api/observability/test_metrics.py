"""GET /metrics: what is counted is what happened, and callers cannot make new names."""

import re
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from app.engine.loop import EngineLimits
from app.engine.metrics import Histogram
from app.settings import Settings
from tests.support.engines import Start, held_machine, release, send, until
from tests.support.service import RunningService, fake_models, running_service

HELLO = {"q": "Hello", "source": "en", "target": "fr"}
Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    models = fake_models(tmp_path_factory.mktemp("models"), ("en", "fr"))
    with running_service(Settings(models_dir=models)) as running:
        yield running


def scraped(service: RunningService) -> Samples:
    answer = service.client.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=")
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def value(samples: Samples, name: str, /, **labels: str) -> float:
    return samples.get((f"passerelle_{name}", tuple(sorted(labels.items()))), 0.0)


class Watched:
    """How much was added since the beginning."""

    def __init__(self, service: RunningService) -> None:
        self._service = service
        self._before = scraped(service)

    def look(self) -> None:
        self.now = scraped(self._service)

    def added(self, name: str, /, **labels: str) -> float:
        return value(self.now, name, **labels) - value(self._before, name, **labels)


def test_requests_by_route_dialect_and_status(service: RunningService) -> None:
    watched = Watched(service)
    for _ in range(3):
        assert service.client.post("/translate", json=HELLO).status_code == 200
    service.client.post("/translate", json={"q": "Hello"})
    service.client.post("/v2/translate", json={"text": ["Hello"], "target_lang": "FR"})
    service.client.get("/page/main.js")
    service.client.get("/health")
    watched.look()
    labels = {"route": "/translate", "dialect": "libretranslate"}
    assert watched.added("requests_total", **labels, status="200") == 3
    assert watched.added("requests_total", **labels, status="400") == 1
    assert watched.added("requests_total", route="/v2/translate", dialect="deepl", status="403") == 1
    assert watched.added("requests_total", route="/page/{name}", dialect="other", status="200") == 1
    assert watched.added("requests_total", route="/health", dialect="operation", status="200") == 1
    assert watched.added("request_seconds_count", route="/translate") == 4
    assert watched.added("request_seconds_bucket", route="/translate", le="+Inf") == 4
    assert 0 < watched.added("request_seconds_sum", route="/translate") < 60
    assert value(watched.now, "requests_in_progress") == 1  # this one
    assert watched.now["process_resident_memory_bytes", ()] > 2**20


def test_what_another_application_did_is_not_counted(service: RunningService, tmp_path: Path) -> None:
    service.client.post("/translate", json=HELLO)
    with running_service(Settings(models_dir=fake_models(tmp_path, ("en", "fr")))) as other:
        assert value(scraped(other), "characters_total", source="en", target="fr") == 0


def test_what_the_engines_do(service: RunningService) -> None:
    watched = Watched(service)
    added = watched.added
    service.client.post("/translate", json={**HELLO, "q": ["Hello", "Good day", "12"]})
    watched.look()
    assert added("characters_total", source="en", target="fr") == 15
    sequences = added("sequences_total", bundle="en-fr", finish_reason="stop")
    assert sequences == 2  # nothing is to be translated in "12"
    # The machine writes what it reads, and the end of a source is a token of it.
    assert added("source_tokens_total", bundle="en-fr") == added("target_tokens_total", bundle="en-fr") + sequences
    assert added("target_tokens_total", bundle="en-fr") >= 2
    for name in ("queue_seconds", "encode_seconds", "decode_seconds", "first_token_seconds"):
        assert added(f"{name}_count", bundle="en-fr") == sequences, name

    def are_counted() -> bool:
        watched.look()
        return added("step_rows_count", bundle="en-fr") <= added("step_seconds_count", bundle="en-fr")

    until(are_counted)  # the last step after its rows have their answers
    steps = added("step_rows_count", bundle="en-fr")
    assert 2 <= steps <= added("step_seconds_count", bundle="en-fr")
    assert steps < added("step_rows_sum", bundle="en-fr") <= 2 * steps
    assert value(watched.now, "bundle_ready", bundle="en-fr") == 1
    info = {"bundle": "en-fr", "name": "fake-en-fr", "precision": "float32", "provider": "fake"}
    assert value(watched.now, "bundle_info", **info) == 1


def test_characters_to_be_completed_are_counted(service: RunningService) -> None:
    watched = Watched(service)
    fields = {**HELLO, "q": "Hey", "target_prefix": "H", "n": 1}
    assert service.client.post("/complete", json=fields).status_code == 200
    watched.look()
    assert watched.added("characters_total", source="en", target="fr") == 3


def test_callers_make_no_names_and_nothing_of_theirs_is_shown(service: RunningService) -> None:
    service.client.post("/translate", json={**HELLO, "q": "Secretword"})
    service.client.post("/v2/translate", headers={"Authorization": "DeepL-Auth-Key Secretkey"}, json={"text": "Hi"})
    before = set(scraped(service))
    for number in range(20):
        service.client.get(f"/nothing-{number}")
        service.client.get(f"/page/{number}.js")
        service.client.get(f"/v2/nothing/{number}", params={"auth_key": "Secretkey"})
        service.client.post("/translate", json={**HELLO, "target": f"x{number}"})
        service.client.request("DELETE", "/translate")
    text = service.client.get("/metrics").text
    assert not re.search(r"(?i)secret|127\.0\.0|nothing", text)
    new = {labels for name, labels in set(scraped(service)) - before if name == "passerelle_requests_total"}
    assert 3 <= len(new) <= 5, new  # at most one for each of these ways to be wrong


def test_it_can_be_scraped_while_it_works(service: RunningService) -> None:
    hooks = service.graphs.opened["en-fr"].hooks
    hooks.gate = threading.Event()
    asking = threading.Thread(target=lambda: service.client.post("/translate", json={**HELLO, "q": ["a", "b"]}))
    asking.start()
    try:
        until(lambda: value(scraped(service), "rows_running", bundle="en-fr") >= 1)
        samples = scraped(service)
        assert value(samples, "requests_in_progress") == 2
        assert value(samples, "step_age_seconds", bundle="en-fr") > 0
    finally:
        hooks.gate.set()
        asking.join(20)
    samples = scraped(service)
    assert value(samples, "rows_running", bundle="en-fr") == value(samples, "sequences_waiting", bundle="en-fr") == 0


def test_a_sequence_is_counted_once_however_it_ends(start: Start) -> None:
    machine = held_machine()
    engine = start(machine, EngineLimits(max_rows=1))
    first, second, third = (send(engine, text) for text in ("one", "two", "three"))
    until(lambda: engine.status().rows_running == 1)
    second.cancel()
    assert engine.sequence_metrics.finish_reasons == {"cancelled": 1}
    release(machine)
    for sequence in (first, third):
        sequence.result(20)
    until(lambda: engine.sequence_metrics.finish_reasons.total() == 3)
    assert engine.sequence_metrics.finish_reasons == {"cancelled": 1, "stop": 2}


def test_a_failed_step_is_counted_and_gives_no_first_token(start: Start) -> None:
    machine = held_machine()
    machine.hooks.fail_next = RuntimeError("broken")
    engine = start(machine)
    sent = send(engine, "one")
    release(machine)
    assert sent.exception(20) is not None
    until(lambda: engine.step_metrics.turns_done == 1)
    assert engine.step_metrics.failed_turns == 1
    assert sum(engine.step_metrics.first_token_seconds.counts) == 0
    assert engine.sequence_metrics.finish_reasons == {"failed": 1}


def test_histogram() -> None:
    histogram = Histogram((1.0, 2.0))
    for number in (0.5, 1.0, 1.5, 2.0, 2.5):
        histogram.add(number)
    assert histogram.counts == [2, 2, 1]  # a bound belongs to the values below it
    assert histogram.total == 7.5
