"""Sources as people type them: in small letters, without accents, with a slip. A model that only met clean text loses
much on them, and one that met some of it does not (Belinkov & Bisk 2018, arXiv:1711.02173; Berard et al. 2019, "Naver
Labs Europe's systems for the WMT19 machine translation robustness task").
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
    """About ``share`` of the pairs, each with one change to its source; targets are as they were.

    Which pairs and which changes follows from the seed. A pair that no change touches ("1984") is passed over.

    :param language: of the sources.
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
    """All changes, of sources in this language."""

    def shouted(text: str, _: random.Random) -> str:
        """TEXT IN CAPITALS as the model is given it: the service turns it into ordinary letters, and names lose their
        capitals."""
        loud = text.upper()
        return lower_capitals(loud, language) if is_in_capitals(loud) else text

    return [in_small_letters, shouted, without_end, without_accents, with_slip]


def in_small_letters(text: str, _: random.Random) -> str:
    return text.lower()


def without_end(text: str, _: random.Random) -> str:
    """Without the mark at its end."""
    return _END.sub("", text)


def without_accents(text: str, _: random.Random) -> str:
    """Of Latin letters: й and が are other letters than и and か."""
    return unicodedata.normalize("NFC", _ACCENTED.sub("", unicodedata.normalize("NFD", text)))


def with_slip(text: str, generator: random.Random) -> str:
    """Two letters side by side swapped, in a word of four letters or more, behind its first letter."""
    places = [
        place
        for word in _LONG_WORD.finditer(text)
        for place in range(word.start() + 1, word.end() - 1)
        if text[place] != text[place + 1]
    ]
    if not places:
        return text
    place = generator.choice(places)
    return text[:place] + text[place + 1] + text[place] + text[place + 2 :]
