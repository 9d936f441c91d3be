"""Attention over the encoder's outputs: dot, general, additive, and general with several heads."""

import warnings
from typing import Any

import keras
from keras import ops

from app.bundle.signature import MASKED_SCORE
from training.model.config import ModelConfig
from training.model.layers import length_mask


def score_mask(lengths: Any, width: Any) -> Any:
    """Returns what is added to scores, ``float32 [rows, 1, width]``: 0 for a token, ``MASKED_SCORE`` for padding."""
    mask = ops.expand_dims(length_mask(lengths, width), 1)
    return ops.cast(ops.logical_not(mask), "float32") * MASKED_SCORE


def attend(scores: Any, memory: Any, mask: Any) -> tuple[Any, Any]:
    """Weighs a memory by scores.

    With heads all tensors have one axis more, the second; that of the mask has length 1.

    Args:
        scores: ``[rows, target, source]``.
        memory: ``[rows, source, memory]``.
        mask: ``[rows, 1, source]``; see ``score_mask``.

    Returns:
        The context ``[rows, target, memory]`` and the attention ``[rows, target, source]``, whose rows sum to 1.
    """
    scores = scores + ops.cast(mask, scores.dtype)
    with warnings.catch_warnings():
        # Keras warns of a softmax over an axis of length 1; a source of one token has one.
        warnings.filterwarnings("ignore", "(?s).*softmax over axis", UserWarning)
        attention = ops.softmax(scores, axis=-1)
    return ops.matmul(attention, memory), attention


def attend_by_heads(query: Any, memory: Any, mask: Any, heads: int) -> tuple[Any, Any]:
    """Scaled dot-product attention with several heads (Vaswani et al. 2017, arXiv:1706.03762).

    Args:
        query: ``[rows, target, units]``.
        memory: ``[rows, source, units]``, or keys and values side by side, ``[rows, source, 2 units]``.
        mask: ``[rows, 1, source]``; see ``score_mask``.
        heads: Parts into which the units are divided.

    Returns:
        The context ``[rows, target, units]`` and the attention ``[rows, target, source]``, the mean over heads.
    """
    units = query.shape[-1]
    keys, values = (memory, memory) if memory.shape[-1] == units else ops.split(memory, 2, axis=-1)
    query, keys, values = (_by_heads(tensor, heads) for tensor in (query, keys, values))
    scores = ops.matmul(query, ops.transpose(keys, (0, 1, 3, 2))) * (units // heads) ** -0.5
    context, attention = attend(scores, values, ops.expand_dims(mask, 1))
    return ops.reshape(ops.transpose(context, (0, 2, 1, 3)), (-1, ops.shape(context)[2], units)), ops.mean(attention, 1)


def _by_heads(tensor: Any, heads: int) -> Any:
    """``[rows, positions, units]`` -> ``[rows, heads, positions, units / heads]``."""
    positions, units = ops.shape(tensor)[1], tensor.shape[-1]
    return ops.transpose(ops.reshape(tensor, (-1, positions, heads, units // heads)), (0, 2, 1, 3))


def _over_target(query: Any) -> Any:
    """Gives a query of a single step, ``[rows, units]``, an axis for the target: ``[rows, 1, units]``."""
    return ops.expand_dims(query, 1) if len(query.shape) == 2 else query


class DotAttention(keras.layers.Layer):
    """Dot attention of Luong et al. 2015 (arXiv:1508.04025): ``score = query · memory``, no weights."""

    def memories(self, hidden: Any) -> dict[str, Any]:
        """The memories by name, made from the encoder's outputs ``[rows, source, memory]``."""
        return {"memory": hidden}

    def call(self, query: Any, memories: dict[str, Any], mask: Any) -> tuple[Any, Any]:
        """Attends with ``query [rows, target, memory]`` (of one step: ``[rows, memory]``); see ``attend``."""
        memory = memories["memory"]
        return attend(ops.matmul(_over_target(query), ops.transpose(memory, (0, 2, 1))), memory, mask)


class Attention(keras.layers.Layer):
    """General attention of Luong et al. 2015 (arXiv:1508.04025): ``softmax(query W memoryᵀ) memory``.

    ``W memoryᵀ`` is the same at every step, so the encoder computes it once: a second memory, ``memory_keys``.
    """

    def __init__(self, units: int, memory_units: int, name: str) -> None:
        super().__init__(name=name)
        self.units, self.memory_units = units, memory_units
        self.project = keras.layers.Dense(memory_units, use_bias=False, name="project")

    def memories(self, hidden: Any) -> dict[str, Any]:
        """The memories by name, made from the encoder's outputs ``[rows, source, memory]``."""
        if not self.project.built:
            # The encoder's pass comes first, but the weight belongs to the decoder, and its path says so.
            with keras.name_scope("decoder"), keras.name_scope(self.name):
                self.project.build((None, self.units))
        return {"memory": hidden, "memory_keys": ops.matmul(hidden, ops.transpose(self.project.kernel))}

    def call(self, query: Any, memories: dict[str, Any], mask: Any) -> tuple[Any, Any]:
        """Attends with ``query [rows, target, units]`` (of one step: ``[rows, units]``); see ``attend``."""
        keys = ops.transpose(memories["memory_keys"], (0, 2, 1))
        return attend(ops.matmul(_over_target(query), keys), memories["memory"], mask)


class HeadsAttention(keras.layers.Layer):
    """General attention with several heads: each attends to its own part of the memory."""

    def __init__(self, memory_units: int, heads: int, name: str) -> None:
        super().__init__(name=name)
        self.heads = heads
        self.project = keras.layers.Dense(memory_units, use_bias=False, name="project")

    def memories(self, hidden: Any) -> dict[str, Any]:
        """The memories by name, made from the encoder's outputs ``[rows, source, memory]``."""
        return {"memory": hidden}

    def call(self, query: Any, memories: dict[str, Any], mask: Any) -> tuple[Any, Any]:
        """Attends with ``query [rows, target, units]`` (of one step: ``[rows, units]``); see ``attend_by_heads``."""
        return attend_by_heads(_over_target(self.project(query)), memories["memory"], mask, self.heads)


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
        """The memories by name, made from the encoder's outputs ``[rows, source, memory]``."""
        return {"memory": hidden, "memory_keys": self.keys(hidden)}

    def call(self, query: Any, memories: dict[str, Any], mask: Any) -> tuple[Any, Any]:
        """Attends with ``query [rows, target, units]`` (of one step: ``[rows, units]``); see ``attend``."""
        keys = ops.expand_dims(memories["memory_keys"], 1)
        scores = self.score(ops.tanh(ops.expand_dims(_over_target(self.project(query)), 2) + keys))
        return attend(ops.squeeze(scores, -1), memories["memory"], mask)


def build_attention(config: ModelConfig) -> Any | None:
    """Builds the attention that the configuration names; None for ``attention = "none"``."""
    if config.attention == "none":
        return None
    if config.attention == "dot":
        return DotAttention(name="attention")
    if config.attention == "bahdanau":
        return AdditiveAttention(config.units, name="attention")
    if config.attention_heads > 1:
        return HeadsAttention(config.memory_units, config.attention_heads, name="attention")
    return Attention(config.units, config.memory_units, name="attention")
