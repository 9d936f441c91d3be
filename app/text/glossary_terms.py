"""Terms of a glossary: where they stand in a text, and what replaces each in its translation."""

from collections.abc import Iterator, Mapping
from typing import Final

import regex

# Scripts without spaces between words: there a term may stand anywhere.
_SPACELESS_SET: Final = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}"
_SPACELESS: Final = regex.compile(f"[{_SPACELESS_SET}]")
_LETTER: Final = regex.compile(r"[\p{L}\p{N}]")
# Runs of letters and digits; every other character, and each one of a script without spaces, is a token of its own.
_TOKEN: Final = regex.compile(rf"[[\p{{L}}\p{{N}}]--[{_SPACELESS_SET}]]++|.", regex.DOTALL | regex.V1)


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
        lengths: dict[str, set[int]] = {}
        for term in self._translations:
            tokens = _TOKEN.findall(term)
            lengths.setdefault(tokens[0], set()).add(len(tokens))
        self.size_characters = sum(map(len, self._translations)) + sum(map(len, self._translations.values()))
        self._lengths = {token: sorted(counts, reverse=True) for token, counts in lengths.items()}

    def find(self, text: str) -> Iterator[tuple[int, int]]:
        """Yields the offsets of each term's begin and end, in order and without overlap.

        A token names the lengths of the terms that start with it, and a dictionary says whether one of them stands
        there. So the time depends on these lengths, but not on the number of terms.
        """
        if not self._lengths:
            return
        tokens = [found.span() for found in _TOKEN.finditer(text)]
        index = 0
        while index < len(tokens):
            count = self._match(text, tokens, index)
            if count:
                yield tokens[index][0], tokens[index + count - 1][1]
            index += count or 1

    def _match(self, text: str, tokens: list[tuple[int, int]], index: int) -> int:
        """Returns the number of tokens of the longest term at a token, 0 if there is none."""
        start = tokens[index][0]
        counts = self._lengths.get(text[start : tokens[index][1]])
        if counts is None or not (_SPACELESS.match(text, start) or not _is_letter(text, start - 1)):
            return 0
        for count in counts:
            if index + count > len(tokens):
                continue
            end = tokens[index + count - 1][1]
            if text[start:end] in self._translations and (_SPACELESS.match(text, end - 1) or not _is_letter(text, end)):
                return count
        return 0

    def translate(self, term: str) -> str | None:
        """Returns the translation of a term as it is written in a text, None if it is no term."""
        return self._translations.get(term)


def _capitalize(term: str, translation: str) -> Iterator[tuple[str, str]]:
    """Yields the variants of a term in small letters, each with its translation."""
    if term == term.lower() and term[:1] != term[:1].upper():
        yield term[0].upper() + term[1:], translation[:1].upper() + translation[1:]
        if len(term) > 1:
            yield term.upper(), translation.upper()


def _is_letter(text: str, offset: int) -> bool:
    """Whether there is a letter or digit at an offset, which may be outside the text."""
    return 0 <= offset < len(text) and _LETTER.match(text, offset) is not None
