"""The encoder: recurrent layers over the source, or layers of self-attention."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import keras
from keras import ops

from training.model.cells import CELL_STATES, recurrent_layer
from training.model.config import ModelConfig
from training.model.layers import length_mask, over_source, reversed_places, take_places
from training.model.self_attention import Entrance, SelfAttentionLayer


@dataclass(frozen=True)
class Read:
    """What the encoder made of a source: ``hidden [rows, source, memory]``, the mask ``bool [rows, source]``, and for
    each layer its last states by name, ``[rows, memory]`` each (both directions side by side)."""

    hidden: Any
    mask: Any
    last: Sequence[dict[str, Any]]


class RunLayer(Protocol):
    """Runs one recurrent layer over ``hidden [rows, source, features]``: its outputs and its last states, those of the
    forward direction first. Export puts ONNX's own node in its place."""

    def __call__(
        self, index: int, layer: Any, hidden: Any, mask: Any, training: bool, /
    ) -> tuple[Any, Sequence[Any]]: ...


def run_layer(index: int, layer: Any, hidden: Any, mask: Any, training: bool) -> tuple[Any, Sequence[Any]]:
    """The layer as Keras runs it, masked."""
    hidden, *last = layer(hidden, mask=mask, training=training)
    return hidden, last


def encoder_layers(config: ModelConfig) -> list[Any]:
    """The encoder's layers, lowest first."""
    names = [f"encoder_{index}" for index in range(config.encoder_layers)]
    if config.encoder == "self-attention":
        units, heads = config.encoder_units, config.encoder_heads
        return [SelfAttentionLayer(units, heads, config.dropout, name == names[-1], name) for name in names]

    def recurrent(name: str) -> Any:
        return recurrent_layer(config.cell, config.encoder_units, name, config.forget_bias, config.recurrent_dropout)

    if config.bidirectional:
        return [keras.layers.Bidirectional(recurrent(config.cell), name=name) for name in names]
    return [recurrent(name) for name in names]


def entrance(config: ModelConfig) -> Any | None:
    """What stands before layers of self-attention; None before others."""
    return Entrance(config.encoder_units, name="entrance") if config.encoder == "self-attention" else None


def read_source(
    config: ModelConfig,
    layers: Sequence[Any],
    norms: Sequence[Any],
    dropouts: Sequence[Any],
    embed: Any,
    source_ids: Any,
    source_lengths: Any,
    training: bool,
    run: RunLayer,
) -> Read:
    """Run the encoder over ``source_ids [rows, source]``; what lies beyond ``source_lengths [rows]`` changes nothing.

    ``hidden`` comes back in the order of the source, also where the encoder reads it reversed. Without layers nothing
    is read, and there is no ``hidden``.

    :param norms: one for what each layer gives; none where that is not normalised.
    """
    width = ops.shape(source_ids)[1]
    mask = length_mask(source_lengths, width)
    if not layers:
        return Read(None, mask, [])
    if config.reversed_source:
        source_ids = take_places(source_ids, reversed_places(source_lengths, width))
    hidden = dropouts[0](embed(source_ids), training=training)
    last: list[dict[str, Any]] = []
    for index, layer in enumerate(layers):
        outputs, states = run(index, layer, hidden, mask, training)
        outputs = norms[index](outputs) if norms else outputs
        hidden = hidden + outputs if config.residual and index else outputs
        hidden = dropouts[index + 1](hidden, training=training)
        last.append(_side_by_side(CELL_STATES[config.cell], states))
    if config.reversed_source and config.attention != "none":
        hidden = take_places(hidden, reversed_places(source_lengths, width))
    return Read(hidden, mask, last)


def read_at_once(
    config: ModelConfig,
    enter: Any,
    layers: Sequence[Any],
    dropout: Any,
    embed: Any,
    source_ids: Any,
    source_lengths: Any,
    training: bool,
) -> Read:
    """As ``read_source``, by self-attention. There is no last state: the mean over the source stands for it."""
    mask = length_mask(source_lengths, ops.shape(source_ids)[1])
    hidden = dropout(enter(embed(source_ids)), training=training)
    for layer in layers:
        hidden = layer(hidden, mask, training=training)
    mean = over_source("mean", hidden, mask)
    return Read(hidden, mask, [dict.fromkeys(CELL_STATES[config.cell], mean)])


def _side_by_side(names: Sequence[str], states: Sequence[Any]) -> dict[str, Any]:
    """The last states of one or both directions, joined by name."""
    if len(states) == len(names):
        return dict(zip(names, states, strict=True))
    halves = zip(names, states[: len(names)], states[len(names) :], strict=True)
    return {name: ops.concatenate([forward, backward], axis=-1) for name, forward, backward in halves}


def fixed_context(config: ModelConfig, read: Read) -> Any:
    """The vector ``c [rows, memory]`` that enters every decoder step (Cho et al. 2014, arXiv:1406.1078): the last
    state, or the mean or the maximum of all."""
    if config.context == "last":
        return read.last[-1]["h"]
    return over_source(config.context, read.hidden, read.mask)
