"""Corrects what a translation must have of its source: its numbers and, where a request says so, its form."""

from dataclasses import replace
from typing import Final

import regex

from app.bundle.tokenizers import Range
from app.text.masking import TextRules
from app.text.numbers import find_changed_numbers
from app.translation.assembly import TranslatedSegment
from app.translation.unmasking import apply_edits

_WORD: Final = regex.compile(r"\p{L}+")
_LETTER: Final = regex.compile(r"\p{L}")
_END: Final = regex.compile(r"[\s\u00a0\u202f]*[.!?…。！？]++\Z")
_NO_END: Final = regex.compile(r"[\p{L}\p{N}\p{Co}%°]\Z")


def postedit(
    translated: TranslatedSegment, rules: TextRules, keeps_form: bool = False, fixed: int = 0
) -> TranslatedSegment:
    """Corrects a translation.

    Args:
        translated: A segment with its translation.
        rules: Give the languages and the placeholders.
        keeps_form: Whether the translation begins with a capital or a small letter as its source does, and ends with
            the same punctuation.
        fixed: How many characters of the translation were given; they do not change.
    """
    translated = _apply(translated, find_changed_numbers(translated.source, translated.text, rules), fixed)
    return _apply(translated, _find_form_edits(translated.source, translated.text), fixed) if keeps_form else translated


def _apply(translated: TranslatedSegment, edits: dict[Range, str], fixed: int) -> TranslatedSegment:
    edits = {edited: text for edited, text in edits.items() if edited[0] >= fixed}
    if not edits:
        return translated
    restored = apply_edits(translated.text, edits)
    alignment = translated.alignment
    if alignment is not None:
        alignment = replace(alignment, target_ranges=restored.map_ranges(alignment.target_ranges))
    return replace(translated, text=restored.text, alignment=alignment, is_restored=True)


def _find_form_edits(source: str, target: str) -> dict[Range, str]:
    """Returns what to write in which ranges of the target, so that it begins and ends as the source does."""
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
        last = len(target) - 1
        edits[last, last + 1] = edits.get((last, last + 1), target[last]) + wanted.group().strip()
    elif wanted is not None and found is not None and wanted.group().strip() != found.group().strip():
        edits[found.span()] = found.group()[: -len(found.group().strip())] + wanted.group().strip()
    return edits
