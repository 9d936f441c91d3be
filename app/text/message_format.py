"""ICU MessageFormat in a text: what of it is syntax, and what a branch that is translated.

``{n, plural, one {# apple} other {# apples}}`` has two branches, ``# apple`` and ``# apples``, which are translated
each by itself, because the syntax ends a segment. The parsers of MessageFormat on PyPI accept a text only if all of it
is a message, and give no offsets.
"""

from dataclasses import dataclass, field
from typing import Final

import regex

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
