"""Attention over the encoder's outputs: what the decoder asks, and how a question and a memory make a score."""

import warnings
from typing import Any

import keras
from keras import ops

# A score no softmax can see, yet finite: a row whose positions are all padding must not become NaN.
MASKED_SCORE = -1e9


def attend(scores: Any, memory: Any, memory_mask: Any) -> tuple[Any, Any]:
    """``scores [rows, target, source]``, ``memory [rows, source, memory]``, ``memory_mask bool [rows, source]`` ->
    context ``[rows, target, memory]`` and attention ``[rows, target, source]``, whose rows sum to 1. With heads all
    have an axis more, the second; that of the mask is of one."""
    # Added, not chosen by a where, which would be six nodes of the exported graph: adding 0 changes no score.
    hidden = ops.cast(ops.logical_not(ops.expand_dims(memory_mask, -2)), scores.dtype)
    scores = scores + hidden * ops.cast(MASKED_SCORE, scores.dtype)
    with warnings.catch_warnings():
        # Keras doubts a softmax over an axis of one; a source of one token has just that.
        warnings.filterwarnings("ignore", "(?s).*softmax over axis", UserWarning)
        attention = ops.softmax(scores, axis=-1)
    return ops.matmul(attention, memory), attention


def attend_by_heads(query: Any, memory: Any, memory_mask: Any, heads: int) -> tuple[Any, Any]:
    """Scaled dot products of ``heads`` parts each (Vaswani et al. 2017, arXiv:1706.03762).

    ``query [rows, target, units]``, ``memory [rows, source, units]`` or keys and values side by side
    ``[rows, source, 2 units]``, ``memory_mask bool [rows, source]`` -> context ``[rows, target, units]`` and attention
    ``[rows, target, source]``, the mean over heads.
    """
    units = query.shape[-1]
    keys, values = (memory, memory) if memory.shape[-1] == units else ops.split(memory, 2, axis=-1)
    query, keys, values = (_by_heads(tensor, heads) for tensor in (query, keys, values))
    scores = ops.matmul(query, ops.transpose(keys, (0, 1, 3, 2))) * (units // heads) ** -0.5
    context, attention = attend(scores, values, ops.expand_dims(memory_mask, 1))
    return ops.reshape(ops.transpose(context, (0, 2, 1, 3)), (-1, ops.shape(context)[2], units)), ops.mean(attention, 1)


def _by_heads(tensor: Any, heads: int) -> Any:
    """``[rows, places, units]`` -> ``[rows, heads, places, units / heads]``."""
    places, units = ops.shape(tensor)[1], tensor.shape[-1]
    return ops.transpose(ops.reshape(tensor, (-1, places, heads, units // heads)), (0, 2, 1, 3))


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


class HeadsAttention(keras.layers.Layer):
    """General attention with several heads: each asks its own part of the memory."""

    def __init__(self, memory_units: int, heads: int, name: str) -> None:
        super().__init__(name=name)
        self.heads = heads
        self.project = keras.layers.Dense(memory_units, use_bias=False, name="project")

    def memories(self, hidden: Any) -> dict[str, Any]:
        """What the decoder needs of the encoder's outputs ``[rows, source, memory]``, by name."""
        return {"memory": hidden}

    def call(self, query: Any, memories: dict[str, Any], memory_mask: Any) -> tuple[Any, Any]:
        """``query [rows, target, units]`` (of one step: ``[rows, units]``) -> see ``attend_by_heads``."""
        return attend_by_heads(_over_target(self.project(query)), memories["memory"], memory_mask, self.heads)


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
