"""Recurrent cells: Keras's LSTM and GRU, and two variants of the LSTM that ONNX's LSTM node supports too.

Every cell works on ``inputs [rows, features]`` and its states ``[rows, units]``; the first state is its output.
"""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from training.model.config import CellKind

# The states a cell carries: h is its output, c the cell of an LSTM.
CELL_STATES: dict[CellKind, tuple[str, ...]] = {
    "lstm": ("h", "c"),
    "gru": ("h",),
    "peephole": ("h", "c"),
    "coupled": ("h", "c"),
}


@keras.saving.register_keras_serializable(package="passerelle")
class ForgetBias(keras.initializers.Initializer):
    """Biases ``[4 units]`` of an LSTM, gates in the order i, f, g, o: the forget gates' ``value``, the others' 0.

    Above 0 the cell keeps what it holds until it learns what to forget (Gers et al. 2000, "Learning to forget").
    """

    def __init__(self, value: float) -> None:
        self.value = value

    def __call__(self, shape: Sequence[int], dtype: Any = None) -> Any:
        return ops.repeat(ops.array([0.0, self.value, 0.0, 0.0], dtype=dtype), shape[0] // 4)

    def get_config(self) -> dict[str, float]:
        return {"value": self.value}


@keras.saving.register_keras_serializable(package="passerelle")
class PeepholeCell(keras.layers.Layer):
    """LSTM whose gates see its cell (Gers & Schmidhuber 2000, "Recurrent nets that time and count").

    ``i, f`` look at the cell before the step, ``o`` at the cell after it, each unit at its own alone.
    """

    def __init__(self, units: int, forget_bias: float = 1.0, name: str | None = None) -> None:
        super().__init__(name=name)
        self.units, self.forget_bias = units, forget_bias
        self.state_size, self.output_size = [units, units], units

    def build(self, input_shape: Sequence[int | None]) -> None:
        """Kernels ``[features, 4 units]``, ``[units, 4 units]``, gates in the order i, f, g, o; peepholes i, f, o."""
        self.kernel = self.add_weight(shape=(input_shape[-1], 4 * self.units), name="kernel")
        self.recurrent_kernel = self.add_weight(
            shape=(self.units, 4 * self.units), initializer="orthogonal", name="recurrent_kernel"
        )
        self.bias = self.add_weight(shape=(4 * self.units,), initializer=ForgetBias(self.forget_bias), name="bias")
        self.peephole = self.add_weight(shape=(3, self.units), initializer="zeros", name="peephole")

    def call(self, inputs: Any, states: Sequence[Any], training: bool = False) -> tuple[Any, list[Any]]:
        """One step: the output and the states ``[h, c]``."""
        hidden, cell = states
        sums = ops.matmul(inputs, self.kernel) + ops.matmul(hidden, self.recurrent_kernel) + self.bias
        i, f, g, o = ops.split(sums, 4, axis=-1)
        i = ops.sigmoid(i + self.peephole[0] * cell)
        f = ops.sigmoid(f + self.peephole[1] * cell)
        cell = f * cell + i * ops.tanh(g)
        hidden = ops.sigmoid(o + self.peephole[2] * cell) * ops.tanh(cell)
        return hidden, [hidden, cell]

    def get_config(self) -> dict[str, Any]:
        return {"units": self.units, "forget_bias": self.forget_bias, "name": self.name}


@keras.saving.register_keras_serializable(package="passerelle")
class CoupledCell(keras.layers.Layer):
    """LSTM that forgets as much as it takes in, ``f = 1 - i`` (Greff et al. 2017, arXiv:1503.04069)."""

    def __init__(self, units: int, name: str | None = None) -> None:
        super().__init__(name=name)
        self.units = units
        self.state_size, self.output_size = [units, units], units

    def build(self, input_shape: Sequence[int | None]) -> None:
        """Kernels ``[features, 3 units]`` and ``[units, 3 units]``, gates in the order i, g, o."""
        self.kernel = self.add_weight(shape=(input_shape[-1], 3 * self.units), name="kernel")
        self.recurrent_kernel = self.add_weight(
            shape=(self.units, 3 * self.units), initializer="orthogonal", name="recurrent_kernel"
        )
        self.bias = self.add_weight(shape=(3 * self.units,), initializer="zeros", name="bias")
        # f = 1 - i: a low bias of i makes the untrained cell keep most of its content.
        self.bias.assign(ops.repeat(ops.array([-1.0, 0.0, 0.0]), self.units))

    def call(self, inputs: Any, states: Sequence[Any], training: bool = False) -> tuple[Any, list[Any]]:
        """One step: the output and the states ``[h, c]``."""
        hidden, cell = states
        sums = ops.matmul(inputs, self.kernel) + ops.matmul(hidden, self.recurrent_kernel) + self.bias
        i, g, o = ops.split(sums, 3, axis=-1)
        i = ops.sigmoid(i)
        cell = (1.0 - i) * cell + i * ops.tanh(g)
        hidden = ops.sigmoid(o) * ops.tanh(cell)
        return hidden, [hidden, cell]

    def get_config(self) -> dict[str, Any]:
        return {"units": self.units, "name": self.name}


def recurrent_layer(
    kind: CellKind, units: int, name: str, forget_bias: float = 1.0, recurrent_dropout: float = 0.0
) -> Any:
    """Builds a layer over time that returns its outputs ``[rows, time, units]`` and its last states.

    Args:
        kind: The cell.
        units: Width of the layer.
        name: Name of the layer, part of its variables' paths.
        forget_bias: First bias of the forget gates of ``lstm`` and ``peephole``.
        recurrent_dropout: Of the states; supported by Keras's own cells, ``lstm`` and ``gru``.
    """
    if kind == "lstm":
        return keras.layers.LSTM(
            units,
            bias_initializer=ForgetBias(forget_bias),
            unit_forget_bias=False,  # True would set the bias to 1 and ignore the initializer
            recurrent_dropout=recurrent_dropout,
            return_sequences=True,
            return_state=True,
            name=name,
        )
    if kind == "gru":
        return keras.layers.GRU(
            units, recurrent_dropout=recurrent_dropout, return_sequences=True, return_state=True, name=name
        )
    cell: Any = CoupledCell(units, name=f"{kind}_cell")
    if kind == "peephole":
        cell = PeepholeCell(units, forget_bias, name=f"{kind}_cell")
    return keras.layers.RNN(cell, return_sequences=True, return_state=True, name=name)
