"""The pieces that models are made of. ``keras.ops`` only, so that every Keras backend can train them."""

import warnings
from typing import Any

import keras
from keras import ops

# A score no softmax can see, yet finite: a row whose positions are all padding must not become NaN.
MASKED_SCORE = -1e9


def length_mask(lengths: Any, width: Any) -> Any:
    """``[rows]`` lengths -> bool ``[rows, width]``, true where there is a token."""
    return ops.expand_dims(ops.arange(width, dtype="int32"), 0) < ops.expand_dims(ops.cast(lengths, "int32"), 1)


class Attention(keras.layers.Layer):
    """General attention of Luong et al. 2015 (arXiv:1508.04025): ``softmax(query W memoryᵀ) memory``.

    The projection is on the query's side, so a memory needs no second tensor of keys.
    """

    def __init__(self, memory_units: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.project = keras.layers.Dense(memory_units, use_bias=False, name="project")

    def call(self, query: Any, memory: Any, memory_mask: Any) -> tuple[Any, Any]:
        """``query [rows, target, units]``, ``memory [rows, source, memory]``, ``memory_mask bool [rows, source]`` ->
        context ``[rows, target, memory]`` and attention ``[rows, target, source]``, whose rows sum to 1."""
        scores = ops.matmul(self.project(query), ops.transpose(memory, (0, 2, 1)))
        scores = ops.where(ops.expand_dims(memory_mask, 1), scores, ops.cast(MASKED_SCORE, scores.dtype))
        with warnings.catch_warnings():
            # Keras doubts a softmax over an axis of one; a source of one token has just that.
            warnings.filterwarnings("ignore", "(?s).*softmax over axis", UserWarning)
            attention = ops.softmax(scores, axis=-1)
        return ops.matmul(attention, memory), attention


class TiedOutput(keras.layers.Layer):
    """Scores of all tokens by the embedding's own table (Press & Wolf 2017, arXiv:1608.05859) and a bias."""

    def __init__(self, embedding: keras.layers.Embedding, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.embedding = embedding

    def build(self, _input_shape: Any) -> None:
        self.bias = self.add_weight(shape=(self.embedding.input_dim,), initializer="zeros", name="bias")

    def call(self, inputs: Any) -> Any:
        """``[..., embedding]`` -> logits ``[..., vocabulary]``."""
        return ops.matmul(inputs, ops.transpose(self.embedding.embeddings)) + self.bias

    def smoothing(self, inputs: Any, token_ids: Any) -> Any:
        """Chosen logit less mean logit, ``[...]``: what label smoothing adds to the cross-entropy of each token.

        Smoothed loss = ``lse - (1 - s) chosen - s mean`` = cross-entropy ``+ s (chosen - mean)``. Both terms come from
        the table, not from the logits: another pass over ``[..., vocabulary]`` would cost as much as the product.
        """
        table = self.embedding(token_ids) - ops.cast(ops.mean(self.embedding.embeddings, axis=0), inputs.dtype)
        bias = ops.take(self.bias, token_ids) - ops.mean(self.bias)
        return ops.cast(ops.sum(inputs * table, axis=-1), "float32") + ops.cast(bias, "float32")
