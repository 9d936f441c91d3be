"""Checks of a bundle's files before anything opens them.

A file lies in the bundle's folder and has the size and checksum that the manifest states. Graph and tokenizer files are
parsed with protobuf, before onnxruntime and SentencePiece open them: a graph may keep nothing outside its file and have
only operators that exports use; a SentencePiece model may have only UTF-8 pieces and the published rules for
characters. onnxruntime and SentencePiece parse with protobuf too, so a reader of our own could see another file than
they do; this one cannot. protobuf bounds the depth of nested messages.
"""

import hashlib
import math
from collections.abc import Collection, Iterator, Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

import numpy as np
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError
from numpy.typing import NDArray
from sentencepiece import sentencepiece_model_pb2

from app.bundle.character_rules import check_character_rules
from app.bundle.manifest import FileEntry
from app.errors import BundleFileError, BundleFormatError, BundleGraphError

# What exports use beside ONNX's own operators: see quantize.py and row_encoder.py in training/export, and
# training/convert/graph_builder.py.
_MICROSOFT: Final = frozenset(
    (
        *("DynamicQuantizeLSTM", "DynamicQuantizeMatMul", "MatMulIntegerToFloat"),
        *("FusedMatMul", "SkipLayerNormalization"),
    )
)
_OPERATORS: Final = {"com.microsoft": _MICROSOFT}
_STANDARD: Final = ("", "ai.onnx")
_EXTERNAL: Final = 1
# The types of constants that are read, by their numbers in onnx.proto.
_READABLE: Final = {1: "<f4", 2: "u1", 3: "i1"}
# The fields that are read of each message: number, whether it is repeated, and type. protobuf skips the others. The
# ``onnx`` package, which has the whole schema, is no dependency of serving. The numbers are those of onnx.proto. Names
# are bytes, so that one that is no UTF-8 is an unknown operator and not an error of this reader alone.
_ONNX_FIELDS: Final[Mapping[str, Mapping[str, tuple[int, bool, str]]]] = {
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
        "dims": (1, True, "int64"),
        "data_type": (2, False, "int32"),
        "name": (8, False, "bytes"),
        "raw_data": (9, False, "bytes"),
        "external_data": (13, True, "bytes"),
        "data_location": (14, False, "int32"),
    },
    "SparseTensor": {"values": (1, False, "Tensor"), "indices": (2, False, "Tensor")},
}
_SENTENCEPIECE: Final[Any] = sentencepiece_model_pb2  # its classes are made when it is loaded
# SHA-256 of the tables of SentencePiece 0.2.3, and of 0.1.99 to 0.2.0, with which most published models were trained.
# Those of the installed version are accepted as well.
_TABLES: Final = {
    "nfkc": "7e46d9e08af4b6a37991b04fb8388644c1595a0abcd0f26d6a5d575e2a3663ea",
    "nfkc_cf": "d8dfef3d6db0eef0742f8b55a73aee7fce6c1e21d26a09b8d3d4b52c42a791cb",
    "nmt_nfkc": "1e2c7b43d3ee9755ceaa2ac335e253d8703604e0249ee1e81156c92b46423844",
    "nmt_nfkc_cf": "2c03512e62f9ed965ec90d85314211b63b5b8aa0395311ea2147eec9ff738907",
    "nfkc of 0.2.0": "557b5397b1133d8abb62f7923e5b53ee496d3e36b9f63fd42625077c33688a14",
    "nfkc_cf of 0.2.0": "b30e4085ba1fad56d2401f4612419b6b3b42c5adc1e04f3aa1806399895d6bdd",
    "nmt_nfkc of 0.2.0": "51d3684747b35ef99cd4802f37cc1ee0c6bec4d060814f774efb1066d3c167f2",
    "nmt_nfkc_cf of 0.2.0": "6cec34e8016fd0d0a2da28b60b00e36b19a275df83786bf6b494bd033c708f83",
}


def locate_file(folder: Path, name: str) -> Path:
    """The path of a file of a bundle.

    Raises:
        BundleFileError: the file is missing, is no plain file, or is a link out of the folder.
    """
    path = folder / name
    if not path.exists():
        raise BundleFileError(f"{path}: missing")
    if path.resolve().parent != folder.resolve():
        raise BundleFileError(f"{path}: leads outside the bundle, to {path.resolve()}")
    if not path.is_file():
        raise BundleFileError(f"{path}: is not a plain file")
    return path


def check_file(path: Path, entry: FileEntry) -> None:
    """Compare a file with its entry in the manifest.

    Raises:
        BundleFileError: size or checksum differ.
    """
    size = path.stat().st_size
    if size != entry.bytes:
        raise BundleFileError(f"{path}: has {size} bytes, the manifest says {entry.bytes}")
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    if digest != entry.sha256:
        raise BundleFileError(f"{path}: its sha256 is {digest}, the manifest says {entry.sha256}")


def check_graph_file(content: bytes, name: str) -> None:
    """Refuse a graph that no export writes and that may do harm.

    Args:
        content: of the file.
        name: of the file, for the message.

    Raises:
        BundleGraphError: the content is no ONNX file, keeps data outside of it, or has unknown operators, functions
            or training information.
    """
    try:
        model = _onnx_model_class().FromString(content)
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


def read_constants(content: bytes, names: Collection[str], file: str) -> dict[str, NDArray[np.generic]]:
    """Some constants of a graph.

    Args:
        content: of the file, which ``check_graph_file`` accepts.
        names: of the constants.
        file: its name, for the message.

    Raises:
        BundleGraphError: one is missing, or is no array of float32, uint8 or int8 of its size.
    """
    found: dict[str, NDArray[np.generic]] = {}
    for tensor in _onnx_model_class().FromString(content).graph.initializer:
        name = _shown(tensor.name)
        if name not in names:
            continue
        kind = np.dtype(_READABLE.get(tensor.data_type, "V0"))
        size = kind.itemsize * math.prod(tensor.dims)
        if not kind.itemsize or min(tensor.dims, default=1) < 0 or len(tensor.raw_data) != size:
            raise BundleGraphError(f"{file}: the constant {name} is no array of float32, uint8 or int8 of its size")
        found[name] = np.frombuffer(tensor.raw_data, kind).reshape(tuple(tensor.dims))
    if missing := set(names) - found.keys():
        raise BundleGraphError(f"{file}: has no constant {', '.join(sorted(missing))}")
    return found


def check_sentencepiece_file(content: bytes, any_rules: bool = False) -> None:
    """Refuse a model that may do harm, or fail later.

    SentencePiece checks scores, kinds and bytes itself. But it accepts pieces that are no UTF-8, with which every later
    call may fail; and it reads the table that maps characters, a trie in bytes, without any check. A forged table can
    turn a letter into a page of text.

    Args:
        content: of the file.
        any_rules: whether other rules than SentencePiece's own are accepted after ``check_character_rules``: published
            models may have those of an older version.

    Raises:
        BundleFormatError: the content is no SentencePiece model, a piece is no UTF-8, or it has rules of its own for
            characters.
    """
    try:
        model = _SENTENCEPIECE.ModelProto.FromString(content)
    except (DecodeError, UnicodeDecodeError) as error:  # the latter from protobuf without its C library
        raise BundleFormatError(f"not a SentencePiece model ({len(content)} bytes): {error}") from None
    for number, entry in enumerate(model.pieces):
        piece = entry.piece
        if isinstance(piece, bytes):  # protobuf's C library gives bytes for a string that is no UTF-8
            raise BundleFormatError(f"piece {number} ({piece[:40]!r}) is no UTF-8")
    for rules in (model.normalizer_spec, model.denormalizer_spec):
        table = rules.precompiled_charsmap
        digest = hashlib.sha256(table).hexdigest()
        if table and any_rules and digest not in _known_tables():
            check_character_rules(table)
        elif table and digest not in _known_tables():
            known = ", ".join(("identity", *_TABLES))
            raise BundleFormatError(
                f"its rules for characters ({len(table)} bytes, SHA-256 {digest[:16]}...) are none of {known}"
            )


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
def _known_tables() -> frozenset[str]:
    folder = files("sentencepiece").joinpath("package_data")
    found = [one.read_bytes() for one in folder.iterdir() if one.name.endswith(".bin")] if folder.is_dir() else []
    return frozenset((*_TABLES.values(), *(hashlib.sha256(table).hexdigest() for table in found)))


@cache
def _onnx_model_class() -> Any:
    """The class of ``Model``, in a descriptor pool of its own: the ``onnx`` package may be loaded too."""
    field_types = descriptor_pb2.FieldDescriptorProto
    scalars = {"bytes": field_types.TYPE_BYTES, "int32": field_types.TYPE_INT32, "int64": field_types.TYPE_INT64}
    package = "graph_file"
    file = descriptor_pb2.FileDescriptorProto(name=f"{package}.proto", package=package, syntax="proto2")
    for message, fields_of_message in _ONNX_FIELDS.items():
        described = file.message_type.add(name=message)
        for field_name, (number, is_repeated, kind) in fields_of_message.items():
            field = described.field.add(name=field_name, number=number)
            field.label = field_types.LABEL_REPEATED if is_repeated else field_types.LABEL_OPTIONAL
            field.type = scalars.get(kind, field_types.TYPE_MESSAGE)
            if kind not in scalars:
                field.type_name = f".{package}.{kind}"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{package}.Model"))
