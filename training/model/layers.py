"""Small layers and functions shared by encoder and decoder; ``keras.ops`` only, so that every Keras backend works."""

from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray


def to_numpy(tensor: Any) -> NDArray[Any]:
    """Converts a tensor or variable of any backend to an array."""
    return np.asarray(ops.convert_to_numpy(tensor))


def length_mask(lengths: Any, width: Any) -> Any:
    """Returns the mask ``bool [rows, width]`` of lengths ``[rows]``, true where there is a token."""
    return ops.expand_dims(ops.arange(width, dtype="int32"), 0) < ops.expand_dims(ops.cast(lengths, "int32"), 1)


def reverse_positions(lengths: Any, width: Any) -> Any:
    """Returns positions ``int32 [rows, width]`` that reverse each row's tokens and leave eos and padding unchanged.

    Applied twice, they restore the original order.
    """
    positions = ops.expand_dims(ops.arange(width, dtype="int32"), 0)
    last = ops.expand_dims(ops.cast(lengths, "int32"), 1) - 1
    return ops.where(positions < last, last - 1 - positions, positions)


def take_positions(values: Any, positions: Any) -> Any:
    """Returns ``values [rows, source, ...]`` in the order of ``positions [rows, source]``."""
    rows, width = ops.shape(values)[0], ops.shape(values)[1]
    first = ops.expand_dims(ops.arange(rows, dtype="int32") * width, 1)
    rest = tuple(values.shape[2:])
    flat = ops.take(ops.reshape(values, (-1, *rest)), ops.reshape(positions + first, (-1,)), axis=0)
    return ops.reshape(flat, (-1, width, *rest))


def pool_over_source(kind: str, hidden: Any, mask: Any) -> Any:
    """Returns the mean or maximum over the source, ``[rows, units]``.

    Args:
        kind: ``mean`` or ``max``.
        hidden: ``[rows, source, units]``.
        mask: ``bool [rows, source]``, true for the positions that count.
    """
    visible = ops.expand_dims(mask, 2)
    if kind == "max":
        # A recurrent layer's outputs lie within ±1, those of residual layers within a few units: far above this value.
        return ops.max(ops.where(visible, hidden, ops.cast(-1e4, hidden.dtype)), axis=1)
    weights = ops.cast(mask, hidden.dtype)
    weights = weights / ops.sum(weights, axis=1, keepdims=True)
    # A product with zeros at padded positions is exact, so a row's mean does not depend on the width.
    return ops.squeeze(ops.matmul(ops.expand_dims(weights, 1), hidden), 1)


class OneHot(keras.layers.Layer):
    """Ids as unit vectors, as in the tutorials on characters; it has no weights."""

    def __init__(self, vocabulary_size: int, name: str) -> None:
        super().__init__(name=name)
        self.vocabulary_size = vocabulary_size

    def call(self, token_ids: Any) -> Any:
        """Unit vectors ``[..., vocabulary]`` from ids ``[...]``."""
        return ops.one_hot(token_ids, self.vocabulary_size, dtype=self.compute_dtype)


class TiedOutput(keras.layers.Layer):
    """Scores of all tokens by the embedding's own table (Press & Wolf 2017, arXiv:1608.05859) and a bias."""

    def __init__(self, embedding: keras.layers.Embedding, name: str) -> None:
        super().__init__(name=name)
        self.embedding = embedding

    def build(self, _input_shape: Any) -> None:
        self.bias = self.add_weight(shape=(self.embedding.input_dim,), initializer="zeros", name="bias")

    def call(self, inputs: Any) -> Any:
        """Logits ``[..., vocabulary]`` from ``[..., embedding]``."""
        return ops.matmul(inputs, ops.transpose(self.embedding.embeddings)) + self.bias

    def score_shortlist(self, inputs: Any, token_ids: Any, offsets: Any) -> Any:
        """Logits ``[..., shortlist]`` of the tokens of a shortlist.

        Args:
            inputs: ``[..., embedding]``.
            token_ids: ``int32 [shortlist]``.
            offsets: ``float32 [shortlist]``, added to the logits.
        """
        scores = ops.matmul(inputs, ops.transpose(self.embedding(token_ids)))
        return scores + ops.cast(ops.take(self.bias, token_ids) + offsets, scores.dtype)

    def smoothing(self, inputs: Any, token_ids: Any) -> Any:
        """Chosen logit less mean logit, ``[...]``, which label smoothing adds to the cross-entropy of each token.

        Smoothed loss = ``lse - (1 - s) chosen - s mean`` = cross-entropy ``+ s (chosen - mean)``. Both terms are
        computed from the table, since another pass over the logits would cost as much as the product.
        """
        table = self.embedding(token_ids) - ops.cast(ops.mean(self.embedding.embeddings, axis=0), inputs.dtype)
        bias = ops.take(self.bias, token_ids) - ops.mean(self.bias)
        return ops.cast(ops.sum(inputs * table, axis=-1), "float32") + ops.cast(bias, "float32")


class UntiedOutput(keras.layers.Layer):
    """Scores of all tokens by a separate table and a bias."""

    def __init__(self, vocabulary_size: int, name: str) -> None:
        super().__init__(name=name)
        self.vocabulary_size = vocabulary_size

    def build(self, input_shape: Any) -> None:
        self.kernel = self.add_weight(shape=(input_shape[-1], self.vocabulary_size), name="kernel")
        self.bias = self.add_weight(shape=(self.vocabulary_size,), initializer="zeros", name="bias")

    def call(self, inputs: Any) -> Any:
        """Logits ``[..., vocabulary]`` from ``[..., features]``."""
        return ops.matmul(inputs, self.kernel) + self.bias

    def score_shortlist(self, inputs: Any, token_ids: Any, offsets: Any) -> Any:
        """Logits ``[..., shortlist]``; see ``TiedOutput.score_shortlist``."""
        scores = ops.matmul(inputs, ops.take(self.kernel, token_ids, axis=1))
        return scores + ops.cast(ops.take(self.bias, token_ids) + offsets, scores.dtype)

    def smoothing(self, inputs: Any, token_ids: Any) -> Any:
        """Chosen logit less mean logit, ``[...]``; see ``TiedOutput.smoothing``."""
        columns = ops.take(ops.transpose(self.kernel), token_ids, axis=0) - ops.mean(self.kernel, axis=1)
        bias = ops.take(self.bias, token_ids) - ops.mean(self.bias)
        return ops.sum(ops.cast(inputs, "float32") * ops.cast(columns, "float32"), axis=-1) + ops.cast(bias, "float32")
