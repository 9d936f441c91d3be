"""Two tokenizers as one: that of the sources, and that of the targets."""

from collections.abc import Sequence
from typing import Final

import regex

from app.bundle.tokenizers.base import Range, Tokenizer

# Punctuation of sentences: the first model writes that of the pivot language for it, so only the first must read it.
_PUNCTUATION: Final = regex.compile(
    r"[\p{Sentence_Terminal}\p{Terminal_Punctuation}\p{Quotation_Mark}\p{Ps}\p{Pe}\p{Pi}\p{Pf}¿¡…‥·•・–—]"
)


class PairedTokenizer:
    """Reads sources as ``first`` does, and writes and reads targets as ``second`` does."""

    def __init__(self, first: Tokenizer, second: Tokenizer) -> None:
        self.first, self.second = first, second

    @property
    def kind(self) -> str:
        return self.second.kind

    @property
    def vocabulary_size(self) -> int:
        return self.second.vocabulary_size

    @property
    def eos_id(self) -> int:
        return self.second.eos_id

    def encode(self, text: str) -> list[int]:
        return self.second.encode(text)

    def encode_source(self, text: str) -> list[int]:
        return self.first.encode_source(text)

    def decode(self, token_ids: Sequence[int]) -> str:
        return self.second.decode(token_ids)

    def decode_source(self, token_ids: Sequence[int]) -> str:
        return self.first.decode_source(token_ids)

    def pieces(self, token_ids: Sequence[int]) -> list[str]:
        return self.second.pieces(token_ids)

    def encode_ranges(self, text: str) -> list[Range]:
        return self.first.encode_ranges(text)

    def decode_ranges(self, token_ids: Sequence[int]) -> list[Range]:
        return self.second.decode_ranges(token_ids)

    def token_bytes(self) -> list[bytes]:
        return self.second.token_bytes()

    def encode_prefix(self, text: str) -> tuple[list[int], bytes]:
        return self.second.encode_prefix(text)

    def readable_characters(self) -> frozenset[str]:
        """Letters and punctuation that the first reads, and of other signs, which models copy, those that both read."""
        read_by_second = self.second.readable_characters()
        return frozenset(
            character
            for character in self.first.readable_characters()
            if character in read_by_second or character.isalnum() or regex.match(r"\p{M}", character)
            or _PUNCTUATION.match(character)
        )  # fmt: skip

    def to_bytes(self) -> bytes:
        return self.second.to_bytes()
