"""Tokenizers of SentencePiece models: unigram or BPE with byte fallback, so no text is ever ``<unk>``.

A model of Marian has other special ids, which its file states, and no ids for padding and for the start: padding is an
eos behind the length, and the start is one id more than the file has.
"""

from collections.abc import Sequence
from functools import cached_property
from itertools import accumulate
from typing import Final, Literal

import sentencepiece

from app.bundle.safety import check_sentencepiece_file
from app.bundle.tokenizers.base import (
    BOS_ID,
    EOS_ID,
    FORMATS,
    PAD_ID,
    SOFT_HYPHEN,
    UNK_ID,
    Range,
    Tokenizer,
    normalise_typography,
    offsets_without_soft_hyphens,
)
from app.errors import BundleFormatError

_SPACE: Final = "\u2581"  # as SentencePiece writes it
_REPLACEMENT: Final = "\ufffd"  # which it writes for bytes that are no character


Kind = Literal["sentencepiece", "marian"]


class SentencePieceTokenizer:
    """A SentencePiece model: of this project, with ids pad=0, bos=1, eos=2, unk=3, or of Marian.

    Args:
        model: the content of its file.
        kind: ``sentencepiece`` or ``marian``. The former was trained on text with plain typography, which it reads
            accordingly; the latter reads everything but soft hyphens.

    Attributes:
        eos_id: ends a sequence.
        unk_id: stands for what no piece writes.

    Raises:
        BundleFormatError: the bytes are no SentencePiece model, its special ids are others, or it has rules of its own
            for characters.
    """

    def __init__(self, model: bytes, kind: Kind = "sentencepiece") -> None:
        self.kind: Final = kind
        check_sentencepiece_file(model, any_rules=kind == "marian")
        self._model = model
        self._processor = sentencepiece.SentencePieceProcessor()
        try:
            self._processor.LoadFromSerializedProto(model)
        except Exception as error:
            raise BundleFormatError(f"not a SentencePiece model ({len(model)} bytes): {error}") from error
        size = int(self._processor.GetPieceSize())
        found = tuple(int(getattr(self._processor, f"{name}_id")()) for name in ("pad", "bos", "eos", "unk"))
        if kind == "sentencepiece" and found != (PAD_ID, BOS_ID, EOS_ID, UNK_ID):
            raise BundleFormatError(f"special ids pad, bos, eos, unk are {found}, expected (0, 1, 2, 3)")
        self.eos_id, self.unk_id = found[2:]
        if min(self.eos_id, self.unk_id) < 0 or self.eos_id == self.unk_id:
            raise BundleFormatError(f"special ids eos and unk are {found[2:]}, both must be there")
        self.bos_id = size if kind == "marian" else BOS_ID
        self.vocabulary_size = size + (kind == "marian")
        self._special = frozenset((*found, self.bos_id))

    def encode(self, text: str) -> list[int]:
        return [int(token_id) for token_id in self._processor.EncodeAsIds(self._readable(text))]

    def encode_source(self, text: str) -> list[int]:
        return [*self.encode(text), self.eos_id]

    def decode(self, token_ids: Sequence[int]) -> str:
        text = str(self._processor.DecodeIds([int(one) for one in token_ids if one not in self._special]))
        if _REPLACEMENT not in text:
            return text
        # Bytes that make up no character are left out; SentencePiece writes a replacement character for each.
        written = b"".join(map(self._bytes_of, token_ids)).decode("utf-8", "ignore")
        return written.removeprefix(" ")

    def decode_source(self, token_ids: Sequence[int]) -> str:
        return self.decode(token_ids)

    def pieces(self, token_ids: Sequence[int]) -> list[str]:
        return list(map(self._pieces.__getitem__, token_ids))

    @cached_property
    def _pieces(self) -> list[str]:
        """The written form of every token; Marian's bos is behind those of the model."""
        count = int(self._processor.GetPieceSize())
        written = [str(self._processor.IdToPiece(one)) for one in range(count)]
        return [*written, *["<s>"] * (self.vocabulary_size - count)]

    def encode_ranges(self, text: str) -> list[Range]:
        found = self._processor.EncodeAsOffsetMapping(self._readable(text))["offsets"]
        ranges = _share_characters([(int(start), int(end)) for start, end in found])
        if SOFT_HYPHEN not in text:
            return ranges
        offsets = offsets_without_soft_hyphens(text)
        return [(offsets[start], offsets[end - 1] + 1 if end > start else offsets[start]) for start, end in ranges]

    def decode_ranges(self, token_ids: Sequence[int]) -> list[Range]:
        whole, start = self.decode(token_ids), 0
        ranges: list[Range] = []
        written = ["" if one in self._special else self._pieces[one].replace(_SPACE, " ") for one in token_ids]
        if "".join(written) == f" {whole}":  # no piece is a byte: each writes its characters
            ends = [max(0, end - 1) for end in accumulate(map(len, written))]
            ranges = list(zip([0, *ends], ends, strict=False))
        else:
            for count, _ in enumerate(token_ids, start=1):
                # The text of the first tokens alone is a prefix of the whole, up to a character written in part.
                end = max(start, _common_length(self.decode(token_ids[:count]), whole))
                ranges.append((start, end))
                start = end
        shared = _share_characters(ranges)
        return [
            (one[0], one[0]) if token_id in self._special else one
            for one, token_id in zip(shared, token_ids, strict=True)
        ]

    def id_of(self, piece: str) -> int:
        """The id of a piece of the vocabulary, ``unk_id`` if there is none."""
        return int(self._processor.PieceToId(piece))

    def token_bytes(self) -> list[bytes]:
        return list(self._written)

    @cached_property
    def _written(self) -> tuple[bytes, ...]:
        processor, written = self._processor, [piece.replace(_SPACE, " ").encode("utf-8") for piece in self._pieces]
        for token_id in range(self.vocabulary_size):
            if token_id in self._special or processor.IsControl(token_id) or processor.IsUnused(token_id):
                written[token_id] = b""
            elif self._is_byte(token_id):
                written[token_id] = bytes([int(self._pieces[token_id][1:-1], 16)])  # "<0xE2>"
        return tuple(written)

    def _is_byte(self, token_id: int) -> bool:
        return self._pieces[token_id].startswith("<0x") and bool(self._processor.IsByte(token_id))

    def _bytes_of(self, token_id: int) -> bytes:
        return self._written[token_id]

    def encode_prefix(self, text: str) -> tuple[list[int], bytes]:
        ids = self.encode(text)
        if self.unk_id in ids or not ids:  # no other tokens could write it
            return ids, b""
        written = [self._bytes_of(token_id) for token_id in ids]
        if text[-1].isspace():
            while written and not written[-1].strip():
                written.pop()
            return ids[: len(written)], b" "
        finished = max((index for index, one in enumerate(written) if one.startswith(b" ")), default=0)
        return ids[:finished], b"".join(written[finished:])

    def readable_characters(self) -> frozenset[str]:
        return self._readable_characters

    @cached_property
    def _readable_characters(self) -> frozenset[str]:
        processor, ids = self._processor, range(self.vocabulary_size)
        pieces = [self._pieces[one] for one in ids if self._written[one] and not self._is_byte(one)]
        written = frozenset("".join(pieces)) - {_SPACE}
        read = {one: str(processor.Normalize(self._readable(one))).strip(_SPACE) for one in (*written, *FORMATS)}
        return frozenset(one for one, text in read.items() if set(text) <= written and (text == one or one in FORMATS))

    def to_bytes(self) -> bytes:
        return self._model

    def _readable(self, text: str) -> str:
        """The text that SentencePiece reads. A lone surrogate has no UTF-8 form, so it becomes a question mark."""
        plain = normalise_typography(text) if self.kind == "sentencepiece" else text.replace(SOFT_HYPHEN, "")
        return plain.encode("utf-8", "replace").decode("utf-8")


class TaggedTokenizer:
    """``tokenizer`` with the token ``tag_id`` before every source (Johnson et al. 2017, arXiv:1611.04558).

    It takes the place of another tag, so that all targets of a bundle share one tokenizer and its tables.
    """

    def __init__(self, tokenizer: Tokenizer, tag_id: int) -> None:
        self._tokenizer: Tokenizer = tokenizer._tokenizer if isinstance(tokenizer, TaggedTokenizer) else tokenizer
        self._tag_id = tag_id

    @property
    def kind(self) -> str:
        return self._tokenizer.kind

    @property
    def vocabulary_size(self) -> int:
        return self._tokenizer.vocabulary_size

    @property
    def eos_id(self) -> int:
        return self._tokenizer.eos_id

    def encode(self, text: str) -> list[int]:
        return self._tokenizer.encode(text)

    def encode_source(self, text: str) -> list[int]:
        return [self._tag_id, *self._tokenizer.encode_source(text)]

    def decode(self, token_ids: Sequence[int]) -> str:
        return self._tokenizer.decode(token_ids)

    def decode_source(self, token_ids: Sequence[int]) -> str:
        return self._tokenizer.decode_source(token_ids[1:])

    def pieces(self, token_ids: Sequence[int]) -> list[str]:
        return self._tokenizer.pieces(token_ids)

    def encode_ranges(self, text: str) -> list[Range]:
        # The tag encodes no character.
        return [(0, 0), *self._tokenizer.encode_ranges(text)]

    def decode_ranges(self, token_ids: Sequence[int]) -> list[Range]:
        return self._tokenizer.decode_ranges(token_ids)

    def token_bytes(self) -> list[bytes]:
        return self._tokenizer.token_bytes()

    def encode_prefix(self, text: str) -> tuple[list[int], bytes]:
        return self._tokenizer.encode_prefix(text)

    def readable_characters(self) -> frozenset[str]:
        return self._tokenizer.readable_characters()

    def to_bytes(self) -> bytes:
        return self._tokenizer.to_bytes()


def _common_length(first: str, second: str) -> int:
    """How many characters two texts have in common at their beginnings."""
    for length, (one, other) in enumerate(zip(first, second, strict=False)):
        if one != other:
            return length
    return min(len(first), len(second))


def _share_characters(ranges: list[Range]) -> list[Range]:
    """Give the range of a character, which only its last byte has, to the bytes before it too."""
    shared = list(ranges)
    for index in range(len(ranges) - 2, -1, -1):
        start, end = shared[index]
        following = shared[index + 1]
        if start == end == following[0]:
            shared[index] = following
    return shared
