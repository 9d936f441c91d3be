"""The service as an operator meets it: languages, health, readiness, failures, overload, deadlines, leaving clients."""

import json
import logging
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.bundle.store import Bundle
from app.errors import BundleSignatureError, EngineOverloaded, EngineStopped
from app.server.cpus import ThreadShare
from app.serving.registry import OpenedGraphs
from app.settings import Settings
from app.translation.translator import Translator
from tests.support.engines import PATIENCE
from tests.support.fakes import Hooks, fake_bundle
from tests.support.service import FakeGraphs, RunningService, fake_models, running_service

HELLO = {"q": "Hello", "source": "en", "target": "fr"}


@pytest.fixture
def models(tmp_path: Path) -> Path:
    return fake_models(tmp_path / "models", ("en", "fr"))


@pytest.fixture
def service(models: Path) -> Iterator[RunningService]:
    with running_service(Settings(models_dir=models, probe_seconds=0.1, request_timeout_seconds=5)) as running:
        yield running


def hooks_of(service: RunningService) -> Hooks:
    return service.graphs.opened["en-fr"].hooks


def eventually(condition: Any, seconds: float = PATIENCE) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.02)


def test_health_says_no_more_than_ok(service: RunningService) -> None:
    answer = service.client.get("/health")
    assert answer.content == b'{"status":"ok"}'
    assert service.client.head("/health").status_code == 200
    assert service.client.head("/ready").status_code == 200
    assert "server" not in answer.headers


def test_languages(tmp_path: Path) -> None:
    models = fake_models(tmp_path / "models", ("en", "fr"), ("fr", "en"), ("de", "en"))
    with running_service(Settings(models_dir=models)) as service:
        # A client sends a form with this GET; it is ignored.
        answer = service.client.request("GET", "/languages", data={"api_key": "x"})
    assert answer.json() == [
        {"code": "de", "name": "German", "targets": ["de", "en"]},
        {"code": "en", "name": "English", "targets": ["en", "fr"]},
        {"code": "fr", "name": "French", "targets": ["en", "fr"]},
    ]


def test_ready_tells_everything(service: RunningService) -> None:
    answer = service.client.get("/ready")
    assert answer.status_code == 200
    body = answer.json()
    assert (body["status"], body["problem"], body["failed"]) == ("ready", None, [])
    (bundle,) = body["bundles"]
    assert bundle["name"] == "fake-en-fr"
    assert (bundle["source"], bundle["target"]) == ("en", "fr")
    assert bundle["provider"] == "fake"
    assert bundle["precision"] == "float32"
    assert bundle["quality"] == []
    assert bundle["engine"]["healthy"] is True
    assert bundle["engine"]["sequences_done"] >= 1  # the warm-up


def test_a_bad_bundle_does_not_keep_the_others_from_serving(models: Path, caplog: pytest.LogCaptureFixture) -> None:
    fake_models(models, ("de", "en"))
    (models / "de-en" / "encoder.onnx").write_bytes(b"changed")
    (models / "rubbish").mkdir()
    with caplog.at_level(logging.ERROR), running_service(Settings(models_dir=models)) as service:
        body = service.client.get("/ready").json()
        assert body["status"] == "ready"
        assert [failed["folder"] for failed in body["failed"]] == ["de-en", "rubbish"]
        assert "encoder.onnx" in body["failed"][0]["problem"]
        assert service.client.post("/translate", json=HELLO).status_code == 200
        assert service.client.post("/translate", json={**HELLO, "source": "de"}).status_code == 400
    assert "de-en" in caplog.text
    assert "rubbish" in caplog.text


def test_two_bundles_for_one_pair(models: Path) -> None:
    (models / "en-fr").rename(models / "first")
    fake_models(models, ("en", "fr"))
    with running_service(Settings(models_dir=models)) as service:
        (failed,) = service.client.get("/ready").json()["failed"]
    assert failed["folder"] == "first"
    assert "does already" in failed["problem"]


def test_one_bundle_for_several_targets(tmp_path: Path) -> None:
    fake_bundle(tmp_path, tags={"fr": "F", "de": "D", "en": "E"})
    with running_service(Settings(models_dir=tmp_path)) as service:
        assert service.client.get("/languages").json()[1]["targets"] == ["de", "en", "fr"]
        for target, tag in (("fr", "F"), ("de", "D")):
            answer = service.client.post("/translate", json={**HELLO, "target": target, "include": ["alignment"]})
            # The machine writes what it reads, so the tag is seen.
            assert answer.json()["translatedText"] == f"{tag}HELLO"
            places = [group["src"][0]["range"] for group in answer.json()["align"]]
            assert places == [[start, start + 1] for start in range(5)]
        assert len(service.graphs.opened) == 1
        engines = [bundle["engine"]["sequences_done"] for bundle in service.client.get("/ready").json()["bundles"]]
    assert engines[0] == engines[1] >= 2  # one engine


def test_one_bundle_for_several_sources(tmp_path: Path) -> None:
    fake_bundle(tmp_path, other_sources=("de", "es"))
    with running_service(Settings(models_dir=tmp_path)) as service:
        found = {one["code"]: one["targets"] for one in service.client.get("/languages").json()}
        assert found == {"de": ["de", "fr"], "en": ["en", "fr"], "es": ["es", "fr"], "fr": ["fr"]}
        for source in ("en", "de", "es"):
            answer = service.client.post("/translate", json={**HELLO, "source": source})
            assert answer.json()["translatedText"] == "HELLO"
        assert service.client.post("/translate", json={**HELLO, "source": "de", "target": "es"}).status_code == 400
        assert len(service.graphs.opened) == 1


@pytest.mark.parametrize("exists", [True, False])
def test_nothing_to_serve(tmp_path: Path, exists: bool) -> None:
    folder = tmp_path / "nothing"
    if exists:
        folder.mkdir()
    with running_service(Settings(models_dir=folder)) as service:
        assert service.client.get("/health").json() == {"status": "ok"}
        answer = service.client.get("/ready")
        assert answer.status_code == 503
        assert str(folder) in answer.json()["problem"]
        assert service.client.get("/languages").json() == []
        translated = service.client.post("/translate", json=HELLO)
        assert translated.status_code == 503
        assert str(folder) in translated.json()["error"]


def test_graphs_that_do_not_open(models: Path) -> None:
    class Broken(FakeGraphs):
        def __call__(self, bundle: Bundle, settings: Settings, share: ThreadShare) -> OpenedGraphs:
            raise BundleSignatureError("encoder.onnx: no such tensor")

    with running_service(Settings(models_dir=models), Broken()) as service:
        assert service.client.get("/ready").json()["failed"][0]["problem"] == "encoder.onnx: no such tensor"


def test_a_warm_up_that_fails_keeps_readiness_red_until_it_works(models: Path) -> None:
    class Sick(FakeGraphs):
        def __call__(self, bundle: Bundle, settings: Settings, share: ThreadShare) -> OpenedGraphs:
            opened = super().__call__(bundle, settings, share)
            self.opened["en-fr"].hooks.fail_encode = RuntimeError("out of memory")
            return opened

    with running_service(Settings(models_dir=models, probe_seconds=0.1), Sick()) as service:
        answer = service.client.get("/ready")
        assert answer.status_code == 503
        assert "out of memory" in answer.json()["problem"]
        hooks_of(service).fail_encode = None
        eventually(lambda: service.client.get("/ready").status_code == 200)


def test_a_failed_step_fails_every_waiting_request_and_heals(service: RunningService) -> None:
    hooks = hooks_of(service)
    hooks.gate = threading.Event()
    with ThreadPoolExecutor(4) as pool:
        asked = [pool.submit(service.client.post, "/translate", json=HELLO) for _ in range(4)]
        eventually(lambda: service.client.get("/ready").json()["bundles"][0]["engine"]["rows_running"] > 0)
        hooks.fail_encode = RuntimeError("secret detail")
        hooks.fail_next = RuntimeError("secret detail")
        hooks.gate.set()
        answers = [future.result(10) for future in asked]
    assert {answer.status_code for answer in answers} == {500}
    for answer in answers:
        assert "secret detail" not in answer.text
        assert list(answer.json()) == ["error"]
    assert service.client.get("/ready").status_code == 503
    assert service.client.get("/health").status_code == 200
    hooks.gate = hooks.fail_encode = None
    eventually(lambda: service.client.get("/ready").status_code == 200)
    assert service.client.post("/translate", json=HELLO).json() == {"translatedText": "HELLO"}


@pytest.mark.parametrize(("setting_seconds", "header"), [(1.5, None), (1.5, "9"), (20, "1.5")])
def test_the_deadline(models: Path, setting_seconds: float, header: str | None) -> None:
    """What is finished by then comes back, and the rest as far as it is; the shorter of setting and header counts."""
    with running_service(Settings(models_dir=models, request_timeout_seconds=setting_seconds)) as service:
        hooks_of(service).delay_seconds = 0.02  # for all of it 6 seconds, or more
        headers = {} if header is None else {"X-Request-Timeout-Seconds": header}
        answer = service.client.post("/translate", json={**HELLO, "q": ["a" * 300, "Yes."]}, headers=headers)
    assert answer.status_code == 200
    assert answer.headers["x-finish-reason"] == "deadline"
    assert list(answer.json()) == ["translatedText"]
    cut, whole = answer.json()["translatedText"]
    assert whole == "YES."
    assert 0 < len(cut) < 300
    assert set(cut) == {"A"}


def test_a_deadline_before_anything_was_begun(models: Path) -> None:
    with running_service(Settings(models_dir=models, max_rows=8)) as service, ThreadPoolExecutor(1) as pool:
        hooks_of(service).delay_seconds = 0.02
        pool.submit(service.client.post, "/translate", json={**HELLO, "q": ["a" * 100] * 9, "beam_size": 8})
        eventually(lambda: service.client.get("/ready").json()["bundles"][0]["engine"]["rows_running"] > 0)
        timeout = {"X-Request-Timeout-Seconds": "0.2"}
        answer = service.client.post("/translate", json={**HELLO, "beam_size": 8}, headers=timeout)
        assert answer.status_code == 504
        assert answer.json() == {
            "error": "Nothing was translated within X-Request-Timeout-Seconds (0.2); send less at once"
        }
        service.server.should_exit = True


@pytest.mark.parametrize("value", ["0", "-1", "nan", "inf", "soon"])
def test_a_timeout_that_is_none(service: RunningService, value: str) -> None:
    answer = service.client.post("/translate", json=HELLO, headers={"X-Request-Timeout-Seconds": value})
    assert answer.status_code == 400
    assert f"X-Request-Timeout-Seconds is '{value}'" in answer.json()["error"]


def test_a_cut_is_told_in_a_header(service: RunningService) -> None:
    service.graphs.opened["en-fr"]._map[:] = 10  # never the end token
    answer = service.client.post("/translate", json=HELLO)
    assert answer.headers["x-finish-reason"] == "repetition"
    assert list(answer.json()) == ["translatedText"]


def test_a_graph_that_hangs(models: Path) -> None:
    quick = Settings(models_dir=models, request_timeout_seconds=0.2, stall_seconds=0.5, shutdown_seconds=0.1)
    with running_service(quick) as service:
        hooks = hooks_of(service)
        hooks.gate = threading.Event()
        assert service.client.post("/translate", json=HELLO).status_code == 504
        eventually(lambda: service.client.get("/ready").status_code == 503)
        assert "stall_seconds" in service.client.get("/ready").json()["problem"]
        hooks.gate.set()
        eventually(lambda: service.client.get("/ready").status_code == 200)


def test_a_body_that_never_comes(models: Path) -> None:
    quick = Settings(models_dir=models, request_timeout_seconds=0.3)
    with running_service(quick) as service, socket.create_connection(service.address, timeout=10) as client:
        client.sendall(b"POST /translate HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nq=")
        assert client.recv(1000).startswith(b"HTTP/1.1 408")


def test_too_many_waiting(models: Path) -> None:
    with running_service(Settings(models_dir=models, max_rows=8, max_waiting=2)) as service:
        hooks = hooks_of(service)
        hooks.gate = threading.Event()
        many = {**HELLO, "q": [f"text {letter}" for letter in "abcdefghijklm"]}
        with ThreadPoolExecutor(2) as pool:
            first = pool.submit(service.client.post, "/translate", json=many)
            eventually(lambda: service.client.get("/ready").json()["bundles"][0]["engine"]["sequences_waiting"] >= 2)
            refused = service.client.post("/translate", json=HELLO)
            assert service.client.get("/ready").status_code == 200  # being busy is no fault
            hooks.gate.set()
            assert first.result(10).status_code == 200
    assert refused.status_code == 429
    assert int(refused.headers["retry-after"]) >= 1
    assert list(refused.json()) == ["error"]


def test_a_client_that_leaves_frees_its_rows(service: RunningService) -> None:
    hooks_of(service).delay_seconds = 0.02
    body = json.dumps({**HELLO, "q": "a" * 500}).encode()

    def engine() -> Any:
        return service.client.get("/ready").json()["bundles"][0]["engine"]

    with socket.create_connection(service.address, timeout=10) as client:
        head = f"POST /translate HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
        client.sendall(head.encode() + b"\r\n\r\n" + body)
        eventually(lambda: engine()["rows_running"] == 1)
    eventually(lambda: engine()["rows_running"] == 0)
    assert len(hooks_of(service).step_rows) < 450  # all of the translation is 500 steps


def test_a_client_that_leaves_while_it_sends_is_no_error_of_the_service(
    models: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO), running_service(Settings(models_dir=models, access_log=True)) as service:
        with socket.create_connection(service.address, timeout=10) as client:
            client.sendall(b"POST /translate HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nq=")
            time.sleep(0.1)
        eventually(lambda: "POST '/translate' 499" in caplog.text)
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (EngineOverloaded("full", retry_after_seconds=2.2), 429),
        (EngineStopped("stopping"), 503),
        (ZeroDivisionError("secret"), 500),
        (MemoryError("secret"), 500),
    ],
)
def test_errors_become_statuses(
    service: RunningService, monkeypatch: pytest.MonkeyPatch, error: Exception, status: int
) -> None:
    def failing(*_: object) -> None:
        raise error

    monkeypatch.setattr(Translator, "submit", failing)
    answer = service.client.post("/translate", json=HELLO)
    assert answer.status_code == status
    assert list(answer.json()) == ["error"]
    assert "secret" not in answer.text
    assert answer.headers["access-control-allow-origin"] == "*"
    if status == 429:
        assert answer.headers["retry-after"] == "3"


def test_under_a_path_prefix(models: Path) -> None:
    with running_service(Settings(models_dir=models, root_path="/tr")) as service:
        for prefix in ("", "/tr"):  # a proxy may take the prefix away or pass it on
            assert service.client.get(f"{prefix}/health").json() == {"status": "ok"}
            assert service.client.post(f"{prefix}/translate", json=HELLO).json() == {"translatedText": "HELLO"}
            assert service.client.get(f"{prefix}/docs/start.js").status_code == 200


def test_the_access_log_shows_no_text(models: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO), running_service(Settings(models_dir=models, access_log=True)) as service:
        service.client.post("/translate", params={**HELLO, "q": "private words", "api_key": "secret"})
        service.client.get("/a%0Ab")
    assert "POST '/translate' 200" in caplog.text
    assert r"GET '/a\nb' 404" in caplog.text
    own = [record.getMessage() for record in caplog.records if record.name.startswith(("app", "uvicorn"))]
    assert not [line for line in own if "private" in line or "secret" in line]


def test_running_requests_are_finished_when_the_service_stops(models: Path) -> None:
    with ThreadPoolExecutor(1) as pool:
        with running_service(Settings(models_dir=models)) as service:
            hooks_of(service).delay_seconds = 0.005
            url = f"{service.url}/translate"
            asked = pool.submit(httpx.post, url, json={**HELLO, "q": "a" * 100}, timeout=10, trust_env=False)
            eventually(lambda: service.client.get("/ready").json()["bundles"][0]["engine"]["rows_running"] == 1)
        assert asked.result(10).json() == {"translatedText": "A" * 100}
