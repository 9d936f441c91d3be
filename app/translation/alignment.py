"""Which characters and which words of an answer come from which of the text that was sent.

An answer's alignment has the shape of nmt-wizard's: groups of tokens on both sides, each token with its range of
characters. ``WordAlignment`` sums the attention of a segment's tokens up to words.
"""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from app.bundle.tokenizers import Range
from app.text.placeholder_finder import PlaceholderFinder
from app.text.words import Unit, split_units

# What belongs to the words before it. Signs of one group stand for each other in translations.
_PUNCTUATION_GROUPS: Final = (".!?…。！？؟।", ",、，،;；؛:：–—", ")]}）］」』", '"”»“›’')
PUNCTUATION: Final = frozenset(".,;:!?…)]»”。！？؟।、，،；؛：）］」』")
_NEAR: Final = 3  # words


@dataclass(frozen=True, slots=True)
class OffsetMap:
    """Where each character of a text lies in a document.

    Attributes:
        starts: Offset in the document at which each character begins.
        ends: Offset at which it ends.
    """

    starts: Sequence[int] = ()
    ends: Sequence[int] = ()

    @classmethod
    def consecutive(cls, start: int, length: int) -> "OffsetMap":
        """Maps a text that stands as it is in the document, from ``start`` on."""
        return cls(range(start, start + length), range(start + 1, start + length + 1))

    def shift(self, by: int) -> "OffsetMap":
        """Returns the map for a document with ``by`` more characters before the text."""
        return OffsetMap([one + by for one in self.starts], [one + by for one in self.ends])

    def find_range(self, start: int, end: int) -> Range:
        """Returns the range in the document of the characters from ``start`` to ``end``, at least one."""
        return self.starts[start], self.ends[end - 1]


@dataclass(frozen=True, slots=True)
class AlignedToken:
    """A token of a text.

    Attributes:
        number: Its position among the tokens of its whole text, from 0.
        start: Offset of its first character in the text.
        end: Offset behind its last character.
    """

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
    """The alignment of one translated segment.

    The texts are stripped, as they stand in the answer; a token without a visible character has an empty range.

    Attributes:
        source_ranges: The characters of each source token in the source.
        target_ranges: The characters of each target token in the translation.
        sources: For each target token the number of the source token that it comes from.
    """

    source_ranges: tuple[Range, ...]
    target_ranges: tuple[Range, ...]
    sources: tuple[int, ...]


class AlignedText:
    """Collects the groups of one text, segment after segment."""

    def __init__(self) -> None:
        self.groups: list[AlignedGroup] = []
        self._source_tokens = 0
        self._target_tokens = 0

    def add(self, segment: SegmentAlignment, source_offsets: OffsetMap, target_offsets: OffsetMap) -> None:
        """Adds the next segment.

        Args:
            segment: Its alignment.
            source_offsets: Where each character of the segment lies in the whole text.
            target_offsets: Where each character of its translation lies in the whole answer.
        """
        by_source: dict[int, list[AlignedToken]] = {}
        for number, (source, (start, end)) in enumerate(zip(segment.sources, segment.target_ranges, strict=True)):
            # A model may attend to a token without characters of its own, such as a language tag.
            if start < end and source < len(segment.source_ranges):
                token = AlignedToken(self._target_tokens + number, *target_offsets.find_range(start, end))
                by_source.setdefault(source, []).append(token)
        for source, targets in by_source.items():
            start, end = segment.source_ranges[source]
            if start < end:
                aligned = AlignedToken(self._source_tokens + source, *source_offsets.find_range(start, end))
                self.groups.append(AlignedGroup(tuple(targets), (aligned,)))
        self._source_tokens += len(segment.source_ranges)
        self._target_tokens += len(segment.target_ranges)


def strip_ranges(text: str, ranges: Sequence[Range]) -> tuple[Range, ...]:
    """Removes the white space at the edges of ranges; SentencePiece counts a space to the word behind it."""
    found = []
    for start, end in ranges:
        piece = text[start:end]
        start += len(piece) - len(piece.lstrip())
        found.append((start, max(start, start + len(piece.strip()))))
    return tuple(found)


def clip_ranges(ranges: Sequence[Range], start: int, length: int) -> tuple[Range, ...]:
    """Moves ranges into the part of a text from ``start`` on, ``length`` long; a range outside becomes empty."""
    return tuple((min(max(first - start, 0), length), min(max(end - start, 0), length)) for first, end in ranges)


class WordAlignment:
    """Which unit of the source each unit of the target comes from.

    Args:
        source: A segment.
        target: Its translation.
        alignment: That of its tokens; None without attention, and then the target is taken to have its words in the
            order of the source.
        finder: Finds the placeholders, each of which is one unit.

    Attributes:
        sources: The units of the source.
        targets: The units of the target.
        links: For each target unit the number of its source unit, -1 if it has none.
        source_length: The number of characters of the source.
    """

    def __init__(self, source: str, target: str, alignment: SegmentAlignment | None, finder: PlaceholderFinder) -> None:
        self._source, self._target = source, target
        self.source_length = len(source)
        self.sources = split_units(source, finder)
        self.targets = split_units(target, finder)
        self._source_starts = [unit.start for unit in self.sources]
        if alignment is None:
            self.links = self._link_by_position(source, target)
        else:
            self.links = self._link_by_attention(alignment)
        self._link_names(source, target)
        # For each source unit, or the nearest one before it that has a target, the gap behind its last target; and the
        # same from the other side.
        self._behind, self._before = [0], [len(self.targets)]
        firsts: dict[int, int] = {}
        lasts: dict[int, int] = {}
        for target_number, source_number in enumerate(self.links):
            firsts.setdefault(source_number, target_number)
            lasts[source_number] = target_number + 1
        for number in range(len(self.sources)):
            self._behind.append(lasts.get(number, self._behind[-1]))
        for number in reversed(range(len(self.sources))):
            self._before.append(firsts.get(number, self._before[-1]))
        self._before.reverse()

    def find_gap(self, offset: int, leads: bool, is_free: bool = True) -> int:
        """Returns the number of the target unit before which something goes that stands at an offset of the source.

        Args:
            offset: In the source.
            leads: Whether it belongs to what follows it rather than to what precedes it.
            is_free: Whether white space follows it. Otherwise punctuation that follows it stays behind it.
        """
        touched = None if leads or is_free else self._find_punctuation(offset)
        if touched is not None:
            return touched
        number = bisect_left(self._source_starts, offset)
        return self._before[number] if leads else self._behind[number]

    def _find_punctuation(self, offset: int) -> int | None:
        """Returns the number of the target unit for the punctuation at an offset of the source.

        It is the same sign, or one of its group, of the same number among its like; else the nearest to the words
        before it.

        Returns:
            None if there is no punctuation at the offset, or none for it in the target.
        """
        number = bisect_left(self._source_starts, offset)
        if (
            number == len(self.sources)
            or self.sources[number].start != offset
            or self._source[offset] not in PUNCTUATION
        ):
            return None
        gap = self._behind[number]
        sign = self._source[offset]
        for like in (sign, next(group for group in _PUNCTUATION_GROUPS if sign in group)):
            own = [other for other, unit in enumerate(self.sources) if self._source[unit.start] in like]
            found = [other for other, unit in enumerate(self.targets) if self._target[unit.start] in like]
            if len(own) == len(found):
                return found[own.index(number)]
            linked = [other for other in found if self.links[other] == number]
            near = linked or [other for other in found if self._count_words(gap, other) <= _NEAR]
            if near:
                return min(near, key=lambda other: abs(other - gap))
        return None

    def _count_words(self, first: int, last: int) -> int:
        units = self.targets[min(first, last) : max(first, last)]
        return sum(unit.is_word for unit in units)

    def find_units(self, start: int, end: int) -> range:
        """Returns the source units that lie by half at least between two offsets, else those that overlap them."""
        first, behind = bisect_left(self._source_starts, start), bisect_left(self._source_starts, end)
        if first and self.sources[first - 1].end > start:
            first -= 1
        touched = range(first, behind)
        halves = [
            number
            for number in touched
            if 2 * (min(end, self.sources[number].end) - max(start, self.sources[number].start))
            >= self.sources[number].end - self.sources[number].start
        ]
        chosen = halves or touched
        return range(chosen[0], chosen[-1] + 1) if chosen else range(0)

    def weigh(self, number: int, units: range) -> float:
        """Returns how well a target unit fits among those that come from some source units, below 0 if it does not."""
        unit, link = self.targets[number], self.links[number]
        if link < 0 or (self.sources[link].is_word and not unit.is_word):
            return 0.0
        if link in units:
            return 1.0 if unit.is_word else 0.25
        return -0.5 if unit.is_word else -0.125  # a half, so that "not" becomes "ne … pas" with the verb in it

    def is_word_of(self, number: int, units: range) -> bool:
        """Tells whether a target unit is a word that comes from some source units."""
        return self.targets[number].is_word and self.links[number] in units

    def _link_by_attention(self, alignment: SegmentAlignment) -> list[int]:
        at_source = _number_characters(self.sources)
        at_target = _number_characters(self.targets)
        votes: list[dict[int, int]] = [{} for _ in self.targets]
        for source, (start, end) in zip(alignment.sources, alignment.target_ranges, strict=True):
            if source >= len(alignment.source_ranges):
                continue
            source_number = at_source.get(alignment.source_ranges[source][0], -1)
            for offset in range(start, end):
                number = at_target.get(offset, -1)
                if number >= 0 and source_number >= 0:
                    votes[number][source_number] = votes[number].get(source_number, 0) + 1
        return [max(vote, key=vote.__getitem__) if vote else -1 for vote in votes]

    def _link_by_position(self, source: str, target: str) -> list[int]:
        found = []
        for unit in self.targets:
            offset = (unit.start + unit.end) / 2 * len(source) / max(1, len(target))
            found.append(max(0, bisect_left(self._source_starts, offset) - 1) if self.sources else -1)
        return found

    def _link_names(self, source: str, target: str) -> None:
        """Links each name that stands once on either side, whatever the attention says."""
        by_name = _find_unique_names(source, self.sources)
        for name, number in _find_unique_names(target, self.targets).items():
            if name in by_name:
                self.links[number] = by_name[name]


def _number_characters(units: Sequence[Unit]) -> dict[int, int]:
    """Returns the number of the unit at each offset."""
    return {offset: number for number, unit in enumerate(units) for offset in range(unit.start, unit.end)}


def _find_unique_names(text: str, units: Sequence[Unit]) -> dict[str, int]:
    """Returns the names that stand once in a text, with the numbers of their units."""
    found: dict[str, int] = {}
    for number, unit in enumerate(units):
        if unit.is_name:
            name = text[unit.start : unit.end]
            found[name] = -1 if name in found else number
    return {name: number for name, number in found.items() if number >= 0}
