"""Tokenizers with a fixed vocabulary: characters, or words and punctuation, with ``<unk>`` for all others."""

import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final

from app.bundle.tokenizers.base import (
    EOS_ID,
    SPECIAL_TOKENS,
    UNK_ID,
    Range,
    normalise_typography,
    offsets_without_soft_hyphens,
)
from app.errors import BundleFormatError

# Precedes a word or punctuation that follows without a space, so that text comes back with its spaces.
_JOINED: Final = "\uffed"
_WORD_OR_PUNCTUATION: Final = re.compile(r"(\s*)(\w+|[^\w\s])")


class CharacterTokenizer:
    """One token for each character of a fixed alphabet, in the order given, after the four special ids.

    Raises:
        BundleFormatError: an entry is not one character, or occurs twice.
    """

    kind: Final = "characters"
    eos_id: Final = EOS_ID

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

    def decode_source(self, token_ids: Sequence[int]) -> str:
        return self.decode(token_ids)

    def pieces(self, token_ids: Sequence[int]) -> list[str]:
        return [self._tokens[token_id] for token_id in token_ids]

    def encode_ranges(self, text: str) -> list[Range]:
        return [(offset, offset + 1) for offset in range(len(text))]

    def decode_ranges(self, token_ids: Sequence[int]) -> list[Range]:
        ranges, start = [], 0
        for token_id in token_ids:
            end = start + (token_id > UNK_ID)
            ranges.append((start, end))
            start = end
        return ranges

    def token_bytes(self) -> list[bytes]:
        return [b""] * len(SPECIAL_TOKENS) + [token.encode() for token in self._tokens[len(SPECIAL_TOKENS) :]]

    def encode_prefix(self, text: str) -> tuple[list[int], bytes]:
        return self.encode(text), b""  # any character may follow another

    def readable_characters(self) -> frozenset[str]:
        return frozenset(character for token in self._tokens[len(SPECIAL_TOKENS) :] for character in token)

    def to_bytes(self) -> bytes:
        document = {"kind": self.kind, "alphabet": list(self._tokens[len(SPECIAL_TOKENS) :])}
        return json.dumps(document, ensure_ascii=False, indent=1).encode("utf-8")


class WordTokenizer:
    """One token for each word or punctuation character of a vocabulary. Letters and digits make words; every other
    character is punctuation.

    ``don't`` is three tokens, the second and third joined to the one before. What is not in the vocabulary becomes
    ``unk_id``, which is written as ``<unk>``: a reader sees that a word is missing.

    Raises:
        BundleFormatError: an entry is not one word or punctuation character, or occurs twice.
    """

    kind: Final = "words"
    eos_id: Final = EOS_ID

    def __init__(self, words: Sequence[str]) -> None:
        for word in words:
            found = _WORD_OR_PUNCTUATION.fullmatch(word.removeprefix(_JOINED))
            if found is None or found[1] or found[2] == _JOINED:
                raise BundleFormatError(f"entry {word!r} is not one word or mark")
        if len(set(words)) != len(words):
            raise BundleFormatError(f"the vocabulary of {len(words)} words has duplicates")
        self._tokens = (*SPECIAL_TOKENS, *words)
        self._ids = {word: index for index, word in enumerate(words, start=len(SPECIAL_TOKENS))}

    @classmethod
    def learn(cls, texts: Iterable[str], vocabulary_size: int) -> "WordTokenizer":
        """The most frequent words and punctuation of some texts, at most ``vocabulary_size`` with the special ids."""
        counts = Counter(piece for text in texts for _, _, piece in _split_words(text) if _is_entry(piece))
        ranked = sorted(counts, key=lambda piece: (-counts[piece], piece))
        return cls(ranked[: max(0, vocabulary_size - len(SPECIAL_TOKENS))])

    @property
    def vocabulary_size(self) -> int:
        return len(self._tokens)

    def encode(self, text: str) -> list[int]:
        return [self._ids.get(piece, UNK_ID) for _, _, piece in _split_words(text)]

    def encode_source(self, text: str) -> list[int]:
        return [*self.encode(text), EOS_ID]

    def decode(self, token_ids: Sequence[int]) -> str:
        text = ""
        for token_id in token_ids:
            space, written = self._written(token_id)
            text += f" {written}" if space and text else written
        return text

    def _written(self, token_id: int) -> tuple[bool, str]:
        """Whether a space precedes a token, and what it writes; nothing for pad, bos and eos."""
        if token_id < UNK_ID:
            return False, ""
        piece = self._tokens[token_id]
        return not piece.startswith(_JOINED), piece.removeprefix(_JOINED)

    def decode_source(self, token_ids: Sequence[int]) -> str:
        return self.decode(token_ids)

    def pieces(self, token_ids: Sequence[int]) -> list[str]:
        return [self._tokens[token_id] for token_id in token_ids]

    def encode_ranges(self, text: str) -> list[Range]:
        return [(start, end) for start, end, _ in _split_words(text)]

    def decode_ranges(self, token_ids: Sequence[int]) -> list[Range]:
        ranges: list[Range] = []
        position = 0
        for token_id in token_ids:
            space, written = self._written(token_id)
            start = position + (1 if space and position else 0)
            position = start + len(written) if written else position
            ranges.append((start, position) if written else (position, position))
        return ranges

    def token_bytes(self) -> list[bytes]:
        pairs = map(self._written, range(len(self._tokens)))
        return [(" " * space + text).encode() for space, text in pairs]

    def encode_prefix(self, text: str) -> tuple[list[int], bytes]:
        pieces = [piece for _, _, piece in _split_words(text)]
        ids = [self._ids.get(piece, UNK_ID) for piece in pieces]
        if not ids:
            return [], b""
        if text[-1].isspace():
            return ids, b" "
        last = pieces[-1]
        return ids[:-1], (last.removeprefix(_JOINED) if last.startswith(_JOINED) else " " + last).encode()

    def readable_characters(self) -> frozenset[str]:
        return frozenset(character for token in self._tokens[len(SPECIAL_TOKENS) :] for character in token)

    def to_bytes(self) -> bytes:
        document = {"kind": self.kind, "words": list(self._tokens[len(SPECIAL_TOKENS) :])}
        return json.dumps(document, ensure_ascii=False, indent=1).encode("utf-8")


def _split_words(text: str) -> list[tuple[int, int, str]]:
    """Words and punctuation in their order, each with its range in the text; ``_JOINED`` precedes those that follow
    without a space."""
    offsets = offsets_without_soft_hyphens(text)
    pieces: list[tuple[int, int, str]] = []
    for match in _WORD_OR_PUNCTUATION.finditer(normalise_typography(text)):
        follows = not pieces or bool(match[1])
        start, end = offsets[match.start(2)], offsets[match.end(2) - 1] + 1
        pieces.append((start, end, match[2] if follows else _JOINED + match[2]))
    return pieces


def _is_entry(piece: str) -> bool:
    """Whether a piece can be in a vocabulary; ``_JOINED`` itself, written in a text, cannot."""
    written = piece.removeprefix(_JOINED)
    # A lone surrogate has no UTF-8 form: it could not be written into the file.
    return written not in ("", _JOINED) and not "\ud800" <= written[0] <= "\udfff"
