"""CSV and TSV: the cells with words; quotes, separators, numbers, dates and identifiers are kept."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import regex

from app.files.document import Document, Passage
from app.files.encoding import decode
from app.files.raw_file import check_elements
from app.text.segmentation import needs_translation

_SNIFFED_CHARACTERS: Final = 64 * 1024
_MAX_CELLS: Final = 1_000_000  # a cell takes up to 100 bytes and 20 microseconds
_SEPARATORS: Final = ",;\t|"
_SPACE: Final = regex.compile(r"\s")
# One "word" with a digit, an underscore or a symbol is a key, a code, a date or an address.
_KEY_CHARACTER: Final = regex.compile(r"[\d_@/\\:=#]")
_KEY: Final = regex.compile(r"[A-Za-z]\w{0,100}(?:[._:#-]\w{1,100}){1,20}|[a-z]{1,60}[A-Z]\w{0,60}")
_MIN_KEYS: Final = 2
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


def read_csv(data: bytes, languages: Sequence[str] = ()) -> Document:
    """Read the cells of a CSV file, whose separator is detected.

    Raises:
        UnusableFile: The file is in an encoding that is not read.
    """
    return _read_table(data, _SEPARATORS, languages)


def read_tsv(data: bytes, languages: Sequence[str] = ()) -> Document:
    """Read the cells of a TSV file.

    Raises:
        UnusableFile: The file is in an encoding that is not read.
    """
    return _read_table(data, "\t", languages)


def _read_table(data: bytes, separators: str, languages: Sequence[str]) -> Document:
    text, encode = decode(data, languages)
    separator = _detect_separator(text, separators)
    check_elements(text.count(separator) + text.count("\n") + text.count("\r"), "cells", _MAX_CELLS)
    pieces: list[str | _Cell] = []
    columns: dict[int, list[int]] = {}  # by column, the numbers of its cells among the pieces
    offset = column = 0
    for found in _cells_of(separator).finditer(text):
        between = text[offset : found.start()]
        line_end = max(between.rfind("\n"), between.rfind("\r"))
        column = between.count(separator, line_end + 1) + (column if line_end < 0 else 0)
        pieces.append(between)
        source = found.group()
        is_quoted = len(source) > 1 and source[0] == source[-1] == '"'
        value = source[1:-1].replace('""', '"') if is_quoted else source
        columns.setdefault(column, []).append(len(pieces))
        pieces.append(_Cell(value, source, is_quoted) if _has_words(value) else source)
        offset = found.end()
    pieces.append(text[offset:])
    for numbers in columns.values():
        _keep_keys(pieces, numbers[1:])  # the first one is the name of the column

    def write(translations: Iterator[str], _: str) -> bytes:
        cells = (one if isinstance(one, str) else one.write(next(translations), separator) for one in pieces)
        return encode("".join(cells))

    return Document(tuple(Passage(piece.value) for piece in pieces if isinstance(piece, _Cell)), write)


def _keep_keys(pieces: list[str | _Cell], numbers: list[int]) -> None:
    """Keep the cells of a column of keys: all are of one word, and each word has several parts."""
    if len(numbers) < _MIN_KEYS:
        return
    sources = [piece if isinstance(piece := pieces[number], str) else piece.source for number in numbers]
    if all(_KEY.fullmatch(source.strip('" ')) for source in sources):
        for number, source in zip(numbers, sources, strict=True):
            pieces[number] = source


def _cells_of(separator: str) -> "regex.Pattern[str]":
    """Return a pattern of the cells: a quoted one, which ends at a separator or line end, or one without quotes."""
    ends = rf"{regex.escape(separator)}\r\n"
    return regex.compile(rf'"(?:[^"]|"")*+"(?=[{ends}]|\Z)|[^{ends}]++')


def _detect_separator(text: str, separators: str) -> str:
    """Return the separator that divides most rows into the same number of cells.

    ``csv.Sniffer`` takes time that grows with the square of the text, so the cells are counted instead.
    """
    sample = text[:_SNIFFED_CHARACTERS]
    return max(separators, key=lambda one: _rate_separator(sample, one))


def _rate_separator(text: str, separator: str) -> tuple[int, bool, int]:
    """Return how well a separator divides a text: a pair of ratings that are compared in their order.

    Returns:
        The number of rows with the most common number of separators above 0; whether no space follows any of them, as
        one follows a comma between words; and that most common number.
    """
    structure = _cells_of(separator).sub("", text)
    counts = Counter(row.count(separator) for row in structure.splitlines() if separator in row)
    count, rows = max(counts.items(), key=lambda item: (item[1], item[0]), default=(0, 0))
    return rows, f"{separator} " not in text, count


def _has_words(value: str) -> bool:
    text = value.strip()
    if not needs_translation(text):
        return False
    is_key = _SPACE.search(text) is None and _KEY_CHARACTER.search(text) is not None
    return not (is_key or _VALUE.fullmatch(text) or _DATE.fullmatch(text))
