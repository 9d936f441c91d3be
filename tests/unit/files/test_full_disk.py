"""A full disk: new data is refused, stored data is kept, no part of a file is left, and recovery is immediate."""

import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from app.errors import StorageError
from app.files.document_store import DocumentOrder, DocumentStore
from app.files.storage import FileDatabase, ResultStore
from app.server.database import Journal, free_space
from app.serving.glossaries import Entry
from app.serving.glossary_store import Dictionary, GlossaryStore
from app.settings import Settings
from tests.support.deepl_requests import KEY, checked
from tests.support.engines import PATIENCE, until
from tests.support.service import RunningService, fake_models, running_service

ENTRIES = tuple(Entry(f"word {number}", "mot") for number in range(3000))
GLOSSARY: dict[str, Any] = {
    "name": "Words",
    "source_lang": "EN",
    "target_lang": "FR",
    "entries": "\n".join(f"word {number}\tmot" for number in range(3000)),
    "entries_format": "tsv",
}
FILE = {"source": "en", "target": "fr"}


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of two megabytes."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m", "none", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("a file system can only be mounted by root")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(disk: Path, left_bytes: int = 0) -> Path:
    """Write a file that leaves so many bytes of the disk."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as stream:
        with suppress(OSError):
            while True:
                stream.write(b"x" * 4096)
        stream.truncate(stream.tell() - left_bytes)
    return filler


@pytest.fixture
def service(small_disk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RunningService]:
    """A service that stores everything, temporary files too, on the small disk."""
    monkeypatch.setattr(tempfile, "tempdir", str(small_disk))
    models = fake_models(tmp_path / "models", ("en", "fr"))
    with running_service(Settings(models_dir=models, data_dir=small_disk / "data")) as running:
        yield running


def seconds_until_kept(service: RunningService) -> float:
    began = time.monotonic()
    checked(service.client.post("/v2/glossaries", json=GLOSSARY, headers=KEY), 201)
    return time.monotonic() - began


def test_glossaries(service: RunningService, small_disk: Path) -> None:
    post, get = service.client.post, service.client.get
    first = checked(post("/v2/glossaries", json=GLOSSARY, headers=KEY), 201)
    filler = fill(small_disk)
    answer = post("/v2/glossaries", json=GLOSSARY, headers=KEY)
    assert checked(answer, 503) == {"message": "The glossaries cannot be written or read now: database or disk is full"}
    assert answer.headers["retry-after"] == "5"
    path = f"/v2/glossaries/{first['glossary_id']}"
    assert get(path + "/entries", headers=KEY).text == GLOSSARY["entries"]  # what was kept can be read
    hello = {"q": "Hello", "source": "en", "target": "fr"}
    assert post("/translate", json=hello).json() == {"translatedText": "HELLO"}
    filler.unlink()
    assert seconds_until_kept(service) < PATIENCE
    kept = checked(get("/v2/glossaries", headers=KEY))["glossaries"]
    assert [found["entry_count"] for found in kept] == [3000, 3000]
    assert kept[0] == first


def test_files(service: RunningService, small_disk: Path) -> None:
    post = service.client.post
    file = {"file": ("a.txt", b"Hello there. " * 100)}
    filler = fill(small_disk)
    answer = post("/translate_file", files=file, data=FILE)
    assert answer.status_code == 503
    assert answer.json() == {"error": "Files cannot be kept now: database or disk is full"}
    assert answer.headers["retry-after"] == "5"
    answer = post("/v2/document", files=file, data={"source_lang": "EN", "target_lang": "FR"}, headers=KEY)
    assert checked(answer, 503) == {"message": "Files cannot be kept now: database or disk is full"}
    assert not any(b"HELLO THERE" in path.read_bytes() for path in small_disk.rglob("*") if path.is_file())
    filler.unlink()
    answer = post("/translate_file", files=file, data=FILE)
    assert answer.status_code == 200
    found = service.client.get(answer.json()["translatedFileUrl"])
    assert found.content == b"HELLO THERE. " * 100


@pytest.mark.parametrize("left_bytes", [0, 8192, 32768])
def test_a_full_disk_is_freed_by_deleting_glossaries(
    service: RunningService, small_disk: Path, left_bytes: int
) -> None:
    stored = [checked(service.client.post("/v2/glossaries", json=GLOSSARY, headers=KEY), 201) for _ in range(3)]
    fill(small_disk, left_bytes)
    free = shutil.disk_usage(small_disk).free
    for glossary in stored[:2]:
        answer = service.client.delete(f"/v2/glossaries/{glossary['glossary_id']}", headers=KEY)
        assert answer.status_code == 204, answer.text
    assert checked(service.client.get("/v2/glossaries", headers=KEY)) == {"glossaries": [stored[2]]}
    path = f"/v2/glossaries/{stored[2]['glossary_id']}/entries"
    assert service.client.get(path, headers=KEY).text == GLOSSARY["entries"]
    assert shutil.disk_usage(small_disk).free - free > 100_000
    checked(service.client.post("/v2/glossaries", json=GLOSSARY, headers=KEY), 201)


@pytest.mark.parametrize("left_bytes", [0, 8192, 32768])
def test_a_full_disk_is_freed_by_fetching_files(service: RunningService, small_disk: Path, left_bytes: int) -> None:
    file = {"file": ("a.txt", b"Hello there. " * 5000)}
    urls = [service.client.post("/translate_file", files=file, data=FILE).json()["translatedFileUrl"] for _ in range(3)]
    fields = {"source_lang": "EN", "target_lang": "FR"}
    order = checked(service.client.post("/v2/document", files=file, data=fields, headers=KEY))
    path, key = f"/v2/document/{order['document_id']}", {"document_key": order["document_key"]}
    until(lambda: checked(service.client.post(path, data=key, headers=KEY))["status"] == "done")
    fill(small_disk, left_bytes)
    free = shutil.disk_usage(small_disk).free
    for url in urls:
        assert service.client.get(url).content == b"HELLO THERE. " * 5000
    assert checked(service.client.post(path, data=key, headers=KEY))["status"] == "done"
    answer = service.client.post(path + "/result", data=key, headers=KEY)
    assert answer.content == b"HELLO THERE. " * 5000
    assert shutil.disk_usage(small_disk).free - free > 250_000
    assert service.client.post("/translate_file", files=file, data=FILE).status_code == 200


def test_expiry_frees_a_full_disk(small_disk: Path) -> None:
    now = [1000.0]
    database = FileDatabase(small_disk / "files")
    results = ResultStore(database, 10**9, 60, lambda: now[0])
    documents = DocumentStore(database, 60, lambda: now[0])
    results.put(b"x" * 300_000, "a.txt")
    document_id, key = documents.add(DocumentOrder("a.txt", b"x" * 300_000, "en", "fr", 60))
    fill(small_disk)
    with pytest.raises(StorageError, match="database or disk is full"):
        results.put(b"x" * 300_000, "b.txt")
    documents.record_failure(document_id, "It failed.")
    found = documents.find(document_id, key)
    assert found is not None
    assert found.status == "error"
    now[0] += 61
    assert documents.find(document_id, key) is None
    results.put(b"x" * 500_000, "b.txt")


@pytest.mark.parametrize("code", [sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_CANTOPEN])
def test_a_deletion_is_tried_again_where_there_is_no_space_for_a_journal(code: int) -> None:
    """A quota is reported as an error of writing, and a full folder as a file that cannot be opened."""
    tried: list[str] = []

    @contextmanager
    def transaction(journal: Journal) -> Iterator[sqlite3.Connection]:
        tried.append(journal)
        error = sqlite3.OperationalError("no space")
        error.sqlite_errorcode = code if journal == "file" else sqlite3.SQLITE_BUSY
        raise StorageError("no space") from error
        yield sqlite3.connect(":memory:")

    with pytest.raises(StorageError):
        free_space(transaction, lambda _: None)
    assert tried == ["file", "memory"]


def test_a_large_upload(service: RunningService, small_disk: Path) -> None:
    """A body of more than a megabyte is stored on disk while it arrives."""
    file = {"file": ("a.txt", b"12345 " * 500_000)}
    filler = fill(small_disk)
    answer = service.client.post("/translate_file", files=file, data=FILE)
    assert answer.status_code == 503
    assert answer.json() == {"error": "The file cannot be kept now: No space left on device"}
    filler.unlink()
    small = {"file": ("a.txt", b"12345 ")}
    assert service.client.post("/translate_file", files=small, data=FILE).status_code == 200


def test_glossaries_whose_file_is_empty_or_in_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file is empty if its process was killed, or the disk was full, before the tables were created."""
    path = tmp_path / "glossaries.sqlite3"
    path.touch()
    store = GlossaryStore(path, 10, 100)
    assert store.list_all() == []
    assert store.find("x") is None
    kept = store.create("one", [Dictionary("en", "fr", ENTRIES[:2])])
    monkeypatch.setattr("app.serving.glossary_store._BUSY_SECONDS", 0.1)
    other = sqlite3.connect(path)
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(StorageError, match="database is locked"):
        store.create("two", [Dictionary("en", "fr", ENTRIES[:2])])
    other.rollback()
    other.close()
    assert store.list_all() == [kept]
    path.write_bytes(b"no database at all" * 100)
    with pytest.raises(StorageError, match="not a database"):
        store.list_all()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_log_that_cannot_be_written_stops_nothing(tmp_path: Path) -> None:
    program = """
import logging
from app.server.logs import configure_logging
configure_logging("info", "json")
for _ in range(3):
    logging.getLogger("app").error("this is lost")
print("still here")
"""
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=full, text=True, check=False, timeout=60
        )
    assert done.stdout == "still here\n"
