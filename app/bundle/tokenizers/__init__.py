"""Text to token ids and back, one kind of tokenizer a file.

Four kinds: ``sentencepiece`` (unigram or BPE with byte fallback, so no text is ever ``<unk>``), ``marian`` (the same
with the special ids of Marian's models), ``characters`` (a fixed alphabet; a character outside it becomes ``unk_id``)
and ``words`` (the most frequent words and punctuation; others become ``unk_id``).
"""

import json
from pathlib import Path

from app.bundle.manifest import Manifest, TokenizerEntry
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
from app.bundle.tokenizers.paired import PairedTokenizer
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
    "PairedTokenizer",
    "Range",
    "SentencePieceTokenizer",
    "TaggedTokenizer",
    "Tokenizer",
    "WordTokenizer",
    "load_tokenizer",
    "load_tokenizer_of",
    "normalise_typography",
    "tag_sources",
]


def load_tokenizer(path: Path, kind: str) -> Tokenizer:
    """Read a tokenizer file of the given kind.

    Raises:
        BundleFormatError: the kind is unknown, or the file is not of that kind.
    """
    content = path.read_bytes()
    try:
        if kind in ("sentencepiece", "marian"):
            return SentencePieceTokenizer(content, "marian" if kind == "marian" else "sentencepiece")
        if kind == CharacterTokenizer.kind:
            return CharacterTokenizer(_entries(content, "alphabet"))
        if kind == WordTokenizer.kind:
            return WordTokenizer(_entries(content, "words"))
    except BundleFormatError as error:
        raise BundleFormatError(f"{path}: {error}") from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise BundleFormatError(f"{path}: not a {kind} tokenizer: {error!r}") from error
    raise BundleFormatError(f"{path}: unknown tokenizer kind {kind!r}, known: sentencepiece, marian, characters, words")


def load_tokenizer_of(folder: Path, manifest: Manifest) -> Tokenizer:
    """The tokenizer of a bundle; where the model has several targets, it tags sources for the manifest's target.

    Raises:
        BundleFormatError: a file is no tokenizer, or not the one that the manifest describes.
    """
    tokenizer = _load_entry(folder, manifest.tokenizer)
    if manifest.source_tokenizer is not None:
        tokenizer = PairedTokenizer(_load_entry(folder, manifest.source_tokenizer), tokenizer)
    return tag_sources(tokenizer, manifest)


def tag_sources(tokenizer: Tokenizer, manifest: Manifest) -> Tokenizer:
    """The tokenizer; where the model has several targets, it tags sources for the manifest's target."""
    tag_id = manifest.source_tags.get(manifest.target)
    return tokenizer if tag_id is None else TaggedTokenizer(tokenizer, tag_id)


def _load_entry(folder: Path, entry: TokenizerEntry) -> Tokenizer:
    found = load_tokenizer(folder / entry.file, entry.kind)
    stated, given = (entry.vocabulary_size, entry.eos_id), (found.vocabulary_size, found.eos_id)
    if given != stated:
        raise BundleFormatError(
            f"{folder / entry.file}: has {given[0]} tokens, eos {given[1]}; the manifest says "
            f"vocabulary_size {stated[0]}, eos_id {stated[1]}"
        )
    return found


def _entries(content: bytes, name: str) -> list[str]:
    entries = json.loads(content)[name]
    if not isinstance(entries, list):
        raise TypeError(f"{name} is no list")
    found = [str(entry) for entry in entries]
    "".join(found).encode("utf-8")  # a lone surrogate can be read from JSON, but not written
    return found
