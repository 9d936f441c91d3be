"""The encoder in int8, for one row per call.

onnxruntime's quantised LSTM node computes the scale of its inputs and, at every time step, of its state from all rows
of the call, so rows and padding change each other. With one row without padding the scales are that row's own, and its
result does not depend on other rows. The manifest requires this (``encoder_rows``), and ``app.engine.sessions`` calls
the graph accordingly.
"""

import numpy as np
import onnx
from onnx import helper, numpy_helper

from training.export.onnx_edit import (
    MICROSOFT_DOMAIN,
    absorb_biases,
    add_constant,
    copy_model,
    drop_unread,
    use_microsoft_domain,
)
from training.export.quantize import (
    LARGEST_PRODUCT_WEIGHT,
    large_weights,
    restore_at_load,
    stored_symmetric,
    symmetric,
)

QUANTIZED_LSTM = "DynamicQuantizeLSTM"
QUANTIZED_PRODUCT = "DynamicQuantizeMatMul"
RECURRENT = ("LSTM", "GRU")
# The first inputs of the LSTM node and of the quantised one are the same: X, W, R, B, lengths, first states, peepholes.
LSTM_INPUTS = 8


def can_take_rows(model: onnx.ModelProto) -> bool:
    """Whether onnxruntime has a quantised node for every recurrent layer. It has none for a GRU."""
    kinds = {node.op_type for node in model.graph.node if node.op_type in RECURRENT}
    return kinds == {"LSTM"}


def quantize_for_rows(model: onnx.ModelProto) -> onnx.ModelProto:
    """Replaces every LSTM and every product with a constant matrix by an int8 node that computes its own scales.

    Other large weights are stored in int8 and restored at load. Weights of products stay within ±64, so that every CPU
    gives the same result (``training.export.quantize``).
    """
    quantized = copy_model(model)
    graph = quantized.graph
    weights = {tensor.name: tensor for tensor in large_weights(quantized)}
    for index, node in enumerate(list(graph.node)):
        if node.op_type == "LSTM":
            graph.node[index].CopyFrom(_quantized_lstm(quantized, node))
        elif node.op_type == "MatMul" and node.input[1] in weights:
            graph.node[index].CopyFrom(_quantized_product(quantized, node, weights[node.input[1]]))
    absorb_biases(quantized, QUANTIZED_PRODUCT)
    drop_unread(quantized)
    # The LSTM node reads biases and peepholes in float32.
    read = {name for node in graph.node if node.op_type == QUANTIZED_LSTM for name in node.input}
    for tensor in large_weights(quantized):
        if tensor.name not in read:
            restore_at_load(quantized, tensor, *stored_symmetric(quantized, tensor))
    use_microsoft_domain(quantized)
    return quantized


def _quantized_lstm(model: onnx.ModelProto, node: onnx.NodeProto) -> onnx.NodeProto:
    """Returns the int8 node of an LSTM.

    ``W`` and ``R`` of ``[directions, gates, inputs]`` in float32 become ``[directions, inputs, gates]`` in int8, with
    a scale for each gate unit.
    """
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    inputs = [*node.input, *[""] * (LSTM_INPUTS - len(node.input))]
    scales = []
    for slot in (1, 2):
        name = node.input[slot]
        integers, scale = symmetric(constants[name], -1, LARGEST_PRODUCT_WEIGHT)
        inputs[slot] = f"{name}_int8"
        add_constant(model, f"{name}_int8", np.ascontiguousarray(integers.transpose(0, 2, 1)))
        add_constant(model, f"{name}_scale", scale[:, :, 0])
        add_constant(model, f"{name}_zero_point", np.zeros(scale.shape[:2], np.int8))
        scales += [f"{name}_scale", f"{name}_zero_point"]
    made = helper.make_node(QUANTIZED_LSTM, [*inputs, *scales], list(node.output), node.name, domain=MICROSOFT_DOMAIN)
    made.attribute.extend(node.attribute)
    return made


def _quantized_product(model: onnx.ModelProto, node: onnx.NodeProto, tensor: onnx.TensorProto) -> onnx.NodeProto:
    integers, scale = symmetric(numpy_helper.to_array(tensor), 0, LARGEST_PRODUCT_WEIGHT)
    add_constant(model, f"{tensor.name}_int8", integers)
    add_constant(model, f"{tensor.name}_scale", scale.reshape(-1))
    return helper.make_node(
        QUANTIZED_PRODUCT,
        [node.input[0], f"{tensor.name}_int8", f"{tensor.name}_scale"],
        list(node.output),
        node.name,
        domain=MICROSOFT_DOMAIN,
    )
