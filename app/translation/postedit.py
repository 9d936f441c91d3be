"""Corrects what a translation must have of its source: numbers, quotation marks, its end, its form where requested."""

import re
from dataclasses import replace
from typing import Final

import regex

from app.bundle.tokenizers import Range
from app.engine.sequence import FinishReason, Hypothesis
from app.text.masking import TextRules
from app.text.numbers import find_number_faults
from app.text.placeholder_finder import PlaceholderFinder
from app.text.punctuation import find_end, plain_end, quotation_style, write_clause_end, write_end
from app.text.words import find_single_quote
from app.translation.alignment import SegmentAlignment
from app.translation.assembly import Repair, TranslatedSegment
from app.translation.unmasking import apply_edits, include_space

_WORD: Final = regex.compile(r"\p{L}+")
_LETTER: Final = regex.compile(r"\p{L}")
_OPENING: Final = {"?": "¿", "!": "¡"}
# The last character, in quotation marks and brackets, is no punctuation; those that stand within words count as none.
_NO_END: Final = regex.compile(r"(?:[^\s\p{Po}\p{Pd}]|[%‰&@#§*/\\])[\p{Pe}\p{Pf}\p{Pi}\"']*\Z")
_CLAUSE_END: Final = regex.compile(r"[:;,：；，、،؛]\Z")
_QUOTATION_MARK: Final = re.compile(r"[\"“”„‟«»]")
_BEFORE_OPENING: Final = regex.compile(r"[\s\p{Ps}\p{Pd}\p{Co}¿¡/'’]")
_BEHIND_CLOSING: Final = regex.compile(r"[\s\p{P}\p{Co}]")
_SINGLE_STYLES: Final = {"de": ("‚", "‘")}
_CLOSING_MARKS: Final = {'"': '"', "“": "”", "”": "”", "„": "“”", "‟": "”", "«": "»", "»": "«"}


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
    faults = find_number_faults(translated.source, translated.text, rules.languages, rules.finder)
    translated = apply_repair(translated, faults.edits, Repair.NUMBER, fixed)
    if translated.finish_reason is not FinishReason.STOP:  # the end is missing
        return translated
    target = rules.languages[-1]
    marks = _find_quotation_edits(translated.source, translated.text, target, rules.finder)
    if all(start >= fixed for start, _ in marks):  # one half alone would not fit the other
        translated = apply_repair(translated, marks, Repair.QUOTE, fixed)
        translated = apply_repair(translated, _find_single_edits(translated, target, rules.finder), None, fixed)
    edits = _find_end_edits(translated.source, translated.text, rules.languages, keeps_form)
    if keeps_form:
        edits = _find_capital_edits(translated.source, translated.text) | edits
    translated = apply_repair(translated, edits, Repair.END, fixed)
    return apply_repair(translated, _find_unclosed_edits(translated.text, target), Repair.END, fixed)


def apply_repair(
    translated: TranslatedSegment, edits: dict[Range, str], repair: Repair | None, fixed: int = 0
) -> TranslatedSegment:
    """Applies the edits of one kind, and lets the alignment follow.

    Args:
        translated: A segment with its translation.
        edits: What to write in which range of the translation.
        repair: What they correct; None for a form that is not wrong.
        fixed: How many characters of the translation were given; they do not change.
    """
    if not edits:
        return translated
    edits = {edited: text for edited, text in edits.items() if edited[0] >= fixed}
    if not edits:
        return translated
    restored = apply_edits(translated.text, edits)
    alignment = translated.alignment
    if alignment is not None:
        alignment = replace(alignment, target_ranges=restored.map_ranges(alignment.target_ranges))
    repairs = translated.repairs if repair is None or repair in translated.repairs else (*translated.repairs, repair)
    return replace(translated, text=restored.text, alignment=alignment, is_restored=True, repairs=repairs)


def write_phrase(source: str, phrase: str, hypothesis: Hypothesis, languages: tuple[str, str]) -> TranslatedSegment:
    """Returns the translation of a phrase table in place of what the model wrote, with the punctuation of the source.

    Args:
        source: The segment.
        phrase: The translation of the whole segment, without punctuation at its ends.
        hypothesis: What the model wrote.
        languages: Codes of source and target.
    """
    if source.rstrip().endswith((":", "：")):
        phrase += _space_before(":", languages[-1]) + ":"
    alignment = None
    if hypothesis.alignment is not None:
        alignment = SegmentAlignment(((0, len(source)),), ((0, len(phrase)),), (0,))
    written = TranslatedSegment(
        source,
        phrase,
        hypothesis.score,
        FinishReason.STOP,
        is_restored=True,
        alignment=alignment,
        timing=hypothesis.timing,
    )
    return apply_repair(written, _find_end_edits(source, phrase, languages, is_strict=True), None)


def _find_capital_edits(source: str, target: str) -> dict[Range, str]:
    """Returns the edit that makes the target begin with a capital or a small letter, as the source does."""
    before, after = _LETTER.search(source), _LETTER.search(target)
    if before is None or after is None or before.group().isupper() == after.group().isupper():
        return {}
    is_capital = before.group().isupper()
    letter = after.group().upper() if is_capital else after.group().lower()
    # A name, or an abbreviation, keeps its capital.
    word = _WORD.findall(target)[0]
    if len(letter) == 1 and (is_capital or (word not in _WORD.findall(source) and not word[1:2].isupper())):
        return {after.span(): letter}
    return {}


def _find_end_edits(source: str, target: str, languages: tuple[str, str], is_strict: bool) -> dict[Range, str]:
    """Returns the edits that make the target end as the source does.

    Models that learned sentences write a full stop, or a question, behind a heading or the label of a button.

    Args:
        source: The segment.
        target: Its translation.
        languages: Of both.
        is_strict: Whether the punctuation must be the same. Otherwise only questions and other sentences must not
            become each other: an exclamation mark is often a full stop in another language.
    """
    language = languages[-1]
    wanted, found = find_end(source, languages[0]), find_end(target, language)
    written = "" if found is None else plain_end(found.group(), language)
    if wanted is None:
        clause = _CLAUSE_END.search(source) if found is not None and found.start() else None
        if found is None or not found.start() or not (clause or _NO_END.search(source)):
            return {}
        end = "" if clause is None else write_clause_end(clause.group(), language)
        return {found.span(): end and _space_before(end, language) + end} | _find_opening_edits(
            target, written, "", language
        )
    plain = plain_end(wanted.group(), languages[0])
    end = write_end(plain, language)
    if found is None:
        if not _NO_END.search(target):
            return {}
        last = len(target) - 1
        edits = _find_opening_edits(target, "", plain, language)
        return edits | {
            (last, last + 1): edits.get((last, last + 1), target[last]) + _space_before(end, language) + end
        }
    # Some signs in a row are the author's; one is often another in another language.
    is_strict = is_strict or len(plain) > 1 or len(written) > 1
    if written.replace("…", "...") == plain.replace("…", "...") or not (
        is_strict or ("?" in plain) != ("?" in written)
    ):
        return {}
    space = found.group()[: -len(found.group().strip())] or _space_before(end, language)
    start = len(target[: found.start()].rstrip(" \u00a0\u202f.!?…"))  # "! !"
    return {(start, found.end()): space + end} | _find_opening_edits(target, written, plain, language)


def _space_before(end: str, language: str) -> str:
    """The space that French puts before a question or exclamation mark, a colon and a semicolon."""
    return " " if language == "fr" and end[0] in "?!:;" else ""


def _find_opening_edits(target: str, old: str, new: str, language: str) -> dict[Range, str]:
    """Returns the edit of the opening punctuation of a Spanish sentence whose end changes from ``old`` to ``new``."""
    if language != "es":
        return {}
    wanted = next((_OPENING[sign] for sign in new if sign in _OPENING), "")
    offset = max((target.rfind(_OPENING[sign]) for sign in old if sign in _OPENING), default=-1)
    if offset >= 0:
        return {(offset, offset + 1): wanted}
    first = _LETTER.search(target)
    if not wanted or first is None or wanted in target:
        return {}
    return {first.span(): wanted + first.group()}


def _find_unclosed_edits(target: str, language: str) -> dict[Range, str]:
    """Returns the edits of the opening question marks of a Spanish text that has no closing one."""
    if language != "es" or "¿" not in target or "?" in target:
        return {}
    written = "¡" if "!" in target and "¡" not in target else ""
    return {(offset, offset + 1): written for offset, sign in enumerate(target) if sign == "¿"}


def _find_quotation_edits(source: str, target: str, language: str, finder: PlaceholderFinder) -> dict[Range, str]:
    """Returns the edits that write all quotation marks in the style of the target's language.

    Marks that pair in any one style stay as they are. A mark without its other half is removed if each mark of the
    source has one; otherwise the other half stands in another segment. A copy of the source stays a copy.
    """
    if target == source:
        return {}
    marks = _find_quotation_marks(target, finder)
    if not marks or _are_paired([target[offset] for offset in marks]):
        return {}
    roles: list[tuple[int, bool]] = []
    alone: set[int] = set()
    opened: int | None = None
    for offset in marks:
        is_opening = _is_opening(target, offset, language, opened is not None)
        roles.append((offset, is_opening))
        if is_opening and opened is not None:
            alone.add(opened)
        elif not is_opening and opened is None:
            alone.add(offset)
        opened = offset if is_opening else None
    if opened is not None:
        alone.add(opened)
    if len(_find_quotation_marks(source, finder)) % 2:
        alone.clear()
    opening, closing = quotation_style(language)
    edits: dict[Range, str] = {}
    for offset, is_opening in roles:
        if offset in alone:
            edits[include_space(target, (offset, offset + 1))] = ""
        elif is_opening:
            end = offset + 1 + target[offset + 1 : offset + 2].isspace()
            edits[offset, end] = opening
        else:
            start = offset - target[:offset].endswith((" ", "\u00a0", "\u202f"))
            edits[start, offset + 1] = closing
    return edits


def _find_single_edits(translated: TranslatedSegment, language: str, finder: PlaceholderFinder) -> dict[Range, str]:
    """Returns the edits that write pairs of quotation marks as single ones if the source has only single ones.

    The model reads double ones, see ``app.text.masking.read_plainly``.
    """
    single = find_single_quote(translated.source)
    if not single or _QUOTATION_MARK.search(translated.source):
        return {}
    target = translated.text
    marks = _find_quotation_marks(target, finder)
    signs = ("'", "'") if single == "'" else _SINGLE_STYLES.get(language, ("‘", "’"))
    edits: dict[Range, str] = {}
    for number, offset in enumerate(marks[: len(marks) // 2 * 2]):
        is_closing = number % 2
        start = offset - (is_closing and target[offset - 1 : offset].isspace() and target[offset] in "»«")
        end = offset + 1 + (not is_closing and target[offset] in "«»" and target[offset + 1 : offset + 2].isspace())
        edits[start, end] = signs[is_closing]
    return edits


def _find_quotation_marks(text: str, finder: PlaceholderFinder) -> list[int]:
    """Returns the offsets of quotation marks outside placeholders, without the signs of inches and seconds."""
    if not _QUOTATION_MARK.search(text):
        return []
    offsets = [found.start() for found in finder.search_outside(_QUOTATION_MARK, text)]
    others = [offset for offset in offsets if text[offset] != '"' or not text[offset - 1 : offset].isdigit()]
    return others if len(offsets) % 2 else offsets


def _are_paired(marks: list[str]) -> bool:
    """Tells whether each mark has its other half in the same style, and pairs are nested."""
    opened: list[str] = []
    for mark in marks:
        if opened and mark in _CLOSING_MARKS.get(opened[-1], ""):
            opened.pop()
        else:
            opened.append(mark)
    return not opened


def _is_opening(text: str, offset: int, language: str, is_opened: bool) -> bool:
    """Tells whether a quotation mark begins a quotation, by its form, then by what touches it, then by its order."""
    mark = text[offset]
    if mark in "„‟" or (mark == "«" and language != "de"):
        return True
    if mark == "”" or (mark == "»" and language != "de"):
        return False
    begins = offset == 0 or _BEFORE_OPENING.match(text, offset - 1) is not None
    ends = offset + 1 == len(text) or _BEHIND_CLOSING.match(text, offset + 1) is not None
    return begins if begins != ends else not is_opened
