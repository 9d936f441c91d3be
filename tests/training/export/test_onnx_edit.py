"""Edits of graphs: order, dead nodes, biases that products absorb."""

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from training.errors import ParityError
from training.export.onnx_edit import (
    MICROSOFT_DOMAIN,
    absorb_biases,
    add_constant,
    copy_model,
    drop_unread,
    sort_nodes,
    use_microsoft_domain,
)


def model_of(nodes: list[onnx.NodeProto], outputs: tuple[str, ...] = ("y",)) -> onnx.ModelProto:
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["rows", 4])]
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs]
    model: onnx.ModelProto = helper.make_model(
        helper.make_graph(nodes, "graph", inputs, values), opset_imports=[helper.make_opsetid("", 18)], ir_version=9
    )
    return model


def run(model: onnx.ModelProto) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    result = session.run(None, {"x": np.arange(8, dtype=np.float32).reshape(2, 4) / 8})[0]
    assert isinstance(result, np.ndarray)
    return result


def test_nodes_are_sorted() -> None:
    nodes = [helper.make_node("Neg", ["b"], ["y"]), helper.make_node("Exp", ["a"], ["b"])]
    nodes.append(helper.make_node("Abs", ["x"], ["a"]))
    model = model_of(nodes)
    sort_nodes(model)
    assert [node.op_type for node in model.graph.node] == ["Abs", "Exp", "Neg"]
    assert run(model).shape == (2, 4)


def test_a_cycle_is_named() -> None:
    nodes = [helper.make_node("Neg", ["b"], ["y"], name="first"), helper.make_node("Exp", ["y"], ["b"], name="second")]
    with pytest.raises(ParityError, match=r"cannot be ordered: .*(first|second).* wait for each other"):
        sort_nodes(model_of(nodes))


def test_unread_nodes_are_dropped() -> None:
    nodes = [helper.make_node("Abs", ["x"], ["y"]), helper.make_node("Mul", ["x", "two"], ["z"])]
    nodes.append(helper.make_node("Neg", ["z"], ["unread"]))
    model = model_of(nodes)
    add_constant(model, "two", np.float32(2))
    drop_unread(model)
    assert [node.op_type for node in model.graph.node] == ["Abs"]
    assert not model.graph.initializer


@pytest.mark.parametrize("is_read_elsewhere", [False, True])
def test_a_product_absorbs_its_bias_unless_its_result_is_read_elsewhere(is_read_elsewhere: bool) -> None:
    product = helper.make_node("DynamicQuantizeMatMul", ["x", "w", "s"], ["p"], domain=MICROSOFT_DOMAIN)
    nodes = [product, helper.make_node("Add", ["p", "bias"], ["y"])]
    model = model_of(nodes, ("y", "p") if is_read_elsewhere else ("y",))
    use_microsoft_domain(model)
    add_constant(model, "w", np.arange(-6, 6, dtype=np.int8).reshape(4, 3))
    add_constant(model, "s", np.full(3, 0.1, np.float32))
    add_constant(model, "bias", np.array([1, 2, 3], np.float32))
    edited = copy_model(model)
    absorb_biases(edited, "DynamicQuantizeMatMul")
    assert len(edited.graph.node) == (2 if is_read_elsewhere else 1)
    np.testing.assert_allclose(run(edited), run(model), rtol=1e-6)
    assert numpy_helper.to_array(model.graph.initializer[2]).tolist() == [1, 2, 3]
