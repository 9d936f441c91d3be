"""Layers of self-attention: every position of the source attends to all others."""

from typing import Any, Final

import keras
import numpy as np
from keras import ops

from training.model.attention import attend_by_heads

# Rows of the table of positions. With a table instead of sine and cosine in the graph, a bundle gives the same bits on
# every machine.
MAX_POSITIONS: Final = 1024
_WIDER_BY: Final = 4


def position_table(units: int) -> Any:
    """Sinusoids ``float32 [MAX_POSITIONS, units]`` that encode a token's position (Vaswani et al. 2017,
    arXiv:1706.03762)."""
    rates = 10_000.0 ** (-np.arange(0, units, 2) / units)
    angles = np.arange(MAX_POSITIONS)[:, None] * rates
    return np.stack([np.sin(angles), np.cos(angles)], axis=-1).reshape(MAX_POSITIONS, -1)[:, :units].astype(np.float32)


class PositionalInput(keras.layers.Layer):
    """Projects embedded tokens ``[rows, source, embedding]`` to ``[rows, source, units]`` and adds their positions."""

    def __init__(self, units: int, name: str) -> None:
        super().__init__(name=name)
        self.project = keras.layers.Dense(units, name="project")
        self.table = position_table(units)

    def call(self, embedded: Any) -> Any:
        """Returns ``[rows, source, units]``."""
        width = ops.shape(embedded)[1]
        hidden = self.project(embedded)
        positions = ops.slice(ops.convert_to_tensor(self.table), (0, 0), (width, self.table.shape[1]))
        return hidden + ops.cast(ops.expand_dims(positions, 0), hidden.dtype)


class SelfAttentionLayer(keras.layers.Layer):
    """Self-attention and a feed-forward layer, each normalised first and added to its input (Vaswani et al. 2017; for
    the order Xiong et al. 2020, arXiv:2002.04745).

    Args:
        units: Width of input and output.
        heads: Parts into which the attention divides the units.
        dropout: Rate of dropout of what each of the two parts adds.
        is_last: Whether the output is normalised too.
        name: Name of the layer, part of its variables' paths.
    """

    def __init__(self, units: int, heads: int, dropout: float, is_last: bool, name: str) -> None:
        super().__init__(name=name)
        self.heads = heads
        self.norms = [keras.layers.LayerNormalization(name=f"norm_{index}") for index in range(2 + is_last)]
        self.project = keras.layers.Dense(3 * units, name="project")
        self.join = keras.layers.Dense(units, name="join")
        self.widen = keras.layers.Dense(_WIDER_BY * units, activation="relu", name="widen")
        self.narrow = keras.layers.Dense(units, name="narrow")
        self.drops = [keras.layers.Dropout(dropout, name=f"dropout_{index}") for index in range(2)]

    def call(self, hidden: Any, mask: Any, training: bool = False) -> Any:
        """Attends within ``hidden [rows, source, units]`` with ``attention.score_mask``; keeps the shape."""
        units = hidden.shape[-1]
        projected = self.project(self.norms[0](hidden))
        context, _ = attend_by_heads(projected[..., :units], projected[..., units:], mask, self.heads)
        hidden = hidden + self.drops[0](self.join(context), training=training)
        added = self.narrow(self.widen(self.norms[1](hidden)))
        hidden = hidden + self.drops[1](added, training=training)
        return self.norms[2](hidden) if len(self.norms) > 2 else hidden
