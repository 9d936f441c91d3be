"""Storage of translated files: an SQLite file, in which processes of one machine may share them, and its folder."""

import logging
import os
import shutil
import sqlite3
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final, TypeVar

from app.errors import EngineOverloaded, StorageError
from app.server.database import Journal, configure, free_space

_LOG: Final = logging.getLogger(__name__)
_BUSY_SECONDS: Final = 10.0
_NAME: Final = "files.sqlite3"
_PREFIX: Final = "passerelle-files-"
_Found = TypeVar("_Found")
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


class FileDatabase:
    """The SQLite file of translated files and documents.

    Any thread may use it, and several processes of one machine may use its file. Calls wait for the disk. Deleted
    content is overwritten with zeros and the file shrinks. Nothing is created before the first content is stored.

    Attributes:
        shared: The folder that other processes may use too; None if the file is this process's own.
        clock: The time in seconds that the stores use.
    """

    def __init__(self, shared: Path | None = None) -> None:
        """Choose the folder.

        Args:
            shared: A folder that other processes may use and that is kept. None uses a new folder among the temporary
                files, which ``close`` deletes, or ``delete_abandoned`` of a later process if this one is killed.
        """
        self.shared = shared
        # Processes that share the file need one clock, which a restart of the machine must not set to 0.
        self.clock: Callable[[], float] = time.monotonic if shared is None else time.time
        self._scratch: ScratchFolder | None = None
        self._lock = threading.Lock()

    @property
    def exists(self) -> bool:
        """Whether content was ever stored."""
        scratch = self._scratch
        folder = scratch.path if scratch is not None else self.shared
        return folder is not None and (folder / _NAME).exists()

    @contextmanager
    def transaction(self, journal: Journal = "file") -> Iterator[sqlite3.Connection]:
        """Open the file for one transaction, which excludes other writers and is rolled back if the block raises.

        Args:
            journal: Where SQLite keeps the pages that the transaction changes.

        Raises:
            StorageError: The disk is full or fails, or another process locks the file for too long. Then nothing of
                the transaction is stored.
        """
        try:
            with closing(sqlite3.connect(self._path(), timeout=_BUSY_SECONDS, isolation_level=None)) as database:
                configure(database, journal)
                database.execute("PRAGMA secure_delete = ON")
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
            reason = (
                error.strerror if isinstance(error, OSError) else error
            )  # the text of an OSError would name the path
            raise StorageError(f"Files cannot be kept now: {reason}") from error

    def free(self, work: Callable[[sqlite3.Connection], _Found]) -> _Found:
        """Do work that needs no more space than the file has, even if the disk is full; raises as ``transaction``."""
        return free_space(self.transaction, work)

    def close(self) -> None:
        """Delete the folder unless it is shared."""
        with self._lock:
            if self._scratch is not None:
                self._scratch.close()
                self._scratch = None

    def _path(self) -> Path:
        with self._lock:
            if self.shared is not None:
                self.shared.mkdir(mode=0o700, parents=True, exist_ok=True)
                return self.shared / _NAME
            if self._scratch is None:
                self._scratch = ScratchFolder()
            return self._scratch.path / _NAME


class ResultStore:
    """Translated files until they are fetched, under keys that cannot be guessed, for a limited time.

    Any thread may use it; calls wait for the disk. With a shared database, any process can take what another one put.
    """

    def __init__(
        self, database: FileDatabase, max_bytes: int, keep_seconds: float, clock: Callable[[], float] | None = None
    ) -> None:
        """Make a store.

        Args:
            database: Holds the files.
            max_bytes: Limit of the sizes of all files together.
            keep_seconds: The age at which a file is deleted.
            clock: Replaces the clock of the database.
        """
        self._database = database
        self._max_bytes = max_bytes
        self._keep_seconds = keep_seconds
        self._clock = clock or database.clock

    def check_space(self, size_bytes: int) -> None:
        """Check that a file of this size could be stored now.

        Raises:
            EngineOverloaded: The stored files and this one would exceed ``max_bytes``.
            StorageError: The database cannot be used.
        """
        if not self._database.exists:
            self._check_space(0, size_bytes)
            return
        self.delete_expired()
        with self._database.transaction() as connection:
            self._check_space(_stored_bytes(connection), size_bytes)

    def put(self, content: bytes, name: str) -> str:
        """Store a file.

        Returns:
            The key that ``take`` needs.

        Raises:
            EngineOverloaded: The stored files and this one would exceed ``max_bytes``.
            StorageError: The file cannot be written; then nothing of it is stored.
        """
        key = str(uuid.uuid4())
        self.delete_expired()
        with self._database.transaction() as connection:
            self._check_space(_stored_bytes(connection), len(content))
            row = (key, name, self._clock() + self._keep_seconds, content)
            connection.execute("INSERT INTO file (key, name, until, content) VALUES (?, ?, ?, ?)", row)
        return key

    def take(self, key: str, name: str) -> bytes | None:
        """Return a file and delete it; None if there is no such file, or it was put under another name."""
        if not self._database.exists:
            return None
        self.delete_expired()
        query = "DELETE FROM file WHERE key = ? AND name = ? RETURNING content"
        found = self._database.free(lambda connection: connection.execute(query, (key, name)).fetchone())
        return None if found is None else bytes(found[0])

    def delete_expired(self) -> None:
        """Delete files that are too old. The other methods do so too, but perhaps they are not called for long."""
        if self._database.exists:
            query, now = "DELETE FROM file WHERE until <= ?", self._clock()
            self._database.free(lambda connection: connection.execute(query, (now,)))

    def _check_space(self, stored_bytes: int, size_bytes: int) -> None:
        if stored_bytes + size_bytes > self._max_bytes:
            raise EngineOverloaded(
                f"{stored_bytes} bytes of translated files wait to be fetched, and {size_bytes} more exceed "
                f"max_stored_bytes ({self._max_bytes})",
                retry_after_seconds=min(60.0, self._keep_seconds),
            )


def _stored_bytes(connection: sqlite3.Connection) -> int:
    (found,) = connection.execute("SELECT coalesce(sum(length(content)), 0) FROM file").fetchone()
    return int(found)


class ScratchFolder:
    """A new folder among the temporary files that only this user may read.

    The folder is locked as long as its process lives, so that another process can tell whether it is abandoned.

    Attributes:
        path: The folder.
    """

    def __init__(self, parent: Path | None = None) -> None:
        """Make the folder.

        Args:
            parent: The folder that contains it; None uses the system's folder for temporary files.
        """
        self._lock: int | None = None
        while True:
            self.path = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
            self._lock = _lock_folder(self.path, waits=True)
            if self.path.exists():  # otherwise another process deleted it as abandoned before it was locked
                return
            self.close()

    def close(self) -> None:
        """Delete the folder with its content."""
        shutil.rmtree(self.path, ignore_errors=True)
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def delete_abandoned(parent: Path | None = None) -> None:
    """Delete the scratch folders of processes that do not run any more; a folder that cannot be deleted is kept.

    Args:
        parent: As in ``ScratchFolder``.
    """
    for path in Path(parent or tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        lock = _lock_folder(path, waits=False)
        if lock is not None:
            shutil.rmtree(path, ignore_errors=True)
            os.close(lock)


def _lock_folder(path: Path, waits: bool) -> int | None:
    """Lock a folder.

    Returns:
        Its file descriptor; None if another process holds the lock, or the folder belongs to another user.
    """
    if sys.platform == "win32":
        return None  # without such locks, abandoned folders are kept
    import fcntl

    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        if os.fstat(descriptor).st_uid != os.geteuid():
            raise PermissionError(f"{path} belongs to another user")
        fcntl.flock(descriptor, fcntl.LOCK_EX if waits else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor
