"""Which characters of an answer come from which characters of the text that was sent.

The shape is that of nmt-wizard: groups of tokens on both sides, each token with its range of characters.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from app.bundle.tokenizers import Range


@dataclass(frozen=True, slots=True)
class Places:
    """Where each character of a stretch of text lies in a document: from ``starts`` up to ``ends``."""

    starts: Sequence[int] = ()
    ends: Sequence[int] = ()

    @classmethod
    def straight(cls, start: int, length: int) -> "Places":
        """One after the other."""
        return cls(range(start, start + length), range(start + 1, start + length + 1))

    def __getitem__(self, part: slice) -> "Places":
        return Places(self.starts[part], self.ends[part])

    def moved(self, by: int) -> "Places":
        """The same in a document that has so many more characters before it."""
        return Places([one + by for one in self.starts], [one + by for one in self.ends])

    def of(self, start: int, end: int) -> Range:
        """Where the characters from ``start`` up to ``end`` lie; at least one."""
        return self.starts[start], self.ends[end - 1]


@dataclass(frozen=True, slots=True)
class AlignedToken:
    """``number``: the how manieth token of its whole text, from 0. ``start`` up to ``end``: its characters in it."""

    number: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class AlignedGroup:
    """Tokens of the answer and the token of the text that they come from."""

    target: tuple[AlignedToken, ...]
    source: tuple[AlignedToken, ...]


@dataclass(frozen=True, slots=True)
class SegmentAlignment:
    """Of one translated segment: the characters of each token in its own text, and for each target token its source
    token. The texts are stripped, as they stand in the answer; a token without a visible character has an empty range.
    """

    source_ranges: tuple[Range, ...]
    target_ranges: tuple[Range, ...]
    places: tuple[int, ...]


class AlignedText:
    """Collects the groups of one text, segment after segment."""

    def __init__(self) -> None:
        self.groups: list[AlignedGroup] = []
        self._source_tokens = 0
        self._target_tokens = 0

    def add(self, segment: SegmentAlignment, source_places: Places, target_places: Places) -> None:
        """The next segment.

        :param source_places: where in the whole text each character of the segment lies.
        :param target_places: the same of its translation in the whole answer.
        """
        by_source: dict[int, list[AlignedToken]] = {}
        for number, (place, (start, end)) in enumerate(zip(segment.places, segment.target_ranges, strict=True)):
            # A model may look at a token without characters of its own, such as the mark of a beginning.
            if start < end and place < len(segment.source_ranges):
                token = AlignedToken(self._target_tokens + number, *target_places.of(start, end))
                by_source.setdefault(place, []).append(token)
        for place, targets in by_source.items():
            start, end = segment.source_ranges[place]
            if start < end:
                source = AlignedToken(self._source_tokens + place, *source_places.of(start, end))
                self.groups.append(AlignedGroup(tuple(targets), (source,)))
        self._source_tokens += len(segment.source_ranges)
        self._target_tokens += len(segment.target_ranges)


def without_spaces(text: str, ranges: Sequence[Range]) -> tuple[Range, ...]:
    """The ranges without the white space at their edges, which SentencePiece counts to the word behind it."""
    found = []
    for start, end in ranges:
        piece = text[start:end]
        start += len(piece) - len(piece.lstrip())
        found.append((start, max(start, start + len(piece.strip()))))
    return tuple(found)


def within(ranges: Sequence[Range], start: int, length: int) -> tuple[Range, ...]:
    """The ranges in the part of a text from ``start`` on, ``length`` long; what lies outside becomes empty."""
    return tuple((min(max(begin - start, 0), length), min(max(end - start, 0), length)) for begin, end in ranges)
