"""A trained model's weights for another vocabulary: what does not speak of tokens stays, the rest is carried over by
what the tokens write (transfer from another language pair: Kocmi & Bojar 2018, arXiv:1809.00357)."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.bundle.tokenizers import UNK_ID, Tokenizer

# By the end of a weight's name: the axis along which it holds a value for each token.
_TOKEN_AXES = {"/embedding/embeddings": 0, "/output/bias": 0, "/output/kernel": 1}
_SPACE = "▁"  # SentencePiece's mark of a space before a piece


def transferred(weights: Mapping[str, NDArray[np.float32]], old: Tokenizer, new: Tokenizer) -> dict[str, Any]:
    """The weights of a model with the vocabulary ``old``, for a model of the same shape with ``new``.

    A token that both have keeps what it had; another begins with the mean of the old tokens that write it, and one
    that they cannot write (a tag) with the mean of all.
    """
    parents = token_parents(old, new)
    return {name: _exchanged(array, _token_axis(name), parents) for name, array in weights.items()}


def token_parents(old: Tokenizer, new: Tokenizer) -> list[list[int]]:
    """For each token of ``new``: the tokens of ``old`` that it takes after; none if it is unlike all of them."""
    known = {piece: token_id for token_id, piece in enumerate(old.pieces(range(old.vocabulary_size)))}
    parents: list[list[int]] = []
    for piece, written in zip(new.pieces(range(new.vocabulary_size)), new.token_bytes(), strict=True):
        if piece in known:
            parents.append([known[piece]])
        elif written:
            text = piece.replace(_SPACE, " ").strip()
            parents.append([token_id for token_id in old.encode(text) if token_id > UNK_ID])
        else:
            parents.append([])
    return parents


def _token_axis(name: str) -> int | None:
    return next((axis for ending, axis in _TOKEN_AXES.items() if name.endswith(ending)), None)


def _exchanged(array: NDArray[np.float32], axis: int | None, parents: list[list[int]]) -> NDArray[np.float32]:
    if axis is None:
        return array
    everything = array.mean(axis)
    columns = [array.take(some, axis).mean(axis) if some else everything for some in parents]
    return np.stack(columns, axis)
