"""The encoder: recurrent layers over the source, or layers of self-attention."""

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import keras
from keras import ops

from training.model.attention import score_mask
from training.model.cells import CELL_STATES, recurrent_layer
from training.model.config import ModelConfig
from training.model.layers import length_mask, pool_over_source, reverse_positions, take_positions
from training.model.self_attention import PositionalInput, SelfAttentionLayer


class EncoderOutput(NamedTuple):
    """The encoded source.

    Attributes:
        hidden: ``[rows, source, memory]``, in the order of the source; None for a model without an encoder.
        mask: ``bool [rows, source]``, true where there is a token.
        last: For each layer its last states by name, ``[rows, memory]`` each, both directions side by side.
    """

    hidden: Any
    mask: Any
    last: list[dict[str, Any]]


class RunLayer(Protocol):
    """Runs one recurrent layer over ``hidden [rows, source, features]``.

    Returns its outputs and its last states, those of the forward direction first. The export passes an implementation
    that cuts the layer out of the graph, so that an ONNX node can replace it.
    """

    def __call__(
        self, index: int, layer: Any, hidden: Any, mask: Any, training: bool, /
    ) -> tuple[Any, Sequence[Any]]: ...


def run_layer(index: int, layer: Any, hidden: Any, mask: Any, training: bool) -> tuple[Any, Sequence[Any]]:
    """Runs the layer as Keras does, with a mask."""
    hidden, *last = layer(hidden, mask=mask, training=training)
    return hidden, last


class RecurrentEncoder(keras.layers.Layer):
    """Recurrent layers over the embedded source, in one direction or both.

    Without layers (``encoder_layers = 0``) nothing is read and ``hidden`` is None.
    """

    def __init__(self, config: ModelConfig, name: str) -> None:
        super().__init__(name=name)
        self.config = config
        self.layers = [_recurrent(config, index) for index in range(config.encoder_layers)]
        normalised = config.encoder_layers if config.layer_norm else 0
        self.norms = [keras.layers.LayerNormalization(name=f"norm_{index}") for index in range(normalised)]
        self.dropouts = [
            keras.layers.Dropout(config.dropout, name=f"dropout_{index}") for index in range(config.encoder_layers + 1)
        ]

    def call(
        self, embedded: Any, source_lengths: Any, training: bool = False, run: RunLayer = run_layer
    ) -> EncoderOutput:
        """Encodes a source; positions beyond its length change nothing.

        Args:
            embedded: ``[rows, source, embedding]``.
            source_lengths: ``int32 [rows]``.
            training: Whether dropout is active.
            run: How a layer is run.
        """
        config, width = self.config, ops.shape(embedded)[1]
        mask = length_mask(source_lengths, width)
        if not self.layers:
            return EncoderOutput(None, mask, [])
        if config.reversed_source:
            embedded = take_positions(embedded, reverse_positions(source_lengths, width))
        hidden = self.dropouts[0](embedded, training=training)
        last: list[dict[str, Any]] = []
        for index, layer in enumerate(self.layers):
            outputs, states = run(index, layer, hidden, mask, training)
            outputs = self.norms[index](outputs) if self.norms else outputs
            hidden = hidden + outputs if config.residual and index else outputs
            hidden = self.dropouts[index + 1](hidden, training=training)
            last.append(_join_directions(CELL_STATES[config.cell], states))
        if config.reversed_source and config.attention != "none":
            hidden = take_positions(hidden, reverse_positions(source_lengths, width))
        return EncoderOutput(hidden, mask, last)


class SelfAttentionEncoder(keras.layers.Layer):
    """Layers of self-attention over the embedded source (Vaswani et al. 2017, arXiv:1706.03762).

    It has no last state; the mean over the source is used instead.
    """

    def __init__(self, config: ModelConfig, name: str) -> None:
        super().__init__(name=name)
        self.config = config
        self.positions = PositionalInput(config.encoder_units, name="positions")
        last = config.encoder_layers - 1
        self.layers = [
            SelfAttentionLayer(config.encoder_units, config.encoder_heads, config.dropout, index == last, _name(index))
            for index in range(config.encoder_layers)
        ]
        self.dropout = keras.layers.Dropout(config.dropout, name="dropout")

    def call(self, embedded: Any, source_lengths: Any, training: bool = False) -> EncoderOutput:
        """Encodes a source; arguments and result as for ``RecurrentEncoder``."""
        width = ops.shape(embedded)[1]
        mask, scores = length_mask(source_lengths, width), score_mask(source_lengths, width)
        hidden = self.dropout(self.positions(embedded), training=training)
        for layer in self.layers:
            hidden = layer(hidden, scores, training=training)
        mean = pool_over_source("mean", hidden, mask)
        return EncoderOutput(hidden, mask, [dict.fromkeys(CELL_STATES[self.config.cell], mean)])


def build_encoder(config: ModelConfig) -> RecurrentEncoder | SelfAttentionEncoder:
    """Builds the encoder that the configuration names."""
    if config.encoder == "self-attention":
        return SelfAttentionEncoder(config, name="encoder")
    return RecurrentEncoder(config, name="encoder")


def fixed_context(config: ModelConfig, encoded: EncoderOutput) -> Any:
    """Returns the vector ``c [rows, memory]`` that enters every decoder step (Cho et al. 2014, arXiv:1406.1078).

    It is the last state of the top layer, or the mean or the maximum of all outputs.
    """
    if config.context == "last":
        return encoded.last[-1]["h"]
    return pool_over_source(config.context, encoded.hidden, encoded.mask)


def _name(index: int) -> str:
    return f"layer_{index}"


def _recurrent(config: ModelConfig, index: int) -> Any:
    name = config.cell if config.bidirectional else _name(index)
    layer = recurrent_layer(config.cell, config.encoder_units, name, config.forget_bias, config.recurrent_dropout)
    return keras.layers.Bidirectional(layer, name=_name(index)) if config.bidirectional else layer


def _join_directions(names: Sequence[str], states: Sequence[Any]) -> dict[str, Any]:
    """The last states of one or both directions, joined by name."""
    if len(states) == len(names):
        return dict(zip(names, states, strict=True))
    halves = zip(names, states[: len(names)], states[len(names) :], strict=True)
    return {name: ops.concatenate([forward, backward], axis=-1) for name, forward, backward in halves}
