"""Attention over the encoder's outputs: what the decoder asks, and how a question and a memory make a score."""

import warnings
from typing import Any

import keras
from keras import ops

# A score no softmax can see, yet finite: a row whose positions are all padding must not become NaN.
MASKED_SCORE = -1e9


def attend(scores: Any, memory: Any, memory_mask: Any) -> tuple[Any, Any]:
    """``scores [rows, target, source]``, ``memory [rows, source, memory]``, ``memory_mask bool [rows, source]`` ->
    context ``[rows, target, memory]`` and attention ``[rows, target, source]``, whose rows sum to 1."""
    # Added, not chosen by a where, which would be six nodes of the exported graph: adding 0 changes no score.
    hidden = ops.cast(ops.logical_not(ops.expand_dims(memory_mask, 1)), scores.dtype)
    scores = scores + hidden * ops.cast(MASKED_SCORE, scores.dtype)
    with warnings.catch_warnings():
        # Keras doubts a softmax over an axis of one; a source of one token has just that.
        warnings.filterwarnings("ignore", "(?s).*softmax over axis", UserWarning)
        attention = ops.softmax(scores, axis=-1)
    return ops.matmul(attention, memory), attention


def _over_target(query: Any) -> Any:
    """A query of a single step, ``[rows, units]``, as ``[rows, 1, units]``; others as they are."""
    return ops.expand_dims(query, 1) if len(query.shape) == 2 else query


class DotAttention(keras.layers.Layer):
    """Dot attention of Luong et al. 2015 (arXiv:1508.04025): ``score = query · memory``, no weights."""

    def memories(self, hidden: Any) -> dict[str, Any]:
        """What the decoder needs of the encoder's outputs ``[rows, source, memory]``, by name."""
        return {"memory": hidden}

    def call(self, query: Any, memories: dict[str, Any], memory_mask: Any) -> tuple[Any, Any]:
        """``query [rows, target, memory]`` (of one step: ``[rows, memory]``) -> see ``attend``."""
        memory = memories["memory"]
        return attend(ops.matmul(_over_target(query), ops.transpose(memory, (0, 2, 1))), memory, memory_mask)


class Attention(keras.layers.Layer):
    """General attention of Luong et al. 2015 (arXiv:1508.04025): ``softmax(query W memoryᵀ) memory``.

    The projection is on the query's side, so a memory needs no second tensor of keys.
    """

    def __init__(self, memory_units: int, name: str) -> None:
        super().__init__(name=name)
        self.project = keras.layers.Dense(memory_units, use_bias=False, name="project")

    def memories(self, hidden: Any) -> dict[str, Any]:
        """What the decoder needs of the encoder's outputs ``[rows, source, memory]``, by name."""
        return {"memory": hidden}

    def call(self, query: Any, memories: dict[str, Any], memory_mask: Any) -> tuple[Any, Any]:
        """``query [rows, target, units]`` (of one step: ``[rows, units]``) -> see ``attend``."""
        memory = memories["memory"]
        # Projected while it has two axes: a product of three is a product between two changes of shape when exported.
        return attend(
            ops.matmul(_over_target(self.project(query)), ops.transpose(memory, (0, 2, 1))), memory, memory_mask
        )


class AdditiveAttention(keras.layers.Layer):
    """Additive attention of Bahdanau et al. 2015 (arXiv:1409.0473): ``score = v · tanh(W query + U memory)``.

    ``U memory`` is the same at every step, so the encoder computes it once: a second memory, ``memory_keys``.
    """

    def __init__(self, units: int, name: str) -> None:
        super().__init__(name=name)
        self.project = keras.layers.Dense(units, name="project")
        self.keys = keras.layers.Dense(units, use_bias=False, name="keys")
        self.score = keras.layers.Dense(1, use_bias=False, name="score")

    def memories(self, hidden: Any) -> dict[str, Any]:
        """What the decoder needs of the encoder's outputs ``[rows, source, memory]``, by name."""
        return {"memory": hidden, "memory_keys": self.keys(hidden)}

    def call(self, query: Any, memories: dict[str, Any], memory_mask: Any) -> tuple[Any, Any]:
        """``query [rows, target, units]`` (of one step: ``[rows, units]``) -> see ``attend``."""
        keys = ops.expand_dims(memories["memory_keys"], 1)
        scores = self.score(ops.tanh(ops.expand_dims(_over_target(self.project(query)), 2) + keys))
        return attend(ops.squeeze(scores, -1), memories["memory"], memory_mask)
