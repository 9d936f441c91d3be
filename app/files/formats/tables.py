"""CSV and TSV: the cells with words; quotes, separators, numbers, dates and identifiers are kept."""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import regex

from app.files.document import Document, Passage
from app.files.raw_file import decode
from app.text.segmentation import needs_translation

_SNIFFED_CHARACTERS: Final = 64 * 1024
_SEPARATORS: Final = ",;\t|"
# One "word" with a digit, an underscore or a symbol is a key, a code, a date or an address.
_KEY: Final = regex.compile(r"\S*[\d_@/\\:=#]\S*")
_VALUE: Final = regex.compile(r"(?:true|false|null|none|nan|n/a|na|inf)", regex.IGNORECASE)
_DATE: Final = regex.compile(r"\d[\d.:/ -]*(?:[A-Za-z]{3,9}\.?[\d,.:/ -]*)?(?:\s?(?:[AP]M|UTC|Z))?", regex.IGNORECASE)


@dataclass(frozen=True, slots=True)
class _Cell:
    """A cell with words.

    Attributes:
        value: Its text.
        source: The text as it stands in the file, perhaps in quotes.
        is_quoted: Whether it stands in quotes.
    """

    value: str
    source: str
    is_quoted: bool

    def write(self, translation: str, separator: str) -> str:
        """Return the cell as it stands in the file with its translation."""
        if translation == self.value:
            return self.source
        # Not every program reads a quote within a cell without quotes, so a cell that gets one is quoted.
        is_new = '"' in translation and '"' not in self.value
        if not (self.is_quoted or is_new or any(special in translation for special in (separator, "\r", "\n"))):
            return translation
        return '"' + translation.replace('"', '""') + '"'


def read_csv(data: bytes) -> Document:
    """Read the cells of a CSV file, whose separator is detected.

    Raises:
        UnusableFile: The file is in an encoding that is not read.
    """
    return _read_table(data, _SEPARATORS)


def read_tsv(data: bytes) -> Document:
    """Read the cells of a TSV file.

    Raises:
        UnusableFile: The file is in an encoding that is not read.
    """
    return _read_table(data, "\t")


def _read_table(data: bytes, separators: str) -> Document:
    text, encode = decode(data)
    separator = _detect_separator(text, separators)
    cell = regex.compile(rf'"(?:[^"]|"")*+"(?=[{regex.escape(separator)}\r\n]|\Z)|[^{regex.escape(separator)}\r\n]++')
    pieces: list[str | _Cell] = []
    offset = 0
    for found in cell.finditer(text):
        pieces.append(text[offset : found.start()])
        source = found.group()
        is_quoted = len(source) > 1 and source[0] == source[-1] == '"'
        value = source[1:-1].replace('""', '"') if is_quoted else source
        pieces.append(_Cell(value, source, is_quoted) if _has_words(value) else source)
        offset = found.end()
    pieces.append(text[offset:])

    def write(translations: Iterator[str], _: str) -> bytes:
        cells = (one if isinstance(one, str) else one.write(next(translations), separator) for one in pieces)
        return encode("".join(cells))

    return Document(tuple(Passage(piece.value) for piece in pieces if isinstance(piece, _Cell)), write)


def _detect_separator(text: str, separators: str) -> str:
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
