"""The encoder-decoder, built of the pieces that a configuration names: written once, used both whole (teacher forcing)
and a step at a time (export, reference, and training where a step needs the one before)."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
from keras import ops

from app.bundle.tokenizers import PAD_ID
from training.model.attention import AdditiveAttention, Attention, DotAttention, HeadsAttention
from training.model.bridge import bridges, first_state
from training.model.config import ModelConfig
from training.model.decoder import (
    CONTEXT_STATE,
    Attend,
    Decoded,
    Drop,
    decode,
    decoder_layers,
    decoder_states,
    one_step,
    over_target,
)
from training.model.encoder import Read, RunLayer, encoder_layers, entrance, read_at_once, read_source, run_layer
from training.model.layers import OneHot, TiedOutput, UntiedOutput, length_mask

Memories = dict[str, Any]


class EncoderDecoder(keras.Model):
    """Sequence-to-sequence (Sutskever et al. 2014, Cho et al. 2014), with attention or without.

    Called on ``(source_ids [rows, source], source_lengths [rows], input_ids [rows, target])`` it gives the logits
    ``[rows, target, vocabulary]`` of the token after each input token, and what they were made from. ``encode`` and
    ``step`` are the two graphs that are exported.

    :param samples: training may feed back predictions: see ``sampling_rate``.
    """

    def __init__(
        self, config: ModelConfig, vocabulary_size: int, label_smoothing: float = 0.0, samples: bool = False
    ) -> None:
        super().__init__(name="encoder_decoder")
        self.config = config
        self.vocabulary_size = vocabulary_size
        self.label_smoothing = label_smoothing
        self.states = decoder_states(config)
        self.embedding = self._embedding()
        self.entrance: Any = entrance(config)
        self.encoder_layers = encoder_layers(config)
        self.bridges = bridges(config, self.states)
        self.lower = decoder_layers(config, "lower")
        self.attention: Any = _attention(config)
        self.upper = decoder_layers(config, "upper")
        self.encoder_norms = _norms(
            "norm_encoder", config.encoder_layers if config.layer_norm and self.entrance is None else 0
        )
        self.decoder_norms = _norms("norm_decoder", config.decoder_layers if config.layer_norm else 0)
        self.readout: Any = (
            keras.layers.Dense(config.embedding, activation="tanh", name="readout") if config.readout else None
        )
        if config.tied:
            self.output_scores = TiedOutput(self.embedding, name="output")
        else:
            self.output_scores = UntiedOutput(vocabulary_size, name="output")
        self.dropouts = [
            keras.layers.Dropout(config.dropout, name=f"dropout_{index}")
            for index in range(config.encoder_layers + config.decoder_layers + 2)
        ]
        self.samples = samples
        if samples:
            self.coins = keras.random.SeedGenerator(name="coins")
            # Between 0 and 1, set by the trainer: how often a step reads its own last prediction, not the true token.
            # In float32 also where the model computes in bfloat16: coins are compared with it.
            self.sampling_rate = self.add_weight(
                shape=(), initializer="zeros", dtype="float32", trainable=False, autocast=False, name="sampling_rate"
            )

    def build_weights(self) -> None:
        """Create every weight by one call on a tiny batch, so that checkpoints can be loaded."""
        ids, lengths = ops.ones((1, 2), dtype="int32"), ops.ones((1,), dtype="int32")
        # Steps alone would build the cells but not the layers around them, and a cell's name would stand twice.
        with keras.name_scope(self.name):
            memories, states = self.encode(ids, lengths)
            self._whole(ids, lengths, memories, states, training=False)
        self((ids, lengths, ids))

    @property
    def state_names(self) -> tuple[str, ...]:
        """The states that ``encode`` gives and ``step`` takes, in this order."""
        return tuple(state.name for state in self.states)

    @property
    def memories(self) -> dict[str, int]:
        """The memory tensors that ``encode`` gives, with their widths; empty without attention."""
        if self.attention is None:
            return {}
        keys = {"memory_keys": self.config.units} if self.config.attention == "bahdanau" else {}
        return {"memory": self.config.memory_units, **keys}

    # --- the encoder -------------------------------------------------------------------------------------------

    def encode(
        self, source_ids: Any, source_lengths: Any, training: bool = False, run: RunLayer = run_layer
    ) -> tuple[Memories, list[Any]]:
        """``source_ids [rows, source]`` -> the memories by name, ``[rows, source, ...]``, and the first states in the
        order of ``state_names``, each ``[rows, units]``."""
        read = self._read(source_ids, source_lengths, training, run)
        memories = {} if self.attention is None else self.attention.memories(read.hidden)
        first = [
            first_state(self.config, self.bridges, state, read, source_lengths, self.compute_dtype)
            for state in self.states
        ]
        return memories, first

    def _read(self, source_ids: Any, source_lengths: Any, training: bool, run: RunLayer) -> Read:
        config, layers, dropouts = self.config, self.encoder_layers, self.dropouts[: self.config.encoder_layers + 1]
        source = (self.embedding, source_ids, source_lengths, training)
        if self.entrance is not None:
            return read_at_once(config, self.entrance, layers, dropouts[0], *source)
        return read_source(config, layers, self.encoder_norms, dropouts, *source, run)

    # --- the decoder -------------------------------------------------------------------------------------------

    def call(self, inputs: tuple[Any, ...], training: bool = False) -> Any:
        """Logits ``[rows, target, vocabulary]`` of the token after each input token, and what they were made from.

        Outside training the decoder always reads the true tokens, so that losses can be compared. With a shortlist's
        ``token_ids`` and ``offsets`` as fourth and fifth input the logits are those of its tokens alone.
        """
        source_ids, source_lengths, input_ids, *listed = inputs
        memories, states = self.encode(source_ids, source_lengths, training)
        sampled = training and self.samples
        if sampled or self.config.input_feeding:
            top = self._stepwise(input_ids, source_lengths, memories, states, training, sampled)
        else:
            top = self._whole(input_ids, source_lengths, memories, states, training)
        if listed:
            return self.output_scores.listed(top, *listed), top
        return self.output_scores(top), top

    def step(
        self, token_ids: Any, states: Sequence[Any], memories: Mapping[str, Any], source_lengths: Any | None
    ) -> tuple[Any, list[Any], Any | None]:
        """One token: ``token_ids [rows]``, the states -> logits ``[rows, vocabulary]``, the new states in the order of
        ``state_names`` and the attention ``[rows, source]`` (None without memory)."""
        top, following, attention = self._step(token_ids, states, memories, source_lengths, lambda _, inputs: inputs)
        return self.output_scores(top), following, attention

    def _whole(
        self, input_ids: Any, source_lengths: Any, memories: Memories, states: Sequence[Any], training: bool
    ) -> Any:
        """All steps of a target at once, from its true tokens: ``[rows, target, features]``."""
        named = dict(zip(self.state_names, states, strict=True))
        target = ops.shape(input_ids)[1]
        steps = {name: ops.repeat(ops.expand_dims(state, 1), target, axis=1) for name, state in named.items()}
        dropouts = self.dropouts[self.config.encoder_layers + 1 :]

        def drop(index: int, inputs: Any) -> Any:
            return dropouts[index](inputs, training=training)

        attend = self._attend(memories, source_lengths, one=False)
        decoded = self._decode(self.embedding(input_ids), steps, states, attend, over_target, drop)
        return drop(self.config.decoder_layers, self._top(decoded))

    def _step(
        self, token_ids: Any, states: Sequence[Any], memories: Mapping[str, Any], source_lengths: Any, drop: Drop
    ) -> tuple[Any, list[Any], Any | None]:
        named = dict(zip(self.state_names, states, strict=True))
        attend = self._attend(memories, source_lengths, one=True)
        decoded = self._decode(self.embedding(token_ids), named, states, attend, one_step, drop)
        top = self._top(decoded)
        following = list(decoded.states)
        if self.config.input_feeding:
            following.append(top)
        # What is left moves with its source: it stays.
        following += states[len(following) :]
        return drop(self.config.decoder_layers, top), following, decoded.attention

    def _stepwise(
        self,
        input_ids: Any,
        source_lengths: Any,
        memories: Memories,
        states: Sequence[Any],
        training: bool,
        sampled: bool,
    ) -> Any:
        """One step after the other, where a step needs the one before: ``[rows, target, features]``.

        With sampling (Bengio et al. 2015, arXiv:1506.03099) a coin says for each token whether the step reads the true
        one or the most likely one of the step before. Dropout keeps one mask for all steps (Gal & Ghahramani 2016,
        arXiv:1512.05287).
        """
        rows, width = ops.shape(input_ids)[0], self._top_width()
        drop = self._one_mask_for_all_steps(rows, training)
        own = ops.zeros_like(input_ids, dtype="bool")
        if sampled:
            # The first token is bos, always: there is no prediction before it.
            coins = keras.random.uniform(ops.shape(input_ids), dtype="float32", seed=self.coins) < self.sampling_rate
            own = ops.logical_and(coins, ops.expand_dims(ops.arange(ops.shape(input_ids)[1]) > 0, 0))

        def one(carry: Sequence[Any], given: Any) -> tuple[Sequence[Any], Sequence[Any]]:
            predicted, _, *before = carry
            token_ids = ops.where(given[:, 1] > 0, predicted, given[:, 0])
            top, following, _ = self._step(token_ids, before, memories, source_lengths, drop)
            if sampled:
                predicted = ops.cast(ops.argmax(self.output_scores(top), axis=-1), "int32")
            carry = [predicted, top, *following]
            return carry, carry

        nothing = ops.zeros((rows, width), dtype=self.compute_dtype)
        first = [ops.cast(input_ids[:, 0], "int32"), nothing, *states]
        # In one tensor [target, rows, 2]: Keras's scan cannot read two of unknown length.
        given = ops.transpose(ops.stack([ops.cast(input_ids, "int32"), ops.cast(own, "int32")]), (2, 1, 0))
        _, made = ops.scan(one, first, given)
        return ops.reshape(ops.transpose(made[1], (1, 0, 2)), (rows, -1, width))

    def _decode(
        self,
        embedded: Any,
        named: Mapping[str, Any],
        states: Sequence[Any],
        attend: Attend | None,
        advance: Any,
        drop: Drop,
    ) -> Decoded:
        """``embedded [..., embedding]`` and the states by name, with the same leading axes."""
        inputs = [embedded] if self.config.reads_tokens else []
        context = named.get(CONTEXT_STATE)
        if self.config.input_feeding:
            inputs.append(named["state_feed"])
        if context is not None:
            inputs.append(context)
        layers = [*self.lower, *self.upper]
        return decode(self.config, layers, self.decoder_norms, inputs, context, states, attend, advance, drop)

    def _top(self, decoded: Decoded) -> Any:
        return decoded.top if self.readout is None else self.readout(decoded.top)

    def _attend(self, memories: Mapping[str, Any], source_lengths: Any, one: bool) -> Attend | None:
        if self.attention is None:
            return None
        mask = length_mask(source_lengths, ops.shape(memories["memory"])[1])

        def attend(query: Any) -> tuple[Any, Any]:
            context, attention = self.attention(query, memories, mask)
            return (ops.squeeze(context, 1), ops.squeeze(attention, 1)) if one else (context, attention)

        return attend

    def _one_mask_for_all_steps(self, rows: Any, training: bool) -> Drop:
        dropouts, widths = self.dropouts[self.config.encoder_layers + 1 :], self._entering_widths()
        masks = [
            dropout(ops.ones((rows, width), dtype=self.compute_dtype), training=training)
            for dropout, width in zip(dropouts, widths, strict=True)
        ]
        return lambda index, inputs: inputs * masks[index]

    # --- widths ------------------------------------------------------------------------------------------------

    def _entering_widths(self) -> list[int]:
        """What enters each decoder layer, and last what enters the scores."""
        config = self.config
        context = config.memory_units if config.context != "none" else 0
        token = config.embedding if config.input == "embedding" else self.vocabulary_size
        first = token * config.reads_tokens + config.embedding * config.input_feeding + context
        found = config.memory_units if config.attention != "none" else 0
        widths = [first] + [config.units] * (config.decoder_layers - 1)
        if config.layers_above:
            widths[config.layers_below] += found
        return [*widths, self._top_width()]

    def _top_width(self) -> int:
        config = self.config
        if config.readout:
            return config.embedding
        seen = (config.context != "none") + (config.attention != "none")
        return config.units + config.memory_units * seen

    # --- the pieces --------------------------------------------------------------------------------------------

    def _embedding(self) -> Any:
        if self.config.input == "one-hot":
            return OneHot(self.vocabulary_size, name="one_hot")
        # With a tied table, which gives the scores too, logits start near unit variance at this spread.
        initializer = keras.initializers.RandomNormal(stddev=self.config.embedding**-0.5)
        return keras.layers.Embedding(
            self.vocabulary_size, self.config.embedding, embeddings_initializer=initializer, name="embedding"
        )

    # --- the loss ----------------------------------------------------------------------------------------------

    def compute_loss(
        self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None, training: bool = True
    ) -> Any:
        """Mean cross-entropy in nats per target token, padding left out, with label smoothing while training.

        What is padding in ``y`` counts for nothing: so ``loss_on`` reaches here. With a shortlist ``y`` holds places.
        """
        logits, top = y_pred
        losses = keras.losses.sparse_categorical_crossentropy(y, ops.cast(logits, "float32"), from_logits=True)
        if training and self.label_smoothing:
            token_ids = ops.take(x[3], y) if x is not None and len(x) > 3 else y
            losses = losses + self.label_smoothing * self.output_scores.smoothing(top, token_ids)
        weights = ops.cast(y != PAD_ID, losses.dtype)
        return ops.sum(losses * weights) / ops.maximum(ops.sum(weights), 1.0)


def _attention(config: ModelConfig) -> Any | None:
    if config.attention == "none":
        return None
    if config.attention == "dot":
        return DotAttention(name="attention")
    if config.attention == "bahdanau":
        return AdditiveAttention(config.units, name="attention")
    if config.attention_heads > 1:
        return HeadsAttention(config.memory_units, config.attention_heads, name="attention")
    return Attention(config.memory_units, name="attention")


def _norms(name: str, count: int) -> list[Any]:
    return [keras.layers.LayerNormalization(name=f"{name}_{index}") for index in range(count)]
