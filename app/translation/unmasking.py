"""Unmasking: the translation of a masked segment -> the translation with its placeholders, whatever the model wrote.

A placeholder replaces its stand-in. Of a stand-in that came back more often, one is replaced and the others are
removed; one that did not come back is inserted where, by the attention, the model was when it read it. Placeholders
that the model invented are removed.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

import regex

from app.bundle.tokenizers import Range
from app.text.masking import Masked, StandIn
from app.text.placeholder_finder import PlaceholderFinder
from app.text.stand_ins import find_remains, find_unit_end
from app.text.words import raise_letter
from app.translation.alignment import SegmentAlignment
from app.translation.assembly import Repair, TranslatedSegment

_WORD: Final = regex.compile(r"[\p{L}\p{N}]+(?:[-'’.,][\p{L}\p{N}]+)*")


@dataclass(frozen=True, slots=True)
class Restored:
    """A text after edits.

    Attributes:
        text: The new text.
        offsets: Where each character of the model's text lies in ``text``, and last the length of ``text``.
        is_faithful: Whether every stand-in came back once, so that nothing was guessed.
        replaced: The ranges of the model's text that became placeholders, each with its placeholder.
        unaligned_terms: The terms whose offset was guessed.
    """

    text: str
    offsets: tuple[int, ...]
    is_faithful: bool
    replaced: tuple[tuple[Range, str], ...]
    unaligned_terms: tuple[str, ...] = ()

    def map_ranges(self, ranges: Iterable[Range]) -> tuple[Range, ...]:
        """Returns ranges of the model's text as ranges of ``text``."""
        return tuple((self.offsets[start], self.offsets[end]) for start, end in ranges)


def restore(masked: Masked, text: str, aligned: SegmentAlignment | None, fixed: int = 0) -> Restored | None:
    """Restores the placeholders of a masked segment in its translation.

    Args:
        masked: The segment as the model read it.
        text: What the model wrote, stripped.
        aligned: The alignment with what the model read; None without attention.
        fixed: How many characters of the text were given; nothing is inserted between them.

    Returns:
        None if no edit gives a text with exactly the right placeholders; then the source stands for the segment.
    """
    if not text:
        return None
    finder = masked.rules.finder
    edits: dict[Range, str] = {}
    missing: list[StandIn] = []
    is_faithful = True
    for stand_in in masked.stand_ins:
        word = masked.get_word(stand_in)
        found = _find_word(word, text)
        if not found:
            missing.append(stand_in)
            continue
        best = _choose_best(found, stand_in, aligned)
        edits[best[0], find_unit_end(word, best[1], text, masked.get_own_text())] = stand_in.written
        for other in found:
            if other != best and other[0] >= fixed:
                edits[include_space(text, other)] = ""
        is_faithful = is_faithful and len(found) == 1
    edits |= {include_space(text, invented): "" for invented in _find_invented(text, edits, fixed, finder)}
    remains = _find_free_remains(masked, text, edits, fixed)
    edits |= {_cover_word(text, one): "" for one, _ in remains}
    for stand_in in missing:
        own = [one for one, word in remains if word == masked.get_word(stand_in)]
        if own:
            best = _choose_best(own, stand_in, aligned)
            del edits[_cover_word(text, best)]
            edits[best] = stand_in.written
            continue
        guessed = _guess_range(masked, stand_in, text, aligned, edits, fixed)
        edits[guessed] = " ".join(filter(None, (edits.get(guessed), stand_in.written)))
    expected = _count_expected(masked)
    capitals_of = masked.rules.languages[-1] if masked.in_capitals else None
    for apart in (False, True):
        is_whole = is_faithful and not missing and not remains
        restored = apply_edits(text, edits, apart, is_whole, capitals_of)
        if _is_complete(finder, restored.text, expected):
            terms = tuple(term for stand_in in missing for term in stand_in.terms)
            return replace(restored, unaligned_terms=terms)
    return None


def _is_complete(finder: PlaceholderFinder, text: str, expected: "Counter[str]") -> bool:
    """Tells whether a translation has every placeholder, and of syntax no other."""
    found = finder.count(text)
    more = found - expected
    return not expected - found and not any(finder.find_syntax(one) for one in more)


def _count_expected(masked: Masked) -> "Counter[str]":
    """Counts the placeholders that a translation must have."""
    finder = masked.rules.finder
    if not any(stand_in.is_term for stand_in in masked.stand_ins):
        return finder.count(masked.source)
    return sum((finder.count(stand_in.written) for stand_in in masked.stand_ins), Counter[str]())


def unmask(masked: Masked, translated: TranslatedSegment, restored: Restored) -> TranslatedSegment:
    """Turns the translation of what the model read into one of the segment itself.

    Args:
        masked: The segment as the model read it.
        translated: Its translation as the model wrote it; the token ids stay the model's own.
        restored: The text with placeholders.
    """
    alignment = translated.alignment
    if alignment is not None:
        tokens = _restore_tokens(translated.tokens, alignment.target_ranges, restored)
        translated = replace(translated, tokens=tokens)
        offsets = masked.map_offsets()
        alignment = SegmentAlignment(
            source_ranges=tuple((offsets[start], offsets[end]) for start, end in alignment.source_ranges),
            target_ranges=restored.map_ranges(alignment.target_ranges),
            sources=alignment.sources,
        )
    return replace(
        translated,
        source=masked.source,
        text=restored.text,
        alignment=alignment,
        is_restored=True,
        repairs=translated.repairs if restored.is_faithful else (*translated.repairs, Repair.STAND_IN),
        unaligned_terms=restored.unaligned_terms,
    )


def _restore_tokens(tokens: tuple[str, ...], ranges: tuple[Range, ...], restored: Restored) -> tuple[str, ...]:
    """Writes tokens as they stand in the answer: a stand-in's first token is its placeholder, the others are empty."""
    shown = list(tokens)
    for (start, end), placeholder in restored.replaced:
        numbers = [number for number, (one, other) in enumerate(ranges) if one < end and start < other]
        for number in numbers:
            shown[number] = placeholder if number == numbers[0] else ""
    return tuple(shown)


def _find_word(word: str, text: str) -> list[Range]:
    """Returns where a word, letters or digits, stands in a text as a whole."""
    before, behind = (r"(?<!\p{N}[.,])", r"(?![.,]\p{N})") if word.isdigit() else ("", "")
    pattern = rf"(?<![\p{{L}}\p{{N}}]){before}{regex.escape(word)}(?![\p{{L}}\p{{N}}]){behind}"
    return [found.span() for found in regex.finditer(pattern, text)]


def _choose_best(found: list[Range], stand_in: StandIn, aligned: SegmentAlignment | None) -> Range:
    """Returns the range that the model wrote while it attended to the stand-in, else the first."""
    targets = _find_targets(stand_in, aligned)
    return max(found, key=lambda one: sum(start < one[1] and one[0] < end for start, end in targets))


def _find_targets(stand_in: StandIn, aligned: SegmentAlignment | None) -> list[Range]:
    """Returns what the model wrote while it attended to a stand-in."""
    if aligned is None:
        return []
    attended = {
        number
        for number, (start, end) in enumerate(aligned.source_ranges)
        if start < stand_in.end and stand_in.start < end
    }
    pairs = zip(aligned.sources, aligned.target_ranges, strict=True)
    return [(start, end) for source, (start, end) in pairs if source in attended and start < end]


def _find_invented(text: str, edits: dict[Range, str], fixed: int, finder: PlaceholderFinder) -> list[Range]:
    """Returns the placeholders of the model's own, in the text between the edits."""
    found: list[Range] = []
    done = fixed
    for start, end in [*sorted(edits), (len(text), len(text))]:
        if done < start:
            found += ((done + one, done + other) for one, other in finder.find_syntax(text[done:start]))
        done = max(done, end)
    return found


def _find_free_remains(masked: Masked, text: str, edits: dict[Range, str], fixed: int) -> list[tuple[Range, str]]:
    """Returns the remains of stand-ins in the text between the edits, each with its stand-in."""
    words = [masked.get_word(stand_in) for stand_in in masked.stand_ins]
    return [
        ((start, end), word)
        for (start, end), word in find_remains(words, masked.get_own_text(), text, masked.rules.source)
        if start >= fixed and not any(one < end and start < other for one, other in edits)
    ]


def _guess_range(
    masked: Masked,
    stand_in: StandIn,
    text: str,
    aligned: SegmentAlignment | None,
    edits: dict[Range, str],
    fixed: int,
) -> Range:
    """Returns where a placeholder goes whose stand-in did not come back: instead of a word, or behind one."""
    words = [
        found.span()
        for found in _WORD.finditer(text, fixed)
        if not any(start < found.end() and found.start() < end for start, end in edits)
    ]
    targets = _find_targets(stand_in, aligned)
    written = [word for word in words if any(start < word[1] and word[0] < end for start, end in targets)]
    # Another name or number was written for the stand-in; any other word was only written on the way to it.
    for start, end in reversed(written):
        if text[start].isdigit() or (text[start].isupper() and (start > 0 or stand_in.start == 0)):
            return start, end
    if written:
        return written[-1][1], written[-1][1]
    if stand_in.start == 0 and fixed == 0:
        return 0, 0
    before = _find_end_before(stand_in, aligned)
    if before is None:
        before = round(len(text) * stand_in.start / len(masked.read))
    ends = [end for _, end in words] or [len(text)]
    offset = ends[min(bisect_left(ends, before), len(ends) - 1)]
    return offset, offset


def _find_end_before(stand_in: StandIn, aligned: SegmentAlignment | None) -> int | None:
    """Returns the end of what the model wrote while it attended to the token just before a stand-in."""
    if aligned is None:
        return None
    ends: dict[int, int] = {}
    for source, (start, end) in zip(aligned.sources, aligned.target_ranges, strict=True):
        if start < end and source < len(aligned.source_ranges) and aligned.source_ranges[source][1] <= stand_in.start:
            ends[source] = end
    return ends[max(ends)] if ends else None


def include_space(text: str, removed: Range) -> Range:
    """Adds to a range that is removed the space that would then be doubled, or stand at an edge of the text."""
    start, end = removed
    if start == 0:
        return start, end + (text[end : end + 1] == " ")
    is_doubled = start > 0 and text[start - 1] == " " and (end == len(text) or not text[end].isalnum())
    return (start - 1, end) if is_doubled else removed


def _cover_word(text: str, removed: Range) -> Range:
    """Adds the letters that follow a range that is removed, and a space."""
    start, end = removed
    while text[end : end + 1].isalpha():
        end += 1
    return include_space(text, (start, end))


def apply_edits(
    text: str,
    edits: dict[Range, str],
    apart: bool = False,
    is_faithful: bool = True,
    capitals_of: str | None = None,
) -> Restored:
    """Replaces ranges of a text.

    Args:
        text: Any text.
        edits: What to write in which range; an empty range inserts.
        apart: Whether every edit has a space on both sides.
        is_faithful: What the result says of itself.
        capitals_of: The language in whose capitals the text between the edits is written; None leaves it as it is.
    """
    written = ""
    offsets: list[int] = []
    replaced: list[tuple[Range, str]] = []
    done = 0
    for (start, end), placeholder in [*sorted(edits.items()), ((len(text), len(text)), "")]:
        start = max(start, done)  # two ranges that are removed may share a space
        for character in text[done:start]:
            offsets.append(len(written))
            written += character if capitals_of is None else raise_letter(character, capitals_of)
        is_added = apart or start == end
        if placeholder and is_added and written and not written[-1].isspace():
            written += " "
        offsets.extend([len(written)] * (end - start))
        written += placeholder
        if placeholder:
            replaced.append(((start, end), placeholder))
        needs_space = placeholder and end < len(text) and not text[end].isspace()
        if needs_space and (apart or (is_added and text[end].isalnum())):
            written += " "
        done = end
    return Restored(written, (*offsets, len(written)), is_faithful, tuple(replaced))
