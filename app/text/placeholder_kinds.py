"""How placeholders are kept from the model, and the private-use characters that stand in a text for them.

A private-use character that the text itself has is found as a placeholder, so the two are never confused.
"""

from dataclasses import dataclass
from enum import Flag, StrEnum, auto
from typing import Final

# Each of these stands for one placeholder while a text is split into segments, so that no cut divides it.
NAME_CHARACTER: Final = "\ue000"  # a name may stand in for it
COUNT_CHARACTER: Final = "\ue001"  # only a number may stand in for it
TERM_CHARACTER: Final = "\ue002"  # a glossary's term, which must be translated, unlike the others
PLACEHOLDER_CHARACTERS: Final = frozenset((NAME_CHARACTER, COUNT_CHARACTER, TERM_CHARACTER))
# Those from here on stand for elements that are kept from the model, such as <code>: characters of a plane for private
# use, so that one text may have many different ones.
FIRST_ELEMENT_CODE: Final = 0xF0000
MAX_ELEMENTS: Final = 1000


class Treatment(StrEnum):
    """How a kept part of a text is kept from the model."""

    SYNTAX = "syntax"  # a stand-in is read for it; one that the model invents is removed
    WORD = "word"  # a stand-in is read for it; a translation may have others of its kind
    POINT = "point"  # it is taken out at its word, as emoji are, and the model reads the sentence without it
    STAMP = "stamp"  # as POINT at the beginning of a line, else as WORD
    BREAK = "break"  # it ends a segment, as a line break does


class Begins(Flag):
    """The first character of a kind."""

    WORD = auto()  # the first letter or digit of a word
    SIGN = auto()  # neither a letter, a digit nor white space
    ANY = WORD | SIGN


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of text that is kept.

    Attributes:
        name: What it is.
        begins: What its first character is, so that most patterns need not be tried at most characters.
        treatment: How it is kept.
        pattern: Without capturing groups, and every repetition bounded, so that the time for hostile text grows only
            with its length.
    """

    name: str
    begins: Begins
    treatment: Treatment
    pattern: str
