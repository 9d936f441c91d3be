"""Translated files on disk: each is fetched once, they expire, their size is bounded, and no file is left behind."""

import re
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from app.errors import EngineOverloaded, StorageError
from app.files.storage import FileDatabase, ResultStore, delete_abandoned


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(tmp_path: Path, clock: Clock) -> ResultStore:
    return ResultStore(FileDatabase(tmp_path), 100, 60.0, clock)


def on_disk(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


def test_a_file_is_taken_once(store: ResultStore, tmp_path: Path) -> None:
    key = store.put(b"hello", "../a b.txt")
    assert re.fullmatch("[0-9a-f-]{36}", key)
    assert b"hello" in on_disk(tmp_path)
    assert store.take(key, "other.txt") is None
    assert store.take(key, "../a b.txt") == b"hello"
    assert store.take(key, "../a b.txt") is None
    assert b"hello" not in on_disk(tmp_path)


def test_keys_differ_and_nothing_else_is_a_key(store: ResultStore) -> None:
    keys = {store.put(b"a", "a.txt") for _ in range(20)}
    assert len(keys) == 20
    for key in ("", "../x", next(iter(keys))[:-1], "/etc/passwd", "' OR 1=1 --"):
        assert store.take(key, "a.txt") is None


@pytest.mark.parametrize("look", ["delete_expired", "take", "check_space", "put"])
def test_old_files_are_deleted(store: ResultStore, tmp_path: Path, clock: Clock, look: str) -> None:
    key = store.put(b"hello", "a.txt")
    clock.now += 59.9
    store.delete_expired()
    assert b"hello" in on_disk(tmp_path)
    clock.now += 0.2
    arguments: dict[str, list[object]] = {"take": [key, "a.txt"], "check_space": [100], "put": [b"x" * 100, "b.txt"]}
    answer = getattr(store, look)(*arguments.get(look, []))
    assert answer is None or look == "put"
    assert b"hello" not in on_disk(tmp_path)


def test_only_so_much_is_kept(store: ResultStore) -> None:
    with pytest.raises(EngineOverloaded, match=r"max_stored_bytes \(100\)"):
        store.check_space(101)
    first = store.put(b"x" * 60, "a.txt")
    with pytest.raises(EngineOverloaded, match=r"max_stored_bytes \(100\)"):
        store.put(b"x" * 41, "b.txt")
    with pytest.raises(EngineOverloaded):
        store.check_space(41)
    store.put(b"x" * 40, "b.txt")
    store.take(first, "a.txt")
    store.check_space(60)


def test_the_disk_gets_its_room_back(tmp_path: Path) -> None:
    store = ResultStore(FileDatabase(tmp_path), 2**30, 60.0)
    key = store.put(b"x" * 2**20, "a.txt")
    assert len(on_disk(tmp_path)) > 2**20
    store.take(key, "a.txt")
    assert len(on_disk(tmp_path)) < 2**16


def test_a_full_disk_is_said_to_be_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = ResultStore(FileDatabase(tmp_path), 2**30, 60.0)
    kept = store.put(b"hello", "a.txt")
    connect = sqlite3.connect

    def small_disk(path: Path, timeout: float, isolation_level: None) -> sqlite3.Connection:
        database = connect(path, timeout=timeout, isolation_level=isolation_level)
        database.execute("PRAGMA max_page_count = 10")  # SQLite says the same where the disk has no more
        return database

    monkeypatch.setattr(sqlite3, "connect", small_disk)
    with pytest.raises(StorageError, match="disk is full"):
        store.put(b"x" * 2**20, "b.txt")
    assert store.take(kept, "a.txt") == b"hello"


def test_what_is_shared_stays(tmp_path: Path, clock: Clock) -> None:
    folder = tmp_path / "deep" / "files"
    databases = [FileDatabase(folder) for _ in range(2)]
    first, second = (ResultStore(database, 100, 60.0, clock) for database in databases)
    key = first.put(b"hello", "a.txt")
    assert folder.stat().st_mode & 0o077 == 0
    with pytest.raises(EngineOverloaded):
        second.put(b"x" * 96, "b.txt")
    databases[0].close()
    assert second.take(key, "a.txt") == b"hello"
    assert first.take(key, "a.txt") is None


def test_nothing_is_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    database = FileDatabase()
    store = ResultStore(database, 100, 60.0)
    assert list(tmp_path.iterdir()) == [], "nothing is made before it is needed"
    key = store.put(b"hello", "a.txt")
    (folder,) = tmp_path.iterdir()
    assert folder.stat().st_mode & 0o077 == 0
    database.close()
    assert list(tmp_path.iterdir()) == []
    assert store.take(key, "a.txt") is None
    database.close()


def test_what_a_killed_process_left_is_deleted_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    program = f"""
import tempfile, time
tempfile.tempdir = {str(tmp_path)!r}
from app.files.storage import FileDatabase, ResultStore
ResultStore(FileDatabase(), 100, 60.0).put(b"left behind", "a.txt")
print(flush=True)
time.sleep(60)
"""
    database = FileDatabase()
    store = ResultStore(database, 100, 60.0)
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        key = store.put(b"in use", "b.txt")
        others = tmp_path / "passerelle-ci.123", tmp_path / "passerelle-files-link"
        others[0].mkdir()
        others[1].symlink_to(others[0])
        delete_abandoned()
        assert b"in use" in on_disk(tmp_path)
        assert b"left behind" in on_disk(tmp_path)
        process.kill()
        process.wait()
    delete_abandoned()
    assert b"left behind" not in on_disk(tmp_path)
    assert all(other.exists() for other in others)
    assert store.take(key, "b.txt") == b"in use"
    database.close()


def test_a_file_that_another_program_deleted_is_not_found(store: ResultStore, tmp_path: Path) -> None:
    key = store.put(b"hello", "a.txt")
    for path in tmp_path.rglob("*"):
        path.unlink()
    assert store.take(key, "a.txt") is None
