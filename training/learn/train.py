"""``train``: the loop, with checkpoints, exact resume, evaluation on dev and early stopping."""

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import keras
import numpy as np
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from app.bundle.tokenizers import SentencePieceTokenizer
from training.config import RunConfig, TrainingConfig
from training.data.dataset import Batch, BatchPlan, TokenPairs
from training.data.prepare import load_run_tokenizer
from training.data.resegmentation import Resegmentation
from training.errors import ConfigError, NotANumber
from training.learn.checkpoint import TrainingState, load_checkpoint, load_weights, save_checkpoint, save_weights
from training.learn.devices import ONE_DEVICE, Devices
from training.learn.shortlist import shortlist
from training.learn.tensorboard import ScalarLog
from training.model.layers import to_numpy
from training.model.seq2seq import EncoderDecoder

CHECKPOINT_FILE = "checkpoint.npz"
BEST_WEIGHTS_FILE = "best.weights.npz"


def learning_rate(settings: TrainingConfig, step: int, progress: float) -> float:
    """Linear up to the peak over the warm-up, under half a cosine down to a fraction of the peak (Loshchilov & Hutter
    2017, arXiv:1608.03983, without restarts).

    :param progress: how much of the run is behind, 0 to 1: of its steps, or of its budget.
    """
    warm = min(1.0, (step + 1) / settings.warmup_steps)
    final = settings.final_learning_rate_fraction
    cosine = 0.5 * (1.0 + math.cos(math.pi * min(1.0, progress)))
    return settings.learning_rate * min(warm, final + (1.0 - final) * cosine)


def build_model(config: RunConfig, vocabulary_size: int, *, for_training: bool) -> EncoderDecoder:
    """A built model; for training also compiled, in the precision of the configuration.

    Export and the reference always compute in float32.
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
        # Keras on JAX would otherwise compute each operation by itself, a hundred times slower.
        jit_compile = config.training.jit_compile or keras.backend.backend() == "jax"
        model.compile(optimizer=optimizer, jit_compile=jit_compile)
    return model


def build_optimizer(settings: TrainingConfig) -> keras.optimizers.Optimizer:
    """Adam (Kingma & Ba 2015, arXiv:1412.6980) or RMSprop (Tieleman & Hinton 2012); the trainer sets the rate at each
    step."""
    rate, clip, averaged = settings.learning_rate, settings.gradient_clip_norm, settings.averaged_steps
    average: dict[str, Any] = {} if averaged is None else {"use_ema": True, "ema_momentum": 1 - 1 / averaged}
    if settings.optimizer == "rmsprop":
        return keras.optimizers.RMSprop(rate, global_clipnorm=clip, name="rmsprop", **average)
    return keras.optimizers.Adam(rate, beta_2=0.98, epsilon=1e-9, global_clipnorm=clip, name="adam", **average)


def sampling_rate(settings: TrainingConfig, progress: float) -> float:
    """How often the decoder reads its own prediction: a straight rise over the first part of the run, as in Bengio et
    al. 2015 (arXiv:1506.03099)."""
    return settings.sampling * (min(1.0, progress / settings.sampling_rise) if settings.sampling_rise else 1.0)


class Trainer:
    """One run in its folder: goes on from the checkpoint that is there, or begins.

    :param weights: to begin with, where there is no checkpoint yet.
    :param devices: that the rows of a batch are shared out to.
    """

    def __init__(
        self, config: RunConfig, run: Path, weights: Path | None = None, devices: Devices = ONE_DEVICE
    ) -> None:
        self.config, self.run, self.devices = config, run, devices
        devices.check(config.training)
        tokenizer = load_run_tokenizer(config, run)
        self.model = build_model(config, tokenizer.vocabulary_size, for_training=True)
        settings = config.training
        self.train_pairs, self.dev_pairs = TokenPairs.load(run / "train.npz"), TokenPairs.load(run / "dev.npz")
        resegmentation = None
        if settings.resegmentation and isinstance(tokenizer, SentencePieceTokenizer):
            resegmentation = Resegmentation(tokenizer, settings.resegmentation)
        cut = (settings.bucket_widths, settings.tokens_per_batch, settings.loss_on)
        self.plan = BatchPlan(self.train_pairs, *cut, resegmentation)
        self.dev_plan = BatchPlan(self.dev_pairs, *cut)
        if not self.plan.batches_per_epoch or not self.dev_plan.batches_per_epoch:
            raise ConfigError(f"no pair fits into bucket_widths {list(settings.bucket_widths)}")
        checkpoint = run / CHECKPOINT_FILE
        self.state = load_checkpoint(checkpoint, self.model) if checkpoint.exists() else TrainingState()
        if weights is not None and not checkpoint.exists():
            load_weights(weights, self.model)

    def fit(self, stop_after_steps: int | None = None) -> TrainingState:
        """Train until ``max_steps``, until the budget is spent, until dev stops improving, or for
        ``stop_after_steps`` more steps.

        :raises NotANumber: the loss is no longer finite. The last good checkpoint stays.
        """
        state, settings = self.state, self.config.training
        last = (
            settings.max_steps if stop_after_steps is None else min(settings.max_steps, state.step + stop_after_steps)
        )
        keep = self.devices.keep_files
        with ScalarLog(self.run / "tensorboard" if keep else None) as log, _progress(quiet=not keep) as progress:
            if self.plan.left_out and not state.step:
                progress.console.print(
                    f"{self.plan.left_out:,} pairs are wider than the widest bucket and are left out"
                )
            bar = progress.add_task("training", total=1.0, completed=0, step="", speed="", loss="")
            while state.step < last and not state.finished and self.progress < 1:
                for batch in self.plan.batches(self.config.seed, state.epoch, skip=state.batch):
                    loss, seconds = self._step(batch)
                    progress.update(
                        bar,
                        completed=self.progress,
                        step=f"step {state.step:,}",
                        speed=f"{batch.target_tokens / seconds:,.0f} tokens/s",
                        loss=f"loss {loss:.3f}",
                    )
                    self._after_step(loss, batch.target_tokens / seconds, log, progress)
                    if state.step >= last or state.finished or self.progress >= 1:
                        break
                else:
                    state.epoch, state.batch = state.epoch + 1, 0
            state.finished = state.finished or self.progress >= 1
            self._save_checkpoint()
        return state

    @property
    def progress(self) -> float:
        """How much of the run is behind, 0 to 1: of its budget if it has one, else of its steps."""
        state, settings = self.state, self.config.training
        if state.step >= settings.max_steps:
            return 1.0
        if settings.budget_seconds is not None:
            return min(1.0, state.processor_seconds / settings.budget_seconds)
        return state.step / settings.max_steps

    def dev_loss(self) -> float:
        """Mean cross-entropy on dev, nats per target token, without smoothing and dropout."""
        total, tokens = 0.0, 0
        for batch in self.dev_plan.batches(self.config.seed, 0):
            even = self.devices.even(batch)
            inputs = (even.source_ids, even.source_lengths, even.input_ids)
            given = self.devices.own(inputs, even.target_ids)
            total += float(self.model.test_on_batch(*given)) * batch.target_tokens
            tokens += batch.target_tokens
        return total / tokens

    def _step(self, batch: Batch) -> tuple[float, float]:
        state, settings = self.state, self.config.training
        started, processor_started = time.perf_counter(), time.process_time()
        # Metrics average since their reset: each step reports its own loss.
        self.model.reset_metrics()
        self.model.optimizer.learning_rate.assign(learning_rate(settings, state.step, self.progress))
        if self.model.samples:
            self.model.sampling_rate.assign(sampling_rate(settings, self.progress))
        loss = float(self.model.train_on_batch(*self.devices.own(*self._given(self.devices.even(batch)))))
        seconds = time.perf_counter() - started
        state.step, state.batch = state.step + 1, state.batch + 1
        state.target_tokens += batch.target_tokens
        state.training_seconds += seconds
        state.processor_seconds += time.process_time() - processor_started
        if not math.isfinite(loss):
            raise NotANumber(
                f"the loss is {loss} at step {state.step} (epoch {state.epoch}, learning rate "
                f"{self._learning_rate():.2e}): lower training.learning_rate, lengthen training.warmup_steps or lower "
                f"training.gradient_clip_norm; the last checkpoint is from before and stays"
            )
        return loss, seconds

    def _given(self, batch: Batch) -> tuple[tuple[Any, ...], Any]:
        """What the model reads, and what it is to write."""
        state, settings = self.state, self.config.training
        read = (batch.source_ids, batch.source_lengths, batch.input_ids)
        if settings.shortlist is None or self.progress >= settings.shortlist_until:
            return read, batch.target_ids
        # Of its own place in the run, so that a run that goes on draws the same.
        generator = np.random.default_rng([self.config.seed, state.epoch, state.batch])
        listed = shortlist(batch.target_ids, self.model.vocabulary_size, settings.shortlist, generator)
        return (
            (read, batch.target_ids) if listed is None else ((*read, listed.token_ids, listed.offsets), listed.places)
        )

    def _after_step(self, loss: float, tokens_per_second: float, log: ScalarLog, progress: Progress) -> None:
        state, settings = self.state, self.config.training
        # One batch's loss says little: its bucket may be of short or of long sentences.
        state.loss_sum, state.loss_steps = state.loss_sum + loss, state.loss_steps + 1
        log.add(state.step, loss=loss, tokens_per_second=tokens_per_second, learning_rate=self._learning_rate())
        if state.step % settings.evaluate_every_steps == 0 or self.progress >= 1:
            self._evaluate(log, progress)
        if state.step % settings.checkpoint_every_steps == 0:
            self._save_checkpoint()

    def _save_checkpoint(self) -> None:
        if self.devices.keep_files:
            save_checkpoint(self.run / CHECKPOINT_FILE, self.model, self.state)

    def _evaluate(self, log: ScalarLog, progress: Progress) -> None:
        state, settings = self.state, self.config.training
        loss = state.loss_sum / state.loss_steps
        state.loss_sum, state.loss_steps = 0.0, 0
        with self._averaged():
            dev_loss = self._keep_if_best()
        log.add(state.step, dev_loss=dev_loss)
        state.history.append({"step": state.step, "epoch": state.epoch, "loss": loss, "dev_loss": dev_loss})
        state.finished = state.finished or state.evaluations_without_gain >= settings.patience_evaluations
        progress.console.print(
            f"step {state.step:,} epoch {state.epoch} loss {loss:.3f} dev {dev_loss:.4f} "
            f"(best {state.best_dev_loss:.4f} at {state.best_step:,}), {state.training_seconds / 60:.1f} min, "
            f"{state.target_tokens / state.training_seconds:,.0f} tokens/s",
            soft_wrap=True,
        )

    def _keep_if_best(self) -> float:
        state = self.state
        self.model.reset_metrics()
        dev_loss = self.dev_loss()
        if dev_loss < state.best_dev_loss:
            state.best_dev_loss, state.best_step, state.evaluations_without_gain = dev_loss, state.step, 0
            if self.devices.keep_files:
                save_weights(self.run / BEST_WEIGHTS_FILE, self.model)
        else:
            state.evaluations_without_gain += 1
        return dev_loss

    @contextmanager
    def _averaged(self) -> Iterator[None]:
        """With ``averaged_steps``, the model has the average of its last weights meanwhile."""
        if self.config.training.averaged_steps is None:
            yield
            return
        own = [to_numpy(variable) for variable in self.model.trainable_variables]
        self.model.optimizer.finalize_variable_values(self.model.trainable_variables)
        try:
            yield
        finally:
            for variable, value in zip(self.model.trainable_variables, own, strict=True):
                variable.assign(value)

    def _learning_rate(self) -> float:
        return float(to_numpy(self.model.optimizer.learning_rate))


def _progress(quiet: bool) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[step]}"),
        TextColumn("{task.fields[speed]}"),
        TextColumn("{task.fields[loss]}"),
        TimeRemainingColumn(),
        refresh_per_second=2,
        console=Console(quiet=quiet),
    )


def describe(settings: TrainingConfig, plan: BatchPlan) -> str:
    """What is about to happen, in one line."""
    epochs = settings.max_steps / plan.batches_per_epoch
    if settings.budget_seconds is not None:
        return f"{plan.batches_per_epoch:,} batches an epoch, {settings.budget_seconds:,.0f} processor seconds"
    return f"{plan.batches_per_epoch:,} batches an epoch, at most {settings.max_steps:,} steps ({epochs:.1f} epochs)"
