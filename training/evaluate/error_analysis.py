"""Faults of translations that can be counted automatically, which BLEU does not show."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final

import regex

_WORD: Final = regex.compile(r"[\p{L}\p{N}]+(?:['’.,-][\p{L}\p{N}]+)*")
_NAME: Final = regex.compile(rf"(?<=[\p{{L}}\p{{N}},;:]\s)(?=\p{{Lu}}){_WORD.pattern}")
_NUMBER: Final = regex.compile(r"\p{N}+")
# A translation below this share of the reference's length misses words.
SHORT_SHARE: Final = 0.6
# Shorter references, in characters, do not determine how long a translation must be.
SHORTEST_REFERENCE: Final = 20
# A repetition is a phrase of up to LONGEST_PHRASE words, REPEATS times in a row.
LONGEST_PHRASE: Final = 4
REPEATS: Final = 3


def count_faults(sources: Sequence[str], translations: Sequence[str], references: Sequence[str]) -> dict[str, int]:
    """Counts the translations with each fault. A translation may have several."""
    counted = dict.fromkeys(FAULTS, 0)
    for triple in zip(sources, translations, references, strict=True):
        for name, has_fault in FAULTS.items():
            counted[name] += has_fault(*triple)
    return counted


def is_empty(_source: str, translation: str, _reference: str) -> bool:
    """Whether the translation is empty."""
    return not translation.strip()


def is_repetition(source: str, translation: str, _reference: str) -> bool:
    """Whether a phrase is repeated in the translation, and none in the source."""
    return _repeats(translation) and not _repeats(source)


def is_untranslated(source: str, translation: str, reference: str) -> bool:
    """Whether a source of two words or more was copied, although the reference differs from it."""
    words = _fold(source)
    return len(words) > 1 and words == _fold(translation) != _fold(reference)


def is_short(_source: str, translation: str, reference: str) -> bool:
    """Whether the translation is so much shorter than the reference that words are missing."""
    return len(reference) >= SHORTEST_REFERENCE and len(translation) < SHORT_SHARE * len(reference)


def has_wrong_number(source: str, translation: str, reference: str) -> bool:
    """Whether the digits of the translation are neither those of the source nor those of the reference."""
    written = _digits(translation)
    return bool(_digits(source)) and written not in (_digits(source), _digits(reference))


def has_wrong_name(source: str, translation: str, reference: str) -> bool:
    """Whether a name is missing: a word that is capitalised within a sentence in source and reference."""
    shared = _names(source) & _names(reference)
    return bool(shared - set(_WORD.findall(translation)))


FAULTS: Final[dict[str, Callable[[str, str, str], bool]]] = {
    "empty": is_empty,
    "repetition": is_repetition,
    "untranslated": is_untranslated,
    "words missing": is_short,
    "number wrong": has_wrong_number,
    "name wrong": has_wrong_name,
}


def _fold(text: str) -> list[str]:
    return [word.casefold() for word in _WORD.findall(text)]


def _repeats(text: str) -> bool:
    words = _fold(text)
    return any(
        words[start : start + length] * REPEATS == words[start : start + length * REPEATS]
        for length in range(1, LONGEST_PHRASE + 1)
        for start in range(len(words) - length * REPEATS + 1)
    )


def _digits(text: str) -> Counter[str]:
    """Returns the groups of digits, without separators of thousands: "1,000" and "1 000" are equal."""
    joined = regex.sub(r"(?<=\p{N})[.,’'\s](?=\p{N}{3}(?!\p{N}))", "", text)
    return Counter(_NUMBER.findall(joined))


def _names(text: str) -> set[str]:
    """Returns the capitalised words that do not start a sentence."""
    return {word for word in _NAME.findall(text) if len(word) > 1}
