"""Tags, emoji and line breaks that were taken out of a segment -> their places in its translation.

Each element covers the words that come from its words, as the attention says, within the element around it and beside
its neighbours; what has no width stands behind the word that it stood behind. Whatever the attention says, every mark
comes back once, and what was nested is nested.
"""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

from app.text.inline import Mark, MarkKind
from app.text.placeholder_patterns import BUILT_IN, PlaceholderFinder
from app.text.words import Unit
from app.translation.alignment import SegmentAlignment
from app.translation.word_alignment import Links

# A segment with more marks than this is no sentence: they all go to its end, which takes no time.
_MAX_MARKS: Final = 500


@dataclass(frozen=True, slots=True)
class Insert:
    """``written`` in place of ``start`` up to ``end`` of a translation."""

    start: int
    end: int
    written: str


@dataclass(slots=True)
class _Node:
    """An element, or a point where there is a ``mark``. ``start`` up to ``end`` of the source; once placed, ``first``
    up to ``last`` of the target's units. ``begins_before``: its opening tag stands before the segment; ``goes_on``: its
    closing tag behind.
    """

    start: int
    end: int
    opening: str = ""
    closing: str = ""
    mark: Mark | None = None
    begins_before: bool = False
    goes_on: bool = False
    children: "list[_Node]" = field(default_factory=list)
    first: int = 0
    last: int = 0

    @property
    def is_wide(self) -> bool:
        return self.mark is None and self.first < self.last


def place_marks(
    marks: Sequence[Mark],
    source: str,
    target: str,
    alignment: SegmentAlignment | None,
    finder: PlaceholderFinder = BUILT_IN,
) -> list[Insert]:
    """In the order of the target.

    :param marks: in their order, with places in the source.
    :param alignment: None where nobody knows: then the target is taken to have its words in the source's order.
    :param finder: of what no mark may cut.
    """
    if len(marks) > _MAX_MARKS:
        return [Insert(len(target), len(target), "".join(mark.written for mark in marks))]
    links = Links(source, target, alignment, finder)
    tags = [mark for mark in marks if mark.kind is not MarkKind.SPACE]
    root = _Node(0, len(source), children=_tree(tags, len(source)), last=len(links.targets))
    waiting = [root] if tags else []
    while waiting:
        node = waiting.pop()
        _place_children(node, links)
        waiting += node.children
    inserts = list(_Writer(target, links.targets).inserts(root)) if tags else []
    breaks = _breaks([mark for mark in marks if mark.kind is MarkKind.SPACE], links, target)
    return sorted([*inserts, *breaks], key=lambda insert: (insert.start, insert.end)) if breaks else inserts


def _tree(marks: Sequence[Mark], length: int) -> list[_Node]:
    own = {mark.start for mark in marks}
    root = _Node(0, length)
    opened = [root]
    for mark in marks:
        if mark.kind is MarkKind.OPEN:
            node = _Node(mark.place, length, opening=mark.written, goes_on=mark.partner not in own)
            opened[-1].children.append(node)
            opened.append(node)
        elif mark.kind is MarkKind.CLOSE and mark.partner in own:
            node = opened.pop()
            node.end, node.closing = mark.place, mark.written
        elif mark.kind is MarkKind.CLOSE:
            within, root.children = root.children, []
            node = _Node(0, mark.place, closing=mark.written, begins_before=True, children=within)
            root.children.append(node)
        else:
            opened[-1].children.append(_Node(mark.place, mark.place, mark=mark))
    return root.children


def _place_children(parent: _Node, links: Links) -> None:
    """Elements first, those that stand for most words before the others; then what has no width, between them."""
    taken = bytearray(len(links.targets) + 1)
    elements = [node for node in parent.children if node.mark is None]
    wishes = []
    for order, node in enumerate(elements):
        units = links.within(node.start, node.end)
        first, last, score = _best(parent, node, units, links, taken)
        is_at_edge = node.begins_before or node.goes_on
        wishes.append((not is_at_edge, -score, order, node, units, (first, last)))
    for _, _, _, node, units, (first, last) in sorted(wishes, key=lambda wish: wish[:3]):
        if any(taken[first:last]):
            first, last, _ = _best(parent, node, units, links, taken)
        node.first, node.last = first, last
        if first == last:
            _place_elsewhere(parent, node, units, links, taken)
        for number in range(node.first, node.last):
            taken[number] = 1
    wide = sorted((node for node in elements if node.is_wide), key=lambda node: node.first)
    for node in parent.children:
        if not node.is_wide:
            leads = node.mark is not None and node.mark.kind is MarkKind.LEAD
            gap = node.first if node.mark is None else links.gap(node.start, leads)
            node.first = node.last = _between(gap, node, parent, wide)
    # What has no width stands before the element that begins at the same place.
    order_of = {id(node): order for order, node in enumerate(parent.children)}
    parent.children.sort(key=lambda node: (node.first, node.is_wide, order_of[id(node)]))


def _best(parent: _Node, node: _Node, units: range, links: Links, taken: bytearray) -> tuple[int, int, float]:
    """The stretch within the parent that holds most words of an element and fewest others, and how good it is."""
    best = (parent.last, parent.last, 0.0) if node.goes_on else (parent.first, parent.first, 0.0)
    if node.goes_on:
        total = 0.0
        for number in range(parent.last - 1, parent.first - 1, -1):
            if taken[number]:
                break
            total += links.weight(number, units)
            if total > best[2]:
                best = (number, parent.last, total)
        return best
    # Punctuation alone does not do where there were words.
    needs_word = any(links.sources[number].is_word for number in units)
    start, total, has_word = parent.first, 0.0, False
    for number in range(parent.first, parent.last):
        if taken[number]:
            if node.begins_before:
                break
            start, total, has_word = number + 1, 0.0, False
            continue
        total += links.weight(number, units)
        has_word = has_word or links.is_word_of(number, units)
        if total > best[2] and (has_word or not needs_word):
            best = (start, number + 1, total)
        if total <= 0.0 and not node.begins_before:
            start, total, has_word = number + 1, 0.0, False
    return best


def _place_elsewhere(parent: _Node, node: _Node, units: range, links: Links, taken: bytearray) -> None:
    """No word comes from those of an element: it takes the nearest one that is free, or none if it had none."""
    gap = min(max(links.gap(node.start, leads=False), parent.first), parent.last)
    node.first = node.last = gap
    if node.goes_on or node.begins_before:
        # From the edge up to what is taken.
        if node.goes_on:
            gap = next((number + 1 for number in range(parent.last - 1, gap - 1, -1) if taken[number]), gap)
            node.first, node.last = gap, parent.last
        else:
            gap = min(max(links.gap(node.end, leads=False), parent.first), parent.last)
            gap = next((number for number in range(parent.first, gap) if taken[number]), gap)
            node.first, node.last = parent.first, gap
        return
    if not any(links.sources[number].is_word for number in units):
        return
    free = [
        number for number in range(parent.first, parent.last) if not taken[number] and links.targets[number].is_word
    ]
    if free:
        node.first = min(free, key=lambda number: (abs(2 * (number - gap) + 1), -number))
        node.last = node.first + 1


def _between(gap: int, node: _Node, parent: _Node, wide: Sequence[_Node]) -> int:
    """The gap itself, or the edge of the element that covers it, on the side where the source has it."""
    gap = min(max(gap, parent.first), parent.last)
    number = bisect_left(wide, gap, key=lambda one: one.last)
    if number < len(wide) and wide[number].first < gap < wide[number].last:
        gap = wide[number].last if wide[number].start < node.start else wide[number].first
    # Never before what begins before the segment, nor behind what goes on.
    if wide and wide[0].begins_before:
        gap = max(gap, wide[0].last)
    if wide and wide[-1].goes_on:
        gap = min(gap, wide[-1].first)
    return gap


class _Writer:
    """Goes through the units of the target from left to right, so that all that is written is in order."""

    def __init__(self, target: str, units: Sequence[Unit]) -> None:
        self._target = target
        self._units = units
        self._gap = 0
        self._is_behind_space = False  # of the gap

    def inserts(self, root: _Node) -> Iterator[Insert]:
        todo: list[tuple[_Node, bool]] = [(root, False)]
        while todo:
            node, is_end = todo.pop()
            if node.mark is not None:
                yield self._point(node, node.mark)
            elif is_end:
                if node.closing:
                    self._go_to(node.last, behind_space=False)
                    yield self._insert(node.closing)
            else:
                if node.opening:
                    self._go_to(node.first, behind_space=node.is_wide)
                    yield self._insert(node.opening)
                todo.append((node, True))
                todo.extend((child, False) for child in reversed(node.children))

    def _go_to(self, gap: int, behind_space: bool) -> None:
        if gap > self._gap:
            self._gap, self._is_behind_space = gap, False
        self._is_behind_space = self._is_behind_space or behind_space

    def _edges(self) -> tuple[int, int]:
        """Where the white space of the gap begins and ends."""
        start = self._units[self._gap - 1].end if self._gap else 0
        end = self._units[self._gap].start if self._gap < len(self._units) else len(self._target)
        return start, max(start, end)

    def _insert(self, written: str) -> Insert:
        place = self._edges()[self._is_behind_space]
        return Insert(place, place, written)

    def _point(self, node: _Node, mark: Mark) -> Insert:
        """With as much white space around it as it had."""
        before, behind = mark.spaces
        self._go_to(node.first, behind_space=mark.kind is MarkKind.LEAD)
        start, end = self._edges()
        is_at_word = self._gap < len(self._units) and self._units[self._gap].is_word
        written = mark.written
        if start == end:
            written = " " * (before and start > 0) + written + " " * (behind and is_at_word)
        elif before and behind:
            written = written + " " if self._is_behind_space else self._target[start] + written
        elif before:
            self._is_behind_space = True
        elif behind and self._is_behind_space:
            written += " "
        return self._insert(written)


def _breaks(marks: Sequence[Mark], links: Links, target: str) -> list[Insert]:
    """Each instead of the nearest space that no other has taken; where there is none, at the end."""
    edges = [(one.end, other.start) for one, other in pairwise(links.targets)]
    gaps = [number for number, (start, end) in enumerate(edges, start=1) if start < end]
    found: list[Insert] = []
    position = 0  # what is before is taken, so that they keep their order
    for mark in marks:
        wanted = bisect_left(gaps, links.gap(mark.place, leads=False), lo=position)
        number = wanted if wanted < len(gaps) else len(gaps) - 1
        if position > number:
            found.append(Insert(len(target), len(target), mark.written))
            continue
        position = number + 1
        found.append(Insert(*edges[gaps[number] - 1], mark.written))
    return found
