"""Documents that several processes share: each finds all of them, and takes over those of a stopped process, once."""

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from app.files.document_store import LOST_SECONDS, MAX_ATTEMPTS, DocumentOrder, DocumentStore
from app.files.storage import FileDatabase
from app.settings import Settings
from tests.support.deepl_requests import KEY, checked
from tests.support.engines import until
from tests.support.service import FakeGraphs, RunningService, fake_models, running_service
from tests.unit.files.test_result_store import Clock, on_disk

ORDER = DocumentOrder("a.txt", b"some words", None, "fr", 600.0, ("characters of a",), {"cheese": "fromage"})


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def stores(tmp_path: Path, clock: Clock) -> list[DocumentStore]:
    """The stores of three processes."""
    return [DocumentStore(FileDatabase(tmp_path), 60.0, clock) for _ in range(3)]


def test_each_process_finds_all(stores: list[DocumentStore], tmp_path: Path, clock: Clock) -> None:
    first, second, _ = stores
    document_id, key = first.add(ORDER)
    assert key.encode() not in on_disk(tmp_path), "a copy of the disk must not give access to documents"
    for wrong in ("", key[:-1], key.lower(), "\ud800"):
        assert second.find(document_id, wrong) is None
    assert second.find(document_id[:-1], key) is None
    found = second.find(document_id, key)
    assert found is not None
    assert (found.status, found.name, found.result_key) == ("queued", "a.txt", None)
    first.send_heartbeat(document_id, True, 7.5)
    found = second.find(document_id, key)
    assert found is not None
    assert (found.status, found.seconds_remaining) == ("translating", 7.5)
    assert first.record_result(document_id, "result", 10)
    found = second.find(document_id, key)
    assert found is not None
    assert (found.status, found.characters, found.result_key) == ("done", 10, "result")
    assert b"some words" not in on_disk(tmp_path)
    clock.now += 60
    assert second.find(document_id, key) is None


def test_what_is_alive_is_left_alone(stores: list[DocumentStore], clock: Clock) -> None:
    first, second, _ = stores
    document_id, _ = first.add(ORDER)
    for _ in range(5):
        clock.now += LOST_SECONDS
        assert second.take_over("left") is None
        first.send_heartbeat(document_id, True, None)
    assert first.record_result(document_id, "result", 10)
    clock.now += 2 * LOST_SECONDS
    assert second.take_over("left") is None


@pytest.mark.parametrize("seconds", [LOST_SECONDS + 1, -LOST_SECONDS - 1])
def test_what_was_left_behind_is_taken_over_whole(stores: list[DocumentStore], clock: Clock, seconds: float) -> None:
    first, second, third = stores
    document_id, key = first.add(ORDER)
    clock.now += seconds  # a clock that was set back must not keep the document forever
    assert second.take_over("left") == (document_id, ORDER)
    assert third.take_over("left") is None
    # The first process was slow and not stopped; its translation is discarded.
    first.send_heartbeat(document_id, True, 1.0)
    assert not first.record_result(document_id, "of the first", 10)
    assert second.record_result(document_id, "of the second", 10)
    found = third.find(document_id, key)
    assert found is not None
    assert found.result_key == "of the second"


def test_what_is_released_is_taken_at_once(stores: list[DocumentStore]) -> None:
    first, second, _ = stores
    document_id, _ = first.add(ORDER)
    for _ in range(MAX_ATTEMPTS + 1):  # a release is no failed attempt
        first.release(document_id)
        assert second.take_over("left") == (document_id, ORDER)
        second.release(document_id)
        assert first.take_over("left") == (document_id, ORDER)


def test_a_document_that_kills_does_not_kill_for_ever(stores: list[DocumentStore], clock: Clock) -> None:
    document_id, key = stores[0].add(ORDER)
    for number in range(1, MAX_ATTEMPTS):
        clock.now += LOST_SECONDS + 1
        assert stores[number].take_over("left behind") is not None
    clock.now += LOST_SECONDS + 1
    assert stores[0].take_over("left behind") is None
    found = stores[0].find(document_id, key)
    assert found is not None
    assert (found.status, found.error) == ("error", "left behind")


def test_of_many_one_takes_it(tmp_path: Path) -> None:
    stores = [DocumentStore(FileDatabase(tmp_path), 60.0) for _ in range(8)]
    for _ in range(5):
        document_id, _ = stores[0].add(ORDER)
        stores[0].release(document_id)
    start = threading.Barrier(len(stores))

    def take(store: DocumentStore) -> list[str]:
        start.wait(10)
        found = []
        while (taken := store.take_over("left")) is not None:
            found.append(taken[0])
        return found

    with ThreadPoolExecutor(len(stores)) as threads:
        taken = [document_id for found in threads.map(take, stores) for document_id in found]
    assert len(taken) == len(set(taken)) == 5


def status_of(service: RunningService, handle: dict[str, str]) -> str:
    body = {"document_key": handle["document_key"]}
    found: str = checked(service.client.post(f"/v2/document/{handle['document_id']}", json=body, headers=KEY))["status"]
    return found


def test_a_service_goes_on_with_the_document_of_another(tmp_path: Path) -> None:
    models = fake_models(tmp_path / "models", ("en", "fr"))
    settings = Settings(models_dir=models, files_dir=str(tmp_path / "files"))
    slow = FakeGraphs()
    with running_service(settings) as second:
        with running_service(settings, slow) as first:
            fields = {"source_lang": "EN", "target_lang": "FR"}
            slow.opened["en-fr"].hooks.delay_seconds = 0.5
            file = ("a.txt", b"Hello you. " * 200)
            handle = checked(first.client.post("/v2/document", files={"file": file}, data=fields, headers=KEY))
            until(lambda: status_of(second, handle) == "translating")
        until(lambda: status_of(second, handle) == "done")
        answer = second.client.post(
            f"/v2/document/{handle['document_id']}/result", json={"document_key": handle["document_key"]}, headers=KEY
        )
        assert answer.content == b"HELLO YOU. " * 200


def test_a_file_of_one_service_is_fetched_from_another(tmp_path: Path) -> None:
    models = fake_models(tmp_path / "models", ("en", "fr"))
    settings = Settings(models_dir=models, files_dir=str(tmp_path / "files"))
    with running_service(settings) as second:
        with running_service(settings) as first:
            fields = {"source": "en", "target": "fr"}
            answer = first.client.post("/translate_file", files={"file": ("a.txt", b"Hello")}, data=fields)
            url = answer.json()["translatedFileUrl"]
        path = url.removeprefix(first.url)
        assert second.client.get(path).content == b"HELLO"
        assert second.client.get(path).status_code == 404
