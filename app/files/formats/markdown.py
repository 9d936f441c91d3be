"""Markdown: headings, paragraphs, items and cells; code, HTML, definitions and front matter are kept byte for byte."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from markdown_it import MarkdownIt
from markdown_it.token import Token

from app.files.declarations import is_language
from app.files.document import Document
from app.files.encoding import decode
from app.files.formats.markdown_inline import InlineReader
from app.files.formats.markdown_paragraph import Inline
from app.files.raw_file import check_elements

_MAX_LINES: Final = 200_000  # the parser takes up to 2 KB a line
_LINES: Final = re.compile(r"([^\r\n]*)(\r\n|\r|\n|\Z)")
_FRONT_MATTER: Final = re.compile(
    r"\A(---|\+\+\+)[ \t]*\r?\n.*?^(?:\1|\.\.\.)[ \t]*(?:\r?\n|\Z)", re.DOTALL | re.MULTILINE
)
_LANGUAGE: Final = re.compile(
    r"^((?:lang|language|locale)[ \t]*[:=][ \t]*[\"']?)([A-Za-z]{2,3}(?:[-_][A-Za-z0-9]{2,8})*)(?=[\"']?[ \t]*\r?$)",
    re.MULTILINE,
)
# What would begin a list, a heading or a quotation at the beginning of a line.
_BLOCK_START: Final = re.compile(r"(?=[-+#>=~|:])|\d+(?=[.)](?:\s|\Z))")
# Formulas: by the rule of Pandoc, and without words unless there is a sign of mathematics, because "$" is money too.
_MATH: Final = re.compile(
    r"(?<![\\$])(?:\$\$[^$\n]+\$\$|\$(?=[^$\n]*[\\^_={}<>]|(?:[^$\nA-Za-z]|[A-Za-z](?![A-Za-z]))+\$)"
    r"[^\s$](?:[^$\n]*[^\s$\\])?\$(?![\d$]))"
)
# Lines of a paragraph that mean something to other programs than CommonMark: the beginning of an alert, a fence or a
# definition, behind which words may follow.
_MARKER: Final = re.compile(r"\[![A-Za-z]+\][-+]?(?:[ \t]+|\Z)|(?::{3,}|!{3}[ \t]|\?{3}[ \t+]).*|:[ \t]+")
# A line in bold alone is a title; a line that goes on behind its formula is none.
_TITLE: Final = re.compile(r"\*\*[^*]{1,200}\*\*:?|__[^_]{1,200}__:?")
_FORMULA: Final = re.compile(r"\$\$(?![^$]{0,500}\$\$\s*[^\s$])")


@dataclass(frozen=True, slots=True)
class _Block:
    """The words of a paragraph, heading, item or cell.

    Attributes:
        first: The index of its first line.
        ranges: For each of its lines, the start and end offset of the words.
        inline: The words.
    """

    first: int
    ranges: list[tuple[int, int]]
    inline: Inline


def read_markdown(data: bytes, languages: Sequence[str] = ()) -> Document:
    """Read the words of a Markdown file.

    Raises:
        UnusableFile: The file is in an encoding that is not read, or has more than ``_MAX_LINES`` lines.
    """
    text, encode = decode(data, languages)
    found_front = _FRONT_MATTER.match(text)
    front = found_front.group() if found_front else ""
    check_elements(text.count("\n") + text.count("\r"), "lines", _MAX_LINES)
    check_elements(sum(map(text.count, "*_[]`<!\\&~^$|")), "marks")
    found = [(line.group(1), line.group(2)) for line in _LINES.finditer(text, len(front))]
    lines, ends = [line for line, _ in found], [end for _, end in found]
    references: dict[str, object] = {}
    parser = MarkdownIt("commonmark").enable("table")
    parser.core.ruler.disable("inline")
    reader = InlineReader(references)
    blocks = list(_read_blocks(parser.parse("\n".join(lines), references), lines, reader))

    def write(translations: Iterator[str], target: str) -> bytes:
        texts = [block.inline.write(translations) for block in blocks]
        # In reverse order, because a replacement moves what is behind it, and a line may have several cells.
        for block, text in zip(reversed(blocks), reversed(texts), strict=True):
            if text != block.inline.source:
                _replace_block(block, text, lines, ends)
        matter = _declare_language(front, target) if blocks else front
        return encode(matter + "".join(line + end for line, end in zip(lines, ends, strict=True)))

    fragments = [fragment for block in blocks for fragment in block.inline.fragments()]
    return Document(tuple(fragment.passage for fragment in fragments), write)


def _declare_language(front: str, target: str) -> str:
    """Return the front matter with the language of the translation, if it declares one."""
    return _LANGUAGE.sub(lambda found: found[1] + (target if is_language(found[2]) else found[2]), front, count=1)


def _read_blocks(tokens: Sequence[Token], lines: Sequence[str], reader: InlineReader) -> Iterator[_Block]:
    cell_ends: dict[int, int] = {}  # by line, the end offset of the last cell that was found
    for before, token in pairwise(tokens):
        if token.type != "inline" or token.map is None or not token.content:
            continue
        first = token.map[0]
        if before.type in ("th_open", "td_open"):
            start, content = _find_cell(lines[first], token.content, cell_ends.get(first, 0))
            cell_ends[first] = start + len(content) if start >= 0 else len(lines[first])
            formulas = [found.span() for found in _MATH.finditer(token.content)]
            if start >= 0:
                yield _Block(
                    first, [(start, start + len(content))], reader.read(token.content, is_cell=True, kept=formulas)
                )
            continue
        contents = token.content.split("\n")
        ranges = _find_lines(lines, first, contents, before.type == "heading_open")
        whole = [(0, len(contents), 0)]
        for begin, end, offset in _divide_lines(contents) if before.type == "paragraph_open" else whole:
            if ranges:
                text = "\n".join([contents[begin][offset:], *contents[begin + 1 : end]])
                inline = reader.read(text, is_cell=False, kept=[found.span() for found in _MATH.finditer(text)])
                start, stop = ranges[begin]
                yield _Block(first + begin, [(start + offset, stop), *ranges[begin + 1 : end]], inline)


def _divide_lines(contents: Sequence[str]) -> Iterator[tuple[int, int, int]]:
    """Divide the lines of a paragraph where one has a marker or a formula of its own.

    Yields:
        The index of the first line of a part, the index behind its last one, and the offset of the words in the first.
    """
    begin, offset = 0, 0
    is_formula = False
    for index, content in enumerate(contents):
        text = content.rstrip()
        found = _MARKER.match(text)
        is_title = not is_formula and _TITLE.fullmatch(text) is not None
        if not (is_formula or found or is_title or _FORMULA.match(text)):
            continue
        if begin < index:
            yield begin, index, offset
        begin, offset = index, 0
        if is_title:
            yield index, index + 1, 0
            begin = index + 1
        elif is_formula or found is None:
            is_formula = not text.endswith("$$") if is_formula else text.count("$$") == 1
            begin = index + 1
        elif found.end() == len(text):
            begin = index + 1
        else:
            offset = found.end()
            if text.startswith("["):  # the title of an alert is a line of its own
                yield index, index + 1, offset
                begin, offset = index + 1, 0
    if begin < len(contents):
        yield begin, len(contents), offset


def _find_cell(line: str, content: str, offset: int) -> tuple[int, str]:
    """Find a cell of a table in its line.

    Args:
        line: The line.
        content: The content of the cell, in which the parser removed backslashes before ``|``.
        offset: Where to start.

    Returns:
        The offset of the cell and its content as it stands in the line; a negative offset if it is not found.
    """
    for source in (content, content.replace("|", "\\|")):
        found = line.find(source, offset)
        if found >= 0:
            return found, source
    return -1, content


def _find_lines(lines: Sequence[str], first: int, contents: Sequence[str], is_heading: bool) -> list[tuple[int, int]]:
    """Return the start and end offset of each line of a block; none if one is not found, as behind expanded tabs."""
    ranges = []
    for line, content in zip(lines[first : first + len(contents)], contents, strict=False):
        kept = content.rstrip()
        start = line.find(kept) if is_heading and len(contents) == 1 else len(line.rstrip()) - len(kept)
        if start < 0 or line[start : start + len(kept)] != kept:
            return []
        ranges.append((start, start + (len(content) if line.startswith(content, start) else len(kept))))
    return ranges if len(ranges) == len(contents) else []


def _replace_block(block: _Block, text: str, lines: list[str], ends: list[str]) -> None:
    inline, ranges = block.inline, block.ranges
    first, last = block.first, block.first + len(ranges) - 1
    if inline.is_cell:
        start, end = ranges[0]
        lines[first] = lines[first][:start] + text + lines[first][end:]
        return
    width = max(end - start for start, end in ranges)
    new = [
        piece
        for number, line in enumerate(text.split("\n"))
        for piece in _wrap(line if number else _escape_start(line, inline.source), width if len(ranges) > 1 else 0)
    ]
    prefixes = [lines[first + number][:start] for number, (start, _) in enumerate(ranges)]
    further = prefixes[1] if len(prefixes) > 1 else prefixes[0]
    suffix = lines[last][ranges[-1][1] :]
    shown = [(prefixes[number] if number < len(prefixes) else further) + line for number, line in enumerate(new)]
    # The list keeps its length, so that the indices of the other blocks stay valid.
    lines[first] = (ends[first] or "\n").join(shown) + suffix
    ends[first] = ends[last]
    for number in range(first + 1, last + 1):
        lines[number] = ends[number] = ""


def _wrap(line: str, width: int) -> list[str]:
    """Wrap a line at spaces to at most ``width`` characters; 0 is no limit."""
    if not width or len(line) <= width:
        return [line]
    lines = [""]
    for word in re.split(r"(?<=\S)[ \t]+(?=\S)", line):
        if lines[-1] and len(lines[-1]) + 1 + len(word) > width and not _BLOCK_START.match(word):
            lines.append(word)
        else:
            lines[-1] += f" {word}" if lines[-1] else word
    return lines


def _escape_start(line: str, source: str) -> str:
    """Add a backslash to a paragraph that begins like a list or a heading, unless its source does so too."""
    found = _BLOCK_START.match(line)
    if found is None or _BLOCK_START.match(source):
        return line
    return line[: found.end()] + "\\" + line[found.end() :]
