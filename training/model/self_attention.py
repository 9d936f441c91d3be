"""An encoder of self-attention: every place of the source looks at all others, layer upon layer."""

from typing import Any, Final

import keras
import numpy as np
from keras import ops

from training.model.attention import attend_by_heads

# As many as are tabled. A table, not sine and cosine in the graph: a bundle then gives the same bits everywhere.
MAX_PLACES: Final = 1024
_WIDER_BY: Final = 4


def place_table(units: int) -> Any:
    """Sinusoids ``float32 [MAX_PLACES, units]`` that say where a token stands (Vaswani et al. 2017,
    arXiv:1706.03762)."""
    rates = 10_000.0 ** (-np.arange(0, units, 2) / units)
    angles = np.arange(MAX_PLACES)[:, None] * rates
    return np.stack([np.sin(angles), np.cos(angles)], axis=-1).reshape(MAX_PLACES, -1)[:, :units].astype(np.float32)


class Entrance(keras.layers.Layer):
    """Embedded tokens ``[rows, source, embedding]`` -> ``[rows, source, units]`` that know their places."""

    def __init__(self, units: int, name: str) -> None:
        super().__init__(name=name)
        self.project = keras.layers.Dense(units, name="project")
        self.table = place_table(units)

    def call(self, embedded: Any) -> Any:
        width = ops.shape(embedded)[1]
        hidden = self.project(embedded)
        places = ops.slice(ops.convert_to_tensor(self.table), (0, 0), (width, self.table.shape[1]))
        return hidden + ops.cast(ops.expand_dims(places, 0), hidden.dtype)


class SelfAttentionLayer(keras.layers.Layer):
    """Self-attention and a layer at each place, each added to what it read; normalised first (Vaswani et al. 2017; for
    the order Xiong et al. 2020, arXiv:2002.04745).

    :param dropout: of what each of the two adds.
    :param is_last: what it gives is normalised too.
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
        """``hidden [rows, source, units]``, ``mask bool [rows, source]`` -> the same shape as ``hidden``."""
        units = hidden.shape[-1]
        asked = self.project(self.norms[0](hidden))
        found, _ = attend_by_heads(asked[..., :units], asked[..., units:], mask, self.heads)
        hidden = hidden + self.drops[0](self.join(found), training=training)
        added = self.narrow(self.widen(self.norms[1](hidden)))
        hidden = hidden + self.drops[1](added, training=training)
        return self.norms[2](hidden) if len(self.norms) > 2 else hidden
