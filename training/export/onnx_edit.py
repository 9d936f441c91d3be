"""Parts of ONNX graphs that conversion and quantisation share: constants, dead nodes, order, biases, signatures."""

from collections import Counter
from collections.abc import Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from typing import Any, Final

import numpy as np
import onnx
from onnx import helper, numpy_helper

from app.bundle.signature import GraphSignature, TensorSpec
from training.errors import ParityError

MICROSOFT_DOMAIN: Final = "com.microsoft"
# Products that can add a bias themselves: the number of their inputs without one. An empty input (the zero point of the
# weights) and the bias follow.
INPUTS_WITHOUT_BIAS: Final[Mapping[str, int]] = {"MatMulIntegerToFloat": 5, "DynamicQuantizeMatMul": 3}


def copy_model(model: onnx.ModelProto) -> onnx.ModelProto:
    """Returns a deep copy of a graph."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    return copy


def use_microsoft_domain(model: onnx.ModelProto) -> None:
    """Lets the graph use onnxruntime's own operators."""
    if not any(entry.domain == MICROSOFT_DOMAIN for entry in model.opset_import):
        model.opset_import.append(helper.make_opsetid(MICROSOFT_DOMAIN, 1))


def add_constant(model: onnx.ModelProto, name: str, value: Any) -> None:
    """Adds a constant, unless the graph has one of this name."""
    if not any(tensor.name == name for tensor in model.graph.initializer):
        model.graph.initializer.append(numpy_helper.from_array(np.asarray(value), name))


def drop_unread(model: onnx.ModelProto) -> None:
    """Removes nodes and constants whose results nothing reads."""
    graph = model.graph
    outputs = {value.name for value in graph.output}
    while True:
        read = {name for node in graph.node for name in node.input} | outputs
        dead = [node for node in graph.node if not any(name in read for name in node.output)]
        for node in dead:
            graph.node.remove(node)
        if not dead:
            break
    for tensor in [tensor for tensor in graph.initializer if tensor.name not in read]:
        graph.initializer.remove(tensor)


def sort_nodes(model: onnx.ModelProto) -> None:
    """Puts the nodes into an order in which they can be computed.

    Raises:
        ParityError: Nodes wait for each other; the message names some.
    """
    graph = model.graph
    nodes = list(graph.node)
    makers = {name: index for index, node in enumerate(nodes) for name in node.output}
    before = {index: [makers[name] for name in node.input if name in makers] for index, node in enumerate(nodes)}
    try:
        order = list(TopologicalSorter(before).static_order())
    except CycleError as error:
        names = [nodes[index].name for index in error.args[1][:5]]
        raise ParityError(f"the graph cannot be ordered: {names} wait for each other") from None
    del graph.node[:]
    graph.node.extend(nodes[index] for index in order)


def absorb_biases(model: onnx.ModelProto, operator: str) -> None:
    """Lets the products of one operator add their biases themselves, which saves a pass over their outputs.

    A bias added to the sum of two products, as in an LSTM, goes to the first of them. A product whose result something
    else reads too keeps its `Add`.

    Args:
        model: The graph; changed in place.
        operator: One of ``INPUTS_WITHOUT_BIAS``.
    """
    graph = model.graph
    biases = {tensor.name for tensor in graph.initializer if len(tensor.dims) == 1}
    readers = Counter(name for node in graph.node for name in node.input)
    readers.update(value.name for value in graph.output)
    makers = {name: node for node in graph.node for name in node.output}
    for node in [node for node in graph.node if node.op_type == "Add"]:
        added = [name for name in node.input if name in biases]
        summed = [makers[name] for name in node.input if name in makers and readers[name] == 1]
        if len(added) != 1 or len(summed) != 1:
            continue
        product = summed[0]
        if product.op_type == "Add":
            parts = [makers[name] for name in product.input if name in makers and readers[name] == 1]
            product = next((part for part in parts if part.op_type == operator), product)
        if product.op_type == operator and len(product.input) == INPUTS_WITHOUT_BIAS[operator]:
            product.input.extend(["", added[0]])
            summed[0].output[0] = node.output[0]
            graph.node.remove(node)


def describe_signature(graph: onnx.ModelProto) -> GraphSignature:
    """Returns the inputs and outputs of a graph as the manifest states them."""

    def specs(values: Sequence[onnx.ValueInfoProto]) -> tuple[TensorSpec, ...]:
        return tuple(
            TensorSpec.model_validate(
                {
                    "name": value.name,
                    "dtype": str(onnx.helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type)),
                    "axes": tuple(axis.dim_param or axis.dim_value for axis in value.type.tensor_type.shape.dim),
                }
            )
            for value in values
        )

    return GraphSignature(inputs=specs(graph.graph.input), outputs=specs(graph.graph.output))
