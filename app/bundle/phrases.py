"""``phrases.tsv.gz``: a bundle's table of words and short phrases with their translations.

A model that learned sentences makes a sentence of a lone word, or a word that does not exist. A table counted in the
training text is right far more often. Each line is ``source language TAB target language TAB phrase TAB translation``.
"""

import operator
import re
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

import regex

from app.errors import BundleFormatError

PHRASES_FILE: Final = "phrases.tsv.gz"
MAX_PHRASE_CHARACTERS: Final = 60
MAX_TABLE_BYTES: Final = 64 * 1024 * 1024  # unpacked
_FULL_STOPS: Final = (".", "。")
_FULL_STOP: Final = re.compile(r"\w[.。]\Z")  # spares most sentences the search for a phrase
_MAX_ACRONYM: Final = 3  # letters of a word in capitals that may be another word: "IT", "US"
_MAX_CELL_BYTES: Final = 4 * MAX_PHRASE_CHARACTERS
_CELL: Final = rb"[^\x00-\x1f]{1,%d}" % _MAX_CELL_BYTES
_LINES: Final = re.compile(rb"(?:(?:" + _CELL + rb"\t){3}" + _CELL + rb"\n)*+")
_PHRASE: Final = regex.compile(r"(?<start>[\s¿¡]*+)(?<phrase>[^\s¿¡].*?)(?<end>[\s.!?…:。！？：]*+)", regex.DOTALL)
_LETTER: Final = regex.compile(r"\p{L}")
_SPACES: Final = regex.compile(r"\s+")

Pair = tuple[str, str]


class Phrases(Protocol):
    """Translations of phrases."""

    def find(self, source: str) -> str | None:
        """Returns the translation of a text that is a phrase, else None."""


class PhraseTable:
    """The phrases of one pair of languages.

    It keeps the lines as they are, since a dictionary of them takes eight times the memory.

    Args:
        lines: ``phrase TAB translation LF``, sorted by phrase, in UTF-8.
    """

    def __init__(self, lines: bytes) -> None:
        self._lines = lines

    def __len__(self) -> int:
        return self._lines.count(b"\n")

    def find(self, source: str) -> str | None:
        """Returns the translation of a text that is a phrase of the table, without the punctuation at its ends.

        It is in capitals, or begins with one, as the source does. A short word in capitals may be an acronym, which is
        none of the table's words. A text with a full stop is a sentence, which the model knows better.
        """
        if len(source) > 2 * MAX_PHRASE_CHARACTERS or _FULL_STOP.search(source):
            return None
        found = _PHRASE.fullmatch(source)
        if found is None or found["end"].strip() in _FULL_STOPS:
            return None
        phrase = _SPACES.sub(" ", found["phrase"])
        translation = self._look_up(phrase.lower())
        if translation is None:
            return None
        if len(phrase) > 1 and phrase.isupper():
            return None if len(phrase) <= _MAX_ACRONYM else translation.upper()
        first = _LETTER.search(phrase)
        if first is not None and first.group().isupper():
            return translation[:1].upper() + translation[1:]
        return translation

    def _look_up(self, phrase: str) -> str | None:
        """Finds a phrase by bisection."""
        wanted = phrase.encode("utf-8")
        low, high = 0, len(self._lines)
        while low < high:
            start = self._lines.rfind(b"\n", low, (low + high) // 2) + 1 or low
            end = self._lines.index(b"\n", start)
            found, _, translation = self._lines[start:end].partition(b"\t")
            if found == wanted:
                return translation.decode("utf-8")
            if found < wanted:
                low = end + 1
            else:
                high = start
        return None


@dataclass(frozen=True, slots=True)
class PhraseChain:
    """Phrases whose translations by one table are phrases of the next."""

    first: Phrases
    second: Phrases

    def find(self, source: str) -> str | None:
        """As ``PhraseTable.find``."""
        between = self.first.find(source)
        return None if between is None else self.second.find(between)


NO_PHRASES: Final = PhraseTable(b"")


def read_phrases(path: Path) -> Mapping[Pair, PhraseTable]:
    """Reads the table of a bundle, by source and target language.

    Raises:
        BundleFormatError: It cannot be unpacked, is larger than 64 MiB, has a line of another form, or is not sorted.
    """
    content = _unpack(path)
    wrong = _LINES.match(content)
    if wrong is None or wrong.end() != len(content):
        end = 0 if wrong is None else wrong.end()
        raise BundleFormatError(
            f"{path}: expected lines of four cells of 1 to {_MAX_CELL_BYTES} bytes with tabs between them, found "
            f"{content[end : end + 80]!r} at byte {end}"
        )
    # A tab sorts before all that a cell may hold, so whole keys sort as their cells do.
    keys = [line.rpartition(b"\t")[0] for line in content.splitlines()]
    if not all(map(operator.lt, keys, keys[1:])):
        number = next(number for number in range(1, len(keys)) if keys[number] <= keys[number - 1])
        raise BundleFormatError(f"{path}: is not sorted by languages and phrase at {keys[number][:80]!r}")
    tables: dict[Pair, PhraseTable] = {}
    start = 0
    while start < len(content):
        source, target, _ = content[start : content.index(b"\n", start)].split(b"\t", 2)
        prefix = source + b"\t" + target + b"\t"
        last = content.rfind(b"\n" + prefix, start) + 1 or start
        end = content.index(b"\n", last) + 1
        lines = content[start:end].replace(b"\n" + prefix, b"\n")[len(prefix) :]
        tables[source.decode(), target.decode()] = PhraseTable(lines)
        start = end
    return tables


def write_phrases(tables: Mapping[Pair, Iterable[tuple[str, str]]]) -> bytes:
    """Returns the content of the file: the same for the same phrases.

    Args:
        tables: By source and target language, phrases with their translations. Those with a side of more than 60
            characters are left out.
    """
    lines = sorted(
        tuple(cell.encode("utf-8") for cell in (source, target, phrase, translation))
        for (source, target), phrases in tables.items()
        for phrase, translation in phrases
        if max(len(phrase), len(translation)) <= MAX_PHRASE_CHARACTERS
    )
    packer = zlib.compressobj(9, zlib.DEFLATED, 16 + zlib.MAX_WBITS)
    return packer.compress(b"".join(b"\t".join(line) + b"\n" for line in lines)) + packer.flush()


def _unpack(path: Path) -> bytes:
    unpacker = zlib.decompressobj(16 + zlib.MAX_WBITS)
    try:
        content = unpacker.decompress(path.read_bytes(), MAX_TABLE_BYTES + 1)
        if len(content) > MAX_TABLE_BYTES:
            raise BundleFormatError(f"{path}: has more than {MAX_TABLE_BYTES} bytes unpacked")
        if not unpacker.eof:
            raise BundleFormatError(f"{path}: ends early")
        content.decode("utf-8")
        return content
    except (zlib.error, UnicodeDecodeError) as error:
        raise BundleFormatError(f"{path}: cannot be unpacked: {error}") from error
