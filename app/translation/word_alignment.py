"""Which words of a translation come from which words of its source: the attention of single tokens, summed up."""

from bisect import bisect_left
from collections.abc import Sequence

from app.text.placeholder_patterns import PlaceholderFinder
from app.text.words import Unit, units_of
from app.translation.alignment import SegmentAlignment


class Links:
    """Which unit of the source each unit of the target comes from, -1 where nobody knows."""

    def __init__(self, source: str, target: str, alignment: SegmentAlignment | None, finder: PlaceholderFinder) -> None:
        self.sources = units_of(source, finder)
        self.targets = units_of(target, finder)
        self._source_starts = [unit.start for unit in self.sources]
        self.of = self._by_place(source, target) if alignment is None else self._by_attention(alignment)
        self._link_names(source, target)
        # Of each source unit, or the nearest before it that has any, what stands behind its last target; and the same
        # the other way round.
        self._behind, self._before = [0], [len(self.targets)]
        firsts: dict[int, int] = {}
        lasts: dict[int, int] = {}
        for target_number, source_number in enumerate(self.of):
            firsts.setdefault(source_number, target_number)
            lasts[source_number] = target_number + 1
        for number in range(len(self.sources)):
            self._behind.append(lasts.get(number, self._behind[-1]))
        for number in reversed(range(len(self.sources))):
            self._before.append(firsts.get(number, self._before[-1]))
        self._before.reverse()

    def gap(self, place: int, leads: bool) -> int:
        """The unit of the target before which something goes that stands at a place of the source."""
        number = bisect_left(self._source_starts, place)
        return self._before[number] if leads else self._behind[number]

    def within(self, start: int, end: int) -> range:
        """The units of a part of the source: those that lie in it by half at least, else those it touches."""
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

    def weight(self, number: int, units: range) -> float:
        """How much a unit of the target wants to be among those that come from some units of the source."""
        unit, link = self.targets[number], self.of[number]
        if link < 0 or (self.sources[link].is_word and not unit.is_word):
            return 0.0
        if link in units:
            return 1.0 if unit.is_word else 0.25
        return -0.5 if unit.is_word else -0.125  # so that "not" is "ne … pas", with the verb in it

    def is_word_of(self, number: int, units: range) -> bool:
        return self.targets[number].is_word and self.of[number] in units

    def _by_attention(self, alignment: SegmentAlignment) -> list[int]:
        at_source = _numbers_by_character(self.sources)
        at_target = _numbers_by_character(self.targets)
        votes: list[dict[int, int]] = [{} for _ in self.targets]
        for place, (start, end) in zip(alignment.places, alignment.target_ranges, strict=True):
            if place >= len(alignment.source_ranges):
                continue
            source_number = at_source.get(alignment.source_ranges[place][0], -1)
            for character in range(start, end):
                number = at_target.get(character, -1)
                if number >= 0 and source_number >= 0:
                    votes[number][source_number] = votes[number].get(source_number, 0) + 1
        return [max(vote, key=vote.__getitem__) if vote else -1 for vote in votes]

    def _by_place(self, source: str, target: str) -> list[int]:
        found = []
        for unit in self.targets:
            place = (unit.start + unit.end) / 2 * len(source) / max(1, len(target))
            found.append(max(0, bisect_left(self._source_starts, place) - 1) if self.sources else -1)
        return found

    def _link_names(self, source: str, target: str) -> None:
        """What stands once on either side comes from there, whatever the model looked at."""
        by_name = _once(source, self.sources)
        for name, number in _once(target, self.targets).items():
            if name in by_name:
                self.of[number] = by_name[name]


def _numbers_by_character(units: Sequence[Unit]) -> dict[int, int]:
    return {place: number for number, unit in enumerate(units) for place in range(unit.start, unit.end)}


def _once(text: str, units: Sequence[Unit]) -> dict[str, int]:
    found: dict[str, int] = {}
    for number, unit in enumerate(units):
        if unit.is_name:
            name = text[unit.start : unit.end]
            found[name] = -1 if name in found else number
    return {name: number for name, number in found.items() if number >= 0}
