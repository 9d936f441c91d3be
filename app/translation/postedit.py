"""What a translation must have of its source, put right: its numbers, and, where that is asked for, its form."""

from dataclasses import replace
from typing import Final

import regex

from app.bundle.tokenizers import Range
from app.text.numbers import changed_numbers
from app.text.placeholder_patterns import BUILT_IN, PlaceholderFinder
from app.translation.assembly import TranslatedSegment
from app.translation.unmasking import edited

_WORD: Final = regex.compile(r"\p{L}+")
_LETTER: Final = regex.compile(r"\p{L}")
_END: Final = regex.compile(r"[\s\u00a0\u202f]*[.!?…。！？]++\Z")
_NO_END: Final = regex.compile(r"[\p{L}\p{N}\p{Co}%°]\Z")


def mended(
    reading: TranslatedSegment,
    languages: tuple[str, str],
    keeps_form: bool = False,
    fixed: int = 0,
    finder: PlaceholderFinder = BUILT_IN,
) -> TranslatedSegment:
    """:param languages: of the source and the target.
    :param keeps_form: it begins with a capital or a small letter as the source does, and ends with the same mark.
    :param fixed: so many characters of it were given, and are not touched.
    """
    reading = _changed(reading, changed_numbers(reading.source, reading.text, languages, finder), fixed)
    return _changed(reading, _form(reading.source, reading.text), fixed) if keeps_form else reading


def _changed(reading: TranslatedSegment, edits: dict[Range, str], fixed: int) -> TranslatedSegment:
    edits = {place: text for place, text in edits.items() if place[0] >= fixed}
    if not edits:
        return reading
    found = edited(reading.text, edits)
    alignment = reading.alignment
    if alignment is not None:
        alignment = replace(alignment, target_ranges=found.within(alignment.target_ranges))
    return replace(reading, text=found.text, alignment=alignment, is_restored=True)


def _form(source: str, target: str) -> dict[Range, str]:
    edits: dict[Range, str] = {}
    before, after = _LETTER.search(source), _LETTER.search(target)
    if before is not None and after is not None and before.group().isupper() != after.group().isupper():
        is_capital = before.group().isupper()
        letter = after.group().upper() if is_capital else after.group().lower()
        # A name, or an abbreviation, keeps its capital.
        word = _WORD.findall(target)[0]
        if len(letter) == 1 and (is_capital or (word not in _WORD.findall(source) and not word[1:2].isupper())):
            edits[after.span()] = letter
    wanted, found = _END.search(source), _END.search(target)
    if found is not None and wanted is None and _NO_END.search(source) and found.start() > 0:
        edits[found.span()] = ""
    elif wanted is not None and found is None and _NO_END.search(target):
        place = len(target) - 1
        edits[place, place + 1] = edits.get((place, place + 1), target[place]) + wanted.group().strip()
    elif wanted is not None and found is not None and wanted.group().strip() != found.group().strip():
        edits[found.span()] = found.group()[: -len(found.group().strip())] + wanted.group().strip()
    return edits
