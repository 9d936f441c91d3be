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

# What html.unescape looks at; possessive for the same reason.
_REFERENCE: Final = regex.compile(r"&(?:#[0-9]++;?|#[xX][0-9a-fA-F]++;?|[^\t\n\f <&#;]{1,32}+;?)")


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


def unescape_places(text: str) -> tuple[int, ...]:
    """Where each character of ``unescape(text)`` begins in ``text``, and behind them the length of ``text``."""
    places: list[int] = []
    position = 0
    for reference in _REFERENCE.finditer(text):
        places.extend(range(position, reference.start()))
        written = html.unescape(reference.group())
        places.extend([reference.start()] * len(written))
        # "&notit;" is "¬it;": what the reference did not use stands for itself.
        unused = 0 if reference.group()[1] == "#" else _common_end(reference.group(), written)
        places[len(places) - unused :] = range(reference.end() - unused, reference.end())
        position = reference.end()
    places.extend(range(position, len(text)))
    return (*places, len(text))


def escape_places(text: str, start: int) -> tuple[int, ...]:
    """Where each character of ``text`` begins once ``escape(text)`` stands at ``start``, and where the last ends."""
    places = [start]
    for character in text:
        places.append(places[-1] + len(escape(character)))
    return tuple(places)


def _common_end(first: str, second: str) -> int:
    """How many characters two texts have in common at their ends."""
    for length, (one, other) in enumerate(zip(reversed(first), reversed(second), strict=False)):
        if one != other:
            return length
    return min(len(first), len(second))
