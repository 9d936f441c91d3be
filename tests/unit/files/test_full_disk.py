"""A full disk: new data is refused, stored data is kept, no part of a file is left, and recovery is immediate."""

import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from app.errors import StorageError
from app.serving.glossaries import Entry, GlossaryStore
from app.settings import Settings
from tests.support.deepl_requests import KEY, checked
from tests.support.engines import PATIENCE
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


def fill(disk: Path) -> Path:
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as stream, suppress(OSError):
        while True:
            stream.write(b"x" * 4096)
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
    store = GlossaryStore(path, 10)
    assert store.list_all() == []
    assert store.find("x") is None
    kept = store.create("one", "en", "fr", ENTRIES[:2])
    monkeypatch.setattr("app.serving.glossaries._BUSY_SECONDS", 0.1)
    other = sqlite3.connect(path)
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(StorageError, match="database is locked"):
        store.create("two", "en", "fr", ENTRIES[:2])
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
