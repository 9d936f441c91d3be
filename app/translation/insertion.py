"""What is inserted into a translation, and line breaks and signs that take the place of one of its spaces."""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from app.text.inline import InlineTag
from app.translation.alignment import PUNCTUATION, WordAlignment


@dataclass(frozen=True, slots=True)
class Insertion:
    """``written`` replaces the characters of a translation from offset ``start`` to ``end``."""

    start: int
    end: int
    written: str


def project_breaks(breaks: Sequence[InlineTag], words: WordAlignment, target: str) -> list[Insertion]:
    """Lets each break replace the nearest space that no other has replaced, else puts it at the end.

    The break of a line keeps the length of the line rather than its words; without a space for it, the line goes on.
    """
    edges = [(one.end, other.start) for one, other in pairwise(words.targets)]
    gaps = [
        number for number, (start, end) in enumerate(edges, start=1) if start < end and target[end] not in PUNCTUATION
    ]
    starts = [edges[number - 1][0] for number in gaps]
    found: list[Insertion] = []
    free = 0  # the first gap behind those that are replaced, so that breaks keep their order
    for tag in breaks:
        is_line_end = tag.written.isspace()
        if is_line_end:
            offset = tag.offset * len(target) / words.source_length
            wanted = bisect_left(starts, offset, lo=free)
            if wanted > free and (wanted == len(starts) or starts[wanted] - offset > offset - starts[wanted - 1]):
                wanted -= 1
        else:
            wanted = bisect_left(gaps, words.find_gap(tag.offset, leads=False), lo=free)
        number = wanted if wanted < len(gaps) else len(gaps) - 1
        if free > number:
            if not is_line_end:
                found.append(Insertion(len(target), len(target), tag.written))
            continue
        free = number + 1
        found.append(Insertion(*edges[gaps[number] - 1], tag.written))
    return found
