"""What a graph may be made of, looked at before onnxruntime opens it: nothing outside its file, no strange operators.

The ``onnx`` package is no dependency of serving, but protobuf is (onnxruntime needs it itself), and an ONNX file is a
protobuf message. So protobuf reads it, told of the few fields that matter here; the others it skips. A reader of our
own might see another file than onnxruntime, whose parser is protobuf too: this one cannot.
"""

from collections.abc import Iterator
from functools import cache
from typing import Any, Final

from google.protobuf.message import DecodeError

from app.bundle.messages import Fields, message_class
from app.errors import BundleGraphError

# What exports use beside ONNX's own operators: see training/export/quantize.py and row_encoder.py.
_MICROSOFT: Final = frozenset(("DynamicQuantizeLSTM", "DynamicQuantizeMatMul", "MatMulIntegerToFloat"))
_OPERATORS: Final = {"com.microsoft": _MICROSOFT}
_STANDARD: Final = ("", "ai.onnx")
_EXTERNAL: Final = 1
# The numbers are those of onnx.proto. Names are bytes, so that one that is no UTF-8 is a strange operator and not an
# error of this reader alone.
_FIELDS: Final[Fields] = {
    "Model": {
        "graph": (7, False, "Graph"),
        "training_info": (20, True, "bytes"),
        "functions": (25, True, "bytes"),
    },
    "Graph": {
        "node": (1, True, "Node"),
        "initializer": (5, True, "Tensor"),
        "sparse_initializer": (15, True, "SparseTensor"),
    },
    "Node": {
        "op_type": (4, False, "bytes"),
        "domain": (7, False, "bytes"),
        "attribute": (5, True, "Attribute"),
    },
    "Attribute": {
        "t": (5, False, "Tensor"),
        "g": (6, False, "Graph"),
        "tensors": (10, True, "Tensor"),
        "graphs": (11, True, "Graph"),
        "sparse_tensor": (22, False, "SparseTensor"),
        "sparse_tensors": (23, True, "SparseTensor"),
    },
    "Tensor": {
        "name": (8, False, "bytes"),
        "external_data": (13, True, "bytes"),
        "data_location": (14, False, "int32"),
    },
    "SparseTensor": {"values": (1, False, "Tensor"), "indices": (2, False, "Tensor")},
}


def check_graph_file(content: bytes, name: str) -> None:
    """Refuse a graph that no export makes and that may harm.

    :param name: of the file, for the message.
    :raises BundleGraphError: it is no ONNX file, keeps data outside of it, or has operators of strangers, functions or
        training information.
    """
    try:
        model = _model_class().FromString(content)
    except DecodeError as error:
        raise BundleGraphError(f"{name}: is no ONNX file: {error}") from None
    for field in ("functions", "training_info"):
        if len(getattr(model, field)):
            raise BundleGraphError(f"{name}: has {field}, which no export writes")
    for graph in _graphs(model.graph):
        for tensor in _tensors(graph):
            if tensor.data_location == _EXTERNAL or tensor.external_data:
                raise BundleGraphError(f"{name}: the tensor {_shown(tensor.name)} lies outside the file")
        for node in graph.node:
            _check_operator(node, name)


def _check_operator(node: Any, name: str) -> None:
    domain, kind = _shown(node.domain), _shown(node.op_type)
    if domain not in _STANDARD and kind not in _OPERATORS.get(domain, ()):
        raise BundleGraphError(f"{name}: the operator {kind} of {domain} is none that exports use")


def _graphs(graph: Any) -> Iterator[Any]:
    """The graph, and all those in the attributes of its nodes; protobuf has bounded their depth."""
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            for inner in (*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs):
                yield from _graphs(inner)


def _tensors(graph: Any) -> Iterator[Any]:
    yield from graph.initializer
    for sparse in graph.sparse_initializer:
        yield from (sparse.values, sparse.indices)
    for node in graph.node:
        for attribute in node.attribute:
            yield from (attribute.t, *attribute.tensors)
            for sparse in (attribute.sparse_tensor, *attribute.sparse_tensors):
                yield from (sparse.values, sparse.indices)


def _shown(name: bytes) -> str:
    return name[:80].decode("utf-8", "replace")


@cache
def _model_class() -> Any:
    return message_class("graph_file", _FIELDS, "Model")
