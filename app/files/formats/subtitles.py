"""SRT and WebVTT: the words of cues; numbers, times, settings, notes and styles are kept byte for byte.

The lines of a cue are one passage, whose translation is wrapped to the same number of lines. If each line begins with a
dash, several people speak, and each line is a passage. A line of times begins a cue even where the blank line before it
is missing, and SRT text behind a blank line belongs to the cue before it.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import accumulate, pairwise
from typing import Final

import regex

from app.errors import UnusableFile
from app.files.document import Document
from app.files.encoding import decode
from app.files.fragment import CloseTag, Fragment, OpenTag, Piece, PointKind, PointTag, drop_empty_tags
from app.files.raw_file import check_elements

_LINES: Final = regex.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+\Z")
_TIMES: Final = regex.compile(r"\s*+\d++:(?:\d++[:.,])*+\d++\s*+-->\s*+\d++:(?:\d++[:.,])*+\d")
# A line of the header of WebVTT, which ends at the first blank line.
_HEADER_LANGUAGE: Final = regex.compile(
    r"\A(WEBVTT[^\r\n]*(?:(?:\r\n|\r|\n)(?!Language:)[^\r\n]++)*+(?:\r\n|\r|\n)Language:[ \t]*)[^\r\n]+"
)
_NUMBER: Final = regex.compile(r"\s*\d+\s*")
_BREAK: Final = regex.compile(r"<br\s*/?>|\\[Nnh]", regex.IGNORECASE)
_TAG: Final = regex.compile(r"\\N|\\[nh](?![a-z])|</?[A-Za-z][^<>]*>|<\d[\d:.]*>|\{\\[^{}]*\}|\{/?[biu]\}")
_TAG_OR_SPACES: Final = regex.compile(rf"(?:{_TAG.pattern})|(?P<spaces>\s+)")
_NAME: Final = regex.compile(r"[A-Za-z]+")
_SPEAKER: Final = regex.compile(r"\s*(?:<[^<>]*>)*\s*[-‐–—]")


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
                kind = PointKind.SPACE if _BREAK.fullmatch(tag.group()) else PointKind.WORD
                pieces.append(PointTag(numbers[index], kind=kind) if partner is None else OpenTag(numbers[index]))
                self._tags += [tag.group(), ""]
        return [*pieces, text[offset:]]


def read_subtitles(data: bytes, languages: Sequence[str] = ()) -> Document:
    """Read the cues.

    Raises:
        UnusableFile: The file has no cue, or is in an encoding that is not read.
    """
    text, encode = decode(data, languages)
    check_elements(sum(map(text.count, "\n\r<{\\")), "lines and tags")
    lines: list[str] = _LINES.findall(text)
    are_times = [_TIMES.match(line) is not None for line in lines]
    if text.strip() and not any(are_times):
        raise UnusableFile("The file has no subtitles: no line says from when to when (00:00:01,000 --> 00:00:02,500)")
    pieces = list(_read_cues(lines, are_times, is_vtt=text.startswith("WEBVTT")))

    def write(translations: Iterator[str], target: str) -> bytes:
        written = "".join(piece if isinstance(piece, str) else piece.write(translations) for piece in pieces)
        if texts:
            written = _HEADER_LANGUAGE.sub(lambda found: found[1] + target, written, count=1)
        return encode(written)

    texts = [piece.fragment for piece in pieces if isinstance(piece, _Text)]
    return Document(tuple(fragment.passage for fragment in texts if fragment.is_translated), write)


def _read_cues(lines: Sequence[str], are_times: Sequence[bool], is_vtt: bool) -> Iterator[str | _Text]:
    """Yield the passages of all cues, and the lines that are kept.

    Args:
        lines: The lines of the file.
        are_times: Whether each of them has the times of a cue.
        is_vtt: Whether a blank line ends a cue, so that notes and styles may follow.
    """
    words: list[str] = []
    is_in_cue = False
    for line, is_time, is_next_time in zip(lines, are_times, (*are_times, False)[1:], strict=True):
        is_number = is_next_time and _NUMBER.fullmatch(line) is not None
        if is_in_cue and line.strip() and not (is_time or is_number):
            words.append(line)
            continue
        yield from _divide_cue(words)
        yield line
        words = []
        is_in_cue = is_time or (is_in_cue and not is_vtt)
    yield from _divide_cue(words)


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
    opened: list[tuple[str, int]] = []
    counts: Counter[str] = Counter()  # of the open tags by bracket and name
    for number, tag in enumerate(tags):
        name = _NAME.search(tag)
        if name is None or tag.startswith("{\\"):
            continue
        key = tag[0] + name.group()
        if tag[1] != "/":
            opened.append((key, number))
            counts[key] += 1
        while tag[1] == "/" and counts[key]:
            other, partner = opened.pop()
            counts[other] -= 1
            if other == key:
                partners[partner], partners[number] = number, partner
                break
    return partners


def _wrap(text: str, lengths: Sequence[int]) -> list[str]:
    """Wrap a text at spaces outside tags.

    Args:
        text: The text.
        lengths: The lengths of the old lines, to which those of the new lines are proportional.
    """
    text = text.strip()
    spaces = [found.span() for found in _TAG_OR_SPACES.finditer(text) if found["spaces"]]
    starts = [start for start, _ in spaces]
    cuts: list[tuple[int, int]] = []
    lowest = 0  # the index of the first space behind the last cut
    *sums, total = accumulate(lengths)
    for length in sums:
        if lowest == len(spaces):
            break
        ideal = len(text) * length / total
        index = bisect_left(starts, ideal, lowest)
        nearest = min(range(max(index - 1, lowest), min(index + 1, len(spaces))), key=lambda n: abs(starts[n] - ideal))
        cuts.append(spaces[nearest])
        lowest = nearest + 1
    edges = [(0, 0), *cuts, (len(text), len(text))]
    return [text[start[1] : end[0]] for start, end in pairwise(edges)]
