"""The segments of a request: each once, however often it stands in the texts, and as the model reads it."""

from collections.abc import Iterable, Iterator

from app.bundle.tokenizers import Tokenizer
from app.text.casing import is_in_capitals
from app.text.glossary_terms import Terms
from app.text.masking import Masked, mask, read_as, shade, unshade
from app.text.placeholder_patterns import BUILT_IN, PlaceholderFinder
from app.text.scripts import is_legible
from app.text.segmentation import TERM_MARK, Piece, shorten, split


class SegmentList:
    """Collects the segments of some texts.

    ``segments`` are as they stand in the texts, ``sources`` what the encoder reads, and ``masked`` says of those with
    placeholders, or in capitals, what the model reads instead.
    """

    def __init__(
        self,
        tokenizer: Tokenizer,
        language: str,
        max_source_tokens: int,
        masking: bool,
        prefix: str = "",
        terms: Terms | None = None,
        finder: PlaceholderFinder = BUILT_IN,
    ) -> None:
        """:param masking: placeholders are kept out of the model.
        :param prefix: how the translation of the first segment begins, so it is not the same as another with its text.
        :param terms: their translations are given, so they are kept out of the model as placeholders are.
        """
        self.segments: list[str] = []
        self._tokenizer = tokenizer
        self._language = language
        self._max_source_tokens = max_source_tokens
        self._prefix = prefix
        self._masking = masking
        self._terms = terms
        self._finder = finder
        self._encoded: dict[str, tuple[int, ...]] = {}
        self._numbers: dict[str, int] = {}
        self._masked: dict[str, Masked] = {}

    @property
    def masked(self) -> tuple[Masked | None, ...]:
        return tuple(self._masked.get(segment) for segment in self.segments)

    @property
    def sources(self) -> tuple[tuple[int, ...], ...]:
        return tuple(
            self._encode(segment if masked is None else masked.read)
            for segment, masked in zip(self.segments, self.masked, strict=True)
        )

    def pieces(self, text: str, is_whole: bool = False) -> list[Piece]:
        """Joined, they are the text; every segment among them is short enough for the model.

        :param is_whole: it is not cut for any other reason.
        """
        shaded, placeholders = shade(text, self._terms, self._finder) if self._masking else (text, [])
        short = [part for piece in split(shaded, self._language, is_whole) for part in shorten(piece, self._fits)]
        pieces: list[Piece] = []
        for piece, own, shaded_text in unshade(short, placeholders) if placeholders else _as_they_are(short):
            if piece.is_segment and TERM_MARK not in shaded_text and not is_legible(shaded_text, self._language):
                pieces.append(Piece(piece.text, is_segment=False))
                continue
            # Where somebody gave the beginning of an answer, its letters are no longer ours to choose.
            in_capitals = self._masking and not self._prefix and is_in_capitals(shaded_text)
            if piece.is_segment and (own or in_capitals) and piece.text not in self._masked:
                self._masked[piece.text] = mask(
                    piece.text, shaded_text, own, self._language, self._prefix, in_capitals, self._terms, self._finder
                )
            pieces.append(piece)
        return pieces

    def number(self, segment: str) -> int:
        """Its place among the segments, where it is put if it is new."""
        if segment in self._numbers:
            return self._numbers[segment]
        if self.segments or not self._prefix:
            self._numbers[segment] = len(self.segments)
        self.segments.append(segment)
        return len(self.segments) - 1

    def _fits(self, shaded: str) -> bool:
        if not self._masking:
            return len(self._encode(shaded)) <= self._max_source_tokens
        read = read_as(shaded, self._language, self._prefix, calming=not self._prefix)
        return len(self._encode(read)) <= self._max_source_tokens

    def _encode(self, text: str) -> tuple[int, ...]:
        if text not in self._encoded:
            self._encoded[text] = tuple(self._tokenizer.encode_source(text))
        return self._encoded[text]


def _as_they_are(pieces: Iterable[Piece]) -> Iterator[tuple[Piece, list[str], str]]:
    """As ``unshade`` gives them, of a text without placeholders."""
    return ((piece, [], piece.text) for piece in pieces)
