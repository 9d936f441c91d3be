"""Markup and message syntax: what of a text is syntax, and what is words.

HTML and XML are read as tokens and character references, without loss: joined, the tokens are the document. Of ICU
MessageFormat the branches are words: ``{n, plural, one {# apple} other {# apples}}`` has two, ``# apple`` and
``# apples``. The parsers of MessageFormat on PyPI accept a text only if all of it is a message, and give no offsets.
"""

import html
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Final

import regex

from app.text.tag_roles import TagRole, select_tags

# Possessive, so that a "<" that opens nothing is given up after one attempt. Outside quotes a second "<" ends the
# attempt: a tag that was cut off does not swallow the next one.
_TAG: Final = regex.compile(
    r"<(?P<slash>/?)(?P<name>[A-Za-z_][^\s<>/\"'\p{Cc}]*+)(?:[^<>\"']|\"[^\"]*+\"|'[^']*+')*+>", regex.DOTALL
)
_RAW: Final = select_tags(TagRole.RAW)
_VOID: Final = select_tags(TagRole.VOID)

# What html.unescape replaces; possessive for the same reason.
_REFERENCE: Final = regex.compile(r"&(?:#[0-9]++;?|#[xX][0-9a-fA-F]++;?|[^\t\n\f <&#;]{1,32}+;?)")
_OPENED: Final = regex.compile(r"<(?=[A-Za-z_/!?]|\Z)")


class Kind(Enum):
    """The kinds of tokens."""

    TEXT = auto()
    OPEN = auto()
    CLOSE = auto()
    VOID = auto()  # a tag that is an element by itself
    NOTE = auto()  # comment, declaration, processing instruction
    RAW = auto()  # script, style, template or textarea with its content; CDATA


@dataclass(frozen=True, slots=True)
class Token:
    """A part of a document.

    Attributes:
        kind: What it is.
        start: Offset of its first character in the document.
        end: Offset behind its last character.
        name: Of a tag, in small letters in HTML.
    """

    kind: Kind
    start: int
    end: int
    name: str = ""


def tokenize_markup(document: str, is_xml: bool = False) -> Iterator[Token]:
    """Splits a document into text and markup.

    Args:
        document: HTML or XML, well formed or not.
        is_xml: Whether names are case-sensitive and no name is void or raw by itself.

    Yields:
        All tokens in order. A ``<`` that opens nothing is text.
    """
    lexer = _Lexer(document, is_xml)
    text_start = offset = 0
    while 0 <= (offset := document.find("<", offset)) < lexer.last:
        token = lexer.read_token(offset)
        if token is None:
            offset += 1
            continue
        if offset > text_start:
            yield Token(Kind.TEXT, text_start, offset)
        yield token
        text_start = offset = token.end
    if text_start < len(document):
        yield Token(Kind.TEXT, text_start, len(document))


class _Lexer:
    """Reads the token at a ``<``. An end that was searched for in vain is not searched for again, to stay linear."""

    def __init__(self, document: str, is_xml: bool) -> None:
        self._document = document
        self._is_xml = is_xml
        self._absent: set[str] = set()
        self.last = document.rfind(">")  # nothing behind it can be markup, and a search there takes long

    def read_token(self, start: int) -> Token | None:
        """Returns the token at the offset of a ``<``, None if that opens nothing."""
        document = self._document
        if document.startswith(("<!", "<?"), start):
            whole: Token | None = None
            if document.startswith("<!--", start):
                whole = self._read_until("-->", Kind.NOTE, start, 4)
            elif self._is_xml and document.startswith("<![CDATA[", start):
                whole = self._read_until("]]>", Kind.RAW, start, 9)
            return whole or self._read_until(">", Kind.NOTE, start, 2)
        found = _TAG.match(document, start)
        if found is None:
            return None
        name = found["name"] if self._is_xml else found["name"].lower()
        if found["slash"]:
            return Token(Kind.CLOSE, start, found.end(), name)
        if found.group().endswith("/>") or (not self._is_xml and name in _VOID):
            return Token(Kind.VOID, start, found.end(), name)
        if name in _RAW and not self._is_xml:
            return Token(Kind.RAW, start, self._find_raw_end(name, found.end()), name)
        return Token(Kind.OPEN, start, found.end(), name)

    def _read_until(self, end: str, kind: Kind, start: int, length: int) -> Token | None:
        found = -1 if end in self._absent else self._document.find(end, start + length)
        if found < 0:
            self._absent.add(end)
            return None
        return Token(kind, start, found + len(end))

    def _find_raw_end(self, name: str, start: int) -> int:
        """Returns the end of a raw element: without an end tag, as in browsers, the end of the document."""
        found = regex.compile(rf"</{name}\s*+>", regex.IGNORECASE).search(self._document, start)
        return found.end() if found else len(self._document)


def unescape(text: str) -> str:
    """Replaces character references by their characters."""
    return html.unescape(text) if "&" in text else text


def escape(text: str) -> str:
    """Escapes a text for use between two tags."""
    return html.escape(text, quote=False)


def escape_open_tag(text: str) -> str:
    """Escapes a ``<`` near the end of a text that would make a tag with what follows the text."""
    tail = text.rfind(">") + 1
    return text[:tail] + _OPENED.sub("&lt;", text[tail:]) if "<" in text[tail:] else text


def unescape_offsets(text: str) -> tuple[int, ...]:
    """Returns where each character of ``unescape(text)`` begins in ``text``, and last the length of ``text``."""
    offsets: list[int] = []
    done = 0
    for reference in _REFERENCE.finditer(text):
        offsets.extend(range(done, reference.start()))
        written = html.unescape(reference.group())
        offsets.extend([reference.start()] * len(written))
        # "&notit;" is "¬it;": what the reference did not use stands for itself.
        unused = 0 if reference.group()[1] == "#" else _count_common_end(reference.group(), written)
        offsets[len(offsets) - unused :] = range(reference.end() - unused, reference.end())
        done = reference.end()
    offsets.extend(range(done, len(text)))
    return (*offsets, len(text))


def _count_common_end(first: str, second: str) -> int:
    """Counts the characters that two texts have in common at their ends."""
    for length, (one, other) in enumerate(zip(reversed(first), reversed(second), strict=False)):
        if one != other:
            return length
    return min(len(first), len(second))


_ARGUMENT: Final = regex.compile(
    r"\{\s{0,20}[\w.-]{1,60}\s{0,20},\s{0,20}(?:plural|select|selectordinal)\s{0,20},\s{0,20}(?:offset:\d{1,5}\s{0,20})?"
)
_SELECTOR: Final = regex.compile(r"\s{0,100}(?:=\d{1,9}|[\w-]{1,60})\s{0,20}\{")
_ARGUMENT_END: Final = regex.compile(r"\s{0,100}\}")
# An apostrophe quotes what follows it only if that is syntax.
_BRACE: Final = regex.compile(r"''|'(?=[{}])|[{}]")

Span = tuple[int, int]


@dataclass(slots=True)
class _Frame:
    """An open brace.

    Attributes:
        start: Offset of the syntax that has not ended yet.
        is_argument: Whether it is an argument with branches, and not a branch or a simple argument.
        is_branch: Whether it is a branch of the argument below it.
        spans: The syntax that was found in it.
    """

    start: int
    is_argument: bool = False
    is_branch: bool = False
    spans: list[Span] = field(default_factory=list)


def find_message_syntax(text: str) -> list[Span]:
    """Returns the offsets of begin and end of what is syntax in the plurals and choices of a text, in order.

    An argument without its end, or without branches, is none. The work is linear in the length of the text.
    """
    if not _ARGUMENT.search(text):
        return []
    bottom = _Frame(0)
    frames = [bottom]
    offset = 0
    while True:
        top = frames[-1]
        if top.is_argument:
            offset = _read_argument(text, offset, frames)
            continue
        token = _BRACE.search(text, offset)
        if token is None:
            break
        offset = token.end()
        if token.group() == "'":
            closing = text.find("'", offset)
            if closing < 0:
                break
            offset = closing + 1
        elif token.group() == "{":
            argument = _ARGUMENT.match(text, token.start())
            frames.append(_Frame(token.start(), is_argument=argument is not None))
            offset = offset if argument is None else argument.end()
        elif token.group() == "}" and len(frames) > 1:
            closed = frames.pop()
            frames[-1].spans += closed.spans
            if closed.is_branch:
                frames[-1].start = token.start()
    # What has no end is no argument, but there may be whole ones in it.
    return sorted(span for frame in frames if not frame.is_argument for span in frame.spans)


def _read_argument(text: str, offset: int, frames: list[_Frame]) -> int:
    """Reads the beginning of a branch, or the end of the argument on top, and returns the offset behind it."""
    argument = frames[-1]
    selector = _SELECTOR.match(text, offset)
    if selector is not None:
        argument.spans.append((argument.start, selector.end()))
        frames.append(_Frame(offset, is_branch=True))
        return selector.end()
    end = _ARGUMENT_END.match(text, offset)
    if end is None or not argument.spans:
        argument.is_argument = False  # some other text in braces
        argument.spans.clear()
        return offset
    frames.pop()
    frames[-1].spans += [*argument.spans, (argument.start, end.end())]
    return end.end()
