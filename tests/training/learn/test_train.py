"""The training loop: resumption, seeds, early stopping, losses that are no numbers, memory."""

import itertools
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from tests.support.reversal import write_task
from training.config import RunConfig, TrainingConfig
from training.data.prepare import prepare
from training.errors import CheckpointError, NotANumber
from training.learn.build import build_model
from training.learn.checkpoint import load_checkpoint
from training.learn.schedule import learning_rate
from training.learn.tensorboard import ScalarLog
from training.learn.train import BEST_WEIGHTS_FILE, CHECKPOINT_FILE, Trainer

pytestmark = pytest.mark.slow

STEPS = 24


def small(folder: Path, **training: object) -> RunConfig:
    config = write_task(folder, pairs=300, max_steps=STEPS)
    # Dropout on: its random state must survive a kill too.
    model = config.model.model_copy(update={"dropout": 0.2})
    chosen = config.training.model_copy(update={"checkpoint_every_steps": 5, **training})
    return config.model_copy(update={"model": model, "training": chosen})


def prepared(folder: Path, config: RunConfig, name: str) -> Path:
    run = folder / name
    prepare(config, folder, run)
    return run


def weights(run: Path, file: str = CHECKPOINT_FILE) -> dict[str, np.ndarray]:
    with np.load(run / file) as arrays:
        return {name: arrays[name] for name in arrays.files if name != "place"}


def assert_same(left: dict[str, np.ndarray], right: dict[str, np.ndarray]) -> None:
    assert left.keys() == right.keys()
    for name, array in left.items():
        np.testing.assert_array_equal(array, right[name], err_msg=name)


def test_stopped_and_resumed_equals_never_stopped_and_a_seed_fixes_the_run(tmp_path: Path) -> None:
    config = small(tmp_path, averaged_steps=6)
    runs = [prepared(tmp_path, config, name) for name in ("whole", "again", "broken")]
    for run in runs[:2]:
        Trainer(config, run).fit()
    for steps in (7, 11, None):
        place = Trainer(config, runs[2]).fit(steps)
    assert place.finished
    assert place.step == STEPS
    assert_same(weights(runs[0]), weights(runs[1]))
    assert_same(weights(runs[0]), weights(runs[2]))
    assert_same(weights(runs[0], BEST_WEIGHTS_FILE), weights(runs[2], BEST_WEIGHTS_FILE))
    other = config.model_copy(update={"seed": 2})
    run = prepared(tmp_path, other, "other")
    Trainer(other, run).fit()
    assert any((array != weights(run)[name]).any() for name, array in weights(runs[0]).items() if "kernel" in name)


def test_the_average_of_the_last_weights_is_kept_and_training_continues_with_its_own(tmp_path: Path) -> None:
    settings = {"evaluate_every_steps": 1, "precision": "float32"}
    config = small(tmp_path, **settings, averaged_steps=3)
    plain = small(tmp_path, **settings)
    average, own = prepared(tmp_path, config, "average"), prepared(tmp_path, plain, "own")
    expected: dict[str, np.ndarray] = {}
    trainers = Trainer(config, average), Trainer(plain, own)
    for _ in range(5):
        for trainer in trainers:
            trainer.state.best_dev_loss = float("inf")  # the weights of each step are kept
            trainer.fit(1)
        assert_same(weights(own), {name: value for name, value in weights(average).items() if name in weights(own)})
        last = weights(own, BEST_WEIGHTS_FILE)
        expected = {name: 2 / 3 * expected.get(name, value) + value / 3 for name, value in last.items()}
        for name, array in weights(average, BEST_WEIGHTS_FILE).items():
            np.testing.assert_allclose(array, expected[name], atol=1e-6, err_msg=name)


def test_killed_and_resumed_equals_never_killed(tmp_path: Path) -> None:
    write_task(tmp_path, pairs=300, max_steps=400)
    command = [sys.executable, "-m", "training"]
    arguments = [str(tmp_path / "reversal.toml"), "--runs"]
    subprocess.run([*command, "prepare", *arguments, str(tmp_path / "whole"), "--data", str(tmp_path)], check=True)
    shutil.copytree(tmp_path / "whole", tmp_path / "killed")
    train = [*command, "train", *arguments]
    subprocess.run([*train, str(tmp_path / "whole")], check=True)
    checkpoint = tmp_path / "killed" / "reversal" / CHECKPOINT_FILE
    process = subprocess.Popen([*train, str(tmp_path / "killed")])
    deadline = time.monotonic() + 120
    while not checkpoint.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    subprocess.run([*train, str(tmp_path / "killed")], check=True)
    assert_same(weights(tmp_path / "whole" / "reversal"), weights(checkpoint.parent))


@pytest.mark.parametrize(("precision", "jit_compile"), [("bfloat16", False), ("float32", True)])
def test_bfloat16_and_xla_learn_the_same(tmp_path: Path, precision: str, jit_compile: bool) -> None:
    losses = []
    for name, options in (("plain", {}), ("other", {"precision": precision, "jit_compile": jit_compile})):
        config = small(tmp_path, evaluate_every_steps=8, **options)
        losses.append(Trainer(config, prepared(tmp_path, config, name)).fit(8).best_dev_loss)
    assert losses[1] == pytest.approx(losses[0], abs=0.05)


def test_scalars_can_be_read_by_tensorboard(tmp_path: Path) -> None:
    for steps in (range(1, 3), range(3, 4)):  # a run that was stopped and goes on
        with ScalarLog(tmp_path) as log:
            for step in steps:
                log.add(step, {"loss": 1.0 / step, "tokens_per_second": 1000.0})
    events = EventAccumulator(str(tmp_path))
    events.Reload()
    assert set(events.Tags()["scalars"]) == {"loss", "tokens_per_second"}
    assert [event.step for event in events.Scalars("loss")] == [1, 2, 3]
    assert events.Scalars("loss")[1].value == 0.5


def test_a_budget_ends_the_run_and_the_learning_rate_follows_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ticks = itertools.count(step=0.125)  # a step looks twice
    monkeypatch.setattr(time, "process_time", lambda: next(ticks))
    config = small(tmp_path, budget_seconds=2.0, max_steps=10**9, evaluate_every_steps=10**6, warmup_steps=1)
    run = prepared(tmp_path, config, "run")
    trainer = Trainer(config, run)
    trainer.fit(3)
    assert not trainer.state.finished
    place = Trainer(config, run).fit()
    assert place.finished
    assert (place.step, place.processor_seconds) == (16, 2.0)
    assert place.history[-1]["step"] == place.step
    events = EventAccumulator(str(run / "tensorboard"))
    events.Reload()
    rates = [event.value for event in events.Scalars("learning_rate")]
    assert rates[0] == pytest.approx(config.training.learning_rate)
    assert rates == sorted(rates, reverse=True)
    assert rates[-1] < 0.5 * rates[0]


@given(step=st.integers(0, 10_000), progress=st.floats(0, 1))
def test_the_learning_rate_stays_within_its_bounds(step: int, progress: float) -> None:
    settings = TrainingConfig(warmup_steps=100, learning_rate=0.01, final_learning_rate_fraction=0.1)
    rate = learning_rate(settings, step, progress)
    assert 0 < rate <= 0.01
    assert learning_rate(settings, step + 1, progress) >= rate  # the warm-up rises
    assert learning_rate(settings, 10_000, 0.0) == 0.01
    assert learning_rate(settings, 10_000, 1.0) == pytest.approx(0.001)


def test_early_stopping_waits_for_its_patience(tmp_path: Path) -> None:
    config = small(tmp_path, evaluate_every_steps=2, patience_evaluations=2, learning_rate=1e-12)
    run = prepared(tmp_path, config, "run")
    trainer = Trainer(config, run)
    trainer.dev_loss = lambda: 1.0  # type: ignore[method-assign]
    place = trainer.fit()
    assert (place.step, place.best_step, place.finished) == (6, 2, True)
    assert Trainer(config, run).fit().step == 6


def test_not_a_number_stops_with_an_explanation_and_keeps_the_last_checkpoint(tmp_path: Path) -> None:
    config = small(tmp_path)
    run = prepared(tmp_path, config, "run")
    Trainer(config, run).fit(6)
    before = (run / CHECKPOINT_FILE).read_bytes()
    trainer = Trainer(config, run)
    trainer.model.decoder.readout.kernel.assign(np.full(trainer.model.decoder.readout.kernel.shape, np.nan))
    with pytest.raises(NotANumber, match=r"the loss is nan at step 7 .*lower training\.learning_rate"):
        trainer.fit()
    assert (run / CHECKPOINT_FILE).read_bytes() == before


def test_a_checkpoint_of_another_model_or_a_damaged_one_is_refused(tmp_path: Path) -> None:
    config = small(tmp_path)
    run = prepared(tmp_path, config, "run")
    trainer = Trainer(config, run)
    trainer.fit(5)
    wider = config.model_copy(update={"model": config.model.model_copy(update={"units": 64})})
    with pytest.raises(CheckpointError, match="belongs to another configuration of the model"):
        Trainer(wider, run)
    with pytest.raises(CheckpointError, match="this model needs"):
        load_checkpoint(run / CHECKPOINT_FILE, build_model(wider, trainer.model.vocabulary_size, for_training=True))
    content = (run / CHECKPOINT_FILE).read_bytes()
    (run / CHECKPOINT_FILE).write_bytes(content[: len(content) // 2])
    with pytest.raises(CheckpointError, match="unreadable"):
        load_checkpoint(run / CHECKPOINT_FILE, trainer.model)


def test_memory_stays_flat_over_epochs(tmp_path: Path) -> None:
    config = small(tmp_path, max_steps=2000, evaluate_every_steps=20, checkpoint_every_steps=2000)
    trainer = Trainer(config, prepared(tmp_path, config, "run"))
    trainer.fit(100)
    warm = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    trainer.fit(300)
    assert trainer.state.epoch > 50
    grown_megabytes = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - warm) / 1024
    assert grown_megabytes < 30
