"""Text <-> token ids, and the special ids. The same object in training and in serving.

Two kinds: ``sentencepiece`` (unigram or BPE with byte fallback, so no text is ever ``<unk>``) and ``characters``
(a fixed alphabet; a character outside it becomes ``unk_id``).
"""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final, Protocol

import sentencepiece

from app.errors import BundleFormatError

PAD_ID: Final = 0
BOS_ID: Final = 1
EOS_ID: Final = 2
UNK_ID: Final = 3
SPECIAL_TOKENS: Final = ("<pad>", "<s>", "</s>", "<unk>")

# Typographic forms that mean the same as the plain one; the model need learn only one of them.
_TYPOGRAPHY: Final = str.maketrans({"’": "'", "ʼ": "'", "‘": "'", "“": '"', "”": '"', "\u00ad": None})


def normalise_typography(text: str) -> str:
    """Curly quotes as straight ones, no soft hyphens: what a SentencePiece tokenizer reads."""
    return text.translate(_TYPOGRAPHY)


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

    def to_bytes(self) -> bytes:
        """The content of the tokenizer's file."""
        ...


class SentencePieceTokenizer:
    """A SentencePiece model trained with ids pad=0, bos=1, eos=2, unk=3.

    :raises BundleFormatError: the bytes are no SentencePiece model, or its special ids are others.
    """

    kind: Final = "sentencepiece"

    def __init__(self, model: bytes) -> None:
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
        # A lone surrogate has no UTF-8 form: it cannot be translated, so it is read as a question mark.
        clean = normalise_typography(text).encode("utf-8", "replace").decode("utf-8")
        return [int(token_id) for token_id in self._processor.EncodeAsIds(clean)]

    def encode_source(self, text: str) -> list[int]:
        return [*self.encode(text), EOS_ID]

    def decode(self, token_ids: Sequence[int]) -> str:
        return str(self._processor.DecodeIds([int(token_id) for token_id in token_ids if token_id > UNK_ID]))

    def pieces(self, token_ids: Sequence[int]) -> list[str]:
        return [str(self._processor.IdToPiece(int(token_id))) for token_id in token_ids]

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

    def to_bytes(self) -> bytes:
        document = {"kind": self.kind, "alphabet": list(self._tokens[len(SPECIAL_TOKENS) :])}
        return json.dumps(document, ensure_ascii=False, indent=1).encode("utf-8")


def load_tokenizer(path: Path, kind: str) -> Tokenizer:
    """Read a tokenizer file of the given kind.

    :raises BundleFormatError: unknown kind, or a file that is not of that kind.
    """
    content = path.read_bytes()
    if kind == SentencePieceTokenizer.kind:
        try:
            return SentencePieceTokenizer(content)
        except BundleFormatError as error:
            raise BundleFormatError(f"{path}: {error}") from error
    if kind == CharacterTokenizer.kind:
        try:
            alphabet = json.loads(content)["alphabet"]
            return CharacterTokenizer([str(entry) for entry in alphabet])
        except (ValueError, KeyError, TypeError, BundleFormatError) as error:
            raise BundleFormatError(f"{path}: not a character tokenizer: {error}") from error
    raise BundleFormatError(f"{path}: unknown tokenizer kind {kind!r}, known: sentencepiece, characters")
