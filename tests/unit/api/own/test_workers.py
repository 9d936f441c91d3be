"""The operator's endpoints where two workers serve: whichever is asked answers for both."""

import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from app.access.keys import ApiKey, digest_of
from app.server.peers import Worker
from app.server.shared_memory import SharedCounts, WorkerBoard
from app.settings import Settings
from tests.support.engines import PATIENCE
from tests.support.fakes import fake_bundle
from tests.support.service import FakeGraphs, RunningService, fake_models, running_service

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="processes cannot be forked")

HELLO = {"q": "Hello", "source": "en", "target": "fr"}
DEEPL = {"Authorization": "DeepL-Auth-Key one"}
ADMIN = {"Authorization": "Bearer admin"}


@pytest.fixture
def services(tmp_path: Path) -> Iterator[list[RunningService]]:
    """Two, in this process, that tell each other what two processes would."""
    models = fake_models(tmp_path / "models", ("en", "fr"))
    (tmp_path / "keys.txt").write_text(str(ApiKey("one", digest_of("one"))))
    (tmp_path / "shared").mkdir()
    settings = Settings(
        models_dir=models,
        admin_key_hash=f"sha256:{digest_of('admin').hex()}",
        api_keys_file=str(tmp_path / "keys.txt"),
        api_key_required=False,
        metrics="open",
        stall_seconds=0.5,
        deepl_character_limit=20,
        files_dir=str(tmp_path / "shared" / "files"),
    )
    board, counts = WorkerBoard(2), SharedCounts.make()
    with ExitStack() as stack:
        found = []
        for number in (1, 2):
            worker = Worker(number, False, tmp_path / "shared", board, counts)
            found.append(stack.enter_context(running_service(settings, FakeGraphs(), None, worker)))
            board.publish(number)
        yield found


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_metrics_are_those_of_both(services: list[RunningService]) -> None:
    for service in services:
        service.client.post("/translate", json=HELLO).raise_for_status()
    for service in services:
        text = service.client.get("/metrics").text
        assert 'passerelle_requests_total{dialect="libretranslate",route="/translate",status="200"} 2.0' in text
        assert "passerelle_workers 2.0" in text
        assert 'passerelle_bundle_ready{bundle="en-fr"} 1.0' in text
        assert "passerelle_worker_restarts_total 0.0" in text


def test_ready_is_what_both_are(services: list[RunningService]) -> None:
    first, second = services
    for service in services:
        service.client.post("/translate", json=HELLO).raise_for_status()
    report = first.client.get("/ready").json()
    assert report["status"] == "ready"
    (bundle,) = report["bundles"]
    assert bundle["engine"]["sequences_done"] >= 2
    assert bundle["engine"]["sequences_running"] == 0
    second.graphs.opened["en-fr"].hooks.fail_next = RuntimeError("this worker alone is broken")
    assert second.client.post("/translate", json={**HELLO, "q": "Good day"}).status_code == 500
    for service, said in ((first, "worker 2: "), (second, "")):
        answer = service.client.get("/ready")
        assert answer.status_code == 503
        assert answer.json()["problem"].startswith(said + "fake")
        assert answer.json()["bundles"][0]["ready"] is False
        assert 'passerelle_bundle_ready{bundle="en-fr"} 0.0' in service.client.get("/metrics").text


def test_a_reload_is_one_of_both_and_says_what_was_refused(services: list[RunningService], tmp_path: Path) -> None:
    first, second = services
    fake_bundle(tmp_path / "models", "en", "de")
    (tmp_path / "keys.txt").write_text(str(ApiKey("two", digest_of("two"))))
    answer = first.client.post("/admin/reload", headers=ADMIN)
    assert answer.status_code == 200, answer.text
    assert [(one["folder"], one["outcome"]) for one in answer.json()["bundles"]] == [
        ("en-de", "loaded"),
        ("en-fr", "unchanged"),
    ]
    assert answer.json()["keys"] == "loaded"
    for service in services:
        fields = {"q": "Hello", "source": "en", "target": "de"}
        assert service.client.post("/translate", json={**fields, "api_key": "two"}).status_code == 200
        assert service.client.post("/translate", json={**fields, "api_key": "one"}).status_code == 403
    (tmp_path / "models" / "en-de" / "manifest.json").write_text("{}")
    answer = second.client.post("/admin/reload", headers=ADMIN)
    assert answer.status_code == 409
    assert [one["outcome"] for one in answer.json()["bundles"]] == ["refused", "unchanged"]
    assert "manifest.json" in answer.json()["bundles"][0]["problem"]
    shutil.rmtree(tmp_path / "models")
    assert first.client.post("/admin/reload", headers=ADMIN).json()["problem"].startswith("MODELS_DIR cannot be used")


def test_characters_are_counted_together(services: list[RunningService]) -> None:
    statuses = []
    for number in range(4):
        fields = {"text": ["Hello you"], "source_lang": "EN", "target_lang": "FR"}
        answer = services[number % 2].client.post("/v2/translate", json=fields, headers=DEEPL)
        statuses.append(answer.status_code)
    assert statuses == [200, 200, 456, 456]
    usage = [service.client.get("/v2/usage", headers=DEEPL).json() for service in services]
    assert usage == [{"character_count": 18, "character_limit": 20}] * 2
