"""Bundles and keys change while the service goes on: no request fails, and what cannot be used is refused."""

import os
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from app.access.keys import ApiKey, digest_of
from app.api.call import Service
from app.bundle.store import Bundle, save_bundle
from app.server.resources import ThreadShare
from app.serving.container import Serving
from app.serving.registry import OpenedGraphs
from app.settings import Settings
from tests.support.engines import until
from tests.support.fakes import Machine, fake_bundle, fake_contents, fake_manifest
from tests.support.service import FakeGraphs, RunningService, running_service
from tests.unit.serving.conftest import ADMIN, ADMIN_HASH

HELLO = {"q": "Hello", "source": "en", "target": "fr"}
OLD, NEW = "HELLO", "olleH"


def insides(running: RunningService) -> Serving:
    found = running.server.config.app.state.service  # type: ignore[union-attr]
    assert isinstance(found, Service)
    return found.serving


def save_anew(models: Path, name: str, source: str = "en", target: str = "fr") -> Path:
    """Another version of a bundle; which model it is, the graphs say that are opened for it."""
    folder = models / f"{source}-{target}"
    manifest = fake_manifest(source, target).model_copy(update={"name": name})
    save_bundle(folder, manifest, fake_contents(), verify=lambda _: None)
    return folder


def reload(running: RunningService, status: int = 200) -> dict[str, Any]:
    answer = running.client.post("/admin/reload", headers=ADMIN)
    assert answer.status_code == status, answer.text
    found: dict[str, Any] = answer.json()
    return found


def outcomes(report: dict[str, Any]) -> dict[str, str]:
    return {one["folder"]: one["outcome"] for one in report["bundles"]}


def answer_of(running: RunningService, **fields: object) -> object:
    answer = running.client.post("/translate", json={**HELLO, **fields})
    assert answer.status_code == 200, answer.text
    return answer.json()["translatedText"]


def engine_threads(name: str) -> int:
    return sum(thread.name == name for thread in threading.enumerate())


def test_there_is_no_such_path_without_an_admin_key(models: Path) -> None:
    with running_service(Settings(models_dir=models)) as running:
        assert running.client.post("/admin/reload", headers=ADMIN).status_code == 404
        assert "/admin/reload" not in running.client.get("/openapi.json").json()["paths"]


def test_only_the_admin_key_opens_it(models: Path) -> None:
    keys = str(ApiKey("caller", digest_of("a caller's key")))
    settings = Settings(models_dir=models, admin_key_hash=f"admin {ADMIN_HASH}", api_keys=keys)
    with running_service(settings) as running:
        post = running.client.post
        assert "/admin/reload" in running.client.get("/openapi.json").json()["paths"]
        assert post("/admin/reload").status_code == 400
        assert post("/admin/reload", headers={"Authorization": "Bearer a caller's key"}).status_code == 403
        assert post("/translate", json=HELLO, headers=ADMIN).status_code == 403
        found = {post("/admin/reload", headers={"Authorization": f"Bearer {guess}"}).status_code for guess in range(80)}
        assert found == {403, 429}
        assert outcomes(reload(running)) == {"en-fr": "unchanged"}


def test_no_request_fails_while_bundles_are_swapped(service: RunningService, models: Path) -> None:
    texts = [f"Hello {number}" for number in range(3)]
    old, new = [text.upper() for text in texts], [text[::-1] for text in texts]
    machines: list[Machine] = ["reverse", "upper", "reverse", "upper", "reverse"]
    is_over = threading.Event()
    seen: list[tuple[int, object]] = []

    def ask() -> None:
        while not is_over.is_set():
            answer = service.client.post("/translate", json={**HELLO, "q": texts})
            seen.append((answer.status_code, answer.json().get("translatedText")))

    with ThreadPoolExecutor(6) as pool:
        asking = [pool.submit(ask) for _ in range(6)]
        try:
            for number, machine in enumerate(machines):
                before = len(seen)
                until(lambda enough=before + 20: len(seen) >= enough)  # type: ignore[misc]
                service.graphs.machine = machine
                save_anew(models, f"version {number}")
                assert outcomes(reload(service)) == {"en-fr": "loaded"}
                assert answer_of(service, q=texts) == (new if machine == "reverse" else old)
        finally:
            is_over.set()
        for one in asking:
            one.result(20)
    assert {status for status, _ in seen} == {200}
    assert all(answer in (old, new) for _, answer in seen), "an answer of two models"
    assert any(answer == old for _, answer in seen)
    assert any(answer == new for _, answer in seen)


def test_what_runs_is_finished_by_the_old_engine_which_then_ends(service: RunningService, models: Path) -> None:
    gate = service.graphs.opened["en-fr"].hooks.gate = threading.Event()
    with ThreadPoolExecutor(2) as pool:
        running = pool.submit(answer_of, service)
        words = [f"Hello{chr(97 + number // 26)}{chr(97 + number % 26)}" for number in range(500)]
        file = ("long.txt", "\n\n".join(words).encode())  # far more than is put into the queue at once
        posted = pool.submit(
            service.client.post, "/translate_file", data={"source": "en", "target": "fr"}, files={"file": file}
        )
        try:
            until(lambda: insides(service).registry.served["en", "fr"].engine.status().sequences_waiting >= 32)
            service.graphs.machine = "reverse"
            save_anew(models, "second")
            reload(service)
            assert answer_of(service) == NEW
            assert not running.done()
            assert engine_threads("fake-en-fr") == 1
        finally:
            gate.set()
        assert running.result(20) == OLD
        name = posted.result(20).json()["translatedFileUrl"].rpartition("/")[2]
    assert service.client.get(f"/download_file/{name}").text.split() == [word.upper() for word in words]
    until(lambda: engine_threads("fake-en-fr") == 0)
    assert engine_threads("second") == 1


def test_the_cache_knows_the_versions_apart(models: Path) -> None:
    with running_service(Settings(models_dir=models, admin_key_hash=ADMIN_HASH, cache_mib=1)) as running:
        first = (models / "en-fr" / "manifest.json").read_bytes()
        assert [answer_of(running), answer_of(running)] == [OLD, OLD]
        running.graphs.machine = "reverse"
        save_anew(models, "second")
        reload(running)
        assert [answer_of(running), answer_of(running)] == [NEW, NEW]
        assert (
            'passerelle_cache_segments_total{bundle="en-fr",outcome="hit"} 1.0' in running.client.get("/metrics").text
        )
        (models / "en-fr" / "manifest.json").write_bytes(first)
        reload(running)
        assert answer_of(running) == OLD
        assert len(running.graphs.opened["en-fr"].hooks.encode_shapes) == 1, "more than the warm-up was decoded"


def test_an_unchanged_bundle_is_untouched(service: RunningService, models: Path) -> None:
    engine = insides(service).registry.served["en", "fr"].engine
    fake_bundle(models, "en", "de")
    assert outcomes(reload(service)) == {"en-de": "loaded", "en-fr": "unchanged"}
    assert insides(service).registry.served["en", "fr"].engine is engine


def test_pairs_come_and_go_everywhere(service: RunningService, models: Path) -> None:
    post, get = service.client.post, service.client.get
    assert post("/translate", json={**HELLO, "source": "de"}).status_code == 400
    fake_bundle(models, "de", "fr")
    assert outcomes(reload(service)) == {"de-fr": "loaded", "en-fr": "unchanged"}
    assert {one["code"]: one["targets"] for one in get("/languages").json()}["de"] == ["de", "fr"]
    german = post("/translate", json={"q": "Wo ist der Bahnhof, bitte?", "source": "auto", "target": "fr"}).json()
    assert german["detectedLanguage"]["language"] == "de"
    assert german["translatedText"] == "WO IST DER BAHNHOF, BITTE?"
    assert post("/detect", json={"q": "Wo ist der Bahnhof?"}).json()[0]["language"] == "de"
    assert {bundle["name"] for bundle in get("/ready").json()["bundles"]} == {"fake-en-fr", "fake-de-fr"}
    assert 'passerelle_bundle_ready{bundle="de-fr"} 1.0' in get("/metrics").text
    (models / "en-fr").rename(models.parent / "away")
    assert outcomes(reload(service)) == {"de-fr": "unchanged", "en-fr": "removed"}
    assert post("/translate", json=HELLO).status_code == 400
    assert [one["code"] for one in get("/languages").json()] == ["de", "fr"]
    assert 'bundle="en-fr"' not in get("/metrics").text
    until(lambda: engine_threads("fake-en-fr") == 0)


def test_a_renamed_folder_serves_on(service: RunningService, models: Path) -> None:
    (models / "en-fr").rename(models / "en-fr-better")
    assert outcomes(reload(service)) == {"en-fr": "removed", "en-fr-better": "loaded"}
    assert answer_of(service) == OLD


def test_without_the_models_folder_everything_goes_on(service: RunningService, models: Path) -> None:
    models.rename(models.parent / "away")
    report = reload(service, 409)
    assert "MODELS_DIR cannot be used" in report["problem"]
    assert report["bundles"] == []
    assert answer_of(service) == OLD


def test_from_nothing_to_something_and_back(tmp_path: Path) -> None:
    with running_service(Settings(models_dir=tmp_path, admin_key_hash=ADMIN_HASH)) as running:
        assert running.client.get("/ready").status_code == 503
        fake_bundle(tmp_path)
        reload(running)
        assert running.client.get("/ready").status_code == 200
        assert answer_of(running) == OLD
        (tmp_path / "en-fr").rename(tmp_path / ".away")
        reload(running)
        answer = running.client.get("/ready")
        assert answer.status_code == 503
        assert "no usable bundle" in answer.json()["problem"]


def test_reloads_at_the_same_time_come_one_after_the_other(service: RunningService, models: Path) -> None:
    save_anew(models, "second")
    with ThreadPoolExecutor(4) as pool:
        found = [outcomes(report.result(20))["en-fr"] for report in [pool.submit(reload, service) for _ in range(4)]]
    assert sorted(found) == ["loaded", "unchanged", "unchanged", "unchanged"]


def test_a_key_is_withdrawn_without_a_restart(models: Path, tmp_path: Path) -> None:
    file = tmp_path / "keys.txt"

    def write_keys(*names: str) -> None:
        file.write_text("".join(f"{ApiKey(name, digest_of(name), characters=100)}\n" for name in names))

    write_keys("one", "two")
    settings = Settings(models_dir=models, admin_key_hash=ADMIN_HASH, api_keys_file=str(file))
    with running_service(settings) as running:

        def status(key: str) -> int:
            return running.client.post("/translate", json={**HELLO, "api_key": key, "q": "x" * 60}).status_code

        assert (status("one"), status("two"), status("three")) == (200, 200, 403)
        assert reload(running)["keys"] == "unchanged"
        write_keys("two", "three")
        assert reload(running)["keys"] == "loaded"
        assert (status("one"), status("three")) == (403, 200)
        assert status("two") == 403, "the quota was given anew"
        file.write_text("# no key\n")
        report = reload(running, 409)
        assert report["keys"] == "refused"
        assert "there is no key in it" in report["keys_problem"]
        assert (status("one"), status("four")) == (403, 403), "an open door"


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


def threads_of_others() -> int:
    """Not Python's: onnxruntime's. One of Python's that ends is counted for a moment more."""
    return len(list(Path("/proc/self/task").iterdir())) - threading.active_count()


def test_twenty_reloads_leave_nothing_behind(tmp_path: Path) -> None:
    pytest.importorskip("onnx", reason="needs tiny real graphs")
    from app.engine.sessions import OnnxGraphs
    from app.serving.registry import open_onnx_graphs
    from tests.support.onnx_graphs import decoder_step_content, encoder_content, onnx_manifest

    opened: list[weakref.ref[object]] = []

    class Watching(FakeGraphs):
        def __call__(self, bundle: Bundle, settings: Settings, share: ThreadShare) -> OpenedGraphs:
            found = open_onnx_graphs(bundle, settings, share)
            assert isinstance(found.graphs, OnnxGraphs)
            opened.append(weakref.ref(found.graphs))
            return found

    contents = {**fake_contents(), "encoder.onnx": encoder_content(), "decoder_step.onnx": decoder_step_content()}

    def save(number: int) -> None:
        manifest = onnx_manifest().model_copy(update={"name": f"tiny {number}"})
        save_bundle(tmp_path / "en-fr", manifest, contents, verify=lambda _: None)

    save(0)
    with running_service(Settings(models_dir=tmp_path, admin_key_hash=ADMIN_HASH, threads=2), Watching()) as running:
        sizes, threads = [], []
        for number in range(1, 21):
            save(number)
            assert outcomes(reload(running)) == {"en-fr": "loaded"}
            answer_of(running)
            until(lambda: sum(graphs() is not None for graphs in opened) == 1)
            sizes.append(resident_bytes())
            threads.append(threads_of_others())
            assert sum(thread.name.startswith("tiny") for thread in threading.enumerate()) == 1
        assert len(opened) == 21
        until(lambda: threads_of_others() <= min(threads))
        # What is loaded needs its files no more, whatever onnxruntime does with them.
        before = answer_of(running, beam_size=2)
        os.truncate(tmp_path / "en-fr" / "encoder.onnx", 10)
        (tmp_path / "en-fr" / "decoder_step.onnx").unlink()
        assert answer_of(running, beam_size=2) == before
        assert outcomes(reload(running, 409)) == {"en-fr": "refused"}
        assert answer_of(running, beam_size=2) == before
    assert sizes[-1] - sizes[4] < 8 * 2**20, sizes
