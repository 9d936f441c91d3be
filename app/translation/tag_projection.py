"""Tag projection: tags, emoji and line breaks that were taken out of a segment -> their offsets in its translation.

Each element covers the words that come from its words, as the attention says, within the element around it and beside
its neighbours; a tag of no width stands before the punctuation that it touched, else behind the word that it stood
behind. Whatever the attention says, every tag comes back once, and elements that were nested stay nested.
"""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from app.text.inline import InlineTag, TagKind
from app.text.masking import TextRules
from app.text.words import Unit
from app.translation.alignment import PUNCTUATION, SegmentAlignment, WordAlignment
from app.translation.insertion import Insertion, project_breaks

__all__ = ["Insertion", "project_tags"]

# A segment with more tags than these is no sentence: all its tags go to its end, which takes no time.
_MAX_TAGS: Final = 500


@dataclass(slots=True)
class _Node:
    """An element, or a point.

    Attributes:
        start: Offset of its first character in the source, as ``end`` behind its last one.
        opening: Its opening tag, as ``closing`` its closing tag; empty if that stands outside the segment.
        tag: That of a point, None for an element.
        starts_before: Whether its opening tag stands before the segment, as ``goes_on`` its closing tag behind it.
        children: The nodes in it.
        first: Once projected, the number of its first target unit, as ``last`` that behind its last one.
    """

    start: int
    end: int
    opening: str = ""
    closing: str = ""
    tag: InlineTag | None = None
    starts_before: bool = False
    goes_on: bool = False
    children: "list[_Node]" = field(default_factory=list)
    first: int = 0
    last: int = 0

    @property
    def is_wide(self) -> bool:
        return self.tag is None and self.first < self.last


def project_tags(
    tags: Sequence[InlineTag], source: str, target: str, alignment: SegmentAlignment | None, rules: TextRules
) -> list[Insertion]:
    """Finds where tags of a segment stand in its translation.

    Args:
        tags: In order, with offsets in the source.
        source: The segment.
        target: Its translation.
        alignment: That of its tokens; None without attention, and then the target is taken to have its words in the
            order of the source.
        rules: Give the placeholders, which no tag cuts.

    Returns:
        The insertions in the order of the target.
    """
    if len(tags) > _MAX_TAGS:
        return [Insertion(len(target), len(target), "".join(tag.written for tag in tags))]
    words = WordAlignment(source, target, alignment, rules.finder)
    breaks = [tag for tag in tags if tag.kind is TagKind.SPACE]
    others = [tag for tag in tags if tag.kind is not TagKind.SPACE]
    insertions: list[Insertion] = []
    if others:
        root = _Node(0, len(source), children=_build_tree(others, len(source)), last=len(words.targets))
        waiting = [root]
        while waiting:
            node = waiting.pop()
            _Projection(node, words).project_children()
            waiting += node.children
        insertions = list(_Writer(source, target, words.targets).write(root))
    if breaks:
        insertions += project_breaks(breaks, words, target)
    return sorted(insertions, key=lambda insertion: (insertion.start, insertion.end))


def _build_tree(tags: Sequence[InlineTag], length: int) -> list[_Node]:
    """Nests the elements of a segment of some length; their tags never cross."""
    own = {tag.start for tag in tags}
    root = _Node(0, length)
    opened = [root]
    for tag in tags:
        if tag.kind is TagKind.OPEN:
            node = _Node(tag.offset, length, opening=tag.written, goes_on=tag.partner not in own)
            opened[-1].children.append(node)
            opened.append(node)
        elif tag.kind is TagKind.CLOSE and tag.partner in own:
            node = opened.pop()
            node.end, node.closing = tag.offset, tag.written
        elif tag.kind is TagKind.CLOSE:
            content, root.children = root.children, []
            node = _Node(0, tag.offset, closing=tag.written, starts_before=True, children=content)
            root.children.append(node)
        else:
            opened[-1].children.append(_Node(tag.offset, tag.offset, tag=tag))
    return root.children


class _Projection:
    """Projects the children of one node, which is projected itself."""

    def __init__(self, parent: _Node, words: WordAlignment) -> None:
        self._parent = parent
        self._words = words
        self._taken = bytearray(len(words.targets) + 1)  # 1 for each target unit that a child covers

    def project_children(self) -> None:
        """Projects elements first, those that stand for most words before the others; then points between them."""
        parent = self._parent
        elements = [node for node in parent.children if node.tag is None]
        wishes = []
        for order, node in enumerate(elements):
            units = self._words.find_units(node.start, node.end)
            first, last, score = self._find_best(node, units)
            wishes.append((not (node.starts_before or node.goes_on), -score, order, node, units, (first, last)))
        for _, _, _, node, units, (first, last) in sorted(wishes, key=lambda wish: wish[:3]):
            if any(self._taken[first:last]):
                first, last, _ = self._find_best(node, units)
            node.first, node.last = first, last
            if first == last:
                self._cover_nearest(node, units)
            for number in range(node.first, node.last):
                self._taken[number] = 1
        wide = sorted((node for node in elements if node.is_wide), key=lambda node: node.first)
        for node in parent.children:
            if not node.is_wide:
                tag, gap = node.tag, node.first
                if tag is not None:
                    gap = self._words.find_gap(node.start, tag.kind is TagKind.LEAD, is_free=tag.spaces[1])
                node.first = node.last = self._move_out(gap, node, wide)
        # A node of no width stands before an element that begins at the same unit.
        order_of = {id(node): order for order, node in enumerate(parent.children)}
        parent.children.sort(key=lambda node: (node.first, node.is_wide, order_of[id(node)]))

    def _find_best(self, node: _Node, units: range) -> tuple[int, int, float]:
        """Returns the range of free target units with most words of an element and fewest others, and its score."""
        parent = self._parent
        if node.goes_on:
            return self._find_best_end(units)
        best = (parent.first, parent.first, 0.0)
        # Punctuation alone is not enough where the source has words.
        needs_word = any(self._words.sources[number].is_word for number in units)
        start, total, has_word = parent.first, 0.0, False
        for number in range(parent.first, parent.last):
            if self._taken[number]:
                if node.starts_before:
                    break
                start, total, has_word = number + 1, 0.0, False
                continue
            total += self._words.weigh(number, units)
            has_word = has_word or self._words.is_word_of(number, units)
            if total > best[2] and (has_word or not needs_word):
                best = (start, number + 1, total)
            if total <= 0.0 and not node.starts_before:
                start, total, has_word = number + 1, 0.0, False
        return best

    def _find_best_end(self, units: range) -> tuple[int, int, float]:
        """Returns the same for an element that goes on behind the segment, whose range is at the parent's end."""
        parent = self._parent
        best = (parent.last, parent.last, 0.0)
        total = 0.0
        for number in range(parent.last - 1, parent.first - 1, -1):
            if self._taken[number]:
                break
            total += self._words.weigh(number, units)
            if total > best[2]:
                best = (number, parent.last, total)
        return best

    def _cover_nearest(self, node: _Node, units: range) -> None:
        """Lets an element from whose words no word comes cover the nearest free one, or none if it has no words."""
        parent, taken = self._parent, self._taken
        gap = self._clip(self._words.find_gap(node.start, leads=False))
        node.first = node.last = gap
        if node.goes_on:  # up to the edge, from the last unit that is taken
            gap = next((number + 1 for number in range(parent.last - 1, gap - 1, -1) if taken[number]), gap)
            node.first, node.last = gap, parent.last
        elif node.starts_before:
            gap = self._clip(self._words.find_gap(node.end, leads=False))
            gap = next((number for number in range(parent.first, gap) if taken[number]), gap)
            node.first, node.last = parent.first, gap
        elif any(self._words.sources[number].is_word for number in units):
            units = range(parent.first, parent.last)
            free = [number for number in units if not taken[number] and self._words.targets[number].is_word]
            if free:
                node.first = min(free, key=lambda number: (abs(2 * (number - gap) + 1), -number))
                node.last = node.first + 1

    def _clip(self, gap: int) -> int:
        return min(max(gap, self._parent.first), self._parent.last)

    def _move_out(self, gap: int, node: _Node, wide: Sequence[_Node]) -> int:
        """Returns a gap, or the edge of the element that covers it, on the side where the source has the node."""
        gap = self._clip(gap)
        number = bisect_left(wide, gap, key=lambda one: one.last)
        if number < len(wide) and wide[number].first < gap < wide[number].last:
            gap = wide[number].last if wide[number].start < node.start else wide[number].first
        # Never before an element that starts before the segment, nor behind one that goes on.
        if wide and wide[0].starts_before:
            gap = max(gap, wide[0].last)
        if wide and wide[-1].goes_on:
            gap = min(gap, wide[-1].first)
        return gap


class _Writer:
    """Goes through the units of the target from left to right, so that the insertions are in order."""

    def __init__(self, source: str, target: str, units: Sequence[Unit]) -> None:
        self._source = source
        self._target = target
        self._units = units
        self._gap = 0
        self._is_behind_space = False  # of the gap

    def write(self, root: _Node) -> Iterator[Insertion]:
        todo: list[tuple[_Node, bool]] = [(root, False)]
        while todo:
            node, is_end = todo.pop()
            if node.tag is not None:
                yield self._write_point(node, node.tag)
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

    def _find_edges(self) -> tuple[int, int]:
        """Returns where the white space of the gap begins and ends."""
        start = self._units[self._gap - 1].end if self._gap else 0
        end = self._units[self._gap].start if self._gap < len(self._units) else len(self._target)
        return start, max(start, end)

    def _insert(self, written: str) -> Insertion:
        offset = self._find_edges()[self._is_behind_space]
        return Insertion(offset, offset, written)

    def _write_point(self, node: _Node, tag: InlineTag) -> Insertion:
        """Inserts a point with as much white space around it as it had."""
        before, behind = tag.spaces
        self._go_to(node.first, behind_space=tag.kind is TagKind.LEAD)
        start, end = self._find_edges()
        is_at_word = self._gap < len(self._units) and self._units[self._gap].is_word
        written = tag.written
        if start == end:
            written = " " * (before and start > 0) + written + " " * (behind and is_at_word)
        elif before and (behind or self._source[node.start : node.start + 1] in PUNCTUATION):
            written = written + " " if self._is_behind_space else self._target[start] + written
        elif before:
            self._is_behind_space = True
        elif behind and self._is_behind_space:
            written += " "
        return self._insert(written)
