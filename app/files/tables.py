"""CSV and TSV: the cells with words in them; quotes, separators, numbers, dates and identifiers stay as they are."""

import csv
from collections.abc import Iterator
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
    pieces: list[str | tuple[str, bool]] = []  # a cell with whether it is quoted
    position = 0
    for found in cell.finditer(text):
        pieces.append(text[position : found.start()])
        written = found.group()
        is_quoted = len(written) > 1 and written[0] == written[-1] == '"'
        value = written[1:-1].replace('""', '"') if is_quoted else written
        pieces.append((value, is_quoted) if _has_words(value) else written)
        position = found.end()
    pieces.append(text[position:])

    def write(translations: Iterator[str], _: str) -> bytes:
        return encode(
            "".join(
                piece if isinstance(piece, str) else _written(next(translations), piece[1], separator)
                for piece in pieces
            )
        )

    return Document(tuple(Passage(piece[0]) for piece in pieces if not isinstance(piece, str)), write)


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


def _written(value: str, is_quoted: bool, separator: str) -> str:
    if not is_quoted and not any(sign in value for sign in (separator, '"', "\r", "\n")):
        return value
    return '"' + value.replace('"', '""') + '"'
