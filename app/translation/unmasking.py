"""A translation by a model that read stand-ins -> the translation with the placeholders again, whatever it wrote.

Where a stand-in came back, its placeholder stands. One that came back more often is there once; one that did not goes
where the attention says that the model was when it read it. What the model invented goes.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

import regex

from app.bundle.tokenizers import Range
from app.text.masking import Masked, Spot
from app.text.placeholder_patterns import PlaceholderFinder
from app.translation.alignment import SegmentAlignment
from app.translation.assembly import TranslatedSegment

_WORD: Final = regex.compile(r"[\p{L}\p{N}]+(?:[-'’.,][\p{L}\p{N}]+)*")


@dataclass(frozen=True, slots=True)
class Restored:
    """``places``: where each character of the model's text lies in ``text``, and where the last one ends.

    ``is_faithful``: every stand-in came back once, so that nothing was guessed. ``placed``: of the model's text, the
    characters that became placeholders, and which ones. ``unplaced``: the terms whose place was guessed.
    """

    text: str
    places: tuple[int, ...]
    is_faithful: bool
    placed: tuple[tuple[Range, str], ...]
    unplaced: tuple[str, ...] = ()

    def within(self, ranges: Iterable[Range]) -> tuple[Range, ...]:
        """Ranges of the model's text as ranges of ``text``."""
        return tuple((self.places[start], self.places[end]) for start, end in ranges)


def restore(masked: Masked, text: str, aligned: SegmentAlignment | None, fixed: int = 0) -> Restored | None:
    """:param text: what the model wrote, stripped.
    :param aligned: to the source as the model read it; None where nobody knows.
    :param fixed: so many characters of it were given, and nothing is put between them.
    :returns: None if nothing could be done; then the source stands for the segment.
    """
    if not text:
        return None
    edits: dict[Range, str] = {}
    missing: list[Spot] = []
    is_faithful = True
    for spot in masked.spots:
        found = _occurrences(masked.stand_in(spot), text)
        if not found:
            missing.append(spot)
            continue
        best = _best(found, spot, aligned)
        edits[best] = spot.written
        for other in found:
            if other != best and other[0] >= fixed:
                edits[_with_space(text, other)] = ""
        is_faithful = is_faithful and len(found) == 1
    edits |= {_with_space(text, invented): "" for invented in _invented(text, edits, fixed, masked.finder)}
    for spot in missing:
        place = _place_of(masked, spot, text, aligned, edits, fixed)
        edits[place] = " ".join(filter(None, (edits.get(place), spot.written)))
    expected = _expected(masked)
    for apart in (False, True):
        restored = edited(text, edits, apart, masked.in_capitals, is_faithful and not missing)
        if masked.finder.counted(restored.text) == expected:
            return replace(restored, unplaced=tuple(spot.placeholder for spot in missing if spot.is_term))
    return None


def _expected(masked: Masked) -> "Counter[str]":
    """The placeholders that a translation must have."""
    if not any(spot.is_term for spot in masked.spots):
        return masked.finder.counted(masked.source)
    return sum((masked.finder.counted(spot.written) for spot in masked.spots), Counter[str]())


def unmasked(masked: Masked, reading: TranslatedSegment, restored: Restored) -> TranslatedSegment:
    """A reading of what the model read, as one of the segment itself. Its token ids are the model's own."""
    alignment = reading.alignment
    if alignment is not None:
        reading = replace(reading, tokens=_tokens(reading.tokens, alignment.target_ranges, restored))
        places = masked.places()
        alignment = SegmentAlignment(
            source_ranges=tuple((places[start], places[end]) for start, end in alignment.source_ranges),
            target_ranges=restored.within(alignment.target_ranges),
            places=alignment.places,
        )
    return replace(
        reading,
        source=masked.source,
        text=restored.text,
        alignment=alignment,
        is_restored=True,
        unplaced=restored.unplaced,
    )


def _tokens(tokens: tuple[str, ...], ranges: tuple[Range, ...], restored: Restored) -> tuple[str, ...]:
    """As they stand in the answer: the first token of a stand-in is its placeholder, the others are nothing."""
    shown = list(tokens)
    for (start, end), placeholder in restored.placed:
        numbers = [number for number, (one, other) in enumerate(ranges) if one < end and start < other]
        for number in numbers:
            shown[number] = placeholder if number == numbers[0] else ""
    return tuple(shown)


def _occurrences(word: str, text: str) -> list[Range]:
    """Where it stands as a word; a number not as a part of another number."""
    before, behind = (r"(?<!\p{N}[.,])", r"(?![.,]\p{N})") if word.isdigit() else ("", "")
    pattern = rf"(?<![\p{{L}}\p{{N}}]){before}{regex.escape(word)}(?![\p{{L}}\p{{N}}]){behind}"
    return [found.span() for found in regex.finditer(pattern, text)]


def _best(found: list[Range], spot: Spot, aligned: SegmentAlignment | None) -> Range:
    """The one that the model wrote while it looked at the stand-in, else the first."""
    targets = _targets(spot, aligned)
    return max(found, key=lambda one: sum(start < one[1] and one[0] < end for start, end in targets))


def _targets(spot: Spot, aligned: SegmentAlignment | None) -> list[Range]:
    """What was written while the model looked at a stand-in."""
    if aligned is None:
        return []
    looked_at = {
        number for number, (start, end) in enumerate(aligned.source_ranges) if start < spot.end and spot.start < end
    }
    pairs = zip(aligned.places, aligned.target_ranges, strict=True)
    return [(start, end) for place, (start, end) in pairs if place in looked_at and start < end]


def _invented(text: str, edits: dict[Range, str], fixed: int, finder: PlaceholderFinder) -> list[Range]:
    """Placeholders of the model's own, in what lies between the edits."""
    found: list[Range] = []
    position = fixed
    for start, end in [*sorted(edits), (len(text), len(text))]:
        if position < start:
            found += ((position + one, position + other) for one, other in finder.ranges(text[position:start]))
        position = max(position, end)
    return found


def _place_of(
    masked: Masked, spot: Spot, text: str, aligned: SegmentAlignment | None, edits: dict[Range, str], fixed: int
) -> Range:
    """Where a placeholder goes whose stand-in did not come back: instead of a word, or behind one."""
    words = [
        found.span()
        for found in _WORD.finditer(text, fixed)
        if not any(start < found.end() and found.start() < end for start, end in edits)
    ]
    written = [
        word for word in words if any(start < word[1] and word[0] < end for start, end in _targets(spot, aligned))
    ]
    # Another name or number stands for what stood in; any other word was only written on the way to it.
    for start, end in reversed(written):
        if text[start].isdigit() or (text[start].isupper() and (start > 0 or spot.start == 0)):
            return start, end
    if written:
        return written[-1][1], written[-1][1]
    if spot.start == 0 and fixed == 0:
        return 0, 0
    before = _written_before(spot, aligned)
    if before is None:
        before = round(len(text) * spot.start / len(masked.read))
    ends = [end for _, end in words] or [len(text)]
    place = ends[min(bisect_left(ends, before), len(ends) - 1)]
    return place, place


def _written_before(spot: Spot, aligned: SegmentAlignment | None) -> int | None:
    """Where that ends which was written while the model looked at what stands just before a stand-in."""
    if aligned is None:
        return None
    ends: dict[int, int] = {}
    for place, (start, end) in zip(aligned.places, aligned.target_ranges, strict=True):
        if start < end and place < len(aligned.source_ranges) and aligned.source_ranges[place][1] <= spot.start:
            ends[place] = end
    return ends[max(ends)] if ends else None


def _with_space(text: str, one: Range) -> Range:
    """With the space before it, if one stands behind it too or nothing does; at the beginning, that behind it."""
    start, end = one
    if start == 0:
        return start, end + (text[end : end + 1] == " ")
    is_doubled = start > 0 and text[start - 1] == " " and (end == len(text) or not text[end].isalnum())
    return (start - 1, end) if is_doubled else one


def edited(
    text: str, edits: dict[Range, str], apart: bool = False, in_capitals: bool = False, is_faithful: bool = True
) -> Restored:
    """Other words at some places of a text.

    :param apart: a space on both sides of every one.
    """
    written = ""
    places: list[int] = []
    placed: list[tuple[Range, str]] = []
    position = 0
    for (start, end), placeholder in [*sorted(edits.items()), ((len(text), len(text)), "")]:
        start = max(start, position)  # what goes may share a space with what went before it
        for character in text[position:start]:
            places.append(len(written))
            written += character.upper() if in_capitals else character
        is_added = apart or start == end
        if placeholder and is_added and written and not written[-1].isspace():
            written += " "
        places.extend([len(written)] * (end - start))
        written += placeholder
        if placeholder:
            placed.append(((start, end), placeholder))
        if (
            placeholder
            and end < len(text)
            and not text[end].isspace()
            and (apart or (is_added and text[end].isalnum()))
        ):
            written += " "
        position = end
    return Restored(written, (*places, len(written)), is_faithful, tuple(placed))
