"""The decoder: what it carries from step to step, and one way through its layers for a step and for a whole target."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from keras import ops

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
    """All states of a decoder: those of its layers from below (``state_h1, state_c1, state_h2, ...``), the last readout
    where it is fed back, and the fixed context where there is one."""
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


def decoder_layers(config: ModelConfig, where: Literal["lower", "upper"]) -> list[Any]:
    """The layers below or above the attention, lowest first."""
    count = config.layers_below if where == "lower" else config.layers_above
    names = [f"decoder_{where}" if index == 0 else f"decoder_{where}_{index + 1}" for index in range(count)]
    more = (config.forget_bias, config.recurrent_dropout)
    return [recurrent_layer(config.cell, config.units, name, *more) for name in names]


class Advance(Protocol):
    """Runs a recurrent layer from its states: over a whole target, or one step further."""

    def __call__(self, layer: Any, inputs: Any, states: Sequence[Any]) -> tuple[Any, Sequence[Any]]: ...


def over_target(layer: Any, inputs: Any, states: Sequence[Any]) -> tuple[Any, Sequence[Any]]:
    """``inputs [rows, target, features]``: the layer as Keras runs it. Padding in a target only follows its last token,
    so it can change nothing before it: no mask is needed."""
    outputs, *last = layer(inputs, initial_state=list(states))
    return outputs, last


def one_step(layer: Any, inputs: Any, states: Sequence[Any]) -> tuple[Any, Sequence[Any]]:
    """``inputs [rows, features]``: the layer's cell, once."""
    output, following = layer.cell(inputs, list(states))
    return output, following


class Attend(Protocol):
    """``query [..., units]`` -> context ``[..., memory]`` and attention ``[..., source]``."""

    def __call__(self, query: Any) -> tuple[Any, Any]: ...


class Drop(Protocol):
    """Dropout before layer ``index`` of the decoder; the last index is before the scores."""

    def __call__(self, index: int, inputs: Any) -> Any: ...


@dataclass(frozen=True)
class Decoded:
    """``top [..., features]`` is what the readout or the scores read; ``states`` are the layers' new ones;
    ``attention [..., source]`` is None without memory."""

    top: Any
    states: list[Any]
    attention: Any | None


def decode(
    config: ModelConfig,
    layers: Sequence[Any],
    norms: Sequence[Any],
    inputs: Sequence[Any],
    context: Any | None,
    states: Sequence[Any],
    attend: Attend | None,
    advance: Advance,
    drop: Drop,
) -> Decoded:
    """Through all layers, whole (``[rows, target, ...]``) or one step (``[rows, ...]``).

    :param norms: one for what each layer gives; none where that is not normalised.
    :param inputs: what enters the lowest layer: the embedded token, the last readout, the fixed context.
    :param context: the fixed context, which the readout sees too (Cho et al. 2014).
    :param states: of the layers, lowest first.
    """
    per_layer = len(CELL_STATES[config.cell])
    following: list[Any] = []
    attention = None
    seen = [] if context is None else [context]
    hidden, entering = None, list(inputs)
    for index, layer in enumerate(layers):
        joined = drop(index, _join(entering))
        outputs, new = advance(layer, joined, states[index * per_layer : (index + 1) * per_layer])
        following.extend(new)
        outputs = norms[index](outputs) if norms else outputs
        hidden = outputs if hidden is None or not config.residual else outputs + hidden
        entering = [hidden]
        if attend is not None and index + 1 == config.layers_below:
            found, attention = attend(hidden)
            seen = [found, *seen]
            entering = [hidden, found]
    return Decoded(_join([hidden, *seen]), following, attention)


def _join(parts: Sequence[Any]) -> Any:
    return parts[0] if len(parts) == 1 else ops.concatenate(list(parts), axis=-1)
