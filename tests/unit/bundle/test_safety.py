"""Graphs of strangers: what no export writes is refused before onnxruntime sees it."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("onnx")

import onnx
import onnxruntime
from onnx import TensorProto, helper

from app.bundle.safety import check_graph_file
from app.engine.sessions import OnnxGraphs
from app.errors import BundleGraphError
from tests.support.onnx_graphs import encoder_content, onnx_bundle

MODELS = Path(__file__).parents[3] / "models"
Change = Callable[[Any], None]


def changed(change: Change) -> bytes:
    model = onnx.ModelProto.FromString(encoder_content())
    change(model)
    content: bytes = model.SerializeToString()
    return content


def outside(tensor: Any) -> None:
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in (("location", "../../../etc/passwd"), ("offset", "0"), ("length", "64")):
        tensor.external_data.add(key=key, value=value)


def external_weight(model: Any) -> None:
    outside(model.graph.initializer[0])


def external_entries_alone(model: Any) -> None:
    model.graph.initializer[0].external_data.add(key="location", value="weights.bin")


def external_constant(model: Any) -> None:
    tensor = helper.make_tensor("hidden", TensorProto.FLOAT, [16], [0.0] * 16)
    outside(tensor)
    model.graph.node.append(helper.make_node("Constant", [], ["hidden"], value=tensor))


def external_in_a_branch(model: Any) -> None:
    tensor = helper.make_tensor("hidden", TensorProto.FLOAT, [16], [0.0] * 16)
    outside(tensor)
    branch = helper.make_graph([], "branch", [], [], initializer=[tensor])
    inner = helper.make_node("If", ["condition"], ["out"], then_branch=branch, else_branch=branch)
    outer = helper.make_graph([inner], "outer", [], [])
    model.graph.node.append(helper.make_node("Loop", [], [], body=outer))


def external_sparse(model: Any) -> None:
    sparse = model.graph.sparse_initializer.add()
    outside(sparse.values)


def strange_domain(model: Any) -> None:
    model.opset_import.append(helper.make_opsetid("evil.example", 1))
    model.graph.node.append(helper.make_node("Harm", ["source_ids"], ["harm"], domain="evil.example"))


def strange_operator_of_microsoft(model: Any) -> None:
    model.graph.node.append(helper.make_node("Tokenizer", ["source_ids"], ["harm"], domain="com.microsoft"))


def known_operator_of_another_domain(model: Any) -> None:
    node = helper.make_node("MatMulIntegerToFloat", ["source_ids"], ["harm"], domain="com.microsoft.nchwc")
    model.graph.node.append(node)


def strange_in_a_branch(model: Any) -> None:
    node = helper.make_node("Harm", ["source_ids"], ["harm"], domain="evil.example")
    branch = helper.make_graph([node], "branch", [], [])
    model.graph.node.append(helper.make_node("If", ["c"], ["out"], then_branch=branch, else_branch=branch))


def a_function(model: Any) -> None:
    node = helper.make_node("Identity", ["a"], ["b"])
    model.functions.append(helper.make_function("own", "F", ["a"], ["b"], [node], [helper.make_opsetid("", 17)]))


def training_information(model: Any) -> None:
    model.training_info.add()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (external_weight, "the tensor embedding lies outside the file"),
        (external_entries_alone, "the tensor embedding lies outside the file"),
        (external_constant, "the tensor hidden lies outside the file"),
        (external_in_a_branch, "the tensor hidden lies outside the file"),
        (external_sparse, "lies outside the file"),
        (strange_domain, r"the operator Harm of evil\.example"),
        (strange_operator_of_microsoft, r"the operator Tokenizer of com\.microsoft"),
        (known_operator_of_another_domain, r"MatMulIntegerToFloat of com\.microsoft\.nchwc"),
        (strange_in_a_branch, r"the operator Harm of evil\.example"),
        (a_function, "has functions"),
        (training_information, "has training_info"),
    ],
)
def test_is_refused_before_it_is_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: Change, said: str
) -> None:
    bundle = onnx_bundle(tmp_path / "en-fr", encoder=changed(change))
    monkeypatch.setattr(onnxruntime, "InferenceSession", pytest.fail)
    with pytest.raises(BundleGraphError, match=said) as caught:
        OnnxGraphs(bundle, provider="cpu")
    assert str(bundle.encoder_path) in str(caught.value)


def test_what_exports_write_is_let_in(tmp_path: Path) -> None:
    for path in MODELS.glob("*/*.onnx"):
        check_graph_file(path.read_bytes(), str(path))
    check_graph_file(encoder_content(encoder_rows="one"), "encoder.onnx")
    OnnxGraphs(onnx_bundle(tmp_path / "en-fr"), provider="cpu")


def test_no_onnx(tmp_path: Path) -> None:
    with pytest.raises(BundleGraphError, match="is no ONNX file"):
        check_graph_file(b"no real encoder", "encoder.onnx")
    nested = b""
    for _ in range(300):  # graph in node in graph, without end
        nested = b"\x32" + _length(nested) + nested  # attribute.g
        nested = b"\x2a" + _length(nested) + nested  # node.attribute
        nested = b"\x0a" + _length(nested) + nested  # graph.node
    with pytest.raises(BundleGraphError, match="is no ONNX file"):
        check_graph_file(b"\x3a" + _length(nested) + nested, "encoder.onnx")


def _length(content: bytes) -> bytes:
    size, written = len(content), bytearray()
    while size > 127:
        written.append(size & 127 | 128)
        size >>= 7
    return bytes((*written, size))


CONTENT = encoder_content()


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(st.integers(0, len(CONTENT) - 1), st.binary(min_size=1, max_size=8)), max_size=6))
def test_damage_is_refused_or_harmless_and_never_a_crash(harms: list[tuple[int, bytes]]) -> None:
    content = bytearray(CONTENT)
    for offset, written in harms:
        content[offset : offset + len(written)] = written
    with suppress(BundleGraphError):
        check_graph_file(bytes(content), "encoder.onnx")
