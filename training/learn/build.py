"""Builds the model of a run, and for training its optimizer."""

from typing import Any

import keras

from training.config import RunConfig, TrainingConfig
from training.model.seq2seq import EncoderDecoder


def build_model(config: RunConfig, vocabulary_size: int, *, for_training: bool) -> EncoderDecoder:
    """Builds a model and initialises its weights.

    Args:
        config: The run's configuration.
        vocabulary_size: Number of tokens.
        for_training: Whether the model is also compiled, in the precision of the configuration. Export and reference
            always compute in float32.
    """
    precision = config.training.precision if for_training else "float32"
    keras.mixed_precision.set_global_policy("mixed_bfloat16" if precision == "bfloat16" else "float32")
    keras.utils.set_random_seed(config.seed)
    smoothing = config.training.label_smoothing if for_training else 0.0
    model = EncoderDecoder(config.model, vocabulary_size, smoothing, for_training and config.training.sampling > 0)
    model.build_weights()
    if for_training:
        optimizer = build_optimizer(config.training)
        optimizer.build(model.trainable_variables)
        # Without compilation, Keras on JAX computes each operation separately, a hundred times slower.
        jit_compile = config.training.jit_compile or keras.backend.backend() == "jax"
        model.compile(optimizer=optimizer, jit_compile=jit_compile)
    return model


def build_optimizer(settings: TrainingConfig) -> keras.optimizers.Optimizer:
    """Returns Adam (Kingma & Ba 2015, arXiv:1412.6980) or RMSprop (Tieleman & Hinton 2012).

    The trainer sets the learning rate at each step.
    """
    rate, clip, averaged = settings.learning_rate, settings.gradient_clip_norm, settings.averaged_steps
    average: dict[str, Any] = {} if averaged is None else {"use_ema": True, "ema_momentum": 1 - 1 / averaged}
    if settings.optimizer == "rmsprop":
        return keras.optimizers.RMSprop(rate, global_clipnorm=clip, name="rmsprop", **average)
    return keras.optimizers.Adam(rate, beta_2=0.98, epsilon=1e-9, global_clipnorm=clip, name="adam", **average)
