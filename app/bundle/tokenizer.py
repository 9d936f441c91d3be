"""Text <-> token ids, and the special ids. The same object in training and in serving.

Three kinds: ``sentencepiece`` (unigram or BPE with byte fallback, so no text is ever ``<unk>``), ``characters`` (a
fixed alphabet; a character outside it becomes ``unk_id``) and ``words`` (the most frequent words and marks; others
become ``unk_id``).
"""

import json
import re
from collections import Counter
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

# Stands before a word or mark that no space parts from the one before, so that text comes back with its spaces.
_JOINED: Final = "\uffed"
_WORD_OR_MARK: Final = re.compile(r"(\s*)(\w+|[^\w\s])")

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


class WordTokenizer:
    """One token for each known word or mark; letters and digits make words, every other character is a mark.

    ``don't`` is three tokens, the second and third joined to the one before. What is not known becomes ``unk_id``, and
    that is written as ``<unk>``: a reader sees that a word is missing.

    :raises BundleFormatError: an entry is not one word or mark, or stands twice.
    """

    kind: Final = "words"

    def __init__(self, words: Sequence[str]) -> None:
        for word in words:
            found = _WORD_OR_MARK.fullmatch(word.removeprefix(_JOINED))
            if found is None or found[1] or found[2] == _JOINED:
                raise BundleFormatError(f"entry {word!r} is not one word or mark")
        if len(set(words)) != len(words):
            raise BundleFormatError(f"the vocabulary of {len(words)} words has duplicates")
        self._tokens = (*SPECIAL_TOKENS, *words)
        self._ids = {word: index for index, word in enumerate(words, start=len(SPECIAL_TOKENS))}

    @classmethod
    def learn(cls, texts: Iterable[str], vocabulary_size: int) -> "WordTokenizer":
        """The most frequent words and marks of some texts, so many that with the special ids there are at most
        ``vocabulary_size``."""
        counts = Counter(piece for text in texts for piece in _words_and_marks(text) if _is_entry(piece))
        ranked = sorted(counts, key=lambda piece: (-counts[piece], piece))
        return cls(ranked[: max(0, vocabulary_size - len(SPECIAL_TOKENS))])

    @property
    def vocabulary_size(self) -> int:
        return len(self._tokens)

    def encode(self, text: str) -> list[int]:
        return [self._ids.get(piece, UNK_ID) for piece in _words_and_marks(text)]

    def encode_source(self, text: str) -> list[int]:
        return [*self.encode(text), EOS_ID]

    def decode(self, token_ids: Sequence[int]) -> str:
        text = ""
        for token_id in token_ids:
            if token_id >= UNK_ID:
                piece = self._tokens[token_id]
                text += piece[1:] if piece.startswith(_JOINED) else f" {piece}"
        return text.removeprefix(" ")

    def pieces(self, token_ids: Sequence[int]) -> list[str]:
        return [self._tokens[token_id] for token_id in token_ids]

    def to_bytes(self) -> bytes:
        document = {"kind": self.kind, "words": list(self._tokens[len(SPECIAL_TOKENS) :])}
        return json.dumps(document, ensure_ascii=False, indent=1).encode("utf-8")


def _words_and_marks(text: str) -> list[str]:
    """Words and marks in their order, with the joining mark before those that follow without a space."""
    found = _WORD_OR_MARK.finditer(normalise_typography(text).strip())
    return [match[2] if match[1] or not match.start() else _JOINED + match[2] for match in found]


def _is_entry(piece: str) -> bool:
    """Whether a piece can be in a vocabulary; the joining mark itself, written in a text, cannot."""
    written = piece.removeprefix(_JOINED)
    # A lone surrogate has no UTF-8 form: it could not be written into the file.
    return written not in ("", _JOINED) and not "\ud800" <= written[0] <= "\udfff"


def load_tokenizer(path: Path, kind: str) -> Tokenizer:
    """Read a tokenizer file of the given kind.

    :raises BundleFormatError: unknown kind, or a file that is not of that kind.
    """
    content = path.read_bytes()
    try:
        if kind == SentencePieceTokenizer.kind:
            return SentencePieceTokenizer(content)
        if kind == CharacterTokenizer.kind:
            return CharacterTokenizer([str(entry) for entry in json.loads(content)["alphabet"]])
        if kind == WordTokenizer.kind:
            return WordTokenizer([str(entry) for entry in json.loads(content)["words"]])
    except (ValueError, KeyError, TypeError, BundleFormatError) as error:
        raise BundleFormatError(f"{path}: not a {kind} tokenizer: {error}") from error
    raise BundleFormatError(f"{path}: unknown tokenizer kind {kind!r}, known: sentencepiece, characters, words")
