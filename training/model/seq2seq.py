"""The encoder-decoder model, assembled from the parts that a configuration names.

One implementation serves both uses: whole targets (teacher forcing) and single steps (export, reference decoder, and
training where a step needs the one before).
"""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from app.bundle.tokenizers import PAD_ID
from training.model.bridge import Bridge
from training.model.config import ModelConfig
from training.model.decoder import Decoder, DecoderState, DecoderStep, Source
from training.model.encoder import EncoderOutput, RunLayer, build_encoder
from training.model.layers import OneHot, TiedOutput, UntiedOutput

Memories = dict[str, Any]


class EncoderDecoder(keras.Model):
    """Sequence-to-sequence (Sutskever et al. 2014, Cho et al. 2014), with attention or without.

    Called on ``(source_ids [rows, source], source_lengths [rows], input_ids [rows, target])`` it returns the logits
    ``[rows, target, vocabulary]`` of the token after each input token, and what they were made from. ``encode`` and
    ``step`` are the two graphs that are exported.

    Args:
        config: Which parts the model has.
        vocabulary_size: Tokens of the vocabulary, which both sides share.
        label_smoothing: Share of the probability given to all tokens alike while training.
        samples: Whether training may feed back predictions; see ``sampling_rate``.
    """

    def __init__(
        self, config: ModelConfig, vocabulary_size: int, label_smoothing: float = 0.0, samples: bool = False
    ) -> None:
        super().__init__(name="encoder_decoder")
        self.config = config
        self.vocabulary_size = vocabulary_size
        self.label_smoothing = label_smoothing
        self.embedding = _embedding(config, vocabulary_size)
        self.encoder = build_encoder(config)
        token_width = config.embedding if config.input == "embedding" else vocabulary_size
        self.decoder = Decoder(config, token_width, name="decoder")
        self.bridge = Bridge(config, self.decoder.states, name="bridge")
        if config.tied:
            self.output_scores = TiedOutput(self.embedding, name="output")
        else:
            self.output_scores = UntiedOutput(vocabulary_size, name="output")
        self.samples = samples
        if samples:
            self.coins = keras.random.SeedGenerator(name="coins")
            # Probability, set by the trainer, that a step reads its own last prediction instead of the true token. It
            # is kept in float32 also if the model computes in bfloat16, because the drawn coins are compared with it.
            self.sampling_rate = self.add_weight(
                shape=(), initializer="zeros", dtype="float32", trainable=False, autocast=False, name="sampling_rate"
            )

    def build_weights(self) -> None:
        """Creates every weight by one call on a tiny batch, so that checkpoints can be loaded."""
        ids, lengths = ops.ones((1, 2), dtype="int32"), ops.ones((1,), dtype="int32")
        # Single steps would build only the cells, not the layers around them, and the paths of their variables would
        # then repeat a cell's name.
        with keras.name_scope(self.name):
            memories, states = self.encode(ids, lengths)
            self.decoder(self.embedding(ids), states, Source.of(memories, lengths))
        self((ids, lengths, ids))

    @property
    def states(self) -> tuple[DecoderState, ...]:
        """The decoder's states."""
        return self.decoder.states

    @property
    def state_names(self) -> tuple[str, ...]:
        """Names of the states that ``encode`` returns and ``step`` takes, in this order."""
        return self.decoder.state_names

    @property
    def memories(self) -> dict[str, int]:
        """The memory tensors that ``encode`` returns, with their widths; empty without attention."""
        if self.config.attention == "none":
            return {}
        has_keys = self.config.attention == "bahdanau" or (
            self.config.attention == "general" and self.config.attention_heads == 1
        )
        keys = {"memory_keys": self.config.units} if has_keys else {}
        return {"memory": self.config.memory_units, **keys}

    def encode(
        self, source_ids: Any, source_lengths: Any, training: bool = False, run: RunLayer | None = None
    ) -> tuple[Memories, list[Any]]:
        """Encodes a source.

        Args:
            source_ids: ``int32 [rows, source]``.
            source_lengths: ``int32 [rows]``.
            training: Whether dropout is active.
            run: How a recurrent layer is run; as Keras does if None.

        Returns:
            The memories by name, ``[rows, source, ...]``, and the first states in the order of ``state_names``, each
            ``[rows, units]``.
        """
        embedded = self.embedding(source_ids)
        encoded: EncoderOutput
        if run is None:
            encoded = self.encoder(embedded, source_lengths, training=training)
        else:
            encoded = self.encoder(embedded, source_lengths, training=training, run=run)
        attention = self.decoder.attention
        memories = {} if attention is None else attention.memories(encoded.hidden)
        return memories, self.bridge(source_lengths, encoded)

    def call(self, inputs: tuple[Any, ...], training: bool = False) -> Any:
        """Returns the logits ``[rows, target, vocabulary]`` of the token after each input token, and their inputs.

        Outside training the decoder always reads the true tokens, so that losses can be compared. With a shortlist's
        ``token_ids`` and ``offsets`` as fourth and fifth input the logits are those of its tokens alone.
        """
        source_ids, source_lengths, input_ids, *shortlisted = inputs
        memories, states = self.encode(source_ids, source_lengths, training)
        source = Source.of(memories, source_lengths)
        if (training and self.samples) or self.config.input_feeding:
            top = self._decode_stepwise(input_ids, states, source, training)
        else:
            top = self.decoder(self.embedding(input_ids), states, source, training=training)
        if shortlisted:
            return self.output_scores.score_shortlist(top, *shortlisted), top
        return self.output_scores(top), top

    def step(self, token_ids: Any, states: Sequence[Any], source: Source) -> DecoderStep:
        """Decodes one token further.

        Args:
            token_ids: ``int32 [rows]``.
            states: In the order of ``state_names``, each ``[rows, units]``.
            source: The memories as ``encode`` returned them, and the mask of their padding.

        Returns:
            The logits ``[rows, vocabulary]`` as ``top``, the new states, and the attention ``[rows, source]`` (None
            without memory).
        """
        top, following, attention = self.decoder.step(self.embedding(token_ids), states, source)
        return DecoderStep(self.output_scores(top), following, attention)

    def _decode_stepwise(self, input_ids: Any, states: Sequence[Any], source: Source, training: bool) -> Any:
        """Decodes step by step, for models whose steps need the previous one: ``[rows, target, features]``.

        With sampling (Bengio et al. 2015, arXiv:1506.03099) a drawn coin decides for each token whether the step reads
        the true one or the most probable one of the previous step. Dropout keeps one mask for all steps.
        """
        rows, is_sampled = ops.shape(input_ids)[0], training and self.samples
        drop = self.decoder.drop_with_one_mask(rows, training)

        def advance(carry: Sequence[Any], given: Any) -> tuple[Sequence[Any], Sequence[Any]]:
            predicted, _, *before = carry
            token_ids = ops.where(given[:, 1] > 0, predicted, given[:, 0])
            top, following, _ = self.decoder.step(self.embedding(token_ids), before, source, drop)
            if is_sampled:
                predicted = ops.cast(ops.argmax(self.output_scores(top), axis=-1), "int32")
            carry = [predicted, top, *following]
            return carry, carry

        nothing = ops.zeros((rows, self.decoder.top_width), dtype=self.compute_dtype)
        first = [ops.cast(input_ids[:, 0], "int32"), nothing, *states]
        own = self._coins(input_ids) if is_sampled else ops.zeros_like(input_ids, dtype="bool")
        # One tensor [target, rows, 2], because Keras's scan cannot read two tensors of unknown length.
        given = ops.transpose(ops.stack([ops.cast(input_ids, "int32"), ops.cast(own, "int32")]), (2, 1, 0))
        _, made = ops.scan(advance, first, given)
        return ops.reshape(ops.transpose(made[1], (1, 0, 2)), (rows, -1, self.decoder.top_width))

    def _coins(self, input_ids: Any) -> Any:
        """Draws which tokens are replaced by predictions, ``bool [rows, target]``; never the first, which is bos."""
        coins = keras.random.uniform(ops.shape(input_ids), dtype="float32", seed=self.coins) < self.sampling_rate
        return ops.logical_and(coins, ops.expand_dims(ops.arange(ops.shape(input_ids)[1]) > 0, 0))

    def compute_loss(
        self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None, training: bool = True
    ) -> Any:
        """Returns the mean cross-entropy in nats per target token, without padding, with label smoothing in training.

        Positions that are padding in ``y`` have weight zero; ``loss_on`` relies on it. With a shortlist ``y`` holds
        indices of the shortlist.
        """
        logits, top = y_pred
        losses = keras.losses.sparse_categorical_crossentropy(y, ops.cast(logits, "float32"), from_logits=True)
        if training and self.label_smoothing:
            token_ids = ops.take(x[3], y) if x is not None and len(x) > 3 else y
            losses = losses + self.label_smoothing * self.output_scores.smoothing(top, token_ids)
        weights = ops.cast(y != PAD_ID, losses.dtype)
        return ops.sum(losses * weights) / ops.maximum(ops.sum(weights), 1.0)


def _embedding(config: ModelConfig, vocabulary_size: int) -> Any:
    if config.input == "one-hot":
        return OneHot(vocabulary_size, name="one_hot")
    # With a tied table, which gives the scores too, logits start near unit variance at this spread.
    initializer = keras.initializers.RandomNormal(stddev=config.embedding**-0.5)
    return keras.layers.Embedding(
        vocabulary_size, config.embedding, embeddings_initializer=initializer, name="embedding"
    )
