"""Stored glossaries: dictionaries of one or several pairs of languages under one name, in an SQLite file."""

import logging
import sqlite3
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import Final

from app.errors import LimitExceeded, StorageError
from app.server.database import Journal, configure, free_space
from app.serving.glossaries import Entry

_LOG: Final = logging.getLogger(__name__)
MAX_NAME_CHARACTERS: Final = 1024
_BUSY_SECONDS: Final = 10.0
_VERSION: Final = 2
_SCHEMA: Final = (
    """CREATE TABLE glossary (id TEXT PRIMARY KEY, name TEXT NOT NULL, created TEXT NOT NULL) STRICT""",
    """CREATE TABLE dictionary (
        id INTEGER PRIMARY KEY,
        glossary_id TEXT NOT NULL REFERENCES glossary (id) ON DELETE CASCADE,
        source TEXT NOT NULL, target TEXT NOT NULL,
        UNIQUE (glossary_id, source, target)
    ) STRICT""",
    """CREATE TABLE entry (
        dictionary_id INTEGER NOT NULL REFERENCES dictionary (id) ON DELETE CASCADE,
        place INTEGER NOT NULL, source TEXT NOT NULL, target TEXT NOT NULL,
        PRIMARY KEY (dictionary_id, place)
    ) STRICT, WITHOUT ROWID""",
)
_DELETE_DICTIONARY: Final = "DELETE FROM dictionary WHERE glossary_id = ? AND source = ? AND target = ?"
# From the version in which a glossary was one dictionary.
_MIGRATION: Final = (
    "INSERT INTO glossary SELECT id, name, created FROM old_glossary ORDER BY rowid",
    "INSERT INTO dictionary (glossary_id, source, target) SELECT id, source, target FROM old_glossary ORDER BY rowid",
    "INSERT INTO entry SELECT dictionary.id, place, old_entry.source, old_entry.target "
    "FROM old_entry JOIN dictionary ON dictionary.glossary_id = old_entry.glossary_id",
    "DROP TABLE old_entry",
    "DROP TABLE old_glossary",
)


@dataclass(frozen=True, slots=True)
class Dictionary:
    """The entries for one pair of languages."""

    source: str
    target: str
    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class DictionaryInfo:
    """A dictionary without its entries."""

    source: str
    target: str
    entry_count: int


@dataclass(frozen=True, slots=True)
class GlossaryInfo:
    """The properties of a glossary without its entries.

    Attributes:
        id: Its id.
        name: Its name.
        created: When it was created, in UTC.
        dictionaries: Its dictionaries, in the order in which they were added.
    """

    id: str
    name: str
    created: datetime
    dictionaries: tuple[DictionaryInfo, ...]

    def find(self, source: str, target: str) -> DictionaryInfo | None:
        """Return the dictionary for a pair of languages, or None."""
        return next((one for one in self.dictionaries if (one.source, one.target) == (source, target)), None)


class GlossaryStore:
    """The glossaries of a service, in one file that several processes may share.

    The first glossary creates the file. Each call opens it anew and is one transaction: what was acknowledged is on
    disk. Calls wait for the disk, so they belong on a worker thread.

    Raises:
        StorageError: From every method, where the disk is full or another process locks the file for too long; then
            nothing has changed.
    """

    def __init__(self, path: Path, max_glossaries: int, max_entries: int) -> None:
        """Choose the file.

        Args:
            path: The SQLite file; it may not exist yet.
            max_glossaries: Limit of the number of glossaries.
            max_entries: Limit of the entries of one dictionary.
        """
        self._path = path
        self._max_glossaries = max_glossaries
        self._max_entries = max_entries

    def create(self, name: str, dictionaries: Sequence[Dictionary]) -> GlossaryInfo:
        """Store a new glossary. Dictionaries of one pair of languages become one.

        Raises:
            LimitExceeded: The store already holds ``max_glossaries``, or a dictionary has too many entries.
        """
        glossary_id, created = str(uuid.uuid4()), datetime.now(UTC)
        with self._transaction() as database:
            database.execute("BEGIN IMMEDIATE")  # so that no other process counts at the same time
            (count,) = database.execute("SELECT count(*) FROM glossary").fetchone()
            if count >= self._max_glossaries:
                raise LimitExceeded("max_glossaries", self._max_glossaries, count + 1)
            database.execute("INSERT INTO glossary VALUES (?, ?, ?)", (glossary_id, name, created.isoformat()))
            for dictionary in dictionaries:
                self._merge(database, glossary_id, dictionary)
            info = _load_info(database, glossary_id)
        assert info is not None
        return info

    def list_all(self) -> list[GlossaryInfo]:
        """Return every glossary, oldest first."""
        if not self._path.exists():
            return []
        with self._transaction() as database:
            return _load_infos(database, "")

    def find(self, glossary_id: str) -> GlossaryInfo | None:
        """Return the glossary with this id, or None."""
        if not self._path.exists():
            return None
        with self._transaction() as database:
            return _load_info(database, glossary_id)

    def load_entries(self, glossary_id: str, source: str, target: str) -> tuple[Entry, ...]:
        """Return the entries of a dictionary in their order; none if there is no such dictionary."""
        if not self._path.exists():
            return ()
        with self._transaction() as database:
            rows = database.execute(
                "SELECT entry.source, entry.target FROM entry JOIN dictionary ON dictionary.id = dictionary_id "
                "WHERE glossary_id = ? AND dictionary.source = ? AND dictionary.target = ? ORDER BY place",
                (glossary_id, source, target),
            ).fetchall()
        return tuple(Entry(*row) for row in rows)

    def update(self, glossary_id: str, name: str | None, dictionaries: Sequence[Dictionary]) -> GlossaryInfo | None:
        """Rename a glossary and add entries to it; an entry whose term is there already replaces it.

        Args:
            glossary_id: The glossary.
            name: The new name; None keeps the old one.
            dictionaries: Entries to add; a pair of languages that the glossary lacks is added.

        Returns:
            The changed glossary, or None if there is none with this id.

        Raises:
            LimitExceeded: A dictionary would have too many entries; nothing has changed.
        """

        def work(database: sqlite3.Connection) -> None:
            if name is not None:
                database.execute("UPDATE glossary SET name = ? WHERE id = ?", (name, glossary_id))
            for dictionary in dictionaries:
                self._merge(database, glossary_id, dictionary)

        return self._change(glossary_id, work)

    def replace(self, glossary_id: str, dictionary: Dictionary) -> GlossaryInfo | None:
        """Put a dictionary in the place of the one for its languages; return as ``update`` does, and raise as it."""

        def work(database: sqlite3.Connection) -> None:
            database.execute(_DELETE_DICTIONARY, (glossary_id, dictionary.source, dictionary.target))
            self._merge(database, glossary_id, dictionary)

        return self._change(glossary_id, work)

    def delete(self, glossary_id: str) -> bool:
        """Delete a glossary; return whether there was one."""
        return self._free("DELETE FROM glossary WHERE id = ?", glossary_id)

    def delete_dictionary(self, glossary_id: str, source: str, target: str) -> bool:
        """Delete a dictionary; return whether there was one."""
        return self._free(_DELETE_DICTIONARY, glossary_id, source, target)

    def _free(self, query: str, *values: str) -> bool:
        if not self._path.exists():
            return False
        return free_space(self._transaction, lambda database: database.execute(query, values).rowcount > 0)

    def _change(self, glossary_id: str, work: Callable[[sqlite3.Connection], None]) -> GlossaryInfo | None:
        """Do work on a glossary if there is one; return it as it is afterwards."""
        if not self._path.exists():
            return None
        with self._transaction() as database:
            database.execute("BEGIN IMMEDIATE")  # so that no other process deletes it between check and change
            if database.execute("SELECT 1 FROM glossary WHERE id = ?", (glossary_id,)).fetchone() is None:
                return None
            work(database)
            return _load_info(database, glossary_id)

    def _merge(self, database: sqlite3.Connection, glossary_id: str, dictionary: Dictionary) -> None:
        pair = (glossary_id, dictionary.source, dictionary.target)
        database.execute("INSERT OR IGNORE INTO dictionary (glossary_id, source, target) VALUES (?, ?, ?)", pair)
        query = "SELECT id FROM dictionary WHERE glossary_id = ? AND source = ? AND target = ?"
        (dictionary_id,) = database.execute(query, pair).fetchone()
        rows = database.execute(
            "SELECT source, target FROM entry WHERE dictionary_id = ? ORDER BY place", (dictionary_id,)
        )
        merged = dict(rows.fetchall()) | {entry.source: entry.target for entry in dictionary.entries}
        if len(merged) > self._max_entries:
            raise LimitExceeded("max_glossary_entries", self._max_entries, len(merged))
        database.execute("DELETE FROM entry WHERE dictionary_id = ?", (dictionary_id,))
        database.executemany(
            "INSERT INTO entry VALUES (?, ?, ?, ?)",
            ((dictionary_id, place, *terms) for place, terms in enumerate(merged.items())),
        )

    @contextmanager
    def _transaction(self, journal: Journal = "file") -> Iterator[sqlite3.Connection]:
        """Open the file for one transaction, which is rolled back if the block raises."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with closing(sqlite3.connect(self._path, timeout=_BUSY_SECONDS)) as database:
                configure(database, journal)
                # Each time: the process that created the file may have been killed before it created the tables.
                _create_tables(database)
                database.execute("PRAGMA foreign_keys = ON")
                with database:
                    yield database
        except (sqlite3.Error, OSError) as error:
            _LOG.error("%s: %s", self._path, error)
            # The text of an OSError would name the path.
            reason = error.strerror if isinstance(error, OSError) else error
            raise StorageError(f"The glossaries cannot be written or read now: {reason}") from error


def _create_tables(database: sqlite3.Connection) -> None:
    """Create the tables of a new file, or bring those of an earlier version up to date."""

    def version() -> int:
        (found,) = database.execute("PRAGMA user_version").fetchone()
        return int(found)

    if version() == _VERSION:
        return
    with database:
        database.execute("BEGIN IMMEDIATE")
        if version() == _VERSION:  # another process was faster
            return
        tables = {name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        for name in ("glossary", "entry"):
            if name in tables:
                database.execute(f"ALTER TABLE {name} RENAME TO old_{name}")
        for statement in (*_SCHEMA, *(_MIGRATION if "glossary" in tables else ())):
            database.execute(statement)
        database.execute(f"PRAGMA user_version = {_VERSION}")


def _load_info(database: sqlite3.Connection, glossary_id: str) -> GlossaryInfo | None:
    return next(iter(_load_infos(database, "WHERE glossary.id = ?", glossary_id)), None)


def _load_infos(database: sqlite3.Connection, where: str, *values: str) -> list[GlossaryInfo]:
    rows = database.execute(
        "SELECT glossary.id, name, created, dictionary.source, dictionary.target, count(place) FROM glossary "
        "LEFT JOIN dictionary ON dictionary.glossary_id = glossary.id "
        f"LEFT JOIN entry ON entry.dictionary_id = dictionary.id {where} GROUP BY glossary.id, dictionary.id "
        "ORDER BY glossary.rowid, dictionary.id",  # a clock that was set back gives a later glossary an earlier time
        values,
    ).fetchall()
    return [
        GlossaryInfo(
            glossary_id,
            name,
            datetime.fromisoformat(created),
            tuple(DictionaryInfo(source, target, count) for *_, source, target, count in group if source is not None),
        )
        for (glossary_id, name, created), group in groupby(rows, key=lambda row: row[:3])
    ]
