"""Text <-> token ids, and the special ids. The same object in training and in serving.

Three kinds: ``sentencepiece`` (unigram or BPE with byte fallback, so no text is ever ``<unk>``), ``characters`` (a
fixed alphabet; a character outside it becomes ``unk_id``) and ``words`` (the most frequent words and marks; others
become ``unk_id``).
"""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final, Protocol

import sentencepiece

from app.bundle.sentencepiece_file import check_sentencepiece_file
from app.bundle.tokenizers.vocabulary import (
    BOS_ID,
    EOS_ID,
    PAD_ID,
    SOFT_HYPHEN,
    SPECIAL_TOKENS,
    UNK_ID,
    Range,
    normalise_typography,
    places_without_soft_hyphens,
)
from app.bundle.tokenizers.words import WordTokenizer
from app.errors import BundleFormatError

_SPACE: Final = "\u2581"  # as SentencePiece writes it

__all__ = [
    "BOS_ID",
    "EOS_ID",
    "PAD_ID",
    "SPECIAL_TOKENS",
    "UNK_ID",
    "CharacterTokenizer",
    "Range",
    "SentencePieceTokenizer",
    "Tokenizer",
    "WordTokenizer",
    "load_tokenizer",
    "normalise_typography",
]


class Tokenizer(Protocol):
    """What training and serving know of a tokenizer.

    ``encode`` adds no special ids; ``encode_source`` ends with eos."""

    @property
    def kind(self) -> str: ...

    @property
    def vocabulary_size(self) -> int: ...

    def encode(self, text: str) -> list[int]:
        """Text -> token ids, without special ids."""
        ...

    def encode_source(self, text: str) -> list[int]:
        """What the encoder reads: the ids of the text, then ``EOS_ID``."""
        ...

    def decode(self, token_ids: Sequence[int]) -> str:
        """Token ids -> text; special ids are left out."""
        ...

    def pieces(self, token_ids: Sequence[int]) -> list[str]:
        """The written form of each token, for plots and alignments."""
        ...

    def encode_ranges(self, text: str) -> list[Range]:
        """For each token of ``encode_source(text)`` but eos: which characters of the text it stands for.

        In order. Tokens that make up one character (bytes of an emoji) all have that character.
        """
        ...

    def decode_ranges(self, token_ids: Sequence[int]) -> list[Range]:
        """For each token: which characters of ``decode(token_ids)`` it gave; as ``encode_ranges``.

        A special id gave none, so its range is empty.
        """
        ...

    def written(self) -> list[bytes]:
        """For each id of the vocabulary: what it writes, in UTF-8, with the space before it; nothing for special ids.

        A text is what its tokens write, one after the other, without a space before the first.
        """
        ...

    def encode_begun(self, text: str) -> tuple[list[int], bytes]:
        """A text whose last word may go on: the ids of all that is whole, and what the tokens behind must begin with.

        Both together are ``text`` as the model reads it; as ``written`` says, a space may stand before its first word.
        """
        ...

    def to_bytes(self) -> bytes:
        """The content of the tokenizer's file."""
        ...


class SentencePieceTokenizer:
    """A SentencePiece model trained with ids pad=0, bos=1, eos=2, unk=3.

    :raises BundleFormatError: the bytes are no SentencePiece model, its special ids are others, or it has rules of its
        own for characters.
    """

    kind: Final = "sentencepiece"

    def __init__(self, model: bytes) -> None:
        check_sentencepiece_file(model)
        self._model = model
        self._processor = sentencepiece.SentencePieceProcessor()
        try:
            self._processor.LoadFromSerializedProto(model)
        except Exception as error:
            raise BundleFormatError(f"not a SentencePiece model ({len(model)} bytes): {error}") from error
        found = tuple(int(getattr(self._processor, f"{name}_id")()) for name in ("pad", "bos", "eos", "unk"))
        if found != (PAD_ID, BOS_ID, EOS_ID, UNK_ID):
            raise BundleFormatError(f"special ids pad, bos, eos, unk are {found}, expected (0, 1, 2, 3)")

    @property
    def vocabulary_size(self) -> int:
        return int(self._processor.GetPieceSize())

    def encode(self, text: str) -> list[int]:
        return [int(token_id) for token_id in self._processor.EncodeAsIds(_readable(text))]

    def encode_source(self, text: str) -> list[int]:
        return [*self.encode(text), EOS_ID]

    def decode(self, token_ids: Sequence[int]) -> str:
        return str(self._processor.DecodeIds([int(token_id) for token_id in token_ids if token_id > UNK_ID]))

    def pieces(self, token_ids: Sequence[int]) -> list[str]:
        return [str(self._processor.IdToPiece(int(token_id))) for token_id in token_ids]

    def encode_ranges(self, text: str) -> list[Range]:
        found = self._processor.EncodeAsOffsetMapping(_readable(text))["offsets"]
        ranges = _share_characters([(int(start), int(end)) for start, end in found])
        if SOFT_HYPHEN not in text:
            return ranges
        places = places_without_soft_hyphens(text)
        return [(places[start], places[end - 1] + 1 if end > start else places[start]) for start, end in ranges]

    def decode_ranges(self, token_ids: Sequence[int]) -> list[Range]:
        whole, start = self.decode(token_ids), 0
        ranges: list[Range] = []
        for count, _ in enumerate(token_ids, start=1):
            # What the first tokens give on their own is the beginning of the whole, up to a character half written.
            begun = self.decode(token_ids[:count])
            end = max(start, _common_length(begun, whole))
            ranges.append((start, end))
            start = end
        shared = _share_characters(ranges)
        return [one if token_id > UNK_ID else (one[0], one[0]) for one, token_id in zip(shared, token_ids, strict=True)]

    def id_of(self, piece: str) -> int:
        """The id of a piece of the vocabulary, ``UNK_ID`` if there is none."""
        return int(self._processor.PieceToId(piece))

    def written(self) -> list[bytes]:
        return [self._written(token_id) for token_id in range(self.vocabulary_size)]

    def _written(self, token_id: int) -> bytes:
        processor = self._processor
        if token_id <= UNK_ID or processor.IsControl(token_id) or processor.IsUnused(token_id):
            return b""
        piece = str(processor.IdToPiece(token_id))
        if processor.IsByte(token_id):
            return bytes([int(piece[1:-1], 16)])  # "<0xE2>"
        return piece.replace(_SPACE, " ").encode("utf-8")

    def encode_begun(self, text: str) -> tuple[list[int], bytes]:
        ids = self.encode(text)
        if UNK_ID in ids or not ids:  # nothing else could write it
            return ids, b""
        written = [self._written(token_id) for token_id in ids]
        if text[-1].isspace():
            while written and not written[-1].strip():
                written.pop()
            return ids[: len(written)], b" "
        whole = max((place for place, one in enumerate(written) if one.startswith(b" ")), default=0)
        return ids[:whole], b"".join(written[whole:])

    def to_bytes(self) -> bytes:
        return self._model


class CharacterTokenizer:
    """One token for each character of a fixed alphabet, in the order given, after the four special ids.

    :raises BundleFormatError: an entry is not one character, or stands twice.
    """

    kind: Final = "characters"

    def __init__(self, alphabet: Sequence[str]) -> None:
        for character in alphabet:
            if len(character) != 1:
                raise BundleFormatError(f"alphabet entry {character!r} is not one character")
        if len(set(alphabet)) != len(alphabet):
            raise BundleFormatError(f"the alphabet of {len(alphabet)} entries has duplicates")
        self._tokens = (*SPECIAL_TOKENS, *alphabet)
        self._ids = {character: index for index, character in enumerate(alphabet, start=len(SPECIAL_TOKENS))}

    @classmethod
    def learn(cls, texts: Iterable[str]) -> "CharacterTokenizer":
        """The alphabet of some texts, sorted by code point."""
        return cls(sorted({character for text in texts for character in text}))

    @property
    def vocabulary_size(self) -> int:
        return len(self._tokens)

    def encode(self, text: str) -> list[int]:
        return [self._ids.get(character, UNK_ID) for character in text]

    def encode_source(self, text: str) -> list[int]:
        return [*self.encode(text), EOS_ID]

    def decode(self, token_ids: Sequence[int]) -> str:
        return "".join(self._tokens[token_id] for token_id in token_ids if token_id > UNK_ID)

    def pieces(self, token_ids: Sequence[int]) -> list[str]:
        return [self._tokens[token_id] for token_id in token_ids]

    def encode_ranges(self, text: str) -> list[Range]:
        return [(place, place + 1) for place in range(len(text))]

    def decode_ranges(self, token_ids: Sequence[int]) -> list[Range]:
        ranges, start = [], 0
        for token_id in token_ids:
            end = start + (token_id > UNK_ID)
            ranges.append((start, end))
            start = end
        return ranges

    def written(self) -> list[bytes]:
        return [b""] * len(SPECIAL_TOKENS) + [token.encode() for token in self._tokens[len(SPECIAL_TOKENS) :]]

    def encode_begun(self, text: str) -> tuple[list[int], bytes]:
        return self.encode(text), b""  # any character may follow another

    def to_bytes(self) -> bytes:
        document = {"kind": self.kind, "alphabet": list(self._tokens[len(SPECIAL_TOKENS) :])}
        return json.dumps(document, ensure_ascii=False, indent=1).encode("utf-8")


def _readable(text: str) -> str:
    """As SentencePiece reads it. A lone surrogate has no UTF-8 form and cannot be translated: a question mark."""
    return normalise_typography(text).encode("utf-8", "replace").decode("utf-8")


def _common_length(first: str, second: str) -> int:
    """How many characters two texts have in common at their beginnings."""
    for length, (one, other) in enumerate(zip(first, second, strict=False)):
        if one != other:
            return length
    return min(len(first), len(second))


def _share_characters(ranges: list[Range]) -> list[Range]:
    """Only the last byte of a character has its range at first; the bytes before it, empty until then, get it too."""
    shared = list(ranges)
    for index in range(len(ranges) - 2, -1, -1):
        start, end = shared[index]
        following = shared[index + 1]
        if start == end == following[0]:
            shared[index] = following
    return shared


def load_tokenizer(path: Path, kind: str) -> Tokenizer:
    """Read a tokenizer file of the given kind.

    :raises BundleFormatError: unknown kind, or a file that is not of that kind.
    """
    content = path.read_bytes()
    try:
        if kind == SentencePieceTokenizer.kind:
            return SentencePieceTokenizer(content)
        if kind == CharacterTokenizer.kind:
            return CharacterTokenizer(_entries(content, "alphabet"))
        if kind == WordTokenizer.kind:
            return WordTokenizer(_entries(content, "words"))
    except BundleFormatError as error:
        raise BundleFormatError(f"{path}: {error}") from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise BundleFormatError(f"{path}: not a {kind} tokenizer: {error!r}") from error
    raise BundleFormatError(f"{path}: unknown tokenizer kind {kind!r}, known: sentencepiece, characters, words")


def _entries(content: bytes, name: str) -> list[str]:
    entries = json.loads(content)[name]
    if not isinstance(entries, list):
        raise TypeError(f"{name} is no list")
    found = [str(entry) for entry in entries]
    "".join(found).encode("utf-8")  # half a character could be read, and never be written
    return found
