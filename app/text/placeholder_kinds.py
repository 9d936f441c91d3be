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


# Parts of the patterns of the table.
FILE_ENDING: Final = (
    r"(?:bak|bat|bmp|bz2|[ch]|cfg|conf|cpp|css|csv|dll|docx?|epub|exe|gif|go|gz|html?|ico|ini|iso|jar|java|jpe?g|jsx?|json"
    r"|kt|lock|log|md|mkv|mp[34]|od[pst]|ogg|onnx|pdf|php|png|pot?|pptx?|py|rar|rb|rs|rst|rtf|sh|sql|srt|svg|swift|tar"
    r"|tiff?|tmp|toml|tsx?|tsv|txt|wav|webp|xlsx?|xml|ya?ml|zip)"
)
# What an address may hold and end with: a full stop behind it is the sentence's, and so is a bracket unless one opens
# in the address.
IN_BRACKETS: Final = r"\([^\s()<>\p{Co}]{0,200}\)"
ADDRESS: Final = (
    rf"(?:{IN_BRACKETS}|[^\s<>\"«»“”()\p{{Co}}]){{0,2000}}"
    rf"(?:{IN_BRACKETS}|[^\s<>\"«»“”()\p{{Co}}.,;:!?…'’\]}}|*])"
)
# Of units whose sign is a word in no language that is served.
UNIT: Final = (
    r"(?:(?:k?m|ft)/[hs]|[cdkmnµ]?m|[kmµ]?g|[cdm]?[lL]|mph|rpm|fps|ft|yd|lbs?|oz|[mµn]s|min|[kKMGT]i?B|[kMG]bit|[kMGT]?Hz"
    r"|[kMG]?W|k?Wh|[km]?V|m?Ah|mA|[km]?Ω|[khM]?Pa|psi|[km]?J|kcal|px|dpi|d[Bb])"
)
SCHEME: Final = (
    r"(?:[A-Za-z][A-Za-z0-9+.-]{0,20}://|www\.|(?:mailto|tel|sms|urn|doi|magnet|sips?|xmpp|geo|callto|skype|bitcoin"
    r"|data|isbn|arxiv|pkg):(?=[^\s:]))"
)
BB_NAME: Final = (
    r"(?:b|i|u|s|url|img|quote|code|color|size|list|center|left|right|spoiler|email|font|sub|sup|table|tr|td)"
)
