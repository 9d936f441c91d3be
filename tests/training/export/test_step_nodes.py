"""Rewrites of the decoder step: the same numbers from fewer nodes."""

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from training.export.onnx_edit import copy_model
from training.export.step_nodes import fuse_lstm_cells, fuse_transposed_products

UNITS, INPUTS = 5, 3
WIDTHS = {"x": INPUTS, "h": UNITS, "c": UNITS}
GATES = ("input", "forget", "candidate", "output")
KINDS = ("Sigmoid", "Sigmoid", "Tanh", "Sigmoid")


def constant(name: str, *shape: int) -> onnx.TensorProto:
    seed = sum(map(ord, name))
    return numpy_helper.from_array(np.random.default_rng(seed).normal(0, 1, shape).astype(np.float32), name)


def graph_of(
    nodes: list[onnx.NodeProto], constants: list[onnx.TensorProto], outputs: tuple[str, ...]
) -> onnx.ModelProto:
    graph = helper.make_graph(
        nodes,
        "step",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["rows", width]) for name, width in WIDTHS.items()],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["rows", "columns"]) for name in outputs],
        constants,
    )
    model: onnx.ModelProto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    return model


def cell(kinds: tuple[str, ...] = KINDS, inputs: str = "x") -> onnx.ModelProto:
    """An LSTM cell as Keras computes it."""
    nodes = [
        helper.make_node("MatMul", [inputs, "kernel"], ["entering"]),
        helper.make_node("MatMul", ["h", "recurrent"], ["returning"]),
        helper.make_node("Add", ["entering", "returning"], ["both"]),
        helper.make_node("Add", ["both", "bias"], ["total"]),
        helper.make_node("Split", ["total"], [f"{gate}:0" for gate in GATES], axis=1, num_outputs=4),
        *[helper.make_node(kind, [f"{gate}:0"], [gate]) for gate, kind in zip(GATES, kinds, strict=True)],
        helper.make_node("Mul", ["forget", "c"], ["kept"]),
        helper.make_node("Mul", ["input", "candidate"], ["added"]),
        helper.make_node("Add", ["kept", "added"], ["next_c"]),
        helper.make_node("Tanh", ["next_c"], ["shown"]),
        helper.make_node("Mul", ["output", "shown"], ["next_h"]),
    ]
    width = INPUTS if inputs == "x" else INPUTS + UNITS
    if inputs != "x":
        nodes.insert(0, helper.make_node("Concat", ["x", "c"], [inputs], axis=1))
    constants = [
        constant("kernel", width, 4 * UNITS),
        constant("recurrent", UNITS, 4 * UNITS),
        constant("bias", 4 * UNITS),
    ]
    return graph_of(nodes, constants, ("next_c", "next_h"))


def run(model: onnx.ModelProto) -> list[NDArray[np.float32]]:
    random = np.random.default_rng(1)
    feed = {
        name: random.normal(0, 1, (4, width)).astype(np.float32)
        for name, width in (("x", INPUTS), ("h", UNITS), ("c", UNITS))
    }
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    given = {value.name for value in session.get_inputs()}
    return [np.asarray(found) for found in session.run(None, {k: v for k, v in feed.items() if k in given})]


@pytest.mark.parametrize("inputs", ["x", "joined"])
def test_a_cell_has_one_product_and_one_sigmoid(inputs: str) -> None:
    before = cell(inputs=inputs)
    after = copy_model(before)
    fuse_lstm_cells(after)
    kinds = [node.op_type for node in after.graph.node]
    assert (kinds.count("MatMul"), kinds.count("Sigmoid"), kinds.count("Concat")) == (1, 1, 1)
    onnx.checker.check_model(after)
    for found, expected in zip(run(after), run(before), strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-6)


def test_what_is_no_such_cell_stays() -> None:
    other = cell(("Sigmoid", "Sigmoid", "Relu", "Sigmoid"))
    before = copy_model(other)
    fuse_lstm_cells(other)
    assert [node.op_type for node in other.graph.node] == [node.op_type for node in before.graph.node]


def test_a_transposed_factor_is_read_transposed() -> None:
    nodes = [
        helper.make_node("Transpose", ["h"], ["turned"], perm=[1, 0]),
        helper.make_node("MatMul", ["c", "turned"], ["y"]),
    ]
    before = graph_of(nodes, [], ("y",))
    after = copy_model(before)
    fuse_transposed_products(after)
    assert [node.op_type for node in after.graph.node] == ["FusedMatMul"]
    np.testing.assert_allclose(run(after)[0], run(before)[0], atol=1e-6)


def test_another_order_of_axes_stays() -> None:
    nodes = [
        helper.make_node("Transpose", ["h"], ["same"], perm=[0, 1]),
        helper.make_node("MatMul", ["x", "same"], ["y"]),
    ]
    model = graph_of(nodes, [], ("y",))
    fuse_transposed_products(model)
    assert [node.op_type for node in model.graph.node] == ["Transpose", "MatMul"]
