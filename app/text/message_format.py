"""ICU MessageFormat: which characters of a text are the syntax of a plural or a choice, and which are its branches.

``{n, plural, one {# apple} other {# apples}}`` has two branches, ``# apple`` and ``# apples``, which are translated
each by itself; all around them stays as it is, so that the message is valid again. The parsers on PyPI accept a text
only if all of it is a message, and give no offsets.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

import regex

from app.text.elements import Item, Role

_ARGUMENT: Final = regex.compile(
    r"\{\s{0,20}[\w.-]{1,60}\s{0,20},\s{0,20}(?:plural|select|selectordinal)\s{0,20},\s{0,20}(?:offset:\d{1,5}\s{0,20})?"
)
_SELECTOR: Final = regex.compile(r"\s{0,100}(?:=\d{1,9}|[\w-]{1,60})\s{0,20}\{")
_END: Final = regex.compile(r"\s{0,100}\}")
# An apostrophe quotes what follows it only if that is syntax.
_TOKEN: Final = regex.compile(r"''|'(?=[{}])|[{}]")

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
        token = _TOKEN.search(text, offset)
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


def cut_at_message_syntax(items: Iterable[Item], syntax: Sequence[Span]) -> Iterator[Item]:
    """Cuts the texts among the items of a document where there is message syntax, which becomes a boundary."""
    number = 0
    for item in items:
        if item.role is not Role.TEXT:
            yield item
            continue
        start = item.start
        while number < len(syntax) and syntax[number][1] <= start:
            number += 1
        ahead = number
        while ahead < len(syntax) and syntax[ahead][0] < item.end:
            first, last = max(start, syntax[ahead][0]), min(item.end, syntax[ahead][1])
            if start < first:
                yield Item(Role.TEXT, start, first)
            yield Item(Role.BOUNDARY, first, last)
            start = last
            ahead += 1
        if start < item.end:
            yield Item(Role.TEXT, start, item.end)


def _read_argument(text: str, offset: int, frames: list[_Frame]) -> int:
    """Reads the beginning of a branch, or the end of the argument on top, and returns the offset behind it."""
    argument = frames[-1]
    selector = _SELECTOR.match(text, offset)
    if selector is not None:
        argument.spans.append((argument.start, selector.end()))
        frames.append(_Frame(offset, is_branch=True))
        return selector.end()
    end = _END.match(text, offset)
    if end is None or not argument.spans:
        argument.is_argument = False  # some other text in braces
        argument.spans.clear()
        return offset
    frames.pop()
    frames[-1].spans += [*argument.spans, (argument.start, end.end())]
    return end.end()
