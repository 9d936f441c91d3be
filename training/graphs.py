"""The Keras model's two calls as ONNX graphs: through tf2onnx, then a few exact repairs.

tf2onnx turns a Keras LSTM without a mask into ONNX's fused ``LSTM``, and one with a mask into a ``Loop``. So the
encoder is converted without its mask, and each fused node gets the lengths as its fifth input, ``sequence_lens``,
which does what the mask did, backward direction included.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import onnx
import tensorflow as tf
import tf2onnx
from onnx import helper

from app.bundle.signature import VOCABULARY_METADATA_KEY
from training.errors import ParityError
from training.model import STATE_NAMES, EncoderDecoder

OPSET = 18
Axes = Sequence[str | int]


def convert_encoder(model: EncoderDecoder) -> onnx.ModelProto:
    """``source_ids, source_lengths -> memory, state_*`` in float32."""

    def encode(source_ids: Any, source_lengths: Any) -> dict[str, Any]:
        memory, states = model.encode(source_ids, None)
        return {"memory": memory, **dict(zip(STATE_NAMES, states, strict=True))}

    graph = _convert(encode, {"source_ids": (tf.int32, (None, None)), "source_lengths": (tf.int32, (None,))})
    _feed_lengths(graph)
    _read_ids_directly(graph)
    axes: dict[str, Axes] = {"source_ids": ("rows", "source"), "source_lengths": ("rows",)}
    axes["memory"] = ("rows", "source", 2 * model.config.encoder_units)
    axes |= dict.fromkeys(STATE_NAMES, ("rows", model.config.units))
    return _finish(graph, axes, model.vocabulary_size)


def convert_decoder_step(model: EncoderDecoder) -> onnx.ModelProto:
    """``token_ids, state_*, memory, source_lengths, best_k -> scores, score_ids, next_state_*, attention``."""

    def step(
        token_ids: Any,
        state_h1: Any,
        state_c1: Any,
        state_h2: Any,
        state_c2: Any,
        memory: Any,
        source_lengths: Any,
        best_k: Any,
    ) -> dict[str, Any]:
        states = [state_h1, state_c1, state_h2, state_c2]
        logits, new_states, attention = model.step(token_ids, states, memory, source_lengths)
        # ONNX's LogSoftmax works row by row. A log-sum-exp of single nodes would not: onnxruntime's Exp rounds by the
        # place in the whole tensor, so a row's last bit would depend on the rows beside it.
        scores, ids = tf.math.top_k(tf.nn.log_softmax(logits), k=best_k[0])
        result = {"scores": scores, "score_ids": tf.cast(ids, tf.int64), "attention": attention}
        return result | {f"next_{name}": state for name, state in zip(STATE_NAMES, new_states, strict=True)}

    units, memory_units = model.config.units, 2 * model.config.encoder_units
    inputs: dict[str, tuple[Any, tuple[int | None, ...]]] = {"token_ids": (tf.int32, (None,))}
    inputs |= dict.fromkeys(STATE_NAMES, (tf.float32, (None, units)))
    inputs["memory"] = (tf.float32, (None, None, memory_units))
    inputs["source_lengths"] = (tf.int32, (None,))
    inputs["best_k"] = (tf.int64, (1,))
    graph = _convert(step, inputs)
    _read_ids_directly(graph)
    axes: dict[str, Axes] = {"token_ids": ("rows",), "source_lengths": ("rows",), "best_k": (1,)}
    axes["memory"] = ("rows", "source", memory_units)
    axes |= {"scores": ("rows", "best_k"), "score_ids": ("rows", "best_k"), "attention": ("rows", "source")}
    axes |= {prefix + name: ("rows", units) for name in STATE_NAMES for prefix in ("", "next_")}
    return _finish(graph, axes, model.vocabulary_size)


def _convert(function: Any, inputs: Mapping[str, tuple[Any, tuple[int | None, ...]]]) -> onnx.ModelProto:
    specs = [tf.TensorSpec(shape, dtype, name=name) for name, (dtype, shape) in inputs.items()]
    model: onnx.ModelProto
    model, _ = tf2onnx.convert.from_function(
        tf.function(function, input_signature=specs), input_signature=specs, opset=OPSET
    )
    loops = [node.name for node in model.graph.node if node.op_type in ("Loop", "Scan", "If")]
    if loops:
        raise ParityError(f"the graph holds control flow, which would be slow and is not expected: {loops}")
    return model


def _feed_lengths(model: onnx.ModelProto) -> None:
    """Give every fused recurrent node the lengths."""
    found = 0
    for node in model.graph.node:
        if node.op_type in ("LSTM", "GRU"):
            if node.input[4]:
                raise ParityError(f"{node.name} has sequence lengths already: {node.input[4]}")
            node.input[4] = "source_lengths"
            found += 1
    if not found:
        raise ParityError("the encoder holds no fused recurrent node")


def _read_ids_directly(model: onnx.ModelProto) -> None:
    """Let an embedding read the ids as given: Keras's ``take`` also serves negative ids, which never come."""
    ids = next(value.name for value in model.graph.input if value.name in ("source_ids", "token_ids"))
    tables = {tensor.name for tensor in model.graph.initializer if len(tensor.dims) == 2}
    for node in model.graph.node:
        if node.op_type == "Gather" and node.input[0] in tables:
            node.input[1] = ids
    _prune(model)


def _prune(model: onnx.ModelProto) -> None:
    """Drop nodes and constants that nothing reads."""
    graph = model.graph
    while True:
        read = {name for node in graph.node for name in node.input} | {value.name for value in graph.output}
        dead = [node for node in graph.node if not any(name in read for name in node.output)]
        for node in dead:
            graph.node.remove(node)
        if not dead:
            break
    for tensor in [tensor for tensor in graph.initializer if tensor.name not in read]:
        graph.initializer.remove(tensor)


def _finish(model: onnx.ModelProto, axes: Mapping[str, Axes], vocabulary_size: int) -> onnx.ModelProto:
    """Name the axes, note the vocabulary, check the graph."""
    for value in (*model.graph.input, *model.graph.output):
        kind = value.type.tensor_type.elem_type
        value.CopyFrom(helper.make_tensor_value_info(value.name, kind, list(axes[value.name])))
    del model.graph.value_info[:]
    helper.set_model_props(model, {VOCABULARY_METADATA_KEY: str(vocabulary_size)})
    onnx.checker.check_model(model)
    return model
