"""HTML -> text to translate and markup to keep, byte for byte.

Every tag, comment, script and style stays where it is; only the text between goes to the model. An inline tag still
ends a segment here: moving tags with the words they belong to needs alignments.
"""

import html
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import regex

# Possessive, so that a "<" that opens nothing is given up after one look, not after many.
_MARKUP: Final = regex.compile(
    r"<!--.*?-->"
    r"|<(script|style|template|textarea)\b[^>]*>.*?</\1\s*>"
    r"|<[!?][^>]*>"
    r"|</?[a-z](?:[^>\"']|\"[^\"]*\"|'[^']*')*+>",
    regex.IGNORECASE | regex.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of a document: ``is_text`` is for the model, the rest is markup."""

    text: str
    is_text: bool


def split_markup(document: str) -> Iterator[Span]:
    """The spans of a document; joined, they are the document."""
    position = 0
    end = document.rfind(">") + 1  # nothing behind the last ">" can be markup, and looking for it takes long
    for markup in _MARKUP.finditer(document, 0, end):
        if markup.start() > position:
            yield Span(document[position : markup.start()], is_text=True)
        yield Span(markup.group(), is_text=False)
        position = markup.end()
    if position < len(document):
        yield Span(document[position:], is_text=True)


def unescape(text: str) -> str:
    """Character references as the characters they stand for."""
    return html.unescape(text) if "&" in text else text


def escape(text: str) -> str:
    """Text as it may stand between two tags."""
    return html.escape(text, quote=False)
