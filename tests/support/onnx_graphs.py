"""A real, untrained ONNX model with random weights: small recurrent decoder with attention, in the bundle's contract.

Needs the ``onnx`` package, which serving does not: tests that use it begin with ``pytest.importorskip("onnx")``.
"""

from datetime import date
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from app.bundle.manifest import DECODER_STEP_FILE, ENCODER_FILE, EncoderRows, Manifest
from app.bundle.signature import NEXT_PREFIX, GraphSignature, Signature, StateSpec, TensorSpec
from app.bundle.store import Bundle, load_bundle, save_bundle
from tests.support.fakes import ALPHABET, english_to_french_tokenizer, fake_contents, fake_manifest

UNITS: Final = 64
VOCABULARY: Final = len(ALPHABET) + 4
_TYPES: Final = {"float32": TensorProto.FLOAT, "int32": TensorProto.INT32, "int64": TensorProto.INT64}


def _spec(name: str, dtype: Any, *axes: str | int) -> TensorSpec:
    return TensorSpec(name=name, dtype=dtype, axes=axes)


_LENGTHS: Final = _spec("source_lengths", "int32", "rows")
_MEMORY: Final = _spec("memory", "float32", "rows", "source", UNITS)
_STATES: Final = (_spec("state_hidden", "float32", "rows", UNITS), _spec("state_summary", "float32", "rows", UNITS))

SIGNATURE: Final = Signature(
    encoder=GraphSignature(
        inputs=(_spec("source_ids", "int32", "rows", "source"), _LENGTHS), outputs=(_MEMORY, *_STATES)
    ),
    decoder_step=GraphSignature(
        inputs=(_spec("token_ids", "int32", "rows"), *_STATES, _MEMORY, _LENGTHS, _spec("best_k", "int64", 1)),
        outputs=(
            _spec("scores", "float32", "rows", "best_k"),
            _spec("score_ids", "int64", "rows", "best_k"),
            _spec(NEXT_PREFIX + "state_hidden", "float32", "rows", UNITS),
            _spec("attention", "float32", "rows", "source"),
        ),
    ),
    states=(StateSpec(name="state_hidden", moves="hypothesis"), StateSpec(name="state_summary", moves="source")),
)


class _Graph:
    """Collects nodes and weights; every node gets the name of its only output."""

    def __init__(self, seed: int) -> None:
        self._random = np.random.default_rng(seed)
        self.nodes: list[Any] = []
        self.weights: list[Any] = []

    def node(self, kind: str, inputs: list[str], *outputs: str, **attributes: Any) -> str:
        self.nodes.append(helper.make_node(kind, inputs, list(outputs), **attributes))
        return outputs[0]

    def constant(self, name: str, value: Any) -> str:
        self.weights.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def weight(self, name: str, *shape: int, scale: float = 1.0) -> str:
        value = self._random.normal(0.0, scale / np.sqrt(shape[0]), shape)
        return self.constant(name, value.astype(np.float32))

    def mask(self) -> str:
        """Bool [rows, source]: the real tokens."""
        self.node("Shape", ["memory"], "shape")
        self.node("Gather", ["shape", self.constant("one", np.int64(1))], "width")
        self.node("Range", [self.constant("zero", np.int64(0)), "width", "one"], "positions")
        self.node("Cast", ["source_lengths"], "lengths", to=TensorProto.INT64)
        self.node("Unsqueeze", ["lengths", self.constant("axis_1", np.array([1]))], "lengths_2d")
        return self.node("Less", ["positions", "lengths_2d"], "mask")

    def content(self, signature: GraphSignature, vocabulary_size: int) -> bytes:
        def infos(specs: tuple[TensorSpec, ...]) -> list[Any]:
            return [helper.make_tensor_value_info(spec.name, _TYPES[spec.dtype], spec.axes) for spec in specs]

        graph = helper.make_graph(
            self.nodes, "tiny", infos(signature.inputs), infos(signature.outputs), initializer=self.weights
        )
        opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=8)
        helper.set_model_props(model, {"vocabulary_size": str(vocabulary_size)})
        onnx.checker.check_model(model)
        content: bytes = model.SerializeToString()
        return content


def encoder_content(vocabulary_size: int = VOCABULARY, encoder_rows: EncoderRows = "any") -> bytes:
    """:param encoder_rows: ``one``: a product takes its scale from all that it is given, padding too."""
    graph = _Graph(seed=1)
    embedding = graph.weight("embedding", VOCABULARY, UNITS, scale=8.0)
    graph.node("Gather", [embedding, "source_ids"], "embedded")
    if encoder_rows == "any":
        graph.node("MatMul", ["embedded", graph.weight("mix", UNITS, UNITS)], "mixed")
    else:
        weight = np.random.default_rng(1).normal(0.0, 25.0, (UNITS, UNITS)).clip(-64, 64).astype(np.int8)
        inputs = ["embedded", graph.constant("mix", weight), graph.constant("mix_scale", np.float32(0.005))]
        graph.node("DynamicQuantizeMatMul", inputs, "mixed", domain="com.microsoft")
    graph.node("Tanh", ["mixed"], "memory")
    mask = graph.mask()
    graph.node("Unsqueeze", [mask, graph.constant("axis_2", np.array([2]))], "mask_3d")
    graph.node("Where", ["mask_3d", "memory", graph.constant("nothing", np.float32(0))], "kept")
    graph.node("ReduceSum", ["kept", "axis_1"], "sum", keepdims=0)
    for name in ("state_hidden", "state_summary"):
        graph.node("MatMul", ["sum", graph.weight("to_" + name, UNITS, UNITS)], "raw_" + name)
        graph.node("Tanh", ["raw_" + name], name)
    return graph.content(SIGNATURE.encoder, vocabulary_size)


def decoder_step_content(vocabulary_size: int = VOCABULARY) -> bytes:
    graph = _Graph(seed=2)
    graph.node("Gather", [graph.weight("embedding", VOCABULARY, UNITS, scale=8.0), "token_ids"], "embedded")
    graph.node("Concat", ["embedded", "state_hidden", "state_summary"], "seen", axis=1)
    graph.node("MatMul", ["seen", graph.weight("recur", 3 * UNITS, UNITS, scale=2.0)], "raw")
    graph.node("Tanh", ["raw"], "next_state_hidden")
    mask = graph.mask()
    graph.node("Unsqueeze", ["next_state_hidden", graph.constant("axis_2", np.array([2]))], "query")
    graph.node("MatMul", ["memory", "query"], "energy_3d")
    graph.node("Squeeze", ["energy_3d", "axis_2"], "energy")
    graph.node("Where", [mask, "energy", graph.constant("never", np.float32(-1e9))], "masked")
    graph.node("Softmax", ["masked"], "attention", axis=1)
    graph.node("Unsqueeze", ["attention", "axis_1"], "attention_3d")
    graph.node("MatMul", ["attention_3d", "memory"], "context_3d")
    graph.node("Squeeze", ["context_3d", "axis_1"], "context")
    graph.node("Concat", ["next_state_hidden", "context"], "features", axis=1)
    graph.node("MatMul", ["features", graph.weight("out", 2 * UNITS, VOCABULARY, scale=3.0)], "logits")
    bias = np.zeros(VOCABULARY, np.float32)
    bias[[0, 1, 2]] = -50.0, -50.0, 3.0  # never pad or bos, and now and then an end
    graph.node("Add", ["logits", graph.constant("bias", bias)], "biased")
    graph.node("LogSoftmax", ["biased"], "log_probabilities", axis=1)
    graph.node("TopK", ["log_probabilities", "best_k"], "scores", "score_ids", axis=1)
    return graph.content(SIGNATURE.decoder_step, vocabulary_size)


def onnx_manifest() -> Manifest:
    manifest = fake_manifest("en", "fr", english_to_french_tokenizer().vocabulary_size)
    producer = manifest.producer.model_copy(update={"opset": 17, "created": date(2026, 1, 2)})
    return manifest.model_copy(update={"signature": SIGNATURE, "producer": producer})


def onnx_bundle(
    folder: Path,
    encoder: bytes | None = None,
    decoder_step: bytes | None = None,
    target: str = "fr",
    encoder_rows: EncoderRows = "any",
) -> Bundle:
    """Save and load a bundle with these graphs, by default the faithful ones."""
    graphs = {
        ENCODER_FILE: encoder_content() if encoder is None else encoder,
        DECODER_STEP_FILE: decoder_step_content() if decoder_step is None else decoder_step,
    }
    manifest = onnx_manifest().model_copy(update={"target": target, "encoder_rows": encoder_rows})
    save_bundle(folder, manifest, fake_contents() | graphs, verify=lambda _: None)
    return load_bundle(folder)
