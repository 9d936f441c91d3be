"""Words and marks as tokens, with ``<unk>`` for what is not known."""

import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final

from app.bundle.tokenizers.vocabulary import (
    EOS_ID,
    SPECIAL_TOKENS,
    UNK_ID,
    Range,
    normalise_typography,
    places_without_soft_hyphens,
)
from app.errors import BundleFormatError

# Stands before a word or mark that no space parts from the one before, so that text comes back with its spaces.
_JOINED: Final = "\uffed"
_WORD_OR_MARK: Final = re.compile(r"(\s*)(\w+|[^\w\s])")


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
        counts = Counter(piece for text in texts for _, _, piece in _words_and_marks(text) if _is_entry(piece))
        ranked = sorted(counts, key=lambda piece: (-counts[piece], piece))
        return cls(ranked[: max(0, vocabulary_size - len(SPECIAL_TOKENS))])

    @property
    def vocabulary_size(self) -> int:
        return len(self._tokens)

    def encode(self, text: str) -> list[int]:
        return [self._ids.get(piece, UNK_ID) for _, _, piece in _words_and_marks(text)]

    def encode_source(self, text: str) -> list[int]:
        return [*self.encode(text), EOS_ID]

    def decode(self, token_ids: Sequence[int]) -> str:
        text = ""
        for token_id in token_ids:
            space, written = self._written(token_id)
            text += f" {written}" if space and text else written
        return text

    def _written(self, token_id: int) -> tuple[bool, str]:
        """Whether a space stands before a token, and what it writes; nothing for pad, bos and eos."""
        if token_id < UNK_ID:
            return False, ""
        piece = self._tokens[token_id]
        return not piece.startswith(_JOINED), piece.removeprefix(_JOINED)

    def pieces(self, token_ids: Sequence[int]) -> list[str]:
        return [self._tokens[token_id] for token_id in token_ids]

    def encode_ranges(self, text: str) -> list[Range]:
        return [(start, end) for start, end, _ in _words_and_marks(text)]

    def decode_ranges(self, token_ids: Sequence[int]) -> list[Range]:
        ranges: list[Range] = []
        position = 0
        for token_id in token_ids:
            space, written = self._written(token_id)
            start = position + (1 if space and position else 0)
            position = start + len(written) if written else position
            ranges.append((start, position) if written else (position, position))
        return ranges

    def written(self) -> list[bytes]:
        pairs = map(self._written, range(len(self._tokens)))
        return [(" " * space + text).encode() for space, text in pairs]

    def encode_begun(self, text: str) -> tuple[list[int], bytes]:
        pieces = [piece for _, _, piece in _words_and_marks(text)]
        ids = [self._ids.get(piece, UNK_ID) for piece in pieces]
        if not ids:
            return [], b""
        if text[-1].isspace():
            return ids, b" "
        begun = pieces[-1]
        return ids[:-1], (begun.removeprefix(_JOINED) if begun.startswith(_JOINED) else " " + begun).encode()

    def to_bytes(self) -> bytes:
        document = {"kind": self.kind, "words": list(self._tokens[len(SPECIAL_TOKENS) :])}
        return json.dumps(document, ensure_ascii=False, indent=1).encode("utf-8")


def _words_and_marks(text: str) -> list[tuple[int, int, str]]:
    """Words and marks in their order, each with its place in the text, with the joining mark before those that follow
    without a space."""
    places = places_without_soft_hyphens(text)
    pieces: list[tuple[int, int, str]] = []
    for match in _WORD_OR_MARK.finditer(normalise_typography(text)):
        follows = not pieces or bool(match[1])
        start, end = places[match.start(2)], places[match.end(2) - 1] + 1
        pieces.append((start, end, match[2] if follows else _JOINED + match[2]))
    return pieces


def _is_entry(piece: str) -> bool:
    """Whether a piece can be in a vocabulary; the joining mark itself, written in a text, cannot."""
    written = piece.removeprefix(_JOINED)
    # A lone surrogate has no UTF-8 form: it could not be written into the file.
    return written not in ("", _JOINED) and not "\ud800" <= written[0] <= "\udfff"
