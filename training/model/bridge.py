"""Between the sides: what the decoder's first states are made of."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
from keras import ops

from training.model.config import ModelConfig
from training.model.decoder import CONTEXT_STATE, FEED_STATE, DecoderState
from training.model.encoder import Read, fixed_context


class StartState(keras.layers.Layer):
    """A first state that is learned, the same for every row: what a decoder knows before it has read anything."""

    def __init__(self, units: int, name: str) -> None:
        super().__init__(name=name)
        self.units = units

    def build(self, _input_shape: Any) -> None:
        self.start = self.add_weight(shape=(self.units,), initializer="zeros", name="start")

    def call(self, source_lengths: Any) -> Any:
        """``[rows]`` lengths, of which only their number is read -> ``[rows, units]``."""
        return ops.broadcast_to(self.start, (ops.shape(source_lengths)[0], self.units))


def bridges(config: ModelConfig, states: Sequence[DecoderState]) -> dict[str, Any]:
    """The layers that make the first states of the decoder's own layers, by state; empty where nothing is learned."""
    own = [state for state in states if state.name not in (FEED_STATE, CONTEXT_STATE)]
    if config.bridge == "dense":
        return {
            state.name: keras.layers.Dense(config.units, activation="tanh", name=f"bridge_{state.name}")
            for state in own
        }
    if config.bridge == "start":
        return {state.name: StartState(config.units, name=f"bridge_{state.name}") for state in own}
    return {}


def first_state(
    config: ModelConfig, layers: Mapping[str, Any], state: DecoderState, read: Read, source_lengths: Any, dtype: str
) -> Any:
    """The state before the first token, ``[rows, units]``."""
    if state.name == CONTEXT_STATE:
        return fixed_context(config, read)
    if config.bridge == "start" and state.name in layers:
        return layers[state.name](source_lengths)
    kind, layer = state.name.removeprefix("state_")[0], state.name[-1]
    if state.name in layers:
        return layers[state.name](read.last[-1][kind])
    if config.bridge == "copy" and layer.isdigit():
        return read.last[int(state.name.removeprefix(f"state_{kind}")) - 1][kind]
    return ops.zeros((ops.shape(source_lengths)[0], state.units), dtype=dtype)
