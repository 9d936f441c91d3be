"""A text as units that a tag never cuts: words, characters of scripts without spaces, marks, placeholders."""

from dataclasses import dataclass
from typing import Final

import regex

from app.text.placeholder_patterns import PlaceholderFinder

_SPACELESS: Final = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}"
_LETTER: Final = rf"[[\p{{L}}\p{{N}}]--[{_SPACELESS}]][\p{{M}}\u200C\u200D]*+"
# "l'école" is two words, for only one of them may be in bold; "Tom's" and "don't" are one each.
_UNIT: Final = regex.compile(
    rf"(?V1)[{_SPACELESS}]\p{{M}}*+"
    rf"|(?:{_LETTER})++(?:[-\u2010\u2011.,·_](?:{_LETTER})++)*+(?:['’](?:s|t|re|ve|ll|d|m)(?![\p{{L}}\p{{N}}])|['’](?=\p{{L}}))?"
    r"|\S\p{M}*+"
)


@dataclass(frozen=True, slots=True)
class Unit:
    """``is_word``: no mark of punctuation. ``is_name``: it is the same in any language, as a number is."""

    start: int
    end: int
    is_word: bool
    is_name: bool


def units_of(text: str, finder: PlaceholderFinder) -> list[Unit]:
    """In order; all of the text but its white space."""
    units: list[Unit] = []
    position = 0
    for start, end in finder.ranges(text):
        units += _words(text, position, start)
        units.append(Unit(start, end, is_word=True, is_name=True))
        position = end
    return units + _words(text, position, len(text))


def _words(text: str, start: int, end: int) -> list[Unit]:
    found: list[Unit] = []
    for match in _UNIT.finditer(text, start, end):
        word = match.group()
        is_word = word[0].isalnum()
        is_name = is_word and (any(map(str.isdigit, word)) or (word[0].isupper() and len(word) > 2))
        found.append(Unit(match.start(), match.end(), is_word, is_name))
    return found
