"""Batches divided among several devices or processes: the run equals that of one device within rounding."""

import shutil
import socket
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.bundle.tokenizers import PAD_ID
from tests.support.backends import LIMIT_SECONDS, start_on_jax, train_on_jax
from tests.support.reversal import write_task
from training.__main__ import main
from training.config import TrainingConfig, load_config
from training.data.dataset import Batch
from training.data.prepare import prepare
from training.errors import ConfigError
from training.learn.checkpoint import read_state
from training.learn.devices import Devices
from training.learn.train import CHECKPOINT_FILE, Trainer

pytestmark = pytest.mark.slow

STEPS, ON_TWO_DEVICES = 12, 6


def batch(rows: int, width: int) -> Batch:
    ids = np.arange(1, rows * width + 1, dtype=np.int32).reshape(rows, width)
    return Batch(ids, np.full(rows, width, np.int32), ids + 1, ids + 2, rows * width)


@given(rows=st.integers(1, 20), width=st.integers(1, 4), each=st.integers(1, 4), processes=st.integers(1, 3))
def test_every_process_has_equally_many_rows_and_each_row_once(
    rows: int, width: int, each: int, processes: int
) -> None:
    whole, count = batch(rows, width), each * processes
    parts = []
    for process in range(processes):
        devices = Devices(count, processes, process)
        even = devices.pad(whole)
        assert even.target_tokens == whole.target_tokens
        read, written = devices.select_own((even.source_ids, even.source_lengths, even.input_ids), even.target_ids)
        assert len(written) % each == 0
        parts.append((*read, written))
    assert len({len(part[0]) for part in parts}) == 1
    arrays = (whole.source_ids, whole.source_lengths, whole.input_ids, whole.target_ids)
    for column, (array, padding) in enumerate(zip(arrays, (PAD_ID, 1, PAD_ID, PAD_ID), strict=True)):
        together = np.concatenate([part[column] for part in parts])
        np.testing.assert_array_equal(together[:rows], array)
        assert (together[rows:] == padding).all()
        assert len(together) - rows < count


def test_settings_that_cannot_be_divided_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ConfigError, match=r"training\.shortlist is 9, must divide by the 2 devices"):
        Devices(2).check(TrainingConfig(shortlist=9))
    with pytest.raises(ConfigError, match=r"training\.budget_seconds is 60, and 3 processes would each"):
        Devices(3, 3).check(TrainingConfig(budget_seconds=60))
    write_task(tmp_path, pairs=300)
    assert main(["train", str(tmp_path / "reversal.toml"), "--runs", str(tmp_path), "--data-parallel"]) == 1
    assert "several devices need KERAS_BACKEND=jax, it is tensorflow" in capsys.readouterr().err


def test_two_devices_then_two_processes_make_the_run_of_one_device(tmp_path: Path) -> None:
    write_task(tmp_path, pairs=300, max_steps=STEPS)
    path, run, whole = tmp_path / "reversal.toml", tmp_path / "runs" / "reversal", tmp_path / "whole"
    # One shape of batches, of 101 rows, which two devices cannot have equally many of; one size of list.
    text = path.read_text(encoding="utf-8").replace("bucket_widths = [5, 8]", "bucket_widths = [8]")
    text = text.replace("tokens_per_batch = 800", "tokens_per_batch = 808\nshortlist = 12\nshortlist_until = 1.0")
    path.write_text(text, encoding="utf-8")
    config = load_config(path)
    prepare(config, tmp_path, run)
    Trainer(config, run).fit(0)
    shutil.copytree(run, whole)
    Trainer(config, whole).fit()

    virtual = {"XLA_FLAGS": "--xla_force_host_platform_device_count=2"}
    options = ("--data-parallel", "--steps", str(ON_TWO_DEVICES))
    assert ", on 2 devices\n" in train_on_jax(tmp_path, "reversal", *options, environment=virtual)
    assert read_state(run / CHECKPOINT_FILE).step == ON_TWO_DEVICES
    assert ", on 2 devices of 2 processes\n" in _train_in_two_processes(tmp_path)

    shared, alone = (read_state(folder / CHECKPOINT_FILE) for folder in (run, whole))
    assert shared.finished
    assert [point["step"] for point in shared.history] == [3, 6, 9, 12]
    for found, expected in zip(shared.history, alone.history, strict=True):
        assert found == pytest.approx(expected, rel=1e-4)
    assert shared.target_tokens == alone.target_tokens


def _train_in_two_processes(folder: Path) -> str:
    """What the first printed; the other must print nothing of its own."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    common = {"KERAS_DISTRIBUTION_JOB_ADDRESSES": address, "KERAS_DISTRIBUTION_NUM_PROCESSES": "2"}
    processes = [
        start_on_jax(
            folder, "reversal", "--data-parallel", environment={**common, "KERAS_DISTRIBUTION_PROCESS_ID": str(number)}
        )
        for number in range(2)
    ]
    try:
        printed = [process.communicate(timeout=LIMIT_SECONDS)[0] for process in processes]
    finally:
        for process in processes:
            process.kill()
    assert [process.returncode for process in processes] == [0, 0], printed
    assert "step" not in printed[1]
    return printed[0]
