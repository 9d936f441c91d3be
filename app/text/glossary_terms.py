"""Terms of a glossary: where they stand in a text, and what replaces each in its translation."""

from collections.abc import Iterator, Mapping
from typing import Final

import regex

# Scripts without spaces between words: there a term may stand anywhere.
_SPACELESS: Final = regex.compile(r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}]")
_LETTER: Final = r"[\p{L}\p{N}]"


class Terms:
    """Finds terms as whole words, the longest first.

    A term in small letters is also found with a capital at its beginning and in capitals, and its translation is then
    written the same way.

    Args:
        translations: Each term's translation.
    """

    def __init__(self, translations: Mapping[str, str]) -> None:
        self.given = translations
        self._translations: dict[str, str] = {}
        for term, translation in translations.items():
            for variant, written in _capitalize(term, translation):
                self._translations.setdefault(variant, written)
        self._translations |= translations  # a term as it is given overrides the variants of others
        ordered = sorted(self._translations, key=len, reverse=True)
        self._pattern = regex.compile("|".join(map(_match_words, ordered))) if ordered else None

    def find(self, text: str) -> Iterator[tuple[int, int]]:
        """Yields the offsets of each term's begin and end, in order and without overlap."""
        if self._pattern is not None:
            yield from (found.span() for found in self._pattern.finditer(text))

    def translate(self, term: str) -> str | None:
        """Returns the translation of a term as it is written in a text, None if it is no term."""
        return self._translations.get(term)


def _capitalize(term: str, translation: str) -> Iterator[tuple[str, str]]:
    """Yields the variants of a term in small letters, each with its translation."""
    if term == term.lower() and term[:1] != term[:1].upper():
        yield term[0].upper() + term[1:], translation[:1].upper() + translation[1:]
        if len(term) > 1:
            yield term.upper(), translation.upper()


def _match_words(term: str) -> str:
    """Returns a pattern for a term that no letter or digit precedes or follows."""
    before = "" if _SPACELESS.match(term[0]) else rf"(?<!{_LETTER})"
    behind = "" if _SPACELESS.match(term[-1]) else rf"(?!{_LETTER})"
    return before + regex.escape(term) + behind
