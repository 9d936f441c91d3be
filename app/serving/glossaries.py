"""Glossaries: terms with the translation that a client wants for each, stored in an SQLite file."""

import csv
import io
import logging
import sqlite3
import uuid
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock
from typing import Final, Literal

from cachetools import LRUCache, cached

from app.errors import InvalidGlossary, LimitExceeded, StorageError
from app.server.database import Journal, configure, free_space
from app.text.placeholder_finder import Terms

_LOG: Final = logging.getLogger(__name__)
EntriesFormat = Literal["tsv", "csv"]
MAX_TERM_BYTES: Final = 1024
MAX_NAME_CHARACTERS: Final = 1024
_BUSY_SECONDS: Final = 10.0
# Limit of the characters of all cached glossaries, each of which takes 4 to 10 bytes.
_CACHED_CHARACTERS: Final = 4_000_000
_OVERHEAD_CHARACTERS: Final = 10_000  # added for each glossary, because a small one needs memory too
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS glossary (
    id TEXT PRIMARY KEY, name TEXT NOT NULL, source TEXT NOT NULL, target TEXT NOT NULL, created TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS entry (
    glossary_id TEXT NOT NULL REFERENCES glossary (id) ON DELETE CASCADE,
    place INTEGER NOT NULL, source TEXT NOT NULL, target TEXT NOT NULL,
    PRIMARY KEY (glossary_id, place)
) STRICT, WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True)
class Entry:
    """A term and its translation."""

    source: str
    target: str


@dataclass(frozen=True, slots=True)
class GlossaryInfo:
    """The properties of a glossary without its entries.

    Attributes:
        id: Its id.
        name: Its name.
        source: The source language.
        target: The target language.
        created: When it was created, in UTC.
        entry_count: The number of its entries.
    """

    id: str
    name: str
    source: str
    target: str
    created: datetime
    entry_count: int


class GlossaryStore:
    """The glossaries of a service, in one file that several processes may share.

    The first glossary creates the file. Each call opens it anew and is one transaction: what was acknowledged is on
    disk. Calls wait for the disk, so they belong on a worker thread.

    Raises:
        StorageError: From every method, where the disk is full or another process locks the file for too long; then
            nothing has changed.
    """

    def __init__(self, path: Path, max_glossaries: int) -> None:
        """Choose the file.

        Args:
            path: The SQLite file; it may not exist yet.
            max_glossaries: Limit of the number of glossaries.
        """
        self._path = path
        self._max_glossaries = max_glossaries

    def create(self, name: str, source: str, target: str, entries: Sequence[Entry]) -> GlossaryInfo:
        """Store a new glossary.

        Raises:
            LimitExceeded: The store already holds ``max_glossaries``.
        """
        info = GlossaryInfo(str(uuid.uuid4()), name, source, target, datetime.now(UTC), len(entries))
        with self._transaction() as database:
            database.execute("BEGIN IMMEDIATE")  # so that no other process counts at the same time
            (count,) = database.execute("SELECT count(*) FROM glossary").fetchone()
            if count >= self._max_glossaries:
                raise LimitExceeded("max_glossaries", self._max_glossaries, count + 1)
            database.execute(
                "INSERT INTO glossary VALUES (?, ?, ?, ?, ?)", (info.id, name, source, target, info.created.isoformat())
            )
            database.executemany(
                "INSERT INTO entry VALUES (?, ?, ?, ?)",
                ((info.id, index, entry.source, entry.target) for index, entry in enumerate(entries)),
            )
        return info

    def list_all(self) -> list[GlossaryInfo]:
        """Return every glossary, oldest first."""
        return self._load_infos("")

    def find(self, glossary_id: str) -> GlossaryInfo | None:
        """Return the glossary with this id, or None."""
        found = self._load_infos("WHERE glossary.id = ?", glossary_id)
        return found[0] if found else None

    def load_entries(self, glossary_id: str) -> tuple[Entry, ...]:
        """Return the entries of a glossary in their order; none if there is no such glossary."""
        if not self._path.exists():
            return ()
        with self._transaction() as database:
            rows = database.execute(
                "SELECT source, target FROM entry WHERE glossary_id = ? ORDER BY place", (glossary_id,)
            ).fetchall()
        return tuple(Entry(source, target) for source, target in rows)

    def delete(self, glossary_id: str) -> bool:
        """Delete a glossary; return whether there was one."""
        if not self._path.exists():
            return False
        query = "DELETE FROM glossary WHERE id = ?"
        return free_space(self._transaction, lambda database: database.execute(query, (glossary_id,)).rowcount > 0)

    def _load_infos(self, where: str, *values: str) -> list[GlossaryInfo]:
        if not self._path.exists():
            return []
        with self._transaction() as database:
            rows = database.execute(
                "SELECT glossary.id, name, glossary.source, glossary.target, created, count(place) FROM glossary "
                f"LEFT JOIN entry ON entry.glossary_id = glossary.id {where} GROUP BY glossary.id "
                "ORDER BY glossary.rowid",  # a clock that was set back gives a later glossary an earlier time
                values,
            ).fetchall()
        return [
            GlossaryInfo(glossary_id, name, source, target, datetime.fromisoformat(created), count)
            for glossary_id, name, source, target, created, count in rows
        ]

    @contextmanager
    def _transaction(self, journal: Journal = "file") -> Iterator[sqlite3.Connection]:
        """Open the file for one transaction, which is rolled back if the block raises."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with closing(sqlite3.connect(self._path, timeout=_BUSY_SECONDS)) as database:
                configure(database, journal)
                # Each time: the process that created the file may have been killed before it created the tables.
                database.executescript(_SCHEMA)
                database.execute("PRAGMA foreign_keys = ON")
                with database:
                    yield database
        except (sqlite3.Error, OSError) as error:
            _LOG.error("%s: %s", self._path, error)
            reason = (
                error.strerror if isinstance(error, OSError) else error
            )  # the text of an OSError would name the path
            raise StorageError(f"The glossaries cannot be written or read now: {reason}") from error


def read_entries(text: str, entries_format: EntriesFormat, max_entries: int) -> tuple[Entry, ...]:
    """Parse the entries that a client sends, one a line: term, separator, translation. Empty lines are skipped.

    Raises:
        InvalidGlossary: There are no entries, one has no translation or is too long, or a term occurs twice.
        LimitExceeded: There are more than ``max_entries``.
    """
    entries: dict[str, Entry] = {}
    for index, cells in enumerate(_rows(text, entries_format)):
        separator = "tab" if entries_format == "tsv" else "comma"
        if len(cells) < 2:
            raise InvalidGlossary(f"Key with the index {index} (starting at position 0) misses {separator} separator")
        # A CSV line may name the two languages in further columns.
        if len(cells) > (2 if entries_format == "tsv" else 4):
            raise InvalidGlossary(f"Entry with the index {index} has {len(cells)} columns, it must have 2")
        entry = Entry(cells[0].strip(), cells[1].strip())
        check_entry(entry, index)
        if entry.source in entries:
            first = list(entries).index(entry.source)
            raise InvalidGlossary(f"Key with the index {index} duplicates key with the index {first}")
        entries[entry.source] = entry
        if len(entries) > max_entries:
            raise LimitExceeded("max_glossary_entries", max_entries, len(entries))
    if not entries:
        raise InvalidGlossary("No entries were given")
    return tuple(entries.values())


def format_entries(entries: Sequence[Entry]) -> str:
    """Format entries as tab-separated lines."""
    return "\n".join(f"{entry.source}\t{entry.target}" for entry in entries)


def _rows(text: str, entries_format: EntriesFormat) -> Iterator[list[str]]:
    if entries_format == "csv":
        try:
            yield from (row for row in csv.reader(io.StringIO(text), strict=True) if row)
        except csv.Error as error:
            raise InvalidGlossary(f"Not readable as CSV: {error}") from None
        return
    # splitlines would also split at characters such as U+2028, which may be part of a term.
    yield from (line.rstrip("\r").split("\t") for line in text.split("\n") if line.strip("\r "))


def check_entry(entry: Entry, index: int) -> None:
    """Check one entry.

    Raises:
        InvalidGlossary: A side is empty, too long, or has a character that cannot be printed.
    """
    for what, term in (("Key", entry.source), ("Value", entry.target)):
        if not term:
            raise InvalidGlossary(f"{what} with the index {index} is empty")
        size = len(term.encode("utf-8"))
        if size > MAX_TERM_BYTES:
            raise InvalidGlossary(f"{what} with the index {index} has {size} bytes, the limit is {MAX_TERM_BYTES}")
        if any(not character.isprintable() for character in term):
            raise InvalidGlossary(f"{what} with the index {index} has a character that cannot be printed")


def _size_of(terms: Terms) -> int:
    return _OVERHEAD_CHARACTERS + terms.size_characters


@cached(LRUCache(maxsize=_CACHED_CHARACTERS, getsizeof=_size_of), lock=Lock())
def compile_terms(entries: tuple[Entry, ...]) -> Terms:
    """Compile the terms of a glossary, which takes 0.3 s of processor time for 10,000 long terms.

    Clients use the same glossary in many requests, so compiled terms are cached, up to a number of characters.
    """
    return Terms({entry.source: entry.target for entry in entries})
