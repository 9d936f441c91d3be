"""A document as passages to translate, each plain or with tags."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from html import unescape
from html.parser import HTMLParser
from typing import Final, Literal

import regex

from app.text.segmentation import needs_translation

_TAG: Final = regex.compile(r"<[^<>]*>")
_BEGIN_CHARACTERS: Final = 5000
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


def begin_of(passages: Iterable[Passage]) -> str:
    """Return the beginning of a file in words, long enough to detect its language."""
    words: list[str] = []
    length = 0
    for passage in passages:
        words.append(passage.words)
        length += len(words[-1])
        if length >= _BEGIN_CHARACTERS:
            break
    return "\n".join(words)[:_BEGIN_CHARACTERS]
