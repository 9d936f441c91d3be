"""A document as passages to translate, each plain or with tags.

A ``Fragment`` is a sentence or paragraph whose tags, whatever they are in its file, are numbered and written as HTML.
What encloses words is ``<span data-n="1">``, what stands between words is ``<img data-n="2">``, and what stands for a
word (a piece of code, a number that a program fills in) is ``<code data-n="3">``, which the translator does not change.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from html import escape, unescape
from html.parser import HTMLParser
from typing import Final, Literal

import regex

from app.text.segmentation import needs_translation

_TAG: Final = regex.compile(r"<[^<>]*>")
PassageFormat = Literal["text", "html"]


@dataclass(frozen=True, slots=True)
class Passage:
    """A text of a file that is translated by itself.

    Attributes:
        text: The text.
        text_format: ``html`` for a text with tags, which have to come back.
    """

    text: str
    text_format: PassageFormat = "text"

    @property
    def words(self) -> str:
        """The text without tags, approximately as a reader sees it."""
        return self.text if self.text_format == "text" else unescape(_TAG.sub("", self.text))


@dataclass(frozen=True, slots=True)
class Document:
    """A file as passages.

    Attributes:
        passages: In the order in which a reader reads them.
        write: Makes the new file from the translation of each passage and the target language. It may be called once.
    """

    passages: tuple[Passage, ...]
    write: Callable[[Iterator[str], str], bytes]

    @property
    def characters(self) -> int:
        """The number of characters to translate, without tags."""
        return sum(len(passage.words) for passage in self.passages)


def join_pieces(pieces: Iterable[str | Passage], encode: Callable[[str], bytes]) -> Document:
    """Make the document of a file that is one text; the strings between the passages are kept.

    Args:
        pieces: The whole text.
        encode: Makes the bytes of the new file from its text.
    """
    kept = [
        piece.text if isinstance(piece, Passage) and not needs_translation(piece.text) else piece for piece in pieces
    ]

    def write(translations: Iterator[str], _: str) -> bytes:
        return encode("".join(next(translations) if isinstance(piece, Passage) else piece for piece in kept))

    return Document(tuple(piece for piece in kept if isinstance(piece, Passage)), write)


@dataclass(frozen=True, slots=True)
class OpenTag:
    """The beginning of what encloses words."""

    number: int


@dataclass(frozen=True, slots=True)
class CloseTag:
    """The end of what encloses words."""

    number: int


@dataclass(frozen=True, slots=True)
class PointTag:
    """A tag between words, or for a word.

    Attributes:
        number: The number of the tag.
        word: What a reader sees there; empty for a tag between words.
    """

    number: int
    word: str = ""


Piece = str | OpenTag | CloseTag | PointTag


class Fragment:
    """A sentence or paragraph with numbered tags, which are well nested.

    Attributes:
        pieces: The words and tags. Those at the edges that hold no words are left out of the passage.
    """

    def __init__(self, pieces: Sequence[Piece]) -> None:
        self.pieces = list(pieces)
        first, last = _find_core(self.pieces)
        self._before, self._core, self._after = self.pieces[:first], self.pieces[first:last], self.pieces[last:]

    @property
    def is_translated(self) -> bool:
        """Whether the fragment has words to translate."""
        return needs_translation("".join(piece for piece in self._core if isinstance(piece, str)))

    @property
    def passage(self) -> Passage:
        """The passage: HTML if it has tags, otherwise plain text."""
        if all(isinstance(piece, str) for piece in self._core):
            return Passage("".join(piece for piece in self._core if isinstance(piece, str)))
        return Passage("".join(_format_piece(piece) for piece in self._core), "html")

    def restore(self, translation: str) -> list[Piece]:
        """Return the pieces with the translated words.

        If the translation lacks a tag, or has another one, its whole text replaces the first words of the fragment and
        every tag is kept.

        Args:
            translation: The translation of ``passage``.
        """
        core: list[Piece] = [translation]
        if self.passage.text_format == "html":
            reader = _TagReader({piece.number: piece for piece in self._core if isinstance(piece, PointTag)})
            reader.feed(translation)
            reader.close()
            core = reader.pieces
            if not (_is_nested(core) and _count_tags(core) == _count_tags(self._core)):
                core = self._restore_all_tags("".join(piece for piece in core if isinstance(piece, str)))
        return [*self._before, *core, *self._after]

    def _restore_all_tags(self, text: str) -> list[Piece]:
        restored: list[Piece] = []
        for piece in self._core:
            if not isinstance(piece, str):
                restored.append(piece)
            elif text and not piece.isspace():
                restored.append(text)
                text = ""
        return restored


def drop_empty_tags(pieces: Sequence[Piece], may_drop: Callable[[int], bool]) -> list[Piece]:
    """Remove pairs of tags that enclose nothing, for formats in which such a pair would be read as text.

    Args:
        pieces: The words and tags of a fragment.
        may_drop: Whether the tags of a number may be removed.
    """
    kept: list[Piece] = []
    for piece in pieces:
        if isinstance(piece, CloseTag) and kept and kept[-1] == OpenTag(piece.number) and may_drop(piece.number):
            kept.pop()
        elif piece != "":
            kept.append(piece)
    return kept


def _find_core(pieces: Sequence[Piece]) -> tuple[int, int]:
    """Return the first and the last index (exclusive) of the words, without tags that enclose all of them."""
    first, last = 0, len(pieces)
    while first < last:
        head, tail = pieces[first], pieces[last - 1]
        if _is_empty(head):
            first += 1
        elif _is_empty(tail):
            last -= 1
        elif isinstance(head, OpenTag) and isinstance(tail, CloseTag) and head.number == tail.number:
            first, last = first + 1, last - 1
        elif isinstance(head, OpenTag) and pieces[first + 1] == CloseTag(head.number):
            first += 2
        elif isinstance(tail, CloseTag) and pieces[last - 2] == OpenTag(tail.number):
            last -= 2
        else:
            break
    return first, last


def _is_empty(piece: Piece) -> bool:
    if isinstance(piece, PointTag):
        return not piece.word
    return isinstance(piece, str) and (not piece or piece.isspace())


def _format_piece(piece: Piece) -> str:
    if isinstance(piece, str):
        return escape(piece, quote=False)
    if isinstance(piece, OpenTag):
        return f'<span data-n="{piece.number}">'
    if isinstance(piece, CloseTag):
        return "</span>"
    return (
        f'<code data-n="{piece.number}">{escape(piece.word)}</code>' if piece.word else f'<img data-n="{piece.number}">'
    )


def _count_tags(pieces: Sequence[Piece]) -> Counter[Piece]:
    return Counter(piece for piece in pieces if not isinstance(piece, str))


def _is_nested(pieces: Sequence[Piece]) -> bool:
    opened: list[int] = []
    for piece in pieces:
        if isinstance(piece, OpenTag):
            opened.append(piece.number)
        elif isinstance(piece, CloseTag) and (not opened or opened.pop() != piece.number):
            return False
    return not opened


class PageParser(HTMLParser):
    """Python's HTML parser, which reads ``<![`` as a comment unless a valid name follows, as browsers do.

    Python's own class raises ``AssertionError`` there.
    """

    def parse_marked_section(self, i: int, report: bool = True) -> int:
        """Override of the parser's own method for ``<![``."""
        try:
            return super().parse_marked_section(i, report)
        except AssertionError:
            return self.parse_bogus_comment(i)


class _TagReader(PageParser):
    """Reads a translated passage. Lost and added tags are found afterwards, when the tags are counted."""

    def __init__(self, points: dict[int, PointTag]) -> None:
        super().__init__(convert_charrefs=True)
        self.pieces: list[Piece] = []
        self._points = points
        self._opened: list[int] = []
        self._is_in_word = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        value = dict(attrs).get("data-n") or ""
        number = int(value) if value.isdecimal() else -1
        if tag == "span":
            self._opened.append(number)
            self.pieces.append(OpenTag(number))
        else:
            self.pieces.append(self._points.get(number, PointTag(number)))
            self._is_in_word = tag == "code"

    def handle_endtag(self, tag: str) -> None:
        if tag == "span":
            self.pieces.append(CloseTag(self._opened.pop() if self._opened else -1))
        elif tag == "code":
            self._is_in_word = False

    def handle_data(self, data: str) -> None:
        if not self._is_in_word:
            self.pieces.append(data)
