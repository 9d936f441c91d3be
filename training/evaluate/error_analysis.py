"""Faults that can be counted without a judge: what a score in BLEU does not say."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final

import regex

_WORD: Final = regex.compile(r"[\p{L}\p{N}]+(?:['’.,-][\p{L}\p{N}]+)*")
_NAME: Final = regex.compile(rf"(?<=[\p{{L}}\p{{N}},;:]\s)(?=\p{{Lu}}){_WORD.pattern}")
_NUMBER: Final = regex.compile(r"\p{N}+")
# Shorter than so much of the reference: something was left out.
SHORT_SHARE: Final = 0.6
# A reference so short says little of how long a translation must be.
SHORTEST_REFERENCE: Final = 20
# A phrase of up to so many words, so many times in a row.
LONGEST_PHRASE: Final = 4
REPEATS: Final = 3


def count_faults(sources: Sequence[str], translations: Sequence[str], references: Sequence[str]) -> dict[str, int]:
    """How many translations have each fault; one may have several."""
    counted = dict.fromkeys(FAULTS, 0)
    for triple in zip(sources, translations, references, strict=True):
        for name, has_fault in FAULTS.items():
            counted[name] += has_fault(*triple)
    return counted


def is_empty(_source: str, translation: str, _reference: str) -> bool:
    """Nothing was written."""
    return not translation.strip()


def is_repetition(source: str, translation: str, _reference: str) -> bool:
    """A phrase stands several times in a row that does not in the source."""
    return _repeats(translation) and not _repeats(source)


def is_untranslated(source: str, translation: str, reference: str) -> bool:
    """The source came back, of two words and more, where the reference is another text."""
    words = _folded(source)
    return len(words) > 1 and words == _folded(translation) != _folded(reference)


def is_short(_source: str, translation: str, reference: str) -> bool:
    """So much shorter than the reference that words are missing."""
    return len(reference) >= SHORTEST_REFERENCE and len(translation) < SHORT_SHARE * len(reference)


def has_wrong_number(source: str, translation: str, reference: str) -> bool:
    """Its digits are neither the source's nor the reference's."""
    written = _digits(translation)
    return bool(_digits(source)) and written not in (_digits(source), _digits(reference))


def has_wrong_name(source: str, translation: str, reference: str) -> bool:
    """A name that source and reference share, capitalised within both, is missing."""
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


def _folded(text: str) -> list[str]:
    return [word.casefold() for word in _WORD.findall(text)]


def _repeats(text: str) -> bool:
    words = _folded(text)
    return any(
        words[start : start + length] * REPEATS == words[start : start + length * REPEATS]
        for length in range(1, LONGEST_PHRASE + 1)
        for start in range(len(words) - length * REPEATS + 1)
    )


def _digits(text: str) -> Counter[str]:
    """Groups of digits; a separator of thousands is none: "1,000" and "1 000" are the same."""
    joined = regex.sub(r"(?<=\p{N})[.,’'\s](?=\p{N}{3}(?!\p{N}))", "", text)
    return Counter(_NUMBER.findall(joined))


def _names(text: str) -> set[str]:
    """Capitalised words that do not begin a sentence."""
    return {word for word in _NAME.findall(text) if len(word) > 1}
