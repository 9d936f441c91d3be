"""Translated files on disk: fetched once, not for long, not too many, and nothing left behind."""

import re
from pathlib import Path

import pytest

from app.errors import EngineOverloaded
from app.files.shelf import Shelf


class Clock:
    """Stands still until it is told."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def shelf(tmp_path: Path, clock: Clock) -> Shelf:
    return Shelf(100, 60.0, tmp_path, clock)


def files_in(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_a_file_is_taken_once(shelf: Shelf, tmp_path: Path) -> None:
    key = shelf.put(b"hello", "../a b.txt")
    assert shelf.name_of(key) == "../a b.txt"
    (path,) = files_in(tmp_path)
    assert re.fullmatch("[0-9a-f-]{36}", path.name), "the name of a stranger must not be part of a path"
    assert path.parent.stat().st_mode & 0o077 == 0
    assert shelf.take(key) == b"hello"
    assert shelf.take(key) is None
    assert shelf.name_of(key) is None
    assert files_in(tmp_path) == []


def test_keys_differ_and_nothing_else_is_a_key(shelf: Shelf) -> None:
    keys = {shelf.put(b"a", "a.txt") for _ in range(20)}
    assert len(keys) == 20
    for key in ("", "../x", next(iter(keys))[:-1], "/etc/passwd"):
        assert shelf.take(key) is None


@pytest.mark.parametrize("look", ["expire", "take", "name_of", "put"])
def test_old_files_are_deleted(shelf: Shelf, tmp_path: Path, clock: Clock, look: str) -> None:
    key = shelf.put(b"hello", "a.txt")
    clock.now += 59.9
    shelf.expire()
    assert len(files_in(tmp_path)) == 1
    clock.now += 0.2
    if look == "put":
        shelf.put(b"x" * 100, "b.txt")
        assert [path.read_bytes() for path in files_in(tmp_path)] == [b"x" * 100]
    else:
        arguments = [] if look == "expire" else [key]
        assert getattr(shelf, look)(*arguments) is None
        assert files_in(tmp_path) == []
        assert shelf.stored_bytes == 0


def test_only_so_much_is_kept(shelf: Shelf) -> None:
    first = shelf.put(b"x" * 60, "a.txt")
    with pytest.raises(EngineOverloaded, match=r"max_stored_bytes \(100\)"):
        shelf.put(b"x" * 41, "b.txt")
    with pytest.raises(EngineOverloaded):
        shelf.check_room(41)
    shelf.put(b"x" * 40, "b.txt")
    shelf.take(first)
    shelf.check_room(60)


def test_nothing_is_left_behind(shelf: Shelf, tmp_path: Path) -> None:
    key = shelf.put(b"hello", "a.txt")
    shelf.close()
    assert list(tmp_path.iterdir()) == []
    assert shelf.take(key) is None
    shelf.close()
