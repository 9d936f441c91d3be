"""A tokenizer whose sources begin with a tag: the token that says which of a model's languages is asked for."""

from collections.abc import Sequence

from app.bundle.tokenizers.tokenizer import Range, Tokenizer


class TaggedTokenizer:
    """``tokenizer`` with the token ``tag_id`` before every source (Johnson et al. 2017, arXiv:1611.04558)."""

    def __init__(self, tokenizer: Tokenizer, tag_id: int) -> None:
        self._tokenizer, self._tag_id = tokenizer, tag_id

    @property
    def kind(self) -> str:
        return self._tokenizer.kind

    @property
    def vocabulary_size(self) -> int:
        return self._tokenizer.vocabulary_size

    def encode(self, text: str) -> list[int]:
        return self._tokenizer.encode(text)

    def encode_source(self, text: str) -> list[int]:
        return [self._tag_id, *self._tokenizer.encode_source(text)]

    def decode(self, token_ids: Sequence[int]) -> str:
        return self._tokenizer.decode(token_ids)

    def pieces(self, token_ids: Sequence[int]) -> list[str]:
        return self._tokenizer.pieces(token_ids)

    def encode_ranges(self, text: str) -> list[Range]:
        # The tag stands for no character.
        return [(0, 0), *self._tokenizer.encode_ranges(text)]

    def decode_ranges(self, token_ids: Sequence[int]) -> list[Range]:
        return self._tokenizer.decode_ranges(token_ids)

    def written(self) -> list[bytes]:
        return self._tokenizer.written()

    def encode_begun(self, text: str) -> tuple[list[int], bytes]:
        return self._tokenizer.encode_begun(text)

    def to_bytes(self) -> bytes:
        return self._tokenizer.to_bytes()
