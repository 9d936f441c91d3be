"""Conversion of the Keras model to two ONNX graphs, with tf2onnx and a few exact edits.

tf2onnx has no fused node for most recurrent layers, and none for a layer with a mask. Therefore the encoder is
converted without its recurrent layers: the inputs of each become outputs of the graph, and its outputs become inputs.
Then the nodes of ``recurrent_nodes`` are inserted.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
import tensorflow as tf
import tf2onnx
from onnx import helper

from app.bundle.signature import NEXT_PREFIX, SOURCE_MASK, VOCABULARY_METADATA_KEY
from training.errors import ParityError
from training.export.onnx_edit import drop_unread, sort_nodes
from training.export.recurrent_nodes import LayerCut, insert_layer
from training.export.step_nodes import fuse_lstm_cells, fuse_transposed_products
from training.model.decoder import Source
from training.model.seq2seq import EncoderDecoder

OPSET = 18
Axes = Sequence[str | int]
Inputs = dict[str, tuple[Any, tuple[int | None, ...]]]


def convert_encoder(model: EncoderDecoder) -> onnx.ModelProto:
    """Converts the encoder: ``source_ids, source_lengths -> memory*, state_*`` in float32."""
    config = model.config
    recurrent = model.encoder.layers if config.encoder == "recurrent" else []
    cuts = [LayerCut(index, layer, config.cell) for index, layer in enumerate(recurrent)]
    inputs: Inputs = {"source_ids": (tf.int32, (None, None)), "source_lengths": (tf.int32, (None,))}
    for cut in cuts:
        inputs[cut.outputs] = (tf.float32, (None, None, config.memory_units))
        inputs |= dict.fromkeys(cut.last, (tf.float32, (None, config.encoder_units)))

    def encode(*given: Any) -> dict[str, Any]:
        tensors = dict(zip(inputs, given, strict=True))
        entering: dict[str, Any] = {}

        def run(index: int, _layer: Any, hidden: Any, _mask: Any, _training: bool) -> tuple[Any, Sequence[Any]]:
            cut = cuts[index]
            # The identity gives the tensor a name of its own, because a layer may read another layer's output.
            entering[cut.inputs] = tf.identity(hidden)
            return tensors[cut.outputs], [tensors[name] for name in cut.last]

        memories, states = model.encode(tensors["source_ids"], tensors["source_lengths"], run=run if cuts else None)
        return {**memories, **dict(zip(model.state_names, states, strict=True)), **entering}

    graph = _convert(encode, inputs)
    _keep_inputs(graph, {name: inputs[name] for name in ("source_ids", "source_lengths")})
    for cut in cuts:
        insert_layer(graph, cut, "source_lengths")
    sort_nodes(graph)
    _read_ids_directly(graph, "source_ids")
    axes: dict[str, Axes] = {"source_ids": ("rows", "source"), "source_lengths": ("rows",)}
    axes |= {name: ("rows", "source", units) for name, units in model.memories.items()}
    axes |= {state.name: ("rows", state.units) for state in model.states}
    return _finish(graph, axes, model.vocabulary_size)


def convert_decoder_step(model: EncoderDecoder) -> onnx.ModelProto:
    """Converts the decoder step.

    The graph is ``token_ids, state_*, memory*, source_mask, best_k -> scores, score_ids, next_state_*, attention``. A
    model without memory has no mask and no attention; a state that moves with its source has no ``next_``.
    """
    inputs: Inputs = {"token_ids": (tf.int32, (None,))}
    inputs |= {state.name: (tf.float32, (None, state.units)) for state in model.states}
    inputs |= {name: (tf.float32, (None, None, units)) for name, units in model.memories.items()}
    if model.memories:
        inputs[SOURCE_MASK] = (tf.float32, (None, 1, None))
    inputs["best_k"] = (tf.int64, (1,))
    moving = [state.name for state in model.states if state.moves == "hypothesis"]

    def step(*given: Any) -> dict[str, Any]:
        tensors = dict(zip(inputs, given, strict=True))
        memories = {name: tensors[name] for name in model.memories}
        states = [tensors[name] for name in model.state_names]
        logits, new, attention = model.step(tensors["token_ids"], states, Source(memories, tensors.get(SOURCE_MASK)))
        # ONNX's LogSoftmax computes row by row. A log-sum-exp of single nodes does not: the rounding of onnxruntime's
        # Exp depends on the position in the whole tensor, so a row's last bit would depend on the other rows.
        scores, ids = tf.math.top_k(tf.nn.log_softmax(logits), k=tensors["best_k"][0])
        result = {"scores": scores, "score_ids": tf.cast(ids, tf.int64)}
        if attention is not None:
            result["attention"] = attention
        following = dict(zip(model.state_names, new, strict=True))
        return result | {NEXT_PREFIX + name: following[name] for name in moving}

    graph = _convert(step, inputs)
    _take_best_directly(graph)
    _keep_inputs(graph, inputs)
    _read_ids_directly(graph, "token_ids")
    fuse_lstm_cells(graph)
    fuse_transposed_products(graph)
    axes: dict[str, Axes] = {"token_ids": ("rows",), SOURCE_MASK: ("rows", 1, "source"), "best_k": (1,)}
    axes |= {name: ("rows", "source", units) for name, units in model.memories.items()}
    axes |= {"scores": ("rows", "best_k"), "score_ids": ("rows", "best_k"), "attention": ("rows", "source")}
    axes |= {prefix + state.name: ("rows", state.units) for state in model.states for prefix in ("", NEXT_PREFIX)}
    return _finish(graph, axes, model.vocabulary_size)


def _keep_inputs(model: onnx.ModelProto, inputs: Inputs) -> None:
    """Adds the inputs that the graph does not read: a decoder may read no tokens, or have no encoder."""
    given = {value.name for value in model.graph.input}
    for name, (kind, shape) in inputs.items():
        if name not in given:
            number = helper.np_dtype_to_tensor_dtype(np.dtype(kind.as_numpy_dtype))
            model.graph.input.append(helper.make_tensor_value_info(name, number, list(shape)))


def _convert(function: Any, inputs: Mapping[str, tuple[Any, tuple[int | None, ...]]]) -> onnx.ModelProto:
    specs = [tf.TensorSpec(shape, dtype, name=name) for name, (dtype, shape) in inputs.items()]
    model: onnx.ModelProto
    model, _ = tf2onnx.convert.from_function(
        tf.function(function, input_signature=specs), input_signature=specs, opset=OPSET
    )
    loops = [node.name for node in model.graph.node if node.op_type in ("Loop", "Scan", "If")]
    if loops:
        raise ParityError(f"the graph holds control flow, which is slow and not expected: {loops}")
    return model


def _read_ids_directly(model: onnx.ModelProto, ids: str) -> None:
    """Connects an embedding directly to the ids. Keras's ``take`` adds nodes for negative ids, which do not occur."""
    tables = {tensor.name for tensor in model.graph.initializer if len(tensor.dims) == 2}
    for node in model.graph.node:
        if node.op_type == "Gather" and node.input[0] in tables:
            node.input[1] = ids
    drop_unread(model)


def _take_best_directly(model: onnx.ModelProto) -> None:
    """Connects ``best_k`` and ``score_ids`` directly to the node ``TopK``.

    TensorFlow's node has a scalar k and ids of 32 bits, ONNX's has neither, so the conversion adds seven nodes.
    """
    (best,) = (node for node in model.graph.node if node.op_type == "TopK")
    last = {output: node for node in model.graph.node for output in node.output}["score_ids"]
    last.output[0] = "score_ids_before"
    best.input[1], best.output[1] = "best_k", "score_ids"
    drop_unread(model)


def _finish(model: onnx.ModelProto, axes: Mapping[str, Axes], vocabulary_size: int) -> onnx.ModelProto:
    """Names the axes, stores the size of the vocabulary in the metadata and checks the graph."""
    for value in (*model.graph.input, *model.graph.output):
        kind = value.type.tensor_type.elem_type
        value.CopyFrom(helper.make_tensor_value_info(value.name, kind, list(axes[value.name])))
    del model.graph.value_info[:]
    helper.set_model_props(model, {VOCABULARY_METADATA_KEY: str(vocabulary_size)})
    onnx.checker.check_model(model)
    return model
