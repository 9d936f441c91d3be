"""A sentence or paragraph with tags in it, whatever they are in its file -> a passage of HTML, and back.

The tags are numbered. What encloses words is ``<span data-n="1">``, a mark between words ``<img data-n="2">``, and what
stands for a word without being one (a piece of code, a number that the reader's program fills in) is
``<code data-n="3">``, which no translator touches.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

from app.files.document import Passage
from app.files.formats.html_parser import PageParser
from app.text.segmentation import needs_translation


@dataclass(frozen=True, slots=True)
class Open:
    number: int


@dataclass(frozen=True, slots=True)
class Close:
    number: int


@dataclass(frozen=True, slots=True)
class Point:
    """``word``: what a reader sees there."""

    number: int
    word: str = ""


Piece = str | Open | Close | Point


class Fragment:
    """Pieces, well nested, of which those at the edges that hold no words are left out of the passage."""

    def __init__(self, pieces: Sequence[Piece]) -> None:
        self.pieces = list(pieces)
        first, last = _core(self.pieces)
        self._before, self._core, self._after = self.pieces[:first], self.pieces[first:last], self.pieces[last:]

    @property
    def is_translated(self) -> bool:
        return needs_translation("".join(piece for piece in self._core if isinstance(piece, str)))

    @property
    def passage(self) -> Passage:
        if all(isinstance(piece, str) for piece in self._core):
            return Passage("".join(piece for piece in self._core if isinstance(piece, str)))
        return Passage("".join(_written(piece) for piece in self._core), "html")

    def translated(self, translation: str) -> list[Piece]:
        """The pieces again. If a tag is missing, the whole text stands where the first words stood."""
        core: list[Piece] = [translation]
        if self.passage.text_format == "html":
            reader = _Reader({piece.number: piece for piece in self._core if isinstance(piece, Point)})
            reader.feed(translation)
            reader.close()
            core = reader.pieces
            if not (_is_nested(core) and _tags(core) == _tags(self._core)):
                core = self._guessed("".join(piece for piece in core if isinstance(piece, str)))
        return [*self._before, *core, *self._after]

    def _guessed(self, text: str) -> list[Piece]:
        tags: list[Piece] = []
        for piece in self._core:
            if not isinstance(piece, str):
                tags.append(piece)
            elif text and not piece.isspace():
                tags.append(text)
                text = ""
        return tags


def without_empty(pieces: Sequence[Piece], may_go: Callable[[int], bool]) -> list[Piece]:
    """Without tags that enclose nothing, where what they are would be seen as signs.

    :param may_go: may the tags of this number be left out?
    """
    left: list[Piece] = []
    for piece in pieces:
        if isinstance(piece, Close) and left and left[-1] == Open(piece.number) and may_go(piece.number):
            left.pop()
        elif piece != "":
            left.append(piece)
    return left


def _core(pieces: Sequence[Piece]) -> tuple[int, int]:
    """From where to where there are words, without tags that enclose all of them."""
    first, last = 0, len(pieces)
    while first < last:
        head, tail = pieces[first], pieces[last - 1]
        if _is_empty(head):
            first += 1
        elif _is_empty(tail):
            last -= 1
        elif isinstance(head, Open) and isinstance(tail, Close) and head.number == tail.number:
            first, last = first + 1, last - 1
        elif isinstance(head, Open) and pieces[first + 1] == Close(head.number):
            first += 2
        elif isinstance(tail, Close) and pieces[last - 2] == Open(tail.number):
            last -= 2
        else:
            break
    return first, last


def _is_empty(piece: Piece) -> bool:
    if isinstance(piece, Point):
        return not piece.word
    return isinstance(piece, str) and (not piece or piece.isspace())


def _written(piece: Piece) -> str:
    if isinstance(piece, str):
        return escape(piece, quote=False)
    if isinstance(piece, Open):
        return f'<span data-n="{piece.number}">'
    if isinstance(piece, Close):
        return "</span>"
    return (
        f'<code data-n="{piece.number}">{escape(piece.word)}</code>' if piece.word else f'<img data-n="{piece.number}">'
    )


def _tags(pieces: Sequence[Piece]) -> Counter[Piece]:
    return Counter(piece for piece in pieces if not isinstance(piece, str))


def _is_nested(pieces: Sequence[Piece]) -> bool:
    opened: list[int] = []
    for piece in pieces:
        if isinstance(piece, Open):
            opened.append(piece.number)
        elif isinstance(piece, Close) and (not opened or opened.pop() != piece.number):
            return False
    return not opened


class _Reader(PageParser):
    """Reads a passage again. What is not as it was written shows when its tags are counted."""

    def __init__(self, points: dict[int, Point]) -> None:
        super().__init__(convert_charrefs=True)
        self.pieces: list[Piece] = []
        self._points = points
        self._opened: list[int] = []
        self._is_in_word = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs).get("data-n") or ""
        number = int(given) if given.isdecimal() else -1
        if tag == "span":
            self._opened.append(number)
            self.pieces.append(Open(number))
        else:
            self.pieces.append(self._points.get(number, Point(number)))
            self._is_in_word = tag == "code"

    def handle_endtag(self, tag: str) -> None:
        if tag == "span":
            self.pieces.append(Close(self._opened.pop() if self._opened else -1))
        elif tag == "code":
            self._is_in_word = False

    def handle_data(self, data: str) -> None:
        if not self._is_in_word:
            self.pieces.append(data)
