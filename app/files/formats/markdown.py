"""Markdown: headings, paragraphs, items and cells; code, HTML, definitions and front matter stay byte for byte."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from markdown_it import MarkdownIt
from markdown_it.token import Token

from app.files.document import Document
from app.files.encoding import decode
from app.files.formats.markdown_inline import Inline, InlineReader

_LINES: Final = re.compile(r"([^\r\n]*)(\r\n|\r|\n|\Z)")
_FRONT_MATTER: Final = re.compile(
    r"\A(---|\+\+\+)[ \t]*\r?\n.*?^(?:\1|\.\.\.)[ \t]*(?:\r?\n|\Z)", re.DOTALL | re.MULTILINE
)
# What would begin something else than words, at the beginning of a line.
_BEGINS: Final = re.compile(r"(?=[-+#>=~|])|\d+(?=[.)](?:\s|\Z))")


@dataclass(frozen=True, slots=True)
class _Block:
    """Words in some lines: of each line, from where to where."""

    first: int
    places: list[tuple[int, int]]
    inline: Inline


def read_markdown(data: bytes) -> Document:
    """:raises UnusableFile: an encoding that is not read."""
    text, encode = decode(data)
    matter = _FRONT_MATTER.match(text)
    front = matter.group() if matter else ""
    found = [(line.group(1), line.group(2)) for line in _LINES.finditer(text, len(front))]
    lines, ends = [line for line, _ in found], [end for _, end in found]
    references: dict[str, object] = {}
    parser = MarkdownIt("commonmark").enable("table")
    parser.core.ruler.disable("inline")
    reader = InlineReader(references)
    blocks = list(_blocks(parser.parse("\n".join(lines), references), lines, reader))

    def write(translations: Iterator[str], _: str) -> bytes:
        written = [block.inline.written(translations) for block in blocks]
        # From behind: what is put first moves what stands behind it, and lines may have several cells.
        for block, text in zip(reversed(blocks), reversed(written), strict=True):
            if text != block.inline.source:
                _put(block, text, lines, ends)
        return encode(front + "".join(line + end for line, end in zip(lines, ends, strict=True)))

    fragments = [fragment for block in blocks for fragment in block.inline.passages()]
    return Document(tuple(fragment.passage for fragment in fragments), write)


def _blocks(tokens: Sequence[Token], lines: Sequence[str], reader: InlineReader) -> Iterator[_Block]:
    cells: dict[int, int] = {}  # by line, where the cells end that were found
    for before, token in pairwise(tokens):
        if token.type != "inline" or token.map is None or not token.content:
            continue
        first = token.map[0]
        if before.type in ("th_open", "td_open"):
            start, content = _cell(lines[first], token.content, cells.get(first, 0))
            places = [(start, start + len(content))] if start >= 0 else []
            cells[first] = start + len(content) if start >= 0 else len(lines[first])
        else:
            content = token.content
            places = _places(lines, first, content.split("\n"), before.type == "heading_open")
        if places:
            yield _Block(first, places, reader.read(token.content, before.type in ("th_open", "td_open")))


def _cell(line: str, content: str, position: int) -> tuple[int, str]:
    """Where a cell stands in its line, and how it is written there; a negative place if it is not found."""
    for written in (content, content.replace("|", "\\|")):
        place = line.find(written, position)
        if place >= 0:
            return place, written
    return -1, content


def _places(lines: Sequence[str], first: int, contents: Sequence[str], is_heading: bool) -> list[tuple[int, int]]:
    """None at all if one is not found, as behind tabs that count as spaces."""
    places = []
    for line, content in zip(lines[first : first + len(contents)], contents, strict=False):
        kept = content.rstrip()
        place = line.find(kept) if is_heading and len(contents) == 1 else len(line.rstrip()) - len(kept)
        if place < 0 or line[place : place + len(kept)] != kept:
            return []
        places.append((place, place + (len(content) if line.startswith(content, place) else len(kept))))
    return places if len(places) == len(contents) else []


def _put(block: _Block, written: str, lines: list[str], ends: list[str]) -> None:
    inline, places = block.inline, block.places
    first, last = block.first, block.first + len(places) - 1
    if inline.is_cell:
        start, end = places[0]
        lines[first] = lines[first][:start] + written + lines[first][end:]
        return
    width = max(end - start for start, end in places)
    new = [
        piece
        for number, line in enumerate(written.split("\n"))
        for piece in _wrapped(line if number else _safe(line, inline.source), width if len(places) > 1 else 0)
    ]
    prefixes = [lines[first + number][:start] for number, (start, _) in enumerate(places)]
    further = prefixes[1] if len(prefixes) > 1 else prefixes[0]
    suffix = lines[last][places[-1][1] :]
    shown = [(prefixes[number] if number < len(prefixes) else further) + line for number, line in enumerate(new)]
    # The number of lines of the list stays, so that the other blocks keep their places.
    lines[first] = (ends[first] or "\n").join(shown) + suffix
    ends[first] = ends[last]
    for number in range(first + 1, last + 1):
        lines[number] = ends[number] = ""


def _wrapped(line: str, width: int) -> list[str]:
    """Lines of at most so many characters where there are spaces; 0 is no limit."""
    if not width or len(line) <= width:
        return [line]
    lines = [""]
    for word in re.split(r"(?<=\S)[ \t]+(?=\S)", line):
        if lines[-1] and len(lines[-1]) + 1 + len(word) > width and not _BEGINS.match(word):
            lines.append(word)
        else:
            lines[-1] += f" {word}" if lines[-1] else word
    return lines


def _safe(line: str, source: str) -> str:
    """A paragraph that begins like a list or a heading and was none gets a backslash."""
    found = _BEGINS.match(line)
    if found is None or _BEGINS.match(source):
        return line
    return line[: found.end()] + "\\" + line[found.end() :]
