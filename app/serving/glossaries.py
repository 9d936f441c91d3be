"""The entries of glossaries: terms with the translation that a client wants for each."""

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Final, Literal

from cachetools import LRUCache, cached

from app.errors import InvalidGlossary, LimitExceeded
from app.text.placeholder_finder import Terms

EntriesFormat = Literal["tsv", "csv"]
MAX_TERM_BYTES: Final = 1024
# Limit of the characters of all cached glossaries, each of which takes 4 to 10 bytes.
_CACHED_CHARACTERS: Final = 4_000_000
_OVERHEAD_CHARACTERS: Final = 10_000  # added for each glossary, because a small one needs memory too


@dataclass(frozen=True, slots=True)
class Entry:
    """A term and its translation."""

    source: str
    target: str


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
