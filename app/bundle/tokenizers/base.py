"""What all tokenizers share: their protocol, the special ids, ranges of characters, typography."""

import unicodedata
from collections.abc import Sequence
from typing import Final, Protocol

PAD_ID: Final = 0
BOS_ID: Final = 1
EOS_ID: Final = 2
UNK_ID: Final = 3
SPECIAL_TOKENS: Final = ("<pad>", "<s>", "</s>", "<unk>")

# The offsets of the first character and behind the last one.
Range = tuple[int, int]

SOFT_HYPHEN: Final = "\u00ad"
# Typographic forms that mean the same as the plain one; the model need learn only one of them.
_TYPOGRAPHY: Final = str.maketrans({"’": "'", "ʼ": "'", "‘": "'", "“": '"', "”": '"', SOFT_HYPHEN: None})
# Characters that a tokenizer may read as nothing or as another character that means the same.
FORMATS: Final = frozenset(
    (*map(chr, _TYPOGRAPHY), *(one for one in map(chr, (*range(0x3000), 0xFEFF)) if unicodedata.category(one) == "Cf"))
)


class Tokenizer(Protocol):
    """Converts text to token ids and back; the same object in training and in serving."""

    @property
    def kind(self) -> str:
        """As the manifest names it."""
        ...

    @property
    def vocabulary_size(self) -> int:
        """The number of ids, the special ones included."""
        ...

    @property
    def eos_id(self) -> int:
        """The id that ends a sequence."""
        ...

    def encode(self, text: str) -> list[int]:
        """Text -> token ids, without special ids."""
        ...

    def encode_source(self, text: str) -> list[int]:
        """The ids that the encoder reads: those of the text, then ``eos_id``."""
        ...

    def decode(self, token_ids: Sequence[int]) -> str:
        """Token ids -> text; special ids are left out."""
        ...

    def decode_source(self, token_ids: Sequence[int]) -> str:
        """The text that ``encode_source`` read, as far as the tokens hold it."""
        ...

    def pieces(self, token_ids: Sequence[int]) -> list[str]:
        """The written form of each token, for plots and alignments."""
        ...

    def encode_ranges(self, text: str) -> list[Range]:
        """For each token of ``encode_source(text)`` but eos: the range of characters of the text that it encodes.

        In order. Tokens that make up one character (bytes of an emoji) all have that character.
        """
        ...

    def decode_ranges(self, token_ids: Sequence[int]) -> list[Range]:
        """For each token: the range of characters of ``decode(token_ids)`` that it writes; see ``encode_ranges``.

        The range of a special id is empty.
        """
        ...

    def token_bytes(self) -> list[bytes]:
        """For each id of the vocabulary: what it writes, in UTF-8, with the space before it; nothing for special ids.

        A text is what its tokens write, one after the other, without a space before the first.
        """
        ...

    def encode_prefix(self, text: str) -> tuple[list[int], bytes]:
        """Encode a text whose last word may be unfinished.

        Both results together are ``text`` as the model reads it; as in ``token_bytes``, a space may precede the first
        word.

        Returns:
            The ids of all that is finished, and the bytes that the tokens behind must begin with.
        """
        ...

    def readable_characters(self) -> frozenset[str]:
        """The characters that tokens stand for, and those that are read as nothing or as such characters.

        Not among them is what is spelled in bytes or is unknown, and what normalisation replaces by other characters.
        """
        ...

    def to_bytes(self) -> bytes:
        """The content of the tokenizer's file."""
        ...


def normalise_typography(text: str) -> str:
    """Replace curly quotes by straight ones and drop soft hyphens: the text that a SentencePiece tokenizer reads."""
    return text.translate(_TYPOGRAPHY)


def offsets_without_soft_hyphens(text: str) -> list[int]:
    """For each character of ``normalise_typography(text)``, and for its end: its offset in ``text``."""
    return [offset for offset, character in enumerate(text) if character != SOFT_HYPHEN] + [len(text)]
