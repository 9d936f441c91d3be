"""The encoder-decoder: written once, used both whole (teacher forcing) and a step at a time (export, reference).

Encoder: embedding, stacked bidirectional LSTM. Decoder: LSTM, attention over the encoder, LSTM, tied output.
"""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from app.bundle.tokenizer import PAD_ID
from training.config import ModelConfig
from training.layers import Attention, TiedOutput, length_mask

STATE_NAMES = ("state_h1", "state_c1", "state_h2", "state_c2")


class EncoderDecoder(keras.Model):
    """Sequence-to-sequence with attention (Bahdanau et al. 2015, Luong et al. 2015) over recurrent layers.

    Called on ``(source_ids [rows, source], source_lengths [rows], input_ids [rows, target])`` it gives the logits
    ``[rows, target, vocabulary]`` of teacher forcing. ``encode`` and ``step`` are the two graphs that are exported.
    """

    def __init__(self, config: ModelConfig, vocabulary_size: int, label_smoothing: float = 0.0) -> None:
        super().__init__(name="encoder_decoder")
        self.config = config
        self.vocabulary_size = vocabulary_size
        self.label_smoothing = label_smoothing
        self.embedding = keras.layers.Embedding(
            vocabulary_size,
            config.embedding,
            # The same table gives the scores: with this spread, logits start near unit variance.
            embeddings_initializer=keras.initializers.RandomNormal(stddev=config.embedding**-0.5),
            name="embedding",
        )
        self.encoder_layers = [
            keras.layers.Bidirectional(
                keras.layers.LSTM(config.encoder_units, return_sequences=True, return_state=True, name="lstm"),
                name=f"encoder_{index}",
            )
            for index in range(config.encoder_layers)
        ]
        self.bridges = {
            name: keras.layers.Dense(config.units, activation="tanh", name=f"bridge_{name}") for name in STATE_NAMES
        }
        self.lower = keras.layers.LSTM(config.units, return_sequences=True, return_state=True, name="decoder_lower")
        self.attention = Attention(2 * config.encoder_units, name="attention")
        self.upper = keras.layers.LSTM(config.units, return_sequences=True, return_state=True, name="decoder_upper")
        self.readout = keras.layers.Dense(config.embedding, activation="tanh", name="readout")
        self.output_scores = TiedOutput(self.embedding, name="output")
        self.dropouts = [
            keras.layers.Dropout(config.dropout, name=f"dropout_{index}") for index in range(config.encoder_layers + 4)
        ]

    def build_weights(self) -> None:
        """Create every weight by one call on a tiny batch, so that checkpoints can be loaded."""
        ids = ops.ones((1, 2), dtype="int32")
        self((ids, ops.ones((1,), dtype="int32"), ids))

    # --- the encoder -------------------------------------------------------------------------------------------

    def encode(self, source_ids: Any, source_lengths: Any | None, training: bool = False) -> tuple[Any, list[Any]]:
        """``source_ids [rows, source]`` -> memory ``[rows, source, memory]`` and the initial states, in the order of
        ``STATE_NAMES``, each ``[rows, units]``.

        ``source_lengths=None`` leaves out the mask: export does so and feeds the lengths to ONNX's fused LSTM.
        """
        mask = None if source_lengths is None else length_mask(source_lengths, ops.shape(source_ids)[1])
        hidden = self.dropouts[0](self.embedding(source_ids), training=training)
        final: Sequence[Any] = ()
        for index, layer in enumerate(self.encoder_layers):
            hidden, *final = layer(hidden, mask=mask, training=training)
            hidden = self.dropouts[index + 1](hidden, training=training)
        forward_h, forward_c, backward_h, backward_c = final
        summary_h = ops.concatenate([forward_h, backward_h], axis=-1)
        summary_c = ops.concatenate([forward_c, backward_c], axis=-1)
        states = [self.bridges[name](summary_h if "_h" in name else summary_c) for name in STATE_NAMES]
        return hidden, states

    # --- the decoder -------------------------------------------------------------------------------------------

    def call(self, inputs: tuple[Any, Any, Any], training: bool = False) -> Any:
        """Teacher forcing: logits ``[rows, target, vocabulary]`` of the token after each input token."""
        source_ids, source_lengths, input_ids = inputs
        memory, (h1, c1, h2, c2) = self.encode(source_ids, source_lengths, training)
        memory_mask = length_mask(source_lengths, ops.shape(source_ids)[1])
        embedded = self.dropouts[-3](self.embedding(input_ids), training=training)
        # Padding in the target only follows the last token, so it can change nothing before it: no mask is needed.
        query, _, _ = self.lower(embedded, initial_state=[h1, c1], training=training)
        context, _ = self.attention(query, memory, memory_mask)
        joined = self.dropouts[-2](ops.concatenate([query, context], axis=-1), training=training)
        upper, _, _ = self.upper(joined, initial_state=[h2, c2], training=training)
        readout = self.dropouts[-1](self._readout(upper, context), training=training)
        return self.output_scores(readout), readout

    def step(
        self, token_ids: Any, states: Sequence[Any], memory: Any, source_lengths: Any
    ) -> tuple[Any, list[Any], Any]:
        """One token: ``token_ids [rows]``, the four states -> logits ``[rows, vocabulary]``, the new states and the
        attention ``[rows, source]``."""
        h1, c1, h2, c2 = states
        h1, (_, c1) = self.lower.cell(self.embedding(token_ids), [h1, c1])
        memory_mask = length_mask(source_lengths, ops.shape(memory)[1])
        context, attention = self.attention(ops.expand_dims(h1, 1), memory, memory_mask)
        context = ops.squeeze(context, 1)
        h2, (_, c2) = self.upper.cell(ops.concatenate([h1, context], axis=-1), [h2, c2])
        logits = self.output_scores(self._readout(h2, context))
        return logits, [h1, c1, h2, c2], ops.squeeze(attention, 1)

    def _readout(self, upper: Any, context: Any) -> Any:
        return self.readout(ops.concatenate([upper, context], axis=-1))

    # --- the loss ----------------------------------------------------------------------------------------------

    def compute_loss(
        self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None, training: bool = True
    ) -> Any:
        """Mean cross-entropy in nats per target token, padding left out, with label smoothing while training."""
        logits, readout = y_pred
        losses = keras.losses.sparse_categorical_crossentropy(y, ops.cast(logits, "float32"), from_logits=True)
        if training and self.label_smoothing:
            losses = losses + self.label_smoothing * self.output_scores.smoothing(readout, y)
        weights = ops.cast(y != PAD_ID, losses.dtype)
        return ops.sum(losses * weights) / ops.maximum(ops.sum(weights), 1.0)
