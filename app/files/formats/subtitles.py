"""SRT and WebVTT: the words of a cue; numbers, times, settings, notes and styles stay byte for byte.

The lines of a cue are one text, wrapped again to as many lines; where each begins with a dash, two people speak, and
each line is a text of its own.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Final

import regex

from app.errors import UnusableFile
from app.files.document import Document
from app.files.encoding import decode
from app.files.fragment import Close, Fragment, Open, Piece, Point, without_empty

_LINES: Final = regex.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+\Z")
_TIME: Final = regex.compile(r"\s*(?:\d+:)?\d+:\d+[.,]\d+\s*-->\s*(?:\d+:)?\d+:\d+[.,]\d+")
_TAG: Final = regex.compile(r"</?[A-Za-z][^<>]*>|<\d[\d:.]*>|\{\\[^{}]*\}|\{/?[biu]\}")
_NAME: Final = regex.compile(r"[A-Za-z]+")
_SPEAKER: Final = regex.compile(r"\s*(?:<[^<>]*>)*\s*[-‐–—]")
_SPACES: Final = regex.compile(r"\s+")


class _Text:
    """Some lines of a cue: ``ends`` are those of the lines."""

    def __init__(self, lines: Sequence[str]) -> None:
        stripped = [line.rstrip("\r\n") for line in lines]
        self._lines = lines
        self._ends = [line[len(text) :] for line, text in zip(lines, stripped, strict=True)]
        self._lengths = [len(text.strip()) for text in stripped]
        self._tags: list[str] = []
        self.fragment = Fragment(
            self._pieces(" ".join(text.strip() for text in stripped) if len(lines) > 1 else stripped[0])
        )

    def written(self, translations: Iterator[str]) -> str:
        if not self.fragment.is_translated:
            return "".join(self._lines)
        translation = next(translations)
        if translation == self.fragment.passage.text:
            return "".join(self._lines)
        written: list[str] = []
        for piece in without_empty(self.fragment.translated(translation), lambda _: True):
            if isinstance(piece, str):
                written.append(piece)
            else:
                written.append(self._tags[2 * piece.number + isinstance(piece, Close)])
        texts = _wrapped("".join(written), self._lengths) if len(self._ends) > 1 else ["".join(written)]
        return "".join(
            text + end for text, end in zip(texts, [*self._ends[: len(texts) - 1], self._ends[-1]], strict=True)
        )

    def _pieces(self, text: str) -> list[Piece]:
        found = list(_TAG.finditer(text))
        partners = _partners([tag.group() for tag in found])
        pieces: list[Piece] = []
        position = 0
        numbers: dict[int, int] = {}
        for index, tag in enumerate(found):
            pieces.append(text[position : tag.start()])
            position = tag.end()
            partner = partners.get(index)
            if partner is not None and partner < index:
                pieces.append(Close(numbers[partner]))
                self._tags[2 * numbers[partner] + 1] = tag.group()
            else:
                numbers[index] = len(self._tags) // 2
                pieces.append(Point(numbers[index]) if partner is None else Open(numbers[index]))
                self._tags += [tag.group(), ""]
        return [*pieces, text[position:]]


def read_subtitles(data: bytes) -> Document:
    """:raises UnusableFile: no cue in it, or an encoding that is not read."""
    text, encode = decode(data)
    pieces: list[str | _Text] = []
    cue: list[str] | None = None
    for line in _LINES.findall(text):
        if cue is None:
            pieces.append(line)
            cue = [] if _TIME.match(line) else None
        elif line.strip():
            cue.append(line)
        else:
            pieces += [*_texts(cue), line]
            cue = None
    pieces += _texts(cue or [])
    if text.strip() and not _TIME.search(text):
        raise UnusableFile("The file has no subtitles: no line says from when to when (00:00:01,000 --> 00:00:02,500)")

    def write(translations: Iterator[str], _: str) -> bytes:
        return encode("".join(piece if isinstance(piece, str) else piece.written(translations) for piece in pieces))

    texts = [piece.fragment for piece in pieces if isinstance(piece, _Text)]
    return Document(tuple(fragment.passage for fragment in texts if fragment.is_translated), write)


def _texts(lines: Sequence[str]) -> list[str | _Text]:
    if not lines:
        return []
    if len(lines) > 1 and all(_SPEAKER.match(line) for line in lines):
        return [_Text([line]) for line in lines]
    return [_Text(lines)]


def _partners(tags: Sequence[str]) -> dict[int, int]:
    """Of the tags that enclose words, the number of the other one; what is not nested well is a mark by itself."""
    partners: dict[int, int] = {}
    opened: list[int] = []
    for number, tag in enumerate(tags):
        name = _NAME.search(tag)
        if name is None or tag.startswith("{\\"):
            continue
        if tag[1] != "/":
            opened.append(number)
            continue
        same = [place for place in opened if _name(tags[place]) == name.group() and tags[place][0] == tag[0]]
        if same:
            partners[same[-1]], partners[number] = number, same[-1]
            del opened[opened.index(same[-1]) :]
    return partners


def _name(tag: str) -> str:
    found = _NAME.search(tag)
    return found.group() if found is not None else ""


def _wrapped(text: str, lengths: Sequence[int]) -> list[str]:
    """At most so many lines, whose lengths are to each other as these, cut at spaces outside tags."""
    tags = [range(tag.start(), tag.end()) for tag in _TAG.finditer(text)]
    spaces = [space for space in _SPACES.finditer(text.strip()) if not any(space.start() in tag for tag in tags)]
    text = text.strip()
    cuts: list[tuple[int, int]] = []
    for number in range(1, len(lengths)):
        wanted = len(text) * sum(lengths[:number]) / sum(lengths)
        left = [space for space in spaces if not cuts or space.start() > cuts[-1][0]]
        if not left:
            break
        best = min(left, key=lambda space: abs(space.start() - wanted))
        cuts.append((best.start(), best.end()))
    edges = [(0, 0), *cuts, (len(text), len(text))]
    return [text[start[1] : end[0]] for start, end in pairwise(edges)]
