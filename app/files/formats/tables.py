"""CSV and TSV: the cells with words in them; quotes, separators, numbers, dates and identifiers stay as they are."""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import regex

from app.files.document import Document, Passage
from app.files.encoding import decode
from app.text.segmentation import needs_translation

_SNIFFED_CHARACTERS: Final = 64 * 1024
_SEPARATORS: Final = ",;\t|"
# One "word" with a digit, an underscore or a sign inside is a key, a code, a date or an address.
_KEY: Final = regex.compile(r"\S*[\d_@/\\:=#]\S*")
_VALUE: Final = regex.compile(r"(?:true|false|null|none|nan|n/a|na|inf)", regex.IGNORECASE)
_DATE: Final = regex.compile(r"\d[\d.:/ -]*(?:[A-Za-z]{3,9}\.?[\d,.:/ -]*)?(?:\s?(?:[AP]M|UTC|Z))?", regex.IGNORECASE)


@dataclass(frozen=True, slots=True)
class _Cell:
    """A cell with words: what it says, and how it is written."""

    value: str
    written: str
    is_quoted: bool

    def translated(self, translation: str, separator: str) -> str:
        if translation == self.value:
            return self.written
        # A lone quote in the middle of a cell is read as it is, but not everywhere: none is added.
        is_new = '"' in translation and '"' not in self.value
        if not (self.is_quoted or is_new or any(sign in translation for sign in (separator, "\r", "\n"))):
            return translation
        return '"' + translation.replace('"', '""') + '"'


def read_csv(data: bytes) -> Document:
    """:raises UnusableFile: an encoding that is not read."""
    return _read(data, _SEPARATORS)


def read_tsv(data: bytes) -> Document:
    """:raises UnusableFile: an encoding that is not read."""
    return _read(data, "\t")


def _read(data: bytes, separators: str) -> Document:
    text, encode = decode(data)
    separator = _separator(text, separators)
    cell = regex.compile(rf'"(?:[^"]|"")*+"(?=[{regex.escape(separator)}\r\n]|\Z)|[^{regex.escape(separator)}\r\n]++')
    pieces: list[str | _Cell] = []
    position = 0
    for found in cell.finditer(text):
        pieces.append(text[position : found.start()])
        written = found.group()
        is_quoted = len(written) > 1 and written[0] == written[-1] == '"'
        value = written[1:-1].replace('""', '"') if is_quoted else written
        pieces.append(_Cell(value, written, is_quoted) if _has_words(value) else written)
        position = found.end()
    pieces.append(text[position:])

    def write(translations: Iterator[str], _: str) -> bytes:
        cells = (one if isinstance(one, str) else one.translated(next(translations), separator) for one in pieces)
        return encode("".join(cells))

    return Document(tuple(Passage(piece.value) for piece in pieces if isinstance(piece, _Cell)), write)


def _separator(text: str, separators: str) -> str:
    if len(separators) == 1:
        return separators
    sample = text[:_SNIFFED_CHARACTERS]
    try:
        found = csv.Sniffer().sniff(sample[: sample.rfind("\n") + 1] or sample, separators).delimiter
    except csv.Error:
        return max(separators, key=sample.partition("\n")[0].count)
    return found if found in separators else separators[0]


def _has_words(value: str) -> bool:
    text = value.strip()
    if not needs_translation(text):
        return False
    return not (_KEY.fullmatch(text) or _VALUE.fullmatch(text) or _DATE.fullmatch(text))
