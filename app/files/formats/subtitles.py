"""SRT and WebVTT: the words of cues; numbers, times, settings, notes and styles are kept byte for byte.

The lines of a cue are one passage, whose translation is wrapped to the same number of lines. If each line begins with a
dash, several people speak, and each line is a passage.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Final

import regex

from app.errors import UnusableFile
from app.files.document import CloseTag, Document, Fragment, OpenTag, Piece, PointTag, drop_empty_tags
from app.files.raw_file import decode

_LINES: Final = regex.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+\Z")
_TIME: Final = regex.compile(r"\s*(?:\d+:)?\d+:\d+[.,]\d+\s*-->\s*(?:\d+:)?\d+:\d+[.,]\d+")
_TAG: Final = regex.compile(r"</?[A-Za-z][^<>]*>|<\d[\d:.]*>|\{\\[^{}]*\}|\{/?[biu]\}")
_NAME: Final = regex.compile(r"[A-Za-z]+")
_SPEAKER: Final = regex.compile(r"\s*(?:<[^<>]*>)*\s*[-‐–—]")
_SPACES: Final = regex.compile(r"\s+")


class _Text:
    """Lines of a cue that are one passage.

    Attributes:
        fragment: The words with their tags.
    """

    def __init__(self, lines: Sequence[str]) -> None:
        stripped = [line.rstrip("\r\n") for line in lines]
        self._lines = lines
        self._ends = [line[len(text) :] for line, text in zip(lines, stripped, strict=True)]
        self._lengths = [len(text.strip()) for text in stripped]
        self._tags: list[str] = []
        self.fragment = Fragment(
            self._read_pieces(" ".join(text.strip() for text in stripped) if len(lines) > 1 else stripped[0])
        )

    def write(self, translations: Iterator[str]) -> str:
        """Return the lines with the next of the translations."""
        if not self.fragment.is_translated:
            return "".join(self._lines)
        translation = next(translations)
        if translation == self.fragment.passage.text:
            return "".join(self._lines)
        text = "".join(
            piece if isinstance(piece, str) else self._tags[2 * piece.number + isinstance(piece, CloseTag)]
            for piece in drop_empty_tags(self.fragment.restore(translation), lambda _: True)
        )
        texts = _wrap(text, self._lengths) if len(self._ends) > 1 else [text]
        return "".join(
            text + end for text, end in zip(texts, [*self._ends[: len(texts) - 1], self._ends[-1]], strict=True)
        )

    def _read_pieces(self, text: str) -> list[Piece]:
        found = list(_TAG.finditer(text))
        partners = _pair_tags([tag.group() for tag in found])
        pieces: list[Piece] = []
        offset = 0
        numbers: dict[int, int] = {}
        for index, tag in enumerate(found):
            pieces.append(text[offset : tag.start()])
            offset = tag.end()
            partner = partners.get(index)
            if partner is not None and partner < index:
                pieces.append(CloseTag(numbers[partner]))
                self._tags[2 * numbers[partner] + 1] = tag.group()
            else:
                numbers[index] = len(self._tags) // 2
                pieces.append(PointTag(numbers[index]) if partner is None else OpenTag(numbers[index]))
                self._tags += [tag.group(), ""]
        return [*pieces, text[offset:]]


def read_subtitles(data: bytes) -> Document:
    """Read the cues.

    Raises:
        UnusableFile: The file has no cue, or is in an encoding that is not read.
    """
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
            pieces += [*_divide_cue(cue), line]
            cue = None
    pieces += _divide_cue(cue or [])
    if text.strip() and not _TIME.search(text):
        raise UnusableFile("The file has no subtitles: no line says from when to when (00:00:01,000 --> 00:00:02,500)")

    def write(translations: Iterator[str], _: str) -> bytes:
        return encode("".join(piece if isinstance(piece, str) else piece.write(translations) for piece in pieces))

    texts = [piece.fragment for piece in pieces if isinstance(piece, _Text)]
    return Document(tuple(fragment.passage for fragment in texts if fragment.is_translated), write)


def _divide_cue(lines: Sequence[str]) -> list[str | _Text]:
    """Return the passages of a cue."""
    if not lines:
        return []
    if len(lines) > 1 and all(_SPEAKER.match(line) for line in lines):
        return [_Text([line]) for line in lines]
    return [_Text(lines)]


def _pair_tags(tags: Sequence[str]) -> dict[int, int]:
    """Return by the index of each tag that encloses words the index of its partner. Tags that are not well nested are
    left out.
    """
    partners: dict[int, int] = {}
    opened: list[int] = []
    for number, tag in enumerate(tags):
        name = _NAME.search(tag)
        if name is None or tag.startswith("{\\"):
            continue
        if tag[1] != "/":
            opened.append(number)
            continue
        same = [one for one in opened if _name_of(tags[one]) == name.group() and tags[one][0] == tag[0]]
        if same:
            partners[same[-1]], partners[number] = number, same[-1]
            del opened[opened.index(same[-1]) :]
    return partners


def _name_of(tag: str) -> str:
    found = _NAME.search(tag)
    return found.group() if found is not None else ""


def _wrap(text: str, lengths: Sequence[int]) -> list[str]:
    """Wrap a text at spaces outside tags.

    Args:
        text: The text.
        lengths: The lengths of the old lines, to which those of the new lines are proportional.
    """
    tags = [range(tag.start(), tag.end()) for tag in _TAG.finditer(text)]
    spaces = [space for space in _SPACES.finditer(text.strip()) if not any(space.start() in tag for tag in tags)]
    text = text.strip()
    cuts: list[tuple[int, int]] = []
    for number in range(1, len(lengths)):
        ideal = len(text) * sum(lengths[:number]) / sum(lengths)
        left = [space for space in spaces if not cuts or space.start() > cuts[-1][0]]
        if not left:
            break
        best = min(left, key=lambda space: abs(space.start() - ideal))
        cuts.append((best.start(), best.end()))
    edges = [(0, 0), *cuts, (len(text), len(text))]
    return [text[start[1] : end[0]] for start, end in pairwise(edges)]
