"""SQLite files that can be emptied on a full disk.

SQLite writes the pages that a transaction changes to a journal file first. A full disk has no room for a journal, so
not even a deletion would work there, and nothing could make room again.
"""

import sqlite3
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Final, Literal, TypeVar

from app.errors import StorageError

# Where SQLite keeps the pages as they were before the transaction.
Journal = Literal["file", "memory"]
_Found = TypeVar("_Found")
# A quota is reported as an error of writing, a folder without room for one more name as a file that cannot be opened.
_OUT_OF_SPACE: Final = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN)
_PRIMARY_CODE: Final = 0xFF  # the lowest byte of an extended error code


def configure(database: sqlite3.Connection, journal: Journal) -> None:
    """Set up a connection before its first transaction; a file that is new will shrink with each deletion."""
    if not database.execute("PRAGMA auto_vacuum").fetchone()[0]:  # setting it again would write
        database.execute("PRAGMA auto_vacuum = FULL")
    if journal == "memory":
        database.execute("PRAGMA journal_mode = MEMORY")
        database.execute("PRAGMA temp_store = MEMORY")


def free_space(
    transaction: Callable[[Journal], AbstractContextManager[sqlite3.Connection]],
    work: Callable[[sqlite3.Connection], _Found],
) -> _Found:
    """Do work that needs no more space than the file has, such as a deletion, even if the disk is full.

    The work is done again with its journal in memory where the disk has no space for one. Only if the process is killed
    during that second attempt, which takes milliseconds, is the file left half changed.

    Args:
        transaction: Opens a transaction, which is rolled back if the block raises.
        work: What to do in it. It is called twice where the disk is full.

    Raises:
        StorageError: The disk fails, or another process locks the file for too long.
    """
    try:
        with transaction("file") as database:
            return work(database)
    except StorageError as error:
        if not _is_out_of_space(error.__cause__):
            raise
    with transaction("memory") as database:
        return work(database)


def _is_out_of_space(error: BaseException | None) -> bool:
    return isinstance(error, sqlite3.Error) and getattr(error, "sqlite_errorcode", 0) & _PRIMARY_CODE in _OUT_OF_SPACE
