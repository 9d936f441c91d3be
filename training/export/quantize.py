"""float32 graphs -> int8, such that a row's result never depends on the rows beside it.

Dynamic quantisation takes one activation scale for the whole batch, so rows change each other. Here every scale is a
constant fixed at export: an LSTM's outputs and the attention over them lie within ±1, and the rest is measured on real
sentences. Weights get one scale a channel.

- The decoder step computes in int8: a matrix product becomes ``QuantizeLinear`` (constants) and onnxruntime's
  ``MatMulIntegerToFloat``.
- The encoder computes in int8 one row a call where onnxruntime has a quantised node (``training.export.row_encoder``).
  Otherwise it keeps its weights in int8 and computes in float32; they are restored once, when the session is made.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from training.export.onnx_edit import (
    MICROSOFT_DOMAIN,
    absorb_biases,
    add_constant,
    copy_model,
    drop_unread,
    use_microsoft_domain,
)

Array = NDArray[Any]
Feeds = Iterable[Mapping[str, Array]]

INTEGER_PRODUCT = "MatMulIntegerToFloat"
ZERO_POINT = 128
# Without VNNI, x86 adds two products of unsigned activation and signed weight in 16 bits, saturating. With weights up
# to 64 no sum can: 2 * 255 * 64 = 32,640 < 32,767. So every machine gives the same result, for a bit less precision.
LARGEST_PRODUCT_WEIGHT = 64
LARGEST_STORED_WEIGHT = 127
# Small tensors (biases, axes, shapes) gain nothing.
SMALLEST_WEIGHT = 2048


def quantize_weights_only(model: onnx.ModelProto) -> onnx.ModelProto:
    """Store every large weight as int8 with one float scale for each of its rows (last axis but one kept whole)."""
    quantized = copy_model(model)
    for tensor in large_weights(quantized):
        restore_at_load(quantized, tensor, *stored_symmetric(quantized, tensor))
    return quantized


def quantize_products(model: onnx.ModelProto, feeds: Feeds) -> onnx.ModelProto:
    """Turn the products with a constant matrix into int8 products with constant scales; ``feeds`` are real inputs of
    the graph, run in float32 to see how far its activations reach."""
    quantized = copy_model(model)
    graph = quantized.graph
    weights = {tensor.name: tensor for tensor in large_weights(quantized)}
    products = [node for node in graph.node if node.op_type == "MatMul" and node.input[1] in weights]
    ranges = _activation_ranges(model, sorted({node.input[0] for node in products}), feeds)
    shared = _TiedTable(quantized, weights)
    done: dict[str, tuple[str, str]] = {}
    nodes: list[onnx.NodeProto] = []
    for node in graph.node:
        if node in products:
            if node.input[0] not in done:
                done[node.input[0]] = _quantize_activation(quantized, nodes, node.input[0], ranges[node.input[0]])
            nodes.append(_integer_product(quantized, weights[node.input[1]], node, done[node.input[0]], shared))
        elif node.op_type == "Gather" and node.input[0] in weights:
            nodes.extend(shared.gather(node))
        else:
            nodes.append(node)
    nodes[:0] = shared.first_nodes
    del graph.node[:]
    graph.node.extend(nodes)
    absorb_biases(quantized, INTEGER_PRODUCT)
    drop_unread(quantized)
    use_microsoft_domain(quantized)
    return quantized


class _TiedTable:
    """The embedding as int8, once in the file: gathered by rows, and transposed (at load) for the output product."""

    def __init__(self, model: onnx.ModelProto, weights: Mapping[str, onnx.TensorProto]) -> None:
        self._graph = model.graph
        self.first_nodes: list[onnx.NodeProto] = []
        gathers = [node for node in model.graph.node if node.op_type == "Gather" and node.input[0] in weights]
        self.name = gathers[0].input[0] if gathers else None
        self._table = numpy_helper.to_array(weights[self.name]) if self.name else None
        if self._table is not None:
            self._integers, self._scale = symmetric(self._table, -1, LARGEST_PRODUCT_WEIGHT)
            add_constant(model, "embedding_int8", self._integers)
            add_constant(model, "embedding_scale", self._scale)

    def gather(self, node: onnx.NodeProto) -> list[onnx.NodeProto]:
        base = node.output[0]
        return [
            helper.make_node("Gather", ["embedding_int8", node.input[1]], [f"{base}_int8"], axis=0),
            helper.make_node("Gather", ["embedding_scale", node.input[1]], [f"{base}_scale"], axis=0),
            helper.make_node("Cast", [f"{base}_int8"], [f"{base}_cast"], to=onnx.TensorProto.FLOAT),
            helper.make_node("Mul", [f"{base}_cast", f"{base}_scale"], [base]),
        ]

    def as_output_weight(self, weight: Array) -> tuple[str, str] | None:
        """Names of the int8 weight and its scales if ``weight`` is this very table, transposed."""
        if self._table is None or weight.shape != self._table.T.shape or not np.array_equal(weight, self._table.T):
            return None
        self.first_nodes = [
            helper.make_node("Transpose", ["embedding_int8"], ["embedding_int8_transposed"], perm=[1, 0]),
            helper.make_node("Flatten", ["embedding_scale"], ["embedding_scale_row"], axis=0),
            helper.make_node("Squeeze", ["embedding_scale_row", "first_axis"], ["embedding_scale_flat"]),
        ]
        if not any(tensor.name == "first_axis" for tensor in self._graph.initializer):
            self._graph.initializer.append(numpy_helper.from_array(np.array([0], np.int64), "first_axis"))
        return "embedding_int8_transposed", "embedding_scale_flat"


def _integer_product(
    model: onnx.ModelProto,
    tensor: onnx.TensorProto,
    node: onnx.NodeProto,
    activation: tuple[str, str],
    shared: _TiedTable,
) -> onnx.NodeProto:
    weight = numpy_helper.to_array(tensor)
    names = shared.as_output_weight(weight)
    if names is None:
        integers, scale = symmetric(weight, 0, LARGEST_PRODUCT_WEIGHT)
        names = (f"{tensor.name}_int8", f"{tensor.name}_scale")
        add_constant(model, names[0], integers)
        add_constant(model, names[1], scale.reshape(-1))
    return helper.make_node(
        INTEGER_PRODUCT,
        [activation[0], names[0], activation[1], names[1], "activation_zero_point"],
        [node.output[0]],
        domain=MICROSOFT_DOMAIN,
    )


def _quantize_activation(
    model: onnx.ModelProto, nodes: list[onnx.NodeProto], name: str, reach: float
) -> tuple[str, str]:
    """Append the node that quantises one activation; its output's name and its scale's name."""
    scale_name, output = f"{name}_activation_scale", f"{name}_activation_uint8"
    add_constant(model, scale_name, np.float32(reach / 127.0))
    add_constant(model, "activation_zero_point", np.uint8(ZERO_POINT))
    nodes.append(helper.make_node("QuantizeLinear", [name, scale_name, "activation_zero_point"], [output]))
    return output, scale_name


def _activation_ranges(model: onnx.ModelProto, names: list[str], feeds: Feeds) -> dict[str, float]:
    """The largest absolute value of each tensor over all feeds."""
    if not names:  # a model so small that no weight is worth it
        return {}
    probe = copy_model(model)
    del probe.graph.output[:]
    probe.graph.output.extend(helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in names)
    session = onnxruntime.InferenceSession(probe.SerializeToString(), providers=["CPUExecutionProvider"])
    given = {value.name for value in session.get_inputs()}
    reach = dict.fromkeys(names, 1e-6)
    for feed in feeds:
        for name, value in zip(names, session.run(names, {k: v for k, v in feed.items() if k in given}), strict=True):
            reach[name] = max(reach[name], float(np.abs(value).max()))
    return reach


def symmetric(weight: Array, reduced_axis: int, largest: int) -> tuple[Array, Array]:
    """Weights within ±``largest`` and their float32 scales, with ``reduced_axis`` kept as an axis of one."""
    scale = np.maximum(np.abs(weight).max(axis=reduced_axis, keepdims=True), 1e-12) / largest
    return np.clip(np.rint(weight / scale), -largest, largest).astype(np.int8), scale.astype(np.float32)


def stored_symmetric(model: onnx.ModelProto, tensor: onnx.TensorProto) -> tuple[Array, Array]:
    """A weight that is only stored in int8, and its scales."""
    weight = numpy_helper.to_array(tensor)
    # An LSTM's weights are [directions, gates, inputs]: one scale for each gate unit. Others: one a column.
    axis = -1 if weight.ndim == 3 or _is_table(model, tensor.name) else 0
    return symmetric(weight, axis, LARGEST_STORED_WEIGHT)


def restore_at_load(model: onnx.ModelProto, tensor: onnx.TensorProto, integers: Array, scale: Array) -> None:
    """Replace a weight by int8, Cast and Mul: constants all, so onnxruntime computes them once and for all."""
    name = tensor.name
    model.graph.initializer.remove(tensor)
    add_constant(model, f"{name}_int8", integers)
    add_constant(model, f"{name}_scale", scale)
    restore = [
        helper.make_node("Cast", [f"{name}_int8"], [f"{name}_cast"], to=onnx.TensorProto.FLOAT),
        helper.make_node("Mul", [f"{name}_cast", f"{name}_scale"], [name]),
    ]
    for node in reversed(restore):
        model.graph.node.insert(0, node)


def _is_table(model: onnx.ModelProto, name: str) -> bool:
    return any(node.op_type == "Gather" and node.input[0] == name for node in model.graph.node)


def large_weights(model: onnx.ModelProto) -> list[onnx.TensorProto]:
    return [
        tensor
        for tensor in model.graph.initializer
        if tensor.data_type == onnx.TensorProto.FLOAT
        and len(tensor.dims) >= 2
        and np.prod(tensor.dims) >= SMALLEST_WEIGHT
    ]
