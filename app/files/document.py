"""A file as what is to be translated in it, and how the translations are put back."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from html import unescape
from typing import Final, Literal

import regex

from app.text.segmentation import needs_translation

_TAG: Final = regex.compile(r"<[^<>]*>")
PassageFormat = Literal["text", "html"]


@dataclass(frozen=True, slots=True)
class Passage:
    """A text of a file that is translated by itself. ``html``: it has tags, which must come back."""

    text: str
    text_format: PassageFormat = "text"

    @property
    def words(self) -> str:
        """The text as a reader sees it, more or less."""
        return self.text if self.text_format == "text" else unescape(_TAG.sub("", self.text))


@dataclass(frozen=True, slots=True)
class Document:
    """``passages`` in the order in which they are read.

    ``write`` makes the file anew, once, from the translation of each passage and the language of the translations.
    """

    passages: tuple[Passage, ...]
    write: Callable[[Iterator[str], str], bytes]

    @property
    def characters(self) -> int:
        """Of what is to be translated, without tags."""
        return sum(len(passage.words) for passage in self.passages)


def pieces_document(pieces: Iterable[str | Passage], encode: Callable[[str], bytes]) -> Document:
    """Of a file that is one text: what stands between the passages stays as it is."""
    kept = [
        piece.text if isinstance(piece, Passage) and not needs_translation(piece.text) else piece for piece in pieces
    ]

    def write(translations: Iterator[str], _: str) -> bytes:
        return encode("".join(next(translations) if isinstance(piece, Passage) else piece for piece in kept))

    return Document(tuple(piece for piece in kept if isinstance(piece, Passage)), write)
