"""The service as an operator meets it: languages, health, readiness, failures, the access log."""

import logging
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from app.bundle.store import Bundle
from app.errors import BundleSignatureError, EngineOverloaded, EngineStopped
from app.server.resources import ThreadShare
from app.serving.registry import OpenedGraphs
from app.settings import Settings
from app.translation.translator import Translator
from tests.support.engines import until
from tests.support.fakes import fake_bundle
from tests.support.hooks import Hooks
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
        {"code": "de", "name": "German", "targets": ["de", "en", "fr"]},
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


def test_a_bundle_of_one_pair_comes_before_one_of_several(tmp_path: Path) -> None:
    fake_bundle(tmp_path, tags={"fr": "F", "de": "D"})
    alone = fake_bundle(tmp_path, "en", "de")
    with running_service(Settings(models_dir=tmp_path)) as service:
        ready = service.client.get("/ready").json()
        assert ready["failed"] == []
        assert {(one["target"], one["version"]) for one in ready["bundles"] if one["target"] == "de"} == {
            ("de", alone.version)
        }
        answers = [
            service.client.post("/translate", json={**HELLO, "target": target}).json()["translatedText"]
            for target in ("fr", "de")
        ]
    assert answers == ["FHELLO", "HELLO"]  # only the bundle of several targets reads a tag


def test_a_bundle_that_serves_no_pair_is_not_loaded(tmp_path: Path) -> None:
    fake_bundle(tmp_path, tags={"fr": "F", "de": "D"}).folder.rename(tmp_path / "en-x")
    for target in ("fr", "de"):
        fake_bundle(tmp_path, "en", target)
    with running_service(Settings(models_dir=tmp_path)) as service:
        assert service.client.get("/languages").json()[1]["targets"] == ["de", "en", "fr"]
        assert len(service.graphs.opened) == 2


def test_one_bundle_for_several_targets(tmp_path: Path) -> None:
    fake_bundle(tmp_path, tags={"fr": "F", "de": "D", "en": "E"})
    with running_service(Settings(models_dir=tmp_path)) as service:
        assert service.client.get("/languages").json()[1]["targets"] == ["de", "en", "fr"]
        for target, tag in (("fr", "F"), ("de", "D")):
            answer = service.client.post("/translate", json={**HELLO, "target": target, "include": ["alignment"]})
            # The machine writes what it reads, so the tag is seen.
            assert answer.json()["translatedText"] == f"{tag}HELLO"
            ranges = [group["src"][0]["range"] for group in answer.json()["align"]]
            assert ranges == [[start, start + 1] for start in range(5)]
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
        until(lambda: service.client.get("/ready").status_code == 200)


def test_a_failed_step_fails_every_waiting_request_and_heals(service: RunningService) -> None:
    hooks = hooks_of(service)
    hooks.gate = threading.Event()
    with ThreadPoolExecutor(4) as pool:
        requests = [pool.submit(service.client.post, "/translate", json=HELLO) for _ in range(4)]
        until(lambda: service.client.get("/ready").json()["bundles"][0]["engine"]["rows_running"] > 0)
        hooks.fail_encode = RuntimeError("secret detail")
        hooks.fail_next = RuntimeError("secret detail")
        hooks.gate.set()
        answers = [future.result(10) for future in requests]
    assert {answer.status_code for answer in answers} == {500}
    for answer in answers:
        assert "secret detail" not in answer.text
        assert list(answer.json()) == ["error"]
    assert service.client.get("/ready").status_code == 503
    assert service.client.get("/health").status_code == 200
    hooks.gate = hooks.fail_encode = None
    until(lambda: service.client.get("/ready").status_code == 200)
    assert service.client.post("/translate", json=HELLO).json() == {"translatedText": "HELLO"}


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
