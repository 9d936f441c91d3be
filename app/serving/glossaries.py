"""Glossaries: terms with the translation that somebody wants for each, kept in an SQLite file."""

import csv
import io
import logging
import sqlite3
import uuid
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Final, Literal

from app.errors import InvalidGlossary, LimitExceeded, StorageError
from app.text.glossary_terms import Terms

_LOG: Final = logging.getLogger(__name__)
EntriesFormat = Literal["tsv", "csv"]
MAX_TERM_BYTES: Final = 1024
MAX_NAME_CHARACTERS: Final = 1024
_BUSY_SECONDS: Final = 10.0
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
    source: str
    target: str


@dataclass(frozen=True, slots=True)
class GlossaryInfo:
    """A glossary without its entries. ``created`` is in UTC."""

    id: str
    name: str
    source: str
    target: str
    created: datetime
    entry_count: int


class GlossaryStore:
    """The glossaries of a service, in one file that several processes may share.

    The file is made by the first glossary. Each call opens it anew and is one transaction: what was acknowledged is on
    disk. Calls wait for the disk, so they belong on a thread that may. All of them raise ``StorageError`` where the
    disk is full or another process keeps the file for too long; then nothing has changed.
    """

    def __init__(self, path: Path, max_glossaries: int) -> None:
        self._path = path
        self._max_glossaries = max_glossaries

    def create(self, name: str, source: str, target: str, entries: Sequence[Entry]) -> GlossaryInfo:
        """Keep a new glossary.

        :raises LimitExceeded: there are as many as may be.
        """
        info = GlossaryInfo(str(uuid.uuid4()), name, source, target, datetime.now(UTC), len(entries))
        with self._opened() as database:
            database.execute("BEGIN IMMEDIATE")  # so that nobody else counts at the same time
            (count,) = database.execute("SELECT count(*) FROM glossary").fetchone()
            if count >= self._max_glossaries:
                raise LimitExceeded("max_glossaries", self._max_glossaries, count + 1)
            database.execute(
                "INSERT INTO glossary VALUES (?, ?, ?, ?, ?)", (info.id, name, source, target, info.created.isoformat())
            )
            database.executemany(
                "INSERT INTO entry VALUES (?, ?, ?, ?)",
                ((info.id, place, entry.source, entry.target) for place, entry in enumerate(entries)),
            )
        return info

    def all(self) -> list[GlossaryInfo]:
        """Every glossary, oldest first."""
        return self._infos("")

    def find(self, glossary_id: str) -> GlossaryInfo | None:
        found = self._infos("WHERE glossary.id = ?", glossary_id)
        return found[0] if found else None

    def entries(self, glossary_id: str) -> tuple[Entry, ...]:
        """In the order in which they were given; none of a glossary that is not there."""
        if not self._path.exists():
            return ()
        with self._opened() as database:
            rows = database.execute(
                "SELECT source, target FROM entry WHERE glossary_id = ? ORDER BY place", (glossary_id,)
            ).fetchall()
        return tuple(Entry(source, target) for source, target in rows)

    def delete(self, glossary_id: str) -> bool:
        """Whether there was one."""
        if not self._path.exists():
            return False
        with self._opened() as database:
            return database.execute("DELETE FROM glossary WHERE id = ?", (glossary_id,)).rowcount > 0

    def _infos(self, where: str, *values: str) -> list[GlossaryInfo]:
        if not self._path.exists():
            return []
        with self._opened() as database:
            rows = database.execute(
                "SELECT glossary.id, name, glossary.source, glossary.target, created, count(place) FROM glossary "
                f"LEFT JOIN entry ON entry.glossary_id = glossary.id {where} GROUP BY glossary.id "
                "ORDER BY glossary.rowid",  # not by their times: clocks are set back
                values,
            ).fetchall()
        return [
            GlossaryInfo(glossary_id, name, source, target, datetime.fromisoformat(created), count)
            for glossary_id, name, source, target, created, count in rows
        ]

    @contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection]:
        """One transaction; undone if the block fails."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with closing(sqlite3.connect(self._path, timeout=_BUSY_SECONDS)) as database:
                # Each time: who made the file may have been killed before the tables were in it.
                database.executescript(_SCHEMA)
                database.execute("PRAGMA foreign_keys = ON")
                with database:
                    yield database
        except (sqlite3.Error, OSError) as error:
            _LOG.error("%s: %s", self._path, error)
            reason = error.strerror if isinstance(error, OSError) else error  # which does not name the path
            raise StorageError(f"The glossaries cannot be written or read now: {reason}") from error


def read_entries(text: str, entries_format: EntriesFormat, max_entries: int) -> tuple[Entry, ...]:
    """Entries as a client sends them, a line each: term, separator, translation. Empty lines are passed over.

    :raises InvalidGlossary: no entries, one without a translation, one too long, or a term that stands twice.
    :raises LimitExceeded: more than ``max_entries``.
    """
    entries: dict[str, Entry] = {}
    for index, cells in enumerate(_rows(text, entries_format)):
        separator = "tab" if entries_format == "tsv" else "comma"
        if len(cells) < 2:
            raise InvalidGlossary(f"Key with the index {index} (starting at position 0) misses {separator} separator")
        # A CSV line may name the two languages behind.
        if len(cells) > (2 if entries_format == "tsv" else 4):
            raise InvalidGlossary(f"Entry with the index {index} has {len(cells)} columns, it must have 2")
        entry = Entry(cells[0].strip(), cells[1].strip())
        check_entry(entry, index)
        if entry.source in entries:
            raise InvalidGlossary(f"Key with the index {index} duplicates key with the index {_place(entries, entry)}")
        entries[entry.source] = entry
        if len(entries) > max_entries:
            raise LimitExceeded("max_glossary_entries", max_entries, len(entries))
    if not entries:
        raise InvalidGlossary("No entries were given")
    return tuple(entries.values())


def written_entries(entries: Sequence[Entry]) -> str:
    """Tab-separated, a line each."""
    return "\n".join(f"{entry.source}\t{entry.target}" for entry in entries)


def _rows(text: str, entries_format: EntriesFormat) -> Iterator[list[str]]:
    if entries_format == "csv":
        try:
            yield from (row for row in csv.reader(io.StringIO(text), strict=True) if row)
        except csv.Error as error:
            raise InvalidGlossary(f"Not readable as CSV: {error}") from None
        return
    # Not splitlines: it would also cut at characters that no line of a file ends with.
    yield from (line.rstrip("\r").split("\t") for line in text.split("\n") if line.strip("\r "))


def _place(entries: dict[str, Entry], entry: Entry) -> int:
    return list(entries).index(entry.source)


def check_entry(entry: Entry, index: int) -> None:
    """:raises InvalidGlossary: a side is empty, too long, or has what cannot be printed."""
    for what, term in (("Key", entry.source), ("Value", entry.target)):
        if not term:
            raise InvalidGlossary(f"{what} with the index {index} is empty")
        size = len(term.encode("utf-8"))
        if size > MAX_TERM_BYTES:
            raise InvalidGlossary(f"{what} with the index {index} has {size} bytes, the limit is {MAX_TERM_BYTES}")
        if any(not character.isprintable() for character in term):
            raise InvalidGlossary(f"{what} with the index {index} has a character that cannot be printed")


@lru_cache(maxsize=64)
def compile_terms(entries: tuple[Entry, ...]) -> Terms:
    """Compile the terms of a glossary. A stored glossary never changes, so its terms are compiled once."""
    return Terms({entry.source: entry.target for entry in entries})
