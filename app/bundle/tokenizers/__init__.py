"""Text to token ids and back, one kind of tokenizer a file.

Three kinds: ``sentencepiece`` (unigram or BPE with byte fallback, so no text is ever ``<unk>``), ``characters`` (a
fixed alphabet; a character outside it becomes ``unk_id``) and ``words`` (the most frequent words and punctuation;
others become ``unk_id``).
"""

import json
from pathlib import Path

from app.bundle.tokenizers.base import (
    BOS_ID,
    EOS_ID,
    PAD_ID,
    SPECIAL_TOKENS,
    UNK_ID,
    Range,
    Tokenizer,
    normalise_typography,
)
from app.bundle.tokenizers.sentencepiece import SentencePieceTokenizer, TaggedTokenizer
from app.bundle.tokenizers.words import CharacterTokenizer, WordTokenizer
from app.errors import BundleFormatError

__all__ = [
    "BOS_ID",
    "EOS_ID",
    "PAD_ID",
    "SPECIAL_TOKENS",
    "UNK_ID",
    "CharacterTokenizer",
    "Range",
    "SentencePieceTokenizer",
    "TaggedTokenizer",
    "Tokenizer",
    "WordTokenizer",
    "load_tokenizer",
    "normalise_typography",
]


def load_tokenizer(path: Path, kind: str) -> Tokenizer:
    """Read a tokenizer file of the given kind.

    Raises:
        BundleFormatError: the kind is unknown, or the file is not of that kind.
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
    "".join(found).encode("utf-8")  # a lone surrogate can be read from JSON, but not written
    return found
