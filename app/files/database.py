"""The SQLite file in which translated files and documents wait, alone or together with other processes."""

import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

from app.errors import StorageError
from app.files.scratch import ScratchFolder, delete_abandoned

_LOG: Final = logging.getLogger(__name__)
_BUSY_SECONDS: Final = 10.0
_NAME: Final = "files.sqlite3"
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS file (
    key TEXT PRIMARY KEY, name TEXT NOT NULL, until REAL NOT NULL, content BLOB NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS document (
    id TEXT PRIMARY KEY, key_hash BLOB NOT NULL, name TEXT NOT NULL, source TEXT, target TEXT NOT NULL,
    timeout_seconds REAL NOT NULL, quotas TEXT NOT NULL, terms TEXT, content BLOB,
    status TEXT NOT NULL, error TEXT NOT NULL DEFAULT '', characters INTEGER NOT NULL DEFAULT 0, shelf_key TEXT,
    seconds_remaining REAL, owner TEXT, seen REAL NOT NULL, attempts INTEGER NOT NULL, ended REAL
) STRICT;
"""


class FileStore:
    """May be used from any thread, and its file by several processes of one machine. Calls wait for the disk.

    What is deleted is overwritten with zeros, and the file gets shorter. Nothing is made before something is kept.
    """

    def __init__(self, shared: Path | None = None) -> None:
        """:param shared: a folder that others may use too, and that stays; None makes one among the temporary files,
        which ``close`` deletes; that of a process that was killed, ``delete_abandoned`` of the next.
        """
        self.shared = shared
        # What others see too must have a clock that they share and that a restart of the machine does not set to 0.
        self.clock: Callable[[], float] = time.monotonic if shared is None else time.time
        self._scratch: ScratchFolder | None = None
        self._lock = threading.Lock()

    @property
    def is_there(self) -> bool:
        """Was anything ever kept?"""
        scratch = self._scratch
        folder = scratch.path if scratch is not None else self.shared
        return folder is not None and (folder / _NAME).exists()

    @contextmanager
    def opened(self) -> Iterator[sqlite3.Connection]:
        """One transaction, in which nobody else writes; undone if the block fails.

        :raises StorageError: the disk is full, or fails; then nothing of the transaction is left there.
        """
        try:
            with closing(sqlite3.connect(self._path(), timeout=_BUSY_SECONDS, isolation_level=None)) as database:
                database.execute("PRAGMA secure_delete = ON")
                database.execute("PRAGMA auto_vacuum = FULL")
                database.execute("BEGIN IMMEDIATE")
                try:
                    for statement in _SCHEMA.split(";")[:-1]:
                        database.execute(statement)
                    yield database
                except BaseException:
                    database.rollback()
                    raise
                database.commit()
        except (sqlite3.Error, OSError) as error:
            _LOG.error("files cannot be kept: %s", error)
            reason = error.strerror if isinstance(error, OSError) else error  # which does not name the path
            raise StorageError(f"Files cannot be kept now: {reason}") from error

    def close(self) -> None:
        """Delete everything that nobody else can reach."""
        with self._lock:
            if self._scratch is not None:
                self._scratch.close()
                self._scratch = None

    def delete_abandoned(self) -> None:
        """Delete what processes that were killed have left among the temporary files."""
        delete_abandoned()

    def _path(self) -> Path:
        with self._lock:
            if self.shared is not None:
                self.shared.mkdir(mode=0o700, parents=True, exist_ok=True)
                return self.shared / _NAME
            if self._scratch is None:
                self._scratch = ScratchFolder()
            return self._scratch.path / _NAME
