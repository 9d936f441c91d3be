"""A sentence or paragraph whose tags, whatever they are in its file, are numbered and written as HTML.

What encloses words is ``<span data-n="1">``, what stands between words is ``<img data-n="2">``, and what stands for a
word (a piece of code, a number that a program fills in) is ``<code data-n="3">``, which the translator does not change.
A raised or lowered number and the reference of a note are ``<sup data-n="4">``, which stays at the word before it.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from html import escape
from typing import Final

import regex

from app.files.document import PageParser, Passage
from app.text.segmentation import needs_translation

# A number or sign, or one letter behind a word. A letter behind a digit is an ordinal, which the translation writes.
_INDEX: Final = regex.compile(r"\s*+(?:[^\p{L}\s]{1,8}|\p{L})\s*+")
# What the translator takes for an index, whatever the index of the file is.
_COMMON_INDEX: Final = regex.compile(r"[(\[]?\d{1,4}[)\]]?")
_SOME_INDEX: Final = "1"


@dataclass(frozen=True, slots=True)
class OpenTag:
    """The beginning of what encloses words."""

    number: int


@dataclass(frozen=True, slots=True)
class CloseTag:
    """The end of what encloses words."""

    number: int


class PointKind(Enum):
    """What a tag without words of its own is for the sentence."""

    WORD = auto()  # stands for its word, or between words if it has none
    INDEX = auto()  # a raised or lowered number, or the reference of a note, at the word before it
    SPACE = auto()  # white space


@dataclass(frozen=True, slots=True)
class PointTag:
    """A tag between words, or for a word.

    Attributes:
        number: The number of the tag.
        word: What a reader sees there; empty for a tag between words.
        kind: What it is for the sentence.
    """

    number: int
    word: str = ""
    kind: PointKind = PointKind.WORD


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
        self._spaced = _find_glued_spaces(self._core)

    @property
    def is_translated(self) -> bool:
        """Whether the fragment has words to translate."""
        return needs_translation("".join(piece for piece in self._core if isinstance(piece, str)))

    @property
    def passage(self) -> Passage:
        """The passage: HTML if it has tags, otherwise plain text."""
        if all(isinstance(piece, str) for piece in self._core):
            return Passage("".join(piece for piece in self._core if isinstance(piece, str)))
        written: list[str] = []
        last = ""
        for piece in self._core:
            if isinstance(piece, PointTag) and piece.number in self._spaced:
                written.append(" ")
            written.append(_format_piece(piece, last))
            last = (piece[-1:] or last) if isinstance(piece, str) else last
        return Passage("".join(written), "html")

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
            else:
                _remove_spaces(core, self._spaced)
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
        if _is_empty(head) or _is_index(head):
            first += 1
        elif _is_empty(tail) or (_is_index(tail) and _ends_sentence(pieces, last - 2)):
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


def _is_index(piece: Piece) -> bool:
    return isinstance(piece, PointTag) and piece.kind is PointKind.INDEX


def _ends_sentence(pieces: Sequence[Piece], last: int) -> bool:
    """Tell whether the words up to an index end with a punctuation mark, behind which an index is that of a note."""
    for index in range(last, -1, -1):
        piece = pieces[index]
        if isinstance(piece, str) and piece:
            return not piece[-1].isalnum()
        if isinstance(piece, PointTag) and piece.word and not _is_index(piece):
            return False
    return False


def is_index(text: str, before: str) -> bool:
    """Tell whether a raised or lowered text is an index: a number, a sign or a letter, of a formula or of a note.

    Args:
        text: The text.
        before: The character before it; empty if there is none.
    """
    return _INDEX.fullmatch(text) is not None and not (text.strip().isalpha() and not before.isalpha())


def _find_glued_spaces(pieces: Sequence[Piece]) -> set[int]:
    """Return the numbers of the tags for white space that words touch on both sides, which would be one word."""
    found: set[int] = set()
    last = ""
    waiting: list[int] = []
    for piece in pieces:
        if isinstance(piece, str) and piece:
            if last and not last.isspace() and not piece[0].isspace():
                found.update(waiting[:1])
            waiting, last = [], piece[-1]
        elif isinstance(piece, PointTag) and piece.kind is PointKind.SPACE:
            waiting.append(piece.number)
        elif isinstance(piece, PointTag) and piece.word:
            waiting, last = [], ""
    return found


def _remove_spaces(pieces: list[Piece], spaced: set[int]) -> None:
    """Remove the spaces that were written beside tags for white space, before the tag or behind it."""
    for index, piece in enumerate(pieces):
        if not (isinstance(piece, PointTag) and piece.number in spaced):
            continue
        before = _nearest_text(pieces, range(index - 1, -1, -1))
        behind = _nearest_text(pieces, range(index + 1, len(pieces)))
        if before is not None and str(pieces[before]).endswith(" "):
            pieces[before] = str(pieces[before])[:-1]
        elif behind is not None and str(pieces[behind]).startswith(" "):
            pieces[behind] = str(pieces[behind])[1:]


def _nearest_text(pieces: Sequence[Piece], indices: range) -> int | None:
    """Return the index of the first text that is not empty, behind tags that show no word."""
    for index in indices:
        piece = pieces[index]
        if isinstance(piece, str) and piece:
            return index
        if isinstance(piece, PointTag) and piece.word:
            return None
    return None


def _is_empty(piece: Piece) -> bool:
    if isinstance(piece, PointTag):
        return not piece.word
    return isinstance(piece, str) and (not piece or piece.isspace())


def _format_piece(piece: Piece, before: str) -> str:
    """Write a piece as HTML; ``before`` is the last character of the words before it."""
    if isinstance(piece, str):
        return escape(piece, quote=False)
    if isinstance(piece, OpenTag):
        return f'<span data-n="{piece.number}">'
    if isinstance(piece, CloseTag):
        return "</span>"
    if piece.kind is PointKind.INDEX and before and not before.isspace():
        word = piece.word.strip()
        return f'<sup data-n="{piece.number}">{word if _COMMON_INDEX.fullmatch(word) else _SOME_INDEX}</sup>'
    if piece.kind is PointKind.INDEX:
        return f'<img data-n="{piece.number}">'
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
            self._is_in_word = tag in ("code", "sup")

    def handle_endtag(self, tag: str) -> None:
        if tag == "span":
            self.pieces.append(CloseTag(self._opened.pop() if self._opened else -1))
        elif tag in ("code", "sup"):
            self._is_in_word = False

    def handle_data(self, data: str) -> None:
        if not self._is_in_word:
            self.pieces.append(data)
