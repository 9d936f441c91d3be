"""Bundles come into memory at their first request, and leave when others need their memory."""

import re
import subprocess
import sys
import threading
import weakref
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from app.api.call import Service
from app.bundle.store import Bundle
from app.errors import ConfigurationError
from app.server.resources import ThreadShare
from app.serving.registry import OpenedGraphs, Registry
from app.serving.snapshot import Installed
from app.settings import Settings
from tests.support.engines import PATIENCE, until
from tests.support.fakes import fake_bundle
from tests.support.service import FakeGraphs, RunningService, running_service
from tests.unit.serving.conftest import ADMIN, ADMIN_HASH

CODES = [chr(97 + number // 26) + chr(97 + number % 26) + "x" for number in range(60)]


class SlowGraphs(FakeGraphs):
    """Counts how often each bundle is opened, and holds openings while ``gate`` is closed."""

    def __init__(self) -> None:
        super().__init__()
        self.openings: list[str] = []
        self.shares: list[int] = []
        self.failing: set[str] = set()
        self.gate = threading.Event()
        self.gate.set()

    def __call__(self, bundle: Bundle, settings: Settings, share: ThreadShare) -> OpenedGraphs:
        self.openings.append(bundle.folder.name)
        self.shares.append(share.threads)
        self.gate.wait(PATIENCE)
        if bundle.folder.name in self.failing:
            raise RuntimeError("it cannot be opened")
        return super().__call__(bundle, settings, share)


@pytest.fixture
def models(tmp_path: Path) -> Path:
    for target in ("fr", "de", "es", "it"):
        fake_bundle(tmp_path / "models", "en", target)
        fake_bundle(tmp_path / "models", target, "en")
    return tmp_path / "models"


@pytest.fixture(autouse=True)
def _heavy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fake bundles have a few kilobytes; here each counts as a MiB."""
    monkeypatch.setattr(Installed, "loaded_mib", 1.0)


@contextmanager
def cold(models: Path, **settings: Any) -> Iterator[tuple[RunningService, SlowGraphs]]:
    graphs = SlowGraphs()
    chosen: dict[str, Any] = {"preload": "none", "admin_key_hash": ADMIN_HASH, **settings}
    with running_service(Settings(models_dir=models, **chosen), graphs) as running:
        try:
            yield running, graphs
        finally:
            graphs.gate.set()


def insides(running: RunningService) -> Registry:
    found = running.server.config.app.state.service  # type: ignore[union-attr]
    assert isinstance(found, Service)
    return found.serving.registry


def translate(running: RunningService, source: str, target: str, **headers: str) -> Any:
    fields = {"q": "Hello", "source": source, "target": target}
    return running.client.post("/translate", json=fields, headers=headers)


def loaded(running: RunningService) -> list[str]:
    return [one.installed.folder.name for one in insides(running).residency.loaded]


def test_a_bundle_is_loaded_at_its_first_request_and_once(models: Path) -> None:
    with cold(models) as (running, graphs):
        assert running.client.get("/ready").status_code == 200
        assert graphs.openings == []
        graphs.gate.clear()
        with ThreadPoolExecutor(8) as pool:
            answers = [pool.submit(translate, running, "en", "fr") for _ in range(8)]
            until(lambda: graphs.openings == ["en-fr"])
            assert running.client.get("/languages").status_code == 200
            graphs.gate.set()
            assert {answer.result(PATIENCE).json()["translatedText"] for answer in answers} == {"HELLO"}
        assert graphs.openings == ["en-fr"]
        assert loaded(running) == ["en-fr"]


def test_who_waits_until_the_deadline_is_told_when_to_come_back(models: Path) -> None:
    with cold(models) as (running, graphs):
        graphs.gate.clear()
        answer = translate(running, "en", "fr", **{"X-Request-Timeout-Seconds": "0.3"})
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
        assert re.search(r"not loaded within 0\.[0-3] seconds", answer.json()["error"])
        graphs.gate.set()
        assert translate(running, "en", "fr").status_code == 200
        assert graphs.openings == ["en-fr"], "it was loaded a second time"


def test_the_least_recently_used_leaves(models: Path) -> None:
    with cold(models, max_loaded_mib=2) as (running, graphs):
        for target in ("fr", "de", "fr", "es"):
            assert translate(running, "en", target).status_code == 200
        assert loaded(running) == ["en-es", "en-fr"]
        assert translate(running, "en", "de").status_code == 200
        assert loaded(running) == ["en-de", "en-es"]
        assert graphs.openings == ["en-fr", "en-de", "en-es", "en-de"]
        assert insides(running).residency.evictions == 2
        names = {thread.name for thread in threading.enumerate()}
        assert "fake-en-fr" not in names


def test_a_bundle_at_work_stays_and_newcomers_wait(models: Path) -> None:
    with cold(models, max_loaded_mib=1) as (running, graphs), ThreadPoolExecutor(4) as pool:
        assert translate(running, "en", "fr").status_code == 200
        gate = graphs.opened["en-fr"].hooks.gate = threading.Event()
        busy = pool.submit(translate, running, "en", "fr")
        until(lambda: insides(running).residency.loaded[0].engine.status().sequences_running == 1)
        other = pool.submit(translate, running, "en", "de")
        answer = translate(running, "en", "es", **{"X-Request-Timeout-Seconds": "0.2"})
        assert answer.status_code == 503
        # Another request for what is in memory does not wait behind those that need room.
        same = pool.submit(translate, running, "en", "fr")
        until(lambda: insides(running).residency.loaded[0].leases == 2)
        assert loaded(running) == ["en-fr"]
        gate.set()
        assert [one.result(PATIENCE).status_code for one in (busy, other, same)] == [200, 200, 200]
        assert loaded(running) == ["en-de"]


def test_both_bundles_of_a_chain_come_together(models: Path) -> None:
    with cold(models, max_loaded_mib=2) as (running, _), ThreadPoolExecutor(8) as pool:
        pairs = [("fr", "de"), ("de", "es"), ("es", "it"), ("it", "fr")] * 3
        answers = list(pool.map(lambda pair: translate(running, *pair).json(), pairs))
        assert [answer.get("translatedText") for answer in answers] == ["HELLO"] * len(pairs)
        assert len(loaded(running)) == 2
        until(lambda: not any(one.leases for one in insides(running).residency.loaded))


def test_what_never_fits_is_refused_with_the_limit(models: Path) -> None:
    with cold(models, max_loaded_mib=1) as (running, _):
        answer = translate(running, "fr", "de")
        assert answer.status_code == 400
        assert "max_loaded_mib is 1" in answer.json()["error"]
        assert translate(running, "fr", "en").status_code == 200


def test_a_bundle_that_cannot_be_loaded_leaves_the_languages(models: Path) -> None:
    with cold(models) as (running, graphs):
        graphs.failing.add("en-fr")
        answer = translate(running, "en", "fr")
        assert (answer.status_code, answer.json()["error"]) == (503, "The model en-fr cannot be used")
        until(lambda: translate(running, "en", "fr").status_code == 400)
        (failed,) = running.client.get("/ready").json()["failed"]
        assert failed == {"folder": "en-fr", "problem": "RuntimeError: it cannot be opened"}
        assert translate(running, "en", "de").status_code == 200
        graphs.failing.clear()
        outcomes = {
            one["folder"]: one["outcome"]
            for one in running.client.post("/admin/reload", headers=ADMIN).json()["bundles"]
        }
        assert (outcomes["en-fr"], outcomes["en-de"], outcomes["en-es"]) == ("installed", "unchanged", "unchanged")
        assert translate(running, "en", "fr").status_code == 200


def test_files_that_changed_are_seen_at_the_first_request(models: Path) -> None:
    with cold(models) as (running, _):
        (models / "en-fr" / "encoder.onnx").write_bytes(b"changed")
        assert translate(running, "en", "fr").status_code == 503


def test_a_new_version_of_what_is_not_in_memory_is_loaded_when_it_is_needed(models: Path) -> None:
    with cold(models) as (running, graphs):
        fake_bundle(models, "en", "fr", other_sources=("pt",))
        report = running.client.post("/admin/reload", headers=ADMIN).json()
        assert {one["outcome"] for one in report["bundles"] if one["folder"] == "en-fr"} == {"installed"}
        assert graphs.openings == []
        assert translate(running, "pt", "fr").status_code == 200


def test_bundles_are_named_that_are_loaded_at_the_start(models: Path) -> None:
    with cold(models, preload="en-fr, de-en") as (running, graphs):
        assert sorted(graphs.openings) == ["de-en", "en-fr"]
        ready = {one["folder"]: one["loaded"] for one in running.client.get("/ready").json()["bundles"]}
        assert [folder for folder, is_loaded in ready.items() if is_loaded] == ["de-en", "en-fr"]
        metrics = running.client.get("/metrics").text
        assert 'passerelle_bundle_loaded{bundle="en-fr"} 1.0' in metrics
        assert 'passerelle_bundle_loaded{bundle="en-de"} 0.0' in metrics
    with cold(models, preload="auto") as (_, graphs):
        assert len(graphs.openings) == 8
    with cold(models, preload="auto", max_loaded_mib=7) as (_, graphs):
        assert graphs.openings == []
    with pytest.raises(ConfigurationError, match=r"takes about 2 MiB, max_loaded_mib is 1"):
        Registry.load(Settings(models_dir=models, preload="en-fr,en-de", max_loaded_mib=1), SlowGraphs())


def test_threads_are_divided_among_those_that_work(models: Path) -> None:
    with cold(models, threads=8) as (running, graphs):
        for target in ("fr", "de", "es"):
            translate(running, "en", target)
        assert graphs.shares == [8, 4, 2]


def test_a_file_keeps_its_bundle_in_memory(models: Path) -> None:
    with cold(models, max_loaded_mib=1) as (running, graphs), ThreadPoolExecutor(2) as pool:
        assert translate(running, "en", "fr").status_code == 200
        gate = graphs.opened["en-fr"].hooks.gate = threading.Event()
        data, files = {"source": "en", "target": "fr"}, {"file": ("a.txt", b"Hello")}
        file = pool.submit(running.client.post, "/translate_file", data=data, files=files)
        until(lambda: insides(running).residency.loaded[0].engine.status().sequences_running == 1)
        other = pool.submit(translate, running, "en", "de")
        gate.set()
        assert (file.result(PATIENCE).status_code, other.result(PATIENCE).status_code) == (200, 200)
        assert loaded(running) == ["en-de"]


_MEASURE = """
import sys, time
from pathlib import Path
import app.main
from app.serving.registry import Registry
from app.settings import Settings
resident = lambda: int(Path('/proc/self/statm').read_text().split()[1]) * 4096
before, start = resident(), time.process_time()
registry = Registry.load(Settings(models_dir=Path(sys.argv[1]), preload='none'))
assert len(registry.snapshot.installed) == int(sys.argv[2]), registry.snapshot.failed
registry.snapshot.pairs
print(resident() - before, time.process_time() - start)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_of_120_bundles_only_the_manifests_are_read_at_the_start(tmp_path: Path) -> None:
    for code in CODES:
        fake_bundle(tmp_path / "many", code, "en")
        fake_bundle(tmp_path / "many", "en", code)
    for code in CODES[:2]:
        fake_bundle(tmp_path / "few", code, "en")
        fake_bundle(tmp_path / "few", "en", code)

    def measure(folder: str, count: int) -> tuple[float, float]:
        command = [sys.executable, "-c", _MEASURE, str(tmp_path / folder), str(count)]
        memory, seconds = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
        return float(memory) / 2**20, float(seconds)

    few, _ = measure("few", 4)
    many, seconds = measure("many", 120)
    assert many - few < 60
    assert seconds < 1.0  # of processor time


def test_any_of_120_bundles_is_served(tmp_path: Path) -> None:
    for code in CODES:
        fake_bundle(tmp_path, code, "en")
        fake_bundle(tmp_path, "en", code)
    with cold(tmp_path, max_loaded_mib=6) as (running, _), ThreadPoolExecutor(4) as pool:
        pairs = [(CODES[number], CODES[number - 7]) for number in range(0, 60, 4)]
        answers = list(pool.map(lambda pair: translate(running, *pair), pairs))
        assert {answer.status_code for answer in answers} == {200}
        assert len(loaded(running)) <= 6
        languages = running.client.get("/languages").json()
        assert len(languages) == 61
        assert all(len(one["targets"]) == 61 for one in languages)


def test_an_evicted_bundle_leaves_nothing_behind(models: Path) -> None:
    with cold(models, max_loaded_mib=2) as (running, graphs):
        machines: list[weakref.ref[object]] = []
        for source, target in (("fr", "de"), ("de", "es"), ("es", "it"), ("fr", "de")):
            assert translate(running, source, target).status_code == 200
            machines += map(weakref.ref, graphs.opened.values())
            graphs.opened.clear()
        until(lambda: sum(machine() is not None for machine in machines) == 2)
        assert len(machines) == 8
        assert sum(thread.name.startswith("fake-") for thread in threading.enumerate()) == 2
