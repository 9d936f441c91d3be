"""Quantisation of float32 graphs to int8 such that a row's result does not depend on the other rows.

Dynamic quantisation uses one activation scale for the whole batch, so the rows change each other. Here every scale is
a constant that is fixed at export: activations are measured on real sentences, and weights have one scale per channel.

- The decoder step computes in int8: a matrix product becomes ``QuantizeLinear`` (constants) and onnxruntime's
  ``MatMulIntegerToFloat``.
- The encoder computes in int8, one row per call, if onnxruntime has a quantised node for its layers
  (``training.export.row_encoder``). Otherwise its weights are stored in int8 and it computes in float32; the weights
  are restored once, when the session is created.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import groupby
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
# Without VNNI, x86 adds two products of unsigned activation and signed weight in 16 bits with saturation. With weights
# up to 64 no sum saturates: 2 * 255 * 64 = 32,640 < 32,767. So every machine gives the same result, at slightly less
# precision.
LARGEST_PRODUCT_WEIGHT = 64
LARGEST_STORED_WEIGHT = 127
# Elements; smaller tensors (biases, axes, shapes) are not quantised.
SMALLEST_WEIGHT = 2048


def quantize_weights_only(model: onnx.ModelProto) -> onnx.ModelProto:
    """Stores every large weight as int8 with float scales (``stored_symmetric``) and restores it at load."""
    quantized = copy_model(model)
    for tensor in large_weights(quantized):
        restore_at_load(quantized, tensor, *stored_symmetric(quantized, tensor))
    return quantized


def quantize_products(model: onnx.ModelProto, feeds: Feeds) -> onnx.ModelProto:
    """Replaces the products with a constant matrix by int8 products with constant scales.

    Args:
        model: The float32 graph.
        feeds: Real inputs of the graph, which is run in float32 to measure the range of its activations.
    """
    quantized = copy_model(model)
    graph = quantized.graph
    weights = {tensor.name: tensor for tensor in large_weights(quantized)}
    products = [node for node in graph.node if node.op_type == "MatMul" and node.input[1] in weights]
    ranges = _activation_ranges(model, sorted({node.input[0] for node in products}), feeds)
    table = _EmbeddingTable(quantized, weights, Counter(node.input[0] for node in products))
    done: dict[str, tuple[str, str]] = {}
    nodes: list[onnx.NodeProto] = []
    for node in graph.node:
        if node in products:
            if node.input[0] not in done:
                done[node.input[0]] = _quantize_activation(
                    quantized, nodes, node.input[0], ranges[node.input[0]], table
                )
            nodes.append(_integer_product(quantized, weights[node.input[1]], node, done[node.input[0]], table))
        elif node.op_type == "Gather" and node.input[0] in weights:
            nodes.extend(table.gather(node))
        else:
            nodes.append(node)
    del graph.node[:]
    graph.node.extend(nodes)
    absorb_biases(quantized, INTEGER_PRODUCT)
    drop_unread(quantized)
    use_microsoft_domain(quantized)
    return quantized


class _EmbeddingTable:
    """The embedding of the decoder step.

    A row that goes into a product is stored as that product reads it, in uint8: its quantisation is the same at every
    step. A row that goes elsewhere is stored in int8 with a scale. The output layer has the table in int8, transposed.
    """

    def __init__(
        self, model: onnx.ModelProto, weights: Mapping[str, onnx.TensorProto], activations: Counter[str]
    ) -> None:
        self._model = model
        gathers = [node for node in model.graph.node if node.op_type == "Gather" and node.input[0] in weights]
        self._table = numpy_helper.to_array(weights[gathers[0].input[0]]) if gathers else None
        read = Counter(name for node in model.graph.node for name in node.input)
        self._gathers = {node.output[0]: node for node in gathers if read[node.output[0]] == 1}
        # Joins that only products read, with the embedding among their parts.
        self._joins = {
            node.output[0]: node
            for node in model.graph.node
            if node.op_type == "Concat"
            and 0 < read[node.output[0]] == activations[node.output[0]]
            and set(node.input) & self._gathers.keys()
        }
        self._direct = {name for node in self._joins.values() for name in node.input} | activations.keys()

    def gather(self, node: onnx.NodeProto) -> list[onnx.NodeProto]:
        """Returns the nodes that replace a ``Gather`` of the float32 table; none if a product gathers it itself."""
        base = node.output[0]
        if base in self._gathers and base in self._direct:
            return []
        assert self._table is not None
        integers, scale = symmetric(self._table, -1, LARGEST_PRODUCT_WEIGHT)
        add_constant(self._model, "embedding_int8", integers)
        add_constant(self._model, "embedding_scale", scale)
        return [
            helper.make_node("Gather", ["embedding_int8", node.input[1]], [f"{base}_int8"], axis=0),
            helper.make_node("Gather", ["embedding_scale", node.input[1]], [f"{base}_scale"], axis=0),
            helper.make_node("Cast", [f"{base}_int8"], [f"{base}_cast"], to=onnx.TensorProto.FLOAT),
            helper.make_node("Mul", [f"{base}_cast", f"{base}_scale"], [base]),
        ]

    def quantize(self, name: str, output: str, scale_name: str, scale: np.float32) -> list[onnx.NodeProto] | None:
        """Returns the nodes that quantise an activation with the embedding in it; None if it has none."""
        if name in self._gathers:
            return [self._gather_quantized(self._gathers[name], output, scale)]
        join = self._joins.get(name)
        if join is None:
            return None
        nodes, parts = list[onnx.NodeProto](), list[str]()
        for is_embedding, group in groupby(join.input, self._gathers.__contains__):
            names = list(group)
            if is_embedding:
                for name in names:
                    parts.append(f"{output}_{len(parts)}")
                    nodes.append(self._gather_quantized(self._gathers[name], parts[-1], scale))
                continue
            parts.append(f"{output}_{len(parts)}")
            given = names[0]
            if len(names) > 1:
                given = f"{parts[-1]}_joined"
                nodes.append(helper.make_node("Concat", names, [given], axis=1))
            nodes.append(helper.make_node("QuantizeLinear", [given, scale_name, "activation_zero_point"], [parts[-1]]))
        return [*nodes, helper.make_node("Concat", parts, [output], axis=1)]

    def as_output_weight(self, weight: Array) -> tuple[str, str] | None:
        """Returns the names of the int8 weight and its scales if ``weight`` is the transposed table, else None."""
        if self._table is None or weight.shape != self._table.T.shape or not np.array_equal(weight, self._table.T):
            return None
        integers, scale = symmetric(self._table, -1, LARGEST_PRODUCT_WEIGHT)
        add_constant(self._model, "embedding_int8_transposed", np.ascontiguousarray(integers.T))
        add_constant(self._model, "embedding_scale_flat", scale.reshape(-1))
        return "embedding_int8_transposed", "embedding_scale_flat"

    def _gather_quantized(self, node: onnx.NodeProto, output: str, scale: np.float32) -> onnx.NodeProto:
        assert self._table is not None
        # As QuantizeLinear does: round half to even, then saturate.
        integers = np.clip(np.rint(self._table / scale) + ZERO_POINT, 0, 255).astype(np.uint8)
        add_constant(self._model, f"{output}_table", integers)
        return helper.make_node("Gather", [f"{output}_table", node.input[1]], [output], axis=0)


def _integer_product(
    model: onnx.ModelProto,
    tensor: onnx.TensorProto,
    node: onnx.NodeProto,
    activation: tuple[str, str],
    shared: _EmbeddingTable,
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
    model: onnx.ModelProto, nodes: list[onnx.NodeProto], name: str, reach: float, table: _EmbeddingTable
) -> tuple[str, str]:
    """Appends the nodes that quantise one activation; returns the names of their output and of its scale."""
    scale_name, output = f"{name}_activation_scale", f"{name}_activation_uint8"
    scale = np.float32(reach / 127.0)
    add_constant(model, scale_name, scale)
    add_constant(model, "activation_zero_point", np.uint8(ZERO_POINT))
    quantized = table.quantize(name, output, scale_name, scale)
    whole = helper.make_node("QuantizeLinear", [name, scale_name, "activation_zero_point"], [output])
    nodes.extend([whole] if quantized is None else quantized)
    return output, scale_name


def _activation_ranges(model: onnx.ModelProto, names: list[str], feeds: Feeds) -> dict[str, float]:
    """Returns the largest absolute value of each tensor over all feeds."""
    if not names:  # a model without large weights
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
    """Quantises a weight symmetrically.

    Args:
        weight: The float32 weight.
        reduced_axis: Axis whose elements share a scale.
        largest: Largest absolute value of the result.

    Returns:
        The int8 weight, and its float32 scales, in which ``reduced_axis`` has length 1.
    """
    scale = np.maximum(np.abs(weight).max(axis=reduced_axis, keepdims=True), 1e-12) / largest
    return np.clip(np.rint(weight / scale), -largest, largest).astype(np.int8), scale.astype(np.float32)


def stored_symmetric(model: onnx.ModelProto, tensor: onnx.TensorProto) -> tuple[Array, Array]:
    """Quantises a weight for storage only; see ``symmetric``."""
    weight = numpy_helper.to_array(tensor)
    # An LSTM's weights [directions, gates, inputs] have one scale per gate unit, an embedding one per row, other
    # weights one per column.
    axis = -1 if weight.ndim == 3 or _is_table(model, tensor.name) else 0
    return symmetric(weight, axis, LARGEST_STORED_WEIGHT)


def restore_at_load(model: onnx.ModelProto, tensor: onnx.TensorProto, integers: Array, scale: Array) -> None:
    """Replaces a weight by int8, ``Cast`` and ``Mul``. All are constants, so onnxruntime computes them once."""
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
    """Returns the float weights with at least two axes and ``SMALLEST_WEIGHT`` elements."""
    return [
        tensor
        for tensor in model.graph.initializer
        if tensor.data_type == onnx.TensorProto.FLOAT
        and len(tensor.dims) >= 2
        and np.prod(tensor.dims) >= SMALLEST_WEIGHT
    ]
