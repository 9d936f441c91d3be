"""HTML and XML as tokens and character references, byte for byte: joined, the tokens are the document."""

import html
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

import regex

# Possessive, so that a "<" that opens nothing is given up after one look, not after many. Outside of quotes a second
# "<" ends the attempt: a tag that was cut off does not swallow the one behind it.
_TAG: Final = regex.compile(
    r"<(?P<slash>/?)(?P<name>[A-Za-z_][^\s<>/\"'\p{Cc}]*+)(?:[^<>\"']|\"[^\"]*+\"|'[^']*+')*+>", regex.DOTALL
)
# What a browser reads to its end without looking for tags.
_RAW: Final = frozenset(("script", "style", "template", "textarea"))
_VOID: Final = frozenset(
    "area base br col embed frame hr img input keygen link meta param source track wbr".split()  # noqa: SIM905
)

# What html.unescape looks at; possessive for the same reason.
_REFERENCE: Final = regex.compile(r"&(?:#[0-9]++;?|#[xX][0-9a-fA-F]++;?|[^\t\n\f <&#;]{1,32}+;?)")


_OPENED: Final = regex.compile(r"<(?=[A-Za-z_/!?]|\Z)")


class Kind(Enum):
    TEXT = auto()
    OPEN = auto()
    CLOSE = auto()
    VOID = auto()  # a tag that is an element by itself
    NOTE = auto()  # comment, declaration, processing instruction
    RAW = auto()  # script, style, template or textarea with all that is in it; CDATA


@dataclass(frozen=True, slots=True)
class Token:
    """``start`` up to ``end`` of the document; ``name``: of a tag, in small letters in HTML."""

    kind: Kind
    start: int
    end: int
    name: str = ""


def tokens_of(document: str, is_xml: bool = False) -> Iterator[Token]:
    """All of it, in order. A ``<`` that opens nothing is text."""
    lexer = _Lexer(document, is_xml)
    text_start = position = 0
    while 0 <= (position := document.find("<", position)) < lexer.last:
        token = lexer.token_at(position)
        if token is None:
            position += 1
            continue
        if position > text_start:
            yield Token(Kind.TEXT, text_start, position)
        yield token
        text_start = position = token.end
    if text_start < len(document):
        yield Token(Kind.TEXT, text_start, len(document))


class _Lexer:
    """Finds what begins at a ``<``. What was looked for in vain is not looked for again."""

    def __init__(self, document: str, is_xml: bool) -> None:
        self._document = document
        self._is_xml = is_xml
        self._absent: set[str] = set()
        self.last = document.rfind(">")  # nothing behind it can be markup, and looking for it takes long

    def token_at(self, start: int) -> Token | None:
        document = self._document
        if document.startswith(("<!", "<?"), start):
            whole: Token | None = None
            if document.startswith("<!--", start):
                whole = self._until("-->", Kind.NOTE, start, 4)
            elif self._is_xml and document.startswith("<![CDATA[", start):
                whole = self._until("]]>", Kind.RAW, start, 9)
            return whole or self._until(">", Kind.NOTE, start, 2)
        found = _TAG.match(document, start)
        if found is None:
            return None
        name = found["name"] if self._is_xml else found["name"].lower()
        if found["slash"]:
            return Token(Kind.CLOSE, start, found.end(), name)
        if found.group().endswith("/>") or (not self._is_xml and name in _VOID):
            return Token(Kind.VOID, start, found.end(), name)
        if name in _RAW and not self._is_xml:
            return Token(Kind.RAW, start, self._end_of_raw(name, found.end()), name)
        return Token(Kind.OPEN, start, found.end(), name)

    def _until(self, end: str, kind: Kind, start: int, length: int) -> Token | None:
        found = -1 if end in self._absent else self._document.find(end, start + length)
        if found < 0:
            self._absent.add(end)
            return None
        return Token(kind, start, found + len(end))

    def _end_of_raw(self, name: str, start: int) -> int:
        """As browsers do, up to the end of the document where nothing closes it."""
        found = regex.compile(rf"</{name}\s*+>", regex.IGNORECASE).search(self._document, start)
        return found.end() if found else len(self._document)


def unescape(text: str) -> str:
    """Character references as the characters they stand for."""
    return html.unescape(text) if "&" in text else text


def escape(text: str) -> str:
    """Text as it may stand between two tags."""
    return html.escape(text, quote=False)


def without_open_tag(text: str) -> str:
    """Text with no ``<`` at its end that would make a tag with what comes behind it."""
    tail = text.rfind(">") + 1
    return text[:tail] + _OPENED.sub("&lt;", text[tail:]) if "<" in text[tail:] else text


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


def _common_end(first: str, second: str) -> int:
    """How many characters two texts have in common at their ends."""
    for length, (one, other) in enumerate(zip(reversed(first), reversed(second), strict=False)):
        if one != other:
            return length
    return min(len(first), len(second))
