"""Terms of a glossary in a text: where they stand, and what is to stand for each in its translation."""

from collections.abc import Iterator, Mapping
from typing import Final

import regex

# Scripts that put no space between words: there a term may stand anywhere.
_CLOSE: Final = regex.compile(r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}]")
_LETTER: Final = r"[\p{L}\p{N}]"


class Terms:
    """Finds whole words, the longest term first. A term in small letters is also found with a capital at its beginning,
    and in capitals; its translation is then written so too.

    :param translations: by term.
    """

    def __init__(self, translations: Mapping[str, str]) -> None:
        self.given = translations
        self._translations: dict[str, str] = {}
        for term, translation in translations.items():
            for variant, written in _in_capitals(term, translation):
                self._translations.setdefault(variant, written)
        self._translations |= translations  # as it is written counts before any other
        ordered = sorted(self._translations, key=len, reverse=True)
        self._pattern = regex.compile("|".join(map(_as_words, ordered))) if ordered else None

    def ranges(self, text: str) -> Iterator[tuple[int, int]]:
        """Where they stand, in order, none over another."""
        if self._pattern is not None:
            yield from (found.span() for found in self._pattern.finditer(text))

    def translation(self, term: str) -> str | None:
        """What is to be written for what stands in the text; None if it is no term."""
        return self._translations.get(term)


def _in_capitals(term: str, translation: str) -> Iterator[tuple[str, str]]:
    if term == term.lower() and term[:1] != term[:1].upper():
        yield term[0].upper() + term[1:], translation[:1].upper() + translation[1:]
        if len(term) > 1:
            yield term.upper(), translation.upper()


def _as_words(term: str) -> str:
    """The term where no letter or digit goes on before or behind it."""
    before = "" if _CLOSE.match(term[0]) else rf"(?<!{_LETTER})"
    behind = "" if _CLOSE.match(term[-1]) else rf"(?!{_LETTER})"
    return before + regex.escape(term) + behind
