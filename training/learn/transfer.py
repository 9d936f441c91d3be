"""Transfer of a trained model's weights to another vocabulary (Kocmi & Bojar 2018, arXiv:1809.00357).

Weights without a token axis are kept. The values of a token of the new vocabulary are derived from the old tokens that
write the same text.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.bundle.tokenizers import UNK_ID, Tokenizer

# The token axis of a weight, by the end of its name.
_TOKEN_AXES = {"/embedding/embeddings": 0, "/output/bias": 0, "/output/kernel": 1}
_SPACE = "▁"  # SentencePiece writes a space before a piece as this character


def transfer_weights(weights: Mapping[str, NDArray[np.float32]], old: Tokenizer, new: Tokenizer) -> dict[str, Any]:
    """Converts the weights of a model with the vocabulary ``old`` for a model of the same shape with ``new``.

    A token of both vocabularies keeps its values. Another token starts with the mean of the old tokens that write it,
    and a token that writes nothing (a tag) with the mean of all.

    Args:
        weights: By name.
        old: Vocabulary of the weights.
        new: Vocabulary of the result.
    """
    parents = token_parents(old, new)
    return {name: _exchange_tokens(array, _token_axis(name), parents) for name, array in weights.items()}


def token_parents(old: Tokenizer, new: Tokenizer) -> list[list[int]]:
    """Returns, for each token of ``new``, the tokens of ``old`` whose mean it starts with; empty: the mean of all."""
    old_ids = {piece: token_id for token_id, piece in enumerate(old.pieces(range(old.vocabulary_size)))}
    parents: list[list[int]] = []
    for piece, written in zip(new.pieces(range(new.vocabulary_size)), new.token_bytes(), strict=True):
        if piece in old_ids:
            parents.append([old_ids[piece]])
        elif written:
            text = piece.replace(_SPACE, " ").strip()
            parents.append([token_id for token_id in old.encode(text) if token_id > UNK_ID])
        else:
            parents.append([])
    return parents


def _token_axis(name: str) -> int | None:
    return next((axis for ending, axis in _TOKEN_AXES.items() if name.endswith(ending)), None)


def _exchange_tokens(array: NDArray[np.float32], axis: int | None, parents: list[list[int]]) -> NDArray[np.float32]:
    if axis is None:
        return array
    everything = array.mean(axis)
    columns = [array.take(some, axis).mean(axis) if some else everything for some in parents]
    return np.stack(columns, axis)
