"""What every tokenizer shares: the special ids, ranges of characters, typography."""

from typing import Final

PAD_ID: Final = 0
BOS_ID: Final = 1
EOS_ID: Final = 2
UNK_ID: Final = 3
SPECIAL_TOKENS: Final = ("<pad>", "<s>", "</s>", "<unk>")

# From and up to a character of a text; up to is not included.
Range = tuple[int, int]

SOFT_HYPHEN: Final = "\u00ad"
# Typographic forms that mean the same as the plain one; the model need learn only one of them.
_TYPOGRAPHY: Final = str.maketrans({"’": "'", "ʼ": "'", "‘": "'", "“": '"', "”": '"', SOFT_HYPHEN: None})


def normalise_typography(text: str) -> str:
    """Curly quotes as straight ones, no soft hyphens: what a SentencePiece tokenizer reads."""
    return text.translate(_TYPOGRAPHY)


def places_without_soft_hyphens(text: str) -> list[int]:
    """For each character of ``normalise_typography(text)``, and for its end: its place in ``text``."""
    return [place for place, character in enumerate(text) if character != SOFT_HYPHEN] + [len(text)]
