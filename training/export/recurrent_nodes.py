"""Keras's recurrent layers as ONNX's fused nodes, with the lengths of the rows as ``sequence_lens``.

This input has the effect of Keras's mask, also in the backward direction, except that the output at a padded position
is zero and not the previous output.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from training.model.cells import CELL_STATES
from training.model.config import CellKind
from training.model.layers import to_numpy

Weights = dict[str, NDArray[np.float32]]


class LayerCut:
    """Names of the tensors where a recurrent layer was cut out of the graph.

    Attributes:
        cell: Kind of the cell.
        cells: Keras's cells, forward first.
        name: Prefix of the names.
        inputs: What the layer reads, ``[rows, source, features]``.
        outputs: What the layer returns, ``[rows, source, memory]``.
        last: The last states of each direction, ``[rows, units]`` each.
    """

    def __init__(self, index: int, layer: Any, cell: CellKind) -> None:
        self.cell = cell
        self.cells = [layer.forward_layer.cell, layer.backward_layer.cell] if _both_ways(layer) else [layer.cell]
        self.name = f"recurrent_{index}"
        self.inputs, self.outputs = f"{self.name}_inputs", f"{self.name}_outputs"
        self.last = [f"{self.name}_{state}_{way}" for way in range(len(self.cells)) for state in CELL_STATES[cell]]


def _both_ways(layer: Any) -> bool:
    return hasattr(layer, "forward_layer")


def insert_layer(model: onnx.ModelProto, cut: LayerCut, lengths: str) -> None:
    """Inserts ONNX's node where the layer was cut out. The nodes must be sorted afterwards."""
    graph, name = model.graph, cut.name
    for values, gone in ((graph.input, {cut.outputs, *cut.last}), (graph.output, {cut.inputs})):
        for value in [value for value in values if value.name in gone]:
            values.remove(value)
    weights = [_WEIGHTS[cut.cell](cell) for cell in cut.cells]
    units = int(cut.cells[0].units)
    for key in weights[0]:
        stacked = np.stack([one[key] for one in weights]).astype(np.float32)
        graph.initializer.append(numpy_helper.from_array(stacked, f"{name}_{key}"))
    graph.initializer.append(numpy_helper.from_array(np.array([0, 0, -1], np.int64), f"{name}_joined"))
    last = [f"{name}_last_{state}" for state in CELL_STATES[cut.cell]]
    inputs = [f"{name}_by_time", f"{name}_W", f"{name}_R", f"{name}_B", lengths]
    if "P" in weights[0]:
        inputs += ["", "", f"{name}_P"]
    direction = "bidirectional" if len(cut.cells) == 2 else "forward"
    operator = "GRU" if cut.cell == "gru" else "LSTM"
    node = helper.make_node(operator, inputs, [f"{name}_by_way", *last], name, hidden_size=units, direction=direction)
    node.attribute.extend(helper.make_attribute(key, value) for key, value in _ATTRIBUTES[cut.cell].items())
    graph.node.extend(
        [
            helper.make_node("Transpose", [cut.inputs], [f"{name}_by_time"], perm=[1, 0, 2]),
            node,
            # [source, ways, rows, units] -> [rows, source, ways * units]
            helper.make_node("Transpose", [f"{name}_by_way"], [f"{name}_by_row"], perm=[2, 0, 1, 3]),
            helper.make_node("Reshape", [f"{name}_by_row", f"{name}_joined"], [cut.outputs]),
            *_last_states(graph, cut, last),
        ]
    )


def _last_states(graph: onnx.GraphProto, cut: LayerCut, last: Sequence[str]) -> list[onnx.NodeProto]:
    """Returns nodes that split each state ``[directions, rows, units]`` into ``[rows, units]`` per direction."""
    nodes = []
    for way in range(len(cut.cells)):
        index = f"{cut.name}_way_{way}"
        graph.initializer.append(numpy_helper.from_array(np.array(way, np.int64), index))
        for number, state in enumerate(last):
            nodes.append(helper.make_node("Gather", [state, index], [cut.last[way * len(last) + number]], axis=0))
    return nodes


def _gates(array: Any, count: int, order: Sequence[int]) -> NDArray[np.float32]:
    """Reorders and transposes gates: ``[..., gates * units]`` in Keras's order -> ``[gates * units, ...]`` in ONNX's.

    Args:
        array: A kernel or bias of a cell.
        count: Number of gates.
        order: Index in Keras's order of each gate in ONNX's order.
    """
    parts = np.split(to_numpy(array).astype(np.float32), count, axis=-1)
    return np.concatenate([parts[index] for index in order], axis=-1).T


def _lstm(cell: Any) -> Weights:
    """Converts an LSTM cell. Keras's order is i, f, g, o; ONNX's is i, o, f, g."""
    order = (0, 3, 1, 2)
    bias = _gates(cell.bias, 4, order)
    return {
        "W": _gates(cell.kernel, 4, order),
        "R": _gates(cell.recurrent_kernel, 4, order),
        "B": np.concatenate([bias, np.zeros_like(bias)]),
    }


def _peephole(cell: Any) -> Weights:
    """Converts a ``PeepholeCell``. Its peepholes are in the order i, f, o; ONNX's order is i, o, f."""
    return {**_lstm(cell), "P": to_numpy(cell.peephole)[[0, 2, 1]].reshape(-1)}


def _coupled(cell: Any) -> Weights:
    """Converts a ``CoupledCell``. Its order is i, g, o; ONNX's is i, o, f, g, where f is not read."""
    order = (0, 2, 0, 1)
    bias = _gates(cell.bias, 3, order)
    return {
        "W": _gates(cell.kernel, 3, order),
        "R": _gates(cell.recurrent_kernel, 3, order),
        "B": np.concatenate([bias, np.zeros_like(bias)]),
    }


def _gru(cell: Any) -> Weights:
    """Converts a GRU cell. The order of both is z, r, h.

    Keras's ``reset_after`` is ONNX's ``linear_before_reset``; both have two biases.
    """
    order = (0, 1, 2)
    bias = to_numpy(cell.bias)
    return {
        "W": _gates(cell.kernel, 3, order),
        "R": _gates(cell.recurrent_kernel, 3, order),
        "B": np.concatenate([bias[0], bias[1]]),
    }


_WEIGHTS = {"lstm": _lstm, "gru": _gru, "peephole": _peephole, "coupled": _coupled}
_ATTRIBUTES: dict[CellKind, dict[str, int]] = {
    "lstm": {},
    "gru": {"linear_before_reset": 1},
    "peephole": {},
    "coupled": {"input_forget": 1},
}
