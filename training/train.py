"""``train``: the loop, with checkpoints, exact resume, evaluation on dev and early stopping."""

import math
import time
from pathlib import Path
from typing import Any

import keras
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from training.arrays import to_numpy
from training.checkpoint import Place, load_checkpoint, save_checkpoint, save_weights
from training.config import RunConfig, TrainingConfig
from training.dataset import Batch, BatchPlan, TokenPairs
from training.errors import ConfigError, NotANumber
from training.model import EncoderDecoder
from training.prepare import load_run_tokenizer
from training.scalars import ScalarLog

CHECKPOINT_FILE = "checkpoint.npz"
BEST_WEIGHTS_FILE = "best.weights.npz"


@keras.saving.register_keras_serializable(package="passerelle")
class WarmupCosine(keras.optimizers.schedules.LearningRateSchedule):
    """Linear from 0 to the peak over the warm-up, then half a cosine down to a fraction of it
    (Loshchilov & Hutter 2017, arXiv:1608.03983, without restarts)."""

    def __init__(self, peak: float, warmup_steps: int, max_steps: int, final_fraction: float) -> None:
        self.peak, self.warmup_steps, self.max_steps, self.final_fraction = (
            peak,
            warmup_steps,
            max_steps,
            final_fraction,
        )

    def __call__(self, step: Any) -> Any:
        step = keras.ops.cast(step, "float32") + 1.0
        warm = step / self.warmup_steps
        done = keras.ops.clip((step - self.warmup_steps) / max(1, self.max_steps - self.warmup_steps), 0.0, 1.0)
        cosine = 0.5 * (1.0 + keras.ops.cos(math.pi * done))
        return self.peak * keras.ops.minimum(warm, self.final_fraction + (1.0 - self.final_fraction) * cosine)

    def get_config(self) -> dict[str, float]:
        return {
            "peak": self.peak,
            "warmup_steps": self.warmup_steps,
            "max_steps": self.max_steps,
            "final_fraction": self.final_fraction,
        }


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
        model.compile(optimizer=optimizer, jit_compile=config.training.jit_compile)
    return model


def build_optimizer(settings: TrainingConfig) -> keras.optimizers.Optimizer:
    """Adam (Kingma & Ba 2015, arXiv:1412.6980) or RMSprop (Tieleman & Hinton 2012), with the same schedule."""
    schedule = WarmupCosine(
        settings.learning_rate, settings.warmup_steps, settings.max_steps, settings.final_learning_rate_fraction
    )
    clip = settings.gradient_clip_norm
    if settings.optimizer == "rmsprop":
        return keras.optimizers.RMSprop(schedule, global_clipnorm=clip, name="rmsprop")
    return keras.optimizers.Adam(schedule, beta_2=0.98, epsilon=1e-9, global_clipnorm=clip, name="adam")


def sampling_rate(settings: TrainingConfig, step: int) -> float:
    """How often the decoder reads its own prediction at this step: a straight rise, as in Bengio et al. 2015
    (arXiv:1506.03099)."""
    return settings.sampling * min(1.0, (step + 1) / max(1, settings.sampling_rise_steps))


class Trainer:
    """One run in its folder: goes on from the checkpoint that is there, or begins."""

    def __init__(self, config: RunConfig, run: Path) -> None:
        self.config, self.run = config, run
        tokenizer = load_run_tokenizer(config, run)
        self.model = build_model(config, tokenizer.vocabulary_size, for_training=True)
        settings = config.training
        self.train_pairs, self.dev_pairs = TokenPairs.load(run / "train.npz"), TokenPairs.load(run / "dev.npz")
        self.plan = BatchPlan(self.train_pairs, settings.bucket_widths, settings.tokens_per_batch, settings.loss_on)
        self.dev_plan = BatchPlan(self.dev_pairs, settings.bucket_widths, settings.tokens_per_batch, settings.loss_on)
        if not self.plan.batches_per_epoch or not self.dev_plan.batches_per_epoch:
            raise ConfigError(f"no pair fits into bucket_widths {list(settings.bucket_widths)}")
        checkpoint = run / CHECKPOINT_FILE
        self.place = load_checkpoint(checkpoint, self.model) if checkpoint.exists() else Place()

    def fit(self, stop_after_steps: int | None = None) -> Place:
        """Train until ``max_steps``, until dev stops improving, or for ``stop_after_steps`` more steps.

        :raises NotANumber: the loss is no longer finite. The last good checkpoint stays.
        """
        place, settings = self.place, self.config.training
        last = (
            settings.max_steps if stop_after_steps is None else min(settings.max_steps, place.step + stop_after_steps)
        )
        with ScalarLog(self.run / "tensorboard") as log, _progress() as progress:
            if self.plan.left_out and not place.step:
                progress.console.print(
                    f"{self.plan.left_out:,} pairs are wider than the widest bucket and are left out"
                )
            bar = progress.add_task("training", total=settings.max_steps, completed=place.step, speed="", loss="")
            while place.step < last and not place.finished:
                for batch in self.plan.batches(self.config.seed, place.epoch, skip=place.batch):
                    loss, seconds = self._step(batch)
                    progress.update(
                        bar,
                        completed=place.step,
                        speed=f"{batch.target_tokens / seconds:,.0f} tokens/s",
                        loss=f"loss {loss:.3f}",
                    )
                    self._after_step(loss, batch.target_tokens / seconds, log, progress)
                    if place.step >= last or place.finished:
                        break
                else:
                    place.epoch, place.batch = place.epoch + 1, 0
            place.finished = place.finished or place.step >= settings.max_steps
            save_checkpoint(self.run / CHECKPOINT_FILE, self.model, place)
        return place

    def dev_loss(self) -> float:
        """Mean cross-entropy on dev, nats per target token, without smoothing and dropout."""
        total, tokens = 0.0, 0
        for batch in self.dev_plan.batches(self.config.seed, 0):
            inputs = (batch.source_ids, batch.source_lengths, batch.input_ids)
            total += float(self.model.test_on_batch(inputs, batch.target_ids)) * batch.target_tokens
            tokens += batch.target_tokens
        return total / tokens

    def _step(self, batch: Batch) -> tuple[float, float]:
        place, started = self.place, time.perf_counter()
        # Metrics average since their reset: each step reports its own loss.
        self.model.reset_metrics()
        if self.model.samples:
            self.model.sampling_rate.assign(sampling_rate(self.config.training, place.step))
        loss = float(
            self.model.train_on_batch((batch.source_ids, batch.source_lengths, batch.input_ids), batch.target_ids)
        )
        seconds = time.perf_counter() - started
        place.step, place.batch = place.step + 1, place.batch + 1
        place.target_tokens += batch.target_tokens
        place.training_seconds += seconds
        if not math.isfinite(loss):
            raise NotANumber(
                f"the loss is {loss} at step {place.step} (epoch {place.epoch}, learning rate "
                f"{self._learning_rate():.2e}): lower training.learning_rate, lengthen training.warmup_steps or lower "
                f"training.gradient_clip_norm; the last checkpoint is from before and stays"
            )
        return loss, seconds

    def _after_step(self, loss: float, tokens_per_second: float, log: ScalarLog, progress: Progress) -> None:
        place, settings = self.place, self.config.training
        # One batch's loss says little: its bucket may be of short or of long sentences.
        place.loss_sum, place.loss_steps = place.loss_sum + loss, place.loss_steps + 1
        log.add(place.step, loss=loss, tokens_per_second=tokens_per_second, learning_rate=self._learning_rate())
        if place.step % settings.evaluate_every_steps == 0 or place.step == settings.max_steps:
            self._evaluate(log, progress)
        if place.step % settings.checkpoint_every_steps == 0:
            save_checkpoint(self.run / CHECKPOINT_FILE, self.model, place)

    def _evaluate(self, log: ScalarLog, progress: Progress) -> None:
        place, settings = self.place, self.config.training
        loss = place.loss_sum / place.loss_steps
        place.loss_sum, place.loss_steps = 0.0, 0
        self.model.reset_metrics()
        dev_loss = self.dev_loss()
        log.add(place.step, dev_loss=dev_loss)
        place.history.append({"step": place.step, "epoch": place.epoch, "loss": loss, "dev_loss": dev_loss})
        if dev_loss < place.best_dev_loss:
            place.best_dev_loss, place.best_step, place.evaluations_without_gain = dev_loss, place.step, 0
            save_weights(self.run / BEST_WEIGHTS_FILE, self.model)
        else:
            place.evaluations_without_gain += 1
            place.finished = place.evaluations_without_gain >= settings.patience_evaluations
        progress.console.print(
            f"step {place.step:,} epoch {place.epoch} loss {loss:.3f} dev {dev_loss:.4f} "
            f"(best {place.best_dev_loss:.4f} at {place.best_step:,}), {place.training_seconds / 60:.1f} min, "
            f"{place.target_tokens / place.training_seconds:,.0f} tokens/s",
            soft_wrap=True,
        )

    def _learning_rate(self) -> float:
        return float(to_numpy(self.model.optimizer.learning_rate))


def _progress() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[speed]}"),
        TextColumn("{task.fields[loss]}"),
        TimeRemainingColumn(),
        refresh_per_second=2,
    )


def describe(settings: TrainingConfig, plan: BatchPlan) -> str:
    """What is about to happen, in one line."""
    epochs = settings.max_steps / plan.batches_per_epoch
    return f"{plan.batches_per_epoch:,} batches an epoch, at most {settings.max_steps:,} steps ({epochs:.1f} epochs)"
