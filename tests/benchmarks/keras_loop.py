"""Greedy decoding as it is written in Keras: the contestant that the engine is compared with.

States and memory are carried in one list, in the order of the model's own names; what a sentence writes does not depend
on those beside it.
"""

from collections.abc import Callable, Sequence

import keras
import numpy as np
import tensorflow as tf

from app.bundle.tokenizers import BOS_ID, EOS_ID
from training.export.parity import pad_sentences
from training.model.decoder import Source
from training.model.layers import to_numpy
from training.model.seq2seq import EncoderDecoder

Tokens = tuple[int, ...]
# source_ids [rows, source], source_lengths [rows] -> memories and states
Encode = Callable[[np.ndarray, np.ndarray], list[np.ndarray]]
# token_ids [rows], source_lengths [rows], memories and states -> scores [rows, vocabulary], new states
Step = Callable[[np.ndarray, np.ndarray, list[np.ndarray]], list[np.ndarray]]


class Encoding(keras.Model):  # type: ignore[misc]
    def __init__(self, model: EncoderDecoder) -> None:
        super().__init__()
        self.model = model

    def call(self, inputs: tuple[object, object]) -> list[object]:
        memories, states = self.model.encode(*inputs)
        return [*memories.values(), *states]


class Stepping(keras.Model):  # type: ignore[misc]
    def __init__(self, model: EncoderDecoder) -> None:
        super().__init__()
        self.model = model

    def call(self, inputs: Sequence[object]) -> list[object]:
        token_ids, lengths, *carried = inputs
        count = len(self.model.memories)
        memories = dict(zip(self.model.memories, carried[:count], strict=True))
        logits, following, _ = self.model.step(token_ids, carried[count:], Source.of(memories, lengths))
        return [logits, *following]


def loop(encode: Encode, step: Step, sources: Sequence[Sequence[int]], caps: Sequence[int]) -> list[Tokens]:
    """All sources together, one token a step, until each has ended or is at its cap."""
    ids, lengths = pad_sentences(sources)
    carried = encode(ids, lengths)
    written: list[list[int]] = [[] for _ in sources]
    alive = set(range(len(sources)))
    tokens = np.full(len(sources), BOS_ID, np.int32)
    while alive:
        logits, *states = step(tokens, lengths, carried)
        carried[len(carried) - len(states) :] = states
        tokens = logits.argmax(axis=-1).astype(np.int32)
        for row in list(alive):
            if tokens[row] == EOS_ID or len(written[row]) == caps[row]:
                alive.remove(row)
            else:
                written[row].append(int(tokens[row]))
    return [tuple(one) for one in written]


def with_predict(model: EncoderDecoder) -> tuple[Encode, Step]:
    """``Model.predict`` for every token, as in the tutorials."""
    encoder, decoder = Encoding(model), Stepping(model)
    return (
        lambda ids, lengths: encoder.predict((ids, lengths), verbose=0),
        lambda tokens, lengths, carried: decoder.predict([tokens, lengths, *carried], verbose=0),
    )


def with_function(model: EncoderDecoder) -> tuple[Encode, Step]:
    """Each call a compiled ``tf.function``."""
    encoder, decoder = Encoding(model), Stepping(model)
    rows = tf.TensorSpec((None,), tf.int32)
    carried = [tf.TensorSpec((None, None, units), tf.float32) for units in model.memories.values()]
    carried += [tf.TensorSpec((None, state.units), tf.float32) for state in model.states]
    encode = tf.function(
        lambda ids, lengths: encoder.call((ids, lengths)),
        input_signature=[tf.TensorSpec((None, None), tf.int32), rows],
    )
    step = tf.function(
        lambda tokens, lengths, given: decoder.call([tokens, lengths, *given]), input_signature=[rows, rows, carried]
    )
    return (
        lambda ids, lengths: [to_numpy(value) for value in encode(ids, lengths)],
        lambda tokens, lengths, given: [to_numpy(value) for value in step(tokens, lengths, given)],
    )
