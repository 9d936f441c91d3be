"""``train``: the training loop, with checkpoints, exact resumption, evaluation on dev and early stopping."""

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from app.bundle.tokenizers import SentencePieceTokenizer
from training.config import RunConfig, TrainingConfig
from training.data.dataset import Batch, BatchPlan, TokenPairs
from training.data.prepare import load_run_tokenizer
from training.data.resegmentation import Resegmentation
from training.errors import ConfigError, NotANumber
from training.learn.build import build_model
from training.learn.checkpoint import TrainingState, load_checkpoint, load_weights, save_checkpoint, save_weights
from training.learn.devices import ONE_DEVICE, Devices
from training.learn.fingerprints import (
    check_fingerprints,
    check_prepared,
    fingerprints_of,
    load_fingerprints,
    save_fingerprints,
)
from training.learn.schedule import learning_rate, sampling_rate
from training.learn.shortlist import draw_shortlist
from training.learn.tensorboard import ScalarLog
from training.model.layers import to_numpy

CHECKPOINT_FILE = "checkpoint.npz"
BEST_WEIGHTS_FILE = "best.weights.npz"


class Trainer:
    """Trains a run in its folder, from its checkpoint if there is one.

    Args:
        config: The run's configuration.
        run: The run's folder, as ``prepare`` leaves it.
        weights: Initial weights, used if there is no checkpoint.
        devices: Among which the rows of a batch are divided.

    Raises:
        CheckpointError: The checkpoint or the weights do not fit the model.
        ConfigError: No pair fits into a bucket, or the settings do not suit the devices.
    """

    def __init__(
        self, config: RunConfig, run: Path, weights: Path | None = None, devices: Devices = ONE_DEVICE
    ) -> None:
        self.config, self.run, self.devices = config, run, devices
        devices.check(config.training)
        check_prepared(config, run)
        self._fingerprints = fingerprints_of(config, run)
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
        if checkpoint.exists():
            self.state = load_checkpoint(checkpoint, self.model, self._fingerprints)
            # A run that reached its end goes on when its limits were raised.
            self.state.finished = self.state.evaluations_without_gain >= settings.patience_evaluations
        else:
            self.state = TrainingState()
            if weights is not None:
                check_fingerprints(weights, load_fingerprints(weights), self._fingerprints, ("tokenizer",))
                load_weights(weights, self.model)

    def fit(self, stop_after_steps: int | None = None) -> TrainingState:
        """Trains until ``max_steps``, until the budget is spent, or until dev stops improving.

        Args:
            stop_after_steps: Stop after this many more steps; None for no such limit.

        Returns:
            The state at the end, which the last checkpoint holds too.

        Raises:
            NotANumber: The loss is no longer finite. The last checkpoint stays.
        """
        state, settings = self.state, self.config.training
        last = (
            settings.max_steps if stop_after_steps is None else min(settings.max_steps, state.step + stop_after_steps)
        )
        keep = self.devices.keep_files
        if keep and (reason := self._reason_to_stop()):
            print(f"nothing to train: {reason}")
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

    def _reason_to_stop(self) -> str:
        """Why the run is at its end; empty if it is not."""
        state, settings = self.state, self.config.training
        if state.finished:
            return f"dev has not improved for {state.evaluations_without_gain} evaluations (patience_evaluations)"
        if state.step >= settings.max_steps:
            return f"{state.step:,} steps are done, max_steps is {settings.max_steps:,}"
        if self.progress >= 1:
            spent = f"{state.processor_seconds:,.0f} processor seconds are spent"
            return f"{spent}, budget_seconds is {settings.budget_seconds:,}"
        return ""

    @property
    def progress(self) -> float:
        """Completed part of the run, 0 to 1: of its budget if it has one, else of its steps."""
        state, settings = self.state, self.config.training
        if state.step >= settings.max_steps:
            return 1.0
        if settings.budget_seconds is not None:
            return min(1.0, state.processor_seconds / settings.budget_seconds)
        return state.step / settings.max_steps

    def dev_loss(self) -> float:
        """Computes the mean cross-entropy on dev in nats per target token, without label smoothing and dropout."""
        total, tokens = 0.0, 0
        for batch in self.dev_plan.batches(self.config.seed, 0):
            padded = self.devices.pad(batch)
            inputs = (padded.source_ids, padded.source_lengths, padded.input_ids)
            own = self.devices.select_own(inputs, padded.target_ids)
            total += float(self.model.test_on_batch(*own)) * batch.target_tokens
            tokens += batch.target_tokens
        return total / tokens

    def _step(self, batch: Batch) -> tuple[float, float]:
        """Trains on one batch; returns the loss in nats per token and the seconds of the step."""
        state, settings = self.state, self.config.training
        started, processor_started = time.perf_counter(), time.process_time()
        # Keras averages metrics since their reset; this step reports only its own loss.
        self.model.reset_metrics()
        self.model.optimizer.learning_rate.assign(learning_rate(settings, state.step, self.progress))
        if self.model.samples:
            self.model.sampling_rate.assign(sampling_rate(settings, self.progress))
        inputs, targets = self._model_arguments(self.devices.pad(batch))
        loss = float(self.model.train_on_batch(*self.devices.select_own(inputs, targets)))
        seconds = time.perf_counter() - started
        state.step, state.batch = state.step + 1, state.batch + 1
        state.target_tokens += batch.target_tokens
        state.training_seconds += seconds
        state.processor_seconds += time.process_time() - processor_started
        if not math.isfinite(loss):
            raise NotANumber(
                f"the loss is {loss} at step {state.step} (epoch {state.epoch}, learning rate "
                f"{self._learning_rate():.2e}): lower training.learning_rate, lengthen training.warmup_steps or lower "
                f"training.gradient_clip_norm; the last checkpoint is older and stays"
            )
        return loss, seconds

    def _model_arguments(self, batch: Batch) -> tuple[tuple[Any, ...], Any]:
        """Returns the model's inputs and its targets, with a shortlist if the settings have one."""
        state, settings = self.state, self.config.training
        inputs = (batch.source_ids, batch.source_lengths, batch.input_ids)
        if settings.shortlist is None or self.progress >= settings.shortlist_until:
            return inputs, batch.target_ids
        # The seed depends on the position in the run, so that a run that continues from a checkpoint draws the same.
        generator = np.random.default_rng([self.config.seed, state.epoch, state.batch])
        drawn = draw_shortlist(batch.target_ids, self.model.vocabulary_size, settings.shortlist, generator)
        if drawn is None:
            return inputs, batch.target_ids
        return (*inputs, drawn.token_ids, drawn.offsets), drawn.indices

    def _after_step(self, loss: float, tokens_per_second: float, log: ScalarLog, progress: Progress) -> None:
        state, settings = self.state, self.config.training
        # Batches of short and of long sentences have different losses, so the printed loss is a mean over many.
        state.loss_sum, state.loss_steps = state.loss_sum + loss, state.loss_steps + 1
        scalars = {"loss": loss, "tokens_per_second": tokens_per_second, "learning_rate": self._learning_rate()}
        log.add(state.step, scalars)
        if state.step % settings.evaluate_every_steps == 0 or self.progress >= 1:
            self._evaluate(log, progress)
        if state.step % settings.checkpoint_every_steps == 0:
            self._save_checkpoint()

    def _save_checkpoint(self) -> None:
        if self.devices.keep_files:
            save_checkpoint(self.run / CHECKPOINT_FILE, self.model, self.state, self._fingerprints)

    def _evaluate(self, log: ScalarLog, progress: Progress) -> None:
        state, settings = self.state, self.config.training
        loss = state.loss_sum / state.loss_steps
        state.loss_sum, state.loss_steps = 0.0, 0
        with self._averaged():
            dev_loss = self._keep_if_best()
        log.add(state.step, {"dev_loss": dev_loss})
        state.history.append({"step": state.step, "epoch": state.epoch, "loss": loss, "dev_loss": dev_loss})
        state.finished = state.finished or state.evaluations_without_gain >= settings.patience_evaluations
        progress.console.print(
            f"step {state.step:,} epoch {state.epoch} loss {loss:.3f} dev {dev_loss:.4f} "
            f"(best {state.best_dev_loss:.4f} at {state.best_step:,}), {state.training_seconds / 60:.1f} min, "
            f"{state.target_tokens / state.training_seconds:,.0f} tokens/s",
            soft_wrap=True,
        )

    def _keep_if_best(self) -> float:
        """Measures the loss on dev and saves the weights if it is the lowest one."""
        state = self.state
        self.model.reset_metrics()
        dev_loss = self.dev_loss()
        if dev_loss < state.best_dev_loss:
            state.best_dev_loss, state.best_step, state.evaluations_without_gain = dev_loss, state.step, 0
            if self.devices.keep_files:
                save_weights(self.run / BEST_WEIGHTS_FILE, self.model)
                save_fingerprints(self.run / BEST_WEIGHTS_FILE, self._fingerprints)
        else:
            state.evaluations_without_gain += 1
        return dev_loss

    @contextmanager
    def _averaged(self) -> Iterator[None]:
        """With ``averaged_steps``, gives the model the average of its last weights within the context."""
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
    """Describes the length of the run in one line."""
    epochs = settings.max_steps / plan.batches_per_epoch
    if settings.budget_seconds is not None:
        return f"{plan.batches_per_epoch:,} batches an epoch, {settings.budget_seconds:,.0f} processor seconds"
    return f"{plan.batches_per_epoch:,} batches an epoch, at most {settings.max_steps:,} steps ({epochs:.1f} epochs)"
