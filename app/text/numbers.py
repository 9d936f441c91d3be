"""Numbers of a source that a translation has changed, lost or invented, and what to write instead.

A model that writes a number token by token may go wrong in it: "before 5 pm" became "avant 50". A number is restored
only where it is clearly wrong: as many numbers are new in the translation as are missing there, each is in the position
of the missing one, and nothing explains it. A number in words, another clock (5 pm, 17 h), a decade (1990s, 90) or a
numeral of another scale (2 trillion, 2 000 milliards) explains it.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import regex

from app.text.number_words import NUMBER_WORDS, is_spelled
from app.text.placeholder_finder import PlaceholderFinder
from app.text.placeholder_kinds import Treatment

_NO_DIGIT: Final = regex.compile(r"\D")
_NUMBER: Final = regex.compile(
    r"\d{1,3}(?:(?P<group>[,.\u00a0\u202f ’'])\d{3}(?!\d))(?:(?P=group)\d{3}(?!\d))*(?:[.,]\d+)?(?![.,]?\d)"
    r"|\d+(?:[.,]\d+)*+"
)
_VERSION: Final = regex.compile(r"(?<![\w.])(?!\d{1,3}(?:\.\d{3}){2,6}(?![\w.]\d))\d{1,9}(?:\.\d{1,9}){2,6}(?![\w.])")
_IN_NAME: Final = regex.compile(r"(?<=[\p{L}_-])\d++(?:[.,]\d++)*+|\d++(?=[\p{L}_-])")
_GROUPED: Final = regex.compile(r"\d{1,3}(?:[,.\u00a0\u202f ’']\d{3})+")
_CLOCK: Final = regex.compile(
    r"\b[ap]\.?\s?m\b|\bo'clock\b|\bsoir\b|\bmatin\b|\bmidi\b|\d\s?h\b|\d:\d\d|\buhr\b|\bhalb\b|\bviertel\b"
    r"|\bheures?\b|\blas? (?:\d|una|dos|tres|cuatro|cinco|seis|siete|ocho|nueve|diez|once|doce)\b|\bhalf past\b"
    r"|\bquarter (?:to|past)\b|\d\.\d\d (?:uhr|h)\b",
    regex.IGNORECASE,
)
# "Le" and "IL" are none, nor is "I" in English.
_ROMAN: Final = regex.compile(
    r"\b(?=[IVXLC]{2,7}(?:e|er|ère|ème)?\b|[IVX](?:e|er|ère|ème)\b|[VX]\b)"
    r"C{0,3}(?:XC|XL|L?X{0,3})(?:IX|IV|V?I{0,3})(?:e|er|ère|ème|\.)?\b"
)
_ORDINAL_BEHIND: Final = regex.compile(
    r"(?:st|nd|rd|th|er|re|e|ème|º|ª|\.)?\s?(?:century|siècles?|siglos?|Jahrhunderts?)"
)
_SCALE: Final = regex.compile(
    r"\b(?:hundred|thousand|[mbtr]+illion|dozen|score|mille|millier|million|milliard|billion|cent|douzaine|centaine"
    r"|dutzend|millionen|milliarden|cien|ciento|cientos|mil|miles|millón|millones|docena)s?\b"
    r"|\d\s?(?:k|m|bn|mn|tn)\b|hundert|tausend|\b(?:percent|feet|foot|inch(?:es)?|miles?|pounds?|degrees|°F)\b",
    regex.IGNORECASE,
)
_SEPARATORS: Final = {  # of thousands and decimals
    "en": (",", "."), "fr": ("\u202f", ","), "de": (".", ","), "es": (".", ","), "it": (".", ","), "pt": (".", ","),
    "nl": (".", ","),
}  # fmt: skip
_UNIT_BEHIND: Final = regex.compile(r"\s?(?:%|[€$£]|(?:[kcm]?m|k?g|km|[mc]?l|GB|MB|kB|TB|Hz|[kMG]?W|V|°C?)\b)")
_PERCENT_BEHIND: Final = regex.compile(r"\s?(?:%|percent|per cent|pour cent|prozent|por ciento)", regex.IGNORECASE)
_CURRENCY: Final = regex.compile(
    r"\p{Sc}|\b(?:dollar|euro|pound|quid|buck|livre|pfund|libra|yen|peso|peset|fran[ck]|rupe|rubl|cent|penny|pence|mark"
    r"|USD|EUR|GBP|CHF|JPY)",
    regex.IGNORECASE,
)
_CURRENCY_SIGN: Final = regex.compile(r"(?<=\d)[ \u00a0\u202f]?\p{Sc}|\p{Sc}[ \u00a0\u202f]?(?=\d)")
_MINUS: Final = "-−–"
_SIGN_BEFORE: Final = regex.compile(rf"(?<![\p{{L}}\p{{N}}])(?<!\p{{N}} )[{_MINUS}]\Z")
_SIGNED: Final = regex.compile(rf"(?:[{_MINUS}]|minus|moins|menos|negative|négati\w+)\s?\Z", regex.IGNORECASE)


@dataclass(frozen=True, slots=True)
class _Number:
    """A number in a text; ``value`` is the same for all ways to write it."""

    start: int
    end: int
    written: str
    value: str


@dataclass(frozen=True, slots=True)
class NumberFaults:
    """What is wrong with the numbers of a translation.

    Attributes:
        edits: What to write instead, by the offsets of begin and end in the target.
        missing: The offsets in the source of the numbers that the target lacks.
        invented: The offsets in the target of the numbers that the source does not have.
    """

    edits: dict[tuple[int, int], str]
    missing: tuple[tuple[int, int], ...] = ()
    invented: tuple[tuple[int, int], ...] = ()


_NO_FAULTS: Final = NumberFaults({})


@lru_cache(maxsize=8)  # asked for twice of most translations: before the repairs and behind them
def find_number_faults(source: str, target: str, languages: tuple[str, str], finder: PlaceholderFinder) -> NumberFaults:
    """Finds the numbers of a translation that are clearly wrong.

    Args:
        source: A segment.
        target: Its translation.
        languages: Codes of both. Where the number words of one are not in the table here, only numbers of three digits
            and more are restored, because they are not written in words.
        finder: Finds the placeholders, whose digits are not numbers.
    """
    before, after = _find_numbers(source, finder), _find_numbers(target, finder, source)
    if source == target or not (before or after):
        return _NO_FAULTS
    edits = _find_form_edits(source, target, (before, after), languages) | _find_invented_signs(source, target)
    missing, new = _find_unmatched(before, after), _find_unmatched(after, before)
    if not missing and not new:
        return NumberFaults(edits)
    if _SCALE.search(source) or _SCALE.search(target):
        return NumberFaults(edits)
    is_ordered = len(missing) == 1 or _have_same_order(before, after, missing, new)
    pairs = list(zip(missing, new, strict=True)) if len(missing) == len(new) and is_ordered else []
    if pairs:
        if not any(_is_explained(one, other, source, target, languages) for one, other in pairs):
            edits |= {
                (other.start, other.end): _sign(one, other, source, target) + _localize(one.written, *languages)
                for one, other in pairs
            }
        return NumberFaults(edits)
    if _CLOCK.search(source) or _CLOCK.search(target):
        return NumberFaults(edits)
    values = {number.value for number in before}
    of_source, of_target = _find_digits_of_names(source), _find_digits_of_names(target)
    return NumberFaults(
        edits,
        tuple(
            (one.start, one.end)
            for one in missing
            if one.written not in of_target and not _is_written_otherwise(one, source, target, languages)
        ),
        tuple(
            (one.start, one.end)
            for one in new
            if one.value not in values
            and one.written not in of_source | of_target
            and not _is_written_otherwise(one, target, source, languages[::-1])
        ),
    )


def _find_invented_signs(source: str, target: str) -> dict[tuple[int, int], str]:
    """Returns the edits that remove signs of currencies from numbers, where the source has no currency."""
    if not _CURRENCY_SIGN.search(target) or _CURRENCY.search(source):
        return {}
    return {found.span(): "" for found in _CURRENCY_SIGN.finditer(target)}


def _find_digits_of_names(text: str) -> set[str]:
    """Returns the digits that letters or hyphens touch: they may be kept in one text, and stand free in another."""
    return set(_IN_NAME.findall(text))


def _sign(one: _Number, other: _Number, source: str, target: str) -> str:
    """Returns the sign that a number of the source has and that of the target lacks, else nothing."""
    if not _SIGN_BEFORE.search(source[max(0, one.start - 3) : one.start]):
        return ""
    return "" if _SIGNED.search(target[max(0, other.start - 12) : other.start]) else source[one.start - 1]


def _is_written_otherwise(number: _Number, text: str, other: str, languages: tuple[str, str]) -> bool:
    """Tells whether a number of a text may stand in words, or in Roman numerals, in a translation of it."""
    if _ROMAN.search(other) and (_ORDINAL_BEHIND.match(text, number.end) or number.value.isdigit()):
        return len(number.value) < 3
    if any(language not in NUMBER_WORDS for language in languages):
        return len(number.value) < 3
    return is_spelled(number.value, other, languages[1])


def _find_form_edits(
    source: str, target: str, numbers: tuple[list[_Number], list[_Number]], languages: tuple[str, str]
) -> dict[tuple[int, int], str]:
    """Returns the edits that give numbers the separators of the target's language, their signs and percent signs.

    A number with a decimal point may be that of a version or a chapter, unless a unit follows it.
    """
    edits: dict[tuple[int, int], str] = {}
    after = {number.value: number for number in reversed(numbers[1])}
    counts = Counter(number.value for number in (*numbers[0], *numbers[1]))
    for one in numbers[0]:
        other = after.get(one.value)
        if other is None or counts[one.value] != 2:
            continue
        written = other.written
        is_number = _GROUPED.match(one.written) or "," in one.written or _UNIT_BEHIND.match(source, one.end)
        is_mixed = len(set(_NO_DIGIT.findall(written))) > len(set(_NO_DIGIT.findall(one.written)))
        has_other_decimals = _join_digits(written) != _join_digits(one.written)  # "2.00" of "2.0"
        if (written == one.written or is_mixed or has_other_decimals) and not one.written.isdigit() and is_number:
            written = _localize(one.written, *languages)
        elif has_other_decimals:
            written = one.written
        written = _sign(one, other, source, target) + written
        start, end = other.start, other.end
        if source[one.end : one.end + 2].lstrip()[:1] == "%":
            behind = _PERCENT_BEHIND.match(target, end)
            if behind is None or (languages[1] == "en" and behind.group() != "%" and behind.group().endswith("%")):
                end = end if behind is None else behind.end()
                written += "%" if languages[1] == "en" else "\u00a0%"
        if written != target[start:end]:
            edits[start, end] = written
    return edits


def _find_numbers(text: str, finder: PlaceholderFinder, source: str | None = None) -> list[_Number]:
    """Returns the numbers between placeholders, and for a target what looks as a version that its source lacks."""
    if not any(map(str.isdigit, text)):
        return []
    if source is None:
        matches = list(finder.search_outside(_NUMBER, text))
    else:
        versions = (found for found in _VERSION.finditer(text) if found.group() not in source)
        matches = sorted((*_search_own(text, finder, source), *versions), key=lambda one: one.start())
    return [_Number(one.start(), one.end(), one.group(), _read_value(one.group())) for one in matches]


def _search_own(text: str, finder: PlaceholderFinder, source: str) -> "Iterator[regex.Match[str]]":
    """Yields the numbers of a target outside versions, and outside what it has of its source's placeholders."""
    done = 0
    kept = [
        (start, end)
        for start, end, treatment in finder.find_treated(text)
        if treatment is not Treatment.STAMP and (text[start:end] in source or _VERSION.fullmatch(text, start, end))
    ]
    for start, end in [*kept, (len(text), len(text))]:
        yield from _NUMBER.finditer(text, done, start)
        done = end


def _join_digits(written: str) -> str:
    """Returns the digits of a number, without zeros in front: "05" and "5" are two ways to write a day."""
    return "".join(filter(str.isdigit, written)).lstrip("0")


def _read_value(written: str) -> str:
    """Returns the same text for all ways to write a number."""
    if _GROUPED.fullmatch(written):
        return _join_digits(written) or "0"
    whole, separator, decimals = written.rpartition("." if written.rfind(".") > written.rfind(",") else ",")
    digits = _join_digits(whole or decimals) or "0"
    return digits + ("." + decimals.rstrip("0") if separator and decimals.rstrip("0") else "")


def _find_unmatched(numbers: list[_Number], others: list[_Number]) -> list[_Number]:
    """Returns the numbers whose value the others lack, each value counted."""
    left = Counter(other.value for other in others)
    found = []
    for number in numbers:
        if left[number.value]:
            left[number.value] -= 1
        else:
            found.append(number)
    return found


def _have_same_order(before: list[_Number], after: list[_Number], missing: list[_Number], new: list[_Number]) -> bool:
    """Tells whether the missing numbers have the same positions among all numbers as the new ones."""
    if len(before) != len(after) or len(missing) != len(new):
        return False
    lost, added = {one.start for one in missing}, {one.start for one in new}
    return all((one.start in lost) == (other.start in added) for one, other in zip(before, after, strict=True))


def _is_explained(missing: _Number, new: _Number, source: str, target: str, languages: tuple[str, str]) -> bool:
    """Tells whether a correct translation may have the new number instead of the missing one."""
    if missing.value.endswith(new.value) or new.value.endswith(missing.value):  # a decade, a year in short
        return len(missing.value) > 2 and len(new.value) > 1
    if missing.value.isdigit() and new.value.isdigit() and (_CLOCK.search(source) or _CLOCK.search(target)):
        hours = {int(missing.value), int(new.value)}
        if max(hours) - min(hours) == 12 or 12 in hours:
            return True
    if any(language not in NUMBER_WORDS for language in languages):
        return len(missing.value) < 3
    return is_spelled(new.value, source, languages[0]) or is_spelled(missing.value, target, languages[1])


def _localize(written: str, source: str, target: str) -> str:
    """Writes a number with the separators of the target's language."""
    if source == target or source not in _SEPARATORS or target not in _SEPARATORS or written.isdigit():
        return written
    thousands, decimal = _SEPARATORS[target]
    own_decimal = _SEPARATORS[source][1]
    if _GROUPED.fullmatch(written) and (own_decimal not in written or written.count(own_decimal) > 1):
        return regex.sub(r"\D", thousands, written)
    whole, _, decimals = written.rpartition(own_decimal)
    return regex.sub(r"\D", thousands, whole) + decimal + decimals if whole else written
