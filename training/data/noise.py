"""Noise in sources as people type it: lower case, missing accents, swapped letters.

A model that was trained only on clean text loses much quality on such sources; a model that was trained with some
noise does not (Belinkov & Bisk 2018, arXiv:1711.02173; Berard et al. 2019, "Naver Labs Europe's systems for the WMT19
machine translation robustness task").
"""

import random
import unicodedata
from collections.abc import Callable, Iterable
from typing import Final

import regex

from app.text.words import is_in_capitals, lower_capitals
from training.data.corpus import Pair

Change = Callable[[str, random.Random], str]

_END: Final = regex.compile(r"\s*[.!?…。！？]+\Z")
_LONG_WORD: Final = regex.compile(r"\p{L}{4,}")
_ACCENTED: Final = regex.compile(r"(?<=\p{Latin})\p{Mn}+")


def noisy_pairs(pairs: Iterable[Pair], share: float, language: str, seed: str) -> list[Pair]:
    """Selects about ``share`` of the pairs and makes one change to the source of each; targets stay as they are.

    A pair to which no change applies ("1984") is skipped.

    Args:
        pairs: Clean pairs.
        share: Between 0 and 1.
        language: Of the sources.
        seed: Determines which pairs are selected and which changes are made.
    """
    generator = random.Random(seed)
    changes = changes_for(language)
    changed: list[Pair] = []
    for source, target in pairs:
        if generator.random() >= share:
            continue
        for change in generator.sample(changes, len(changes)):
            text = change(source, generator)
            if text and text != source:
                changed.append((text, target))
                break
    return changed


def changes_for(language: str) -> list[Change]:
    """Returns the changes for sources in ``language``."""

    def restore_case(text: str, _: random.Random) -> str:
        """Writes a text as the model receives it if the user typed capitals.

        The service converts capitals to ordinary case, which does not restore the capitals of names.
        """
        capitals = text.upper()
        return lower_capitals(capitals, language) if is_in_capitals(capitals) else text

    return [lower_case, restore_case, remove_end, remove_accents, swap_letters]


def lower_case(text: str, _: random.Random) -> str:
    """Converts the text to lower case."""
    return text.lower()


def remove_end(text: str, _: random.Random) -> str:
    """Removes the punctuation at the end."""
    return _END.sub("", text)


def remove_accents(text: str, _: random.Random) -> str:
    """Removes the accents of Latin letters; in other scripts й and и, or が and か, are different letters."""
    return unicodedata.normalize("NFC", _ACCENTED.sub("", unicodedata.normalize("NFD", text)))


def swap_letters(text: str, generator: random.Random) -> str:
    """Swaps two adjacent letters, after the first letter of a word of at least four letters."""
    offsets = [
        offset
        for word in _LONG_WORD.finditer(text)
        for offset in range(word.start() + 1, word.end() - 1)
        if text[offset] != text[offset + 1]
    ]
    if not offsets:
        return text
    offset = generator.choice(offsets)
    return text[:offset] + text[offset + 1] + text[offset] + text[offset + 2 :]
