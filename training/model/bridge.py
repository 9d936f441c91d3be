"""The bridge: the decoder's first states, made from what the encoder read."""

from typing import Any

import keras
from keras import ops

from training.model.config import ModelConfig
from training.model.decoder import CONTEXT_STATE, FEED_STATE, DecoderState
from training.model.encoder import EncoderOutput, fixed_context


class StartState(keras.layers.Layer):
    """A learned first state, the same for every row, for a decoder that reads no source."""

    def __init__(self, units: int, name: str) -> None:
        super().__init__(name=name)
        self.units = units

    def build(self, _input_shape: Any) -> None:
        self.start = self.add_weight(shape=(self.units,), initializer="zeros", name="start")

    def call(self, source_lengths: Any) -> Any:
        """Repeats the state: lengths ``[rows]``, of which only the number is used -> ``[rows, units]``."""
        return ops.broadcast_to(self.start, (ops.shape(source_lengths)[0], self.units))


class Bridge(keras.layers.Layer):
    """Makes the decoder's first states, as ``ModelConfig.bridge`` says."""

    def __init__(self, config: ModelConfig, states: tuple[DecoderState, ...], name: str) -> None:
        super().__init__(name=name)
        self.config, self.states = config, states
        own = [state for state in states if state.name not in (FEED_STATE, CONTEXT_STATE)]
        self.by_state: dict[str, Any] = {}
        for state in own:
            short = state.name.removeprefix("state_")
            if config.bridge == "dense":
                self.by_state[state.name] = keras.layers.Dense(config.units, activation="tanh", name=short)
            elif config.bridge == "start":
                self.by_state[state.name] = StartState(config.units, name=short)

    def call(self, source_lengths: Any, encoded: EncoderOutput) -> list[Any]:
        """Returns the states before the first token, ``[rows, units]`` each, in the order of ``states``.

        Args:
            source_lengths: ``int32 [rows]``; the first argument, because Keras looks for a mask on the first one only.
            encoded: What the encoder made of the source.
        """
        return [self._first_state(state, encoded, source_lengths) for state in self.states]

    def _first_state(self, state: DecoderState, encoded: EncoderOutput, source_lengths: Any) -> Any:
        if state.name == CONTEXT_STATE:
            return fixed_context(self.config, encoded)
        # state_h2: the hidden state of the second layer.
        kind, layer = state.name.removeprefix("state_")[:1], state.name.removeprefix("state_")[1:]
        if state.name in self.by_state:
            learned = self.config.bridge == "start"
            return self.by_state[state.name](source_lengths if learned else encoded.last[-1][kind])
        if self.config.bridge == "copy" and layer.isdigit():
            return encoded.last[int(layer) - 1][kind]
        return ops.zeros((ops.shape(source_lengths)[0], state.units), dtype=self.compute_dtype)
