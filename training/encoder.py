"""The encoder: recurrent layers over the source."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import keras
from keras import ops

from training.cells import CELL_STATES, recurrent_layer
from training.config import ModelConfig
from training.layers import length_mask, over_source, reversed_places, take_places


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
    layers: list[Any] = []
    for index in range(config.encoder_layers):
        if config.bidirectional:
            one = recurrent_layer(config.cell, config.encoder_units, config.cell, config.forget_bias)
            layers.append(keras.layers.Bidirectional(one, name=f"encoder_{index}"))
        else:
            layers.append(recurrent_layer(config.cell, config.encoder_units, f"encoder_{index}", config.forget_bias))
    return layers


def read_source(
    config: ModelConfig,
    layers: Sequence[Any],
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
        hidden = hidden + outputs if config.residual and index else outputs
        hidden = dropouts[index + 1](hidden, training=training)
        last.append(_side_by_side(CELL_STATES[config.cell], states))
    if config.reversed_source and config.attention != "none":
        hidden = take_places(hidden, reversed_places(source_lengths, width))
    return Read(hidden, mask, last)


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
