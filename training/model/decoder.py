"""The decoder: its states, and one way through its layers for a single step and for a whole target."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Protocol

import keras
from keras import ops

from training.model.attention import build_attention, score_mask
from training.model.cells import CELL_STATES, recurrent_layer
from training.model.config import ModelConfig

CONTEXT_STATE = "state_context"
FEED_STATE = "state_feed"


@dataclass(frozen=True)
class DecoderState:
    """One state: its name, its width, and whether it moves with its hypothesis or with its source."""

    name: str
    units: int
    moves: Literal["hypothesis", "source"]


def decoder_states(config: ModelConfig) -> tuple[DecoderState, ...]:
    """Returns all states of a decoder.

    These are the states of its layers, lowest first (``state_h1, state_c1, state_h2, ...``), the last readout if it is
    fed back, and the fixed context if there is one.
    """
    states = [
        DecoderState(f"state_{name}{layer + 1}", config.units, "hypothesis")
        for layer in range(config.decoder_layers)
        for name in CELL_STATES[config.cell]
    ]
    if config.input_feeding:
        states.append(DecoderState(FEED_STATE, config.embedding, "hypothesis"))
    if config.context != "none":
        states.append(DecoderState(CONTEXT_STATE, config.memory_units, "source"))
    return tuple(states)


class Source(NamedTuple):
    """What the decoder reads of a source.

    Attributes:
        memories: Tensors ``[rows, source, ...]`` by name; empty without attention.
        mask: ``[rows, 1, source]``, added to scores of attention (``attention.score_mask``); None without attention.
    """

    memories: Mapping[str, Any]
    mask: Any

    @classmethod
    def of(cls, memories: Mapping[str, Any], lengths: Any) -> "Source":
        """The source with memories and lengths ``int32 [rows]``, which may be None without attention."""
        width = ops.shape(memories["memory"])[1] if memories else 0
        return cls(memories, score_mask(lengths, width) if memories else None)


class DecoderStep(NamedTuple):
    """The result of a pass through the decoder.

    Attributes:
        top: ``[..., features]``, read by the output layer.
        states: The new states in the order of ``decoder_states``.
        attention: ``[..., source]``; None without attention.
    """

    top: Any
    states: list[Any]
    attention: Any


class Advance(Protocol):
    """Runs a recurrent layer from its states: over a whole target, or one step further."""

    def __call__(self, layer: Any, inputs: Any, states: Sequence[Any]) -> tuple[Any, Sequence[Any]]: ...


class Drop(Protocol):
    """Applies dropout before layer ``index`` of the decoder; the last index is that of the output layer."""

    def __call__(self, index: int, inputs: Any) -> Any: ...


@dataclass(frozen=True)
class Pass:
    """How the layers are run: one step further (``is_step``), or over a whole target."""

    advance: Advance
    drop: Drop
    is_step: bool


def advance_over_target(layer: Any, inputs: Any, states: Sequence[Any]) -> tuple[Any, Sequence[Any]]:
    """Runs a layer over ``inputs [rows, target, features]``.

    Padding in a target only follows its last token, so it can change nothing before it and no mask is needed.
    """
    outputs, *last = layer(inputs, initial_state=list(states))
    return outputs, last


def advance_one_step(layer: Any, inputs: Any, states: Sequence[Any]) -> tuple[Any, Sequence[Any]]:
    """Runs a layer's cell once, on ``inputs [rows, features]``."""
    output, following = layer.cell(inputs, list(states))
    return output, following


class Decoder(keras.layers.Layer):
    """Recurrent layers below and above the attention, and the readout.

    Called on a whole target with teacher forcing; ``step`` runs the same layers for one token.

    Args:
        config: The model's configuration.
        token_width: Width of an embedded token: of the embedding, or of the vocabulary for one-hot input.
        name: Name of the layer, part of its variables' paths.
    """

    def __init__(self, config: ModelConfig, token_width: int, name: str) -> None:
        super().__init__(name=name)
        self.config, self.token_width = config, token_width
        self.states = decoder_states(config)
        self.lower = _layers(config, "lower", config.layers_below)
        self.attention: Any = build_attention(config)
        self.upper = _layers(config, "upper", config.layers_above)
        normalised = config.decoder_layers if config.layer_norm else 0
        self.norms = [keras.layers.LayerNormalization(name=f"norm_{index}") for index in range(normalised)]
        self.readout: Any = (
            keras.layers.Dense(config.embedding, activation="tanh", name="readout") if config.readout else None
        )
        self.dropouts = [
            keras.layers.Dropout(config.dropout, name=f"dropout_{index}") for index in range(config.decoder_layers + 1)
        ]

    @property
    def state_names(self) -> tuple[str, ...]:
        """Names of the states, in the order in which calls take and return them."""
        return tuple(state.name for state in self.states)

    def call(self, embedded: Any, states: Sequence[Any], source: Source, training: bool = False) -> Any:
        """Runs all steps of a target at once, with its true tokens as inputs.

        Args:
            embedded: ``[rows, target, embedding]``.
            states: The first states, ``[rows, units]`` each.
            source: What the encoder made of the source.
            training: Whether dropout is active.

        Returns:
            ``[rows, target, features]``, read by the output layer.
        """

        def drop(index: int, inputs: Any) -> Any:
            return self.dropouts[index](inputs, training=training)

        target = ops.shape(embedded)[1]
        named = {
            name: ops.repeat(ops.expand_dims(state, 1), target, axis=1)
            for name, state in zip(self.state_names, states, strict=True)
        }
        decoded = self._decode(self._entering(embedded, named), states, source, Pass(advance_over_target, drop, False))
        return drop(self.config.decoder_layers, decoded.top)

    def step(self, embedded: Any, states: Sequence[Any], source: Source, drop: Drop | None = None) -> DecoderStep:
        """Runs one step.

        Args:
            embedded: ``[rows, embedding]``.
            states: ``[rows, units]`` each.
            source: What the encoder made of the source.
            drop: Dropout; none outside training.
        """
        kept: Drop = drop if drop is not None else _keep
        named = dict(zip(self.state_names, states, strict=True))
        decoded = self._decode(self._entering(embedded, named), states, source, Pass(advance_one_step, kept, True))
        following = list(decoded.states)
        if self.config.input_feeding:
            following.append(decoded.top)
        # The remaining states move with their source and do not change.
        following += states[len(following) :]
        return DecoderStep(kept(self.config.decoder_layers, decoded.top), following, decoded.attention)

    def drop_with_one_mask(self, rows: Any, training: bool) -> Drop:
        """Dropout with one mask for all steps of a target (Gal & Ghahramani 2016, arXiv:1512.05287)."""
        masks = [
            dropout(ops.ones((rows, width), dtype=self.compute_dtype), training=training)
            for dropout, width in zip(self.dropouts, self._entering_widths(), strict=True)
        ]
        return lambda index, inputs: inputs * masks[index]

    @property
    def top_width(self) -> int:
        """Width of what the output layer reads."""
        config = self.config
        if config.readout:
            return config.embedding
        seen = (config.context != "none") + (config.attention != "none")
        return config.units + config.memory_units * seen

    def _entering(self, embedded: Any, named: Mapping[str, Any]) -> tuple[list[Any], list[Any]]:
        """Returns the inputs of the lowest layer, and the inputs of the readout besides the layers' outputs.

        The latter is the fixed context (Cho et al. 2014, arXiv:1406.1078).

        Args:
            embedded: ``[..., embedding]``.
            named: The states by name, with the leading axes of ``embedded``.
        """
        inputs = [embedded] if self.config.reads_tokens else []
        if self.config.input_feeding:
            inputs.append(named[FEED_STATE])
        context = [named[CONTEXT_STATE]] if CONTEXT_STATE in named else []
        return [*inputs, *context], context

    def _decode(
        self, entering: tuple[list[Any], list[Any]], states: Sequence[Any], source: Source, way: Pass
    ) -> DecoderStep:
        """Runs all layers and the readout; ``states`` of the result are those of the layers alone."""
        config, per_layer = self.config, len(CELL_STATES[self.config.cell])
        following: list[Any] = []
        inputs, seen = entering
        attention = hidden = None
        for index, layer in enumerate([*self.lower, *self.upper]):
            joined = way.drop(index, _join(inputs))
            outputs, new = way.advance(layer, joined, states[index * per_layer : (index + 1) * per_layer])
            following.extend(new)
            outputs = self.norms[index](outputs) if self.norms else outputs
            hidden = outputs if hidden is None or not config.residual else outputs + hidden
            inputs = [hidden]
            if self.attention is not None and index + 1 == config.layers_below:
                context, attention = self._attend(hidden, source, way.is_step)
                seen = [context, *seen]
                inputs = [hidden, context]
        top = _join([hidden, *seen])
        return DecoderStep(top if self.readout is None else self.readout(top), following, attention)

    def _attend(self, query: Any, source: Source, is_step: bool) -> tuple[Any, Any]:
        context, attention = self.attention(query, source.memories, source.mask)
        return (ops.squeeze(context, 1), ops.squeeze(attention, 1)) if is_step else (context, attention)

    def _entering_widths(self) -> list[int]:
        """Widths of the inputs of each layer, and last of the output layer."""
        config = self.config
        context = config.memory_units if config.context != "none" else 0
        first = self.token_width * config.reads_tokens + config.embedding * config.input_feeding + context
        attended = config.memory_units if config.attention != "none" else 0
        widths = [first] + [config.units] * (config.decoder_layers - 1)
        if config.layers_above:
            widths[config.layers_below] += attended
        return [*widths, self.top_width]


def _layers(config: ModelConfig, side: Literal["lower", "upper"], count: int) -> list[Any]:
    """The layers below or above the attention, lowest first."""
    names = [side if index == 0 else f"{side}_{index + 1}" for index in range(count)]
    return [
        recurrent_layer(config.cell, config.units, name, config.forget_bias, config.recurrent_dropout) for name in names
    ]


def _keep(index: int, inputs: Any) -> Any:
    """Returns the inputs unchanged: outside training there is no dropout."""
    del index
    return inputs


def _join(parts: Sequence[Any]) -> Any:
    return parts[0] if len(parts) == 1 else ops.concatenate(list(parts), axis=-1)
