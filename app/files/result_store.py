"""Translated files until somebody fetches them: under names that nobody can guess, and not for long."""

import sqlite3
import uuid
from collections.abc import Callable

from app.errors import EngineOverloaded
from app.files.database import FileStore


class Shelf:
    """May be used from any thread; waits for the disk. With a shared store, what one process puts another can take."""

    def __init__(
        self, store: FileStore, max_bytes: int, keep_seconds: float, clock: Callable[[], float] | None = None
    ) -> None:
        """:param max_bytes: of all files together.
        :param keep_seconds: after so long a file is deleted.
        :param clock: instead of the store's.
        """
        self._store = store
        self._max_bytes = max_bytes
        self._keep_seconds = keep_seconds
        self._clock = clock or store.clock

    def check_room(self, size_bytes: int) -> None:
        """:raises EngineOverloaded: there is no room for so many bytes now."""
        if not self._store.is_there:
            self._check_room(0, size_bytes)
            return
        with self._store.opened() as database:
            self._expire(database)
            self._check_room(_stored_bytes(database), size_bytes)

    def put(self, content: bytes, name: str) -> str:
        """Keep a file.

        :returns: its key, which is needed to take it.
        :raises EngineOverloaded: there is no room for it now.
        :raises StorageError: the disk does not take it; then nothing of it is left there.
        """
        key = str(uuid.uuid4())
        with self._store.opened() as database:
            self._expire(database)
            self._check_room(_stored_bytes(database), len(content))
            row = (key, name, self._clock() + self._keep_seconds, content)
            database.execute("INSERT INTO file (key, name, until, content) VALUES (?, ?, ?, ?)", row)
        return key

    def take(self, key: str, name: str) -> bytes | None:
        """A file, once; None if it is not here (any more), or was put under another name."""
        if not self._store.is_there:
            return None
        with self._store.opened() as database:
            self._expire(database)
            found = database.execute(
                "DELETE FROM file WHERE key = ? AND name = ? RETURNING content", (key, name)
            ).fetchone()
        return None if found is None else bytes(found[0])

    def expire(self) -> None:
        """Delete what is too old; the other methods do so too, but perhaps nobody comes."""
        if self._store.is_there:
            with self._store.opened() as database:
                self._expire(database)

    def _expire(self, database: sqlite3.Connection) -> None:
        database.execute("DELETE FROM file WHERE until <= ?", (self._clock(),))

    def _check_room(self, stored_bytes: int, size_bytes: int) -> None:
        if stored_bytes + size_bytes > self._max_bytes:
            raise EngineOverloaded(
                f"{stored_bytes} bytes of translated files wait to be fetched, and {size_bytes} more exceed "
                f"max_stored_bytes ({self._max_bytes})",
                retry_after_seconds=min(60.0, self._keep_seconds),
            )


def _stored_bytes(database: sqlite3.Connection) -> int:
    (found,) = database.execute("SELECT coalesce(sum(length(content)), 0) FROM file").fetchone()
    return int(found)
