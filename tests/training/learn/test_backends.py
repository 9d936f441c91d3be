"""A run that moves between Keras backends equals an unmoved run within rounding."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.support.backends import train_on_jax
from tests.support.reversal import write_task
from training.config import load_config
from training.data.prepare import prepare
from training.export.export import export
from training.learn.checkpoint import load_weights, read_state, read_weights
from training.learn.train import BEST_WEIGHTS_FILE, CHECKPOINT_FILE, Trainer

pytestmark = pytest.mark.slow

STEPS, ON_JAX = 12, 9


def test_a_run_moves_from_tensorflow_to_jax_and_back(tmp_path: Path) -> None:
    write_task(tmp_path, pairs=300, max_steps=STEPS)
    path, run, whole = tmp_path / "reversal.toml", tmp_path / "runs" / "reversal", tmp_path / "whole"
    # One shape of batches: each is compiled by itself.
    text = path.read_text(encoding="utf-8").replace("bucket_widths = [5, 8]", "bucket_widths = [8]")
    path.write_text(text.replace("parity_sentences = 40", "parity_sentences = 8"), encoding="utf-8")
    config = load_config(path)
    prepare(config, tmp_path, run)
    # Both begin with the same weights: what a seed draws differs from backend to backend.
    Trainer(config, run).fit(0)
    shutil.copytree(run, whole)
    Trainer(config, whole).fit()

    train_on_jax(tmp_path, "reversal", "--steps", str(ON_JAX))
    place = read_state(run / CHECKPOINT_FILE)
    assert (place.step, place.best_step) == (ON_JAX, ON_JAX)
    trainer = Trainer(config, run)
    load_weights(run / BEST_WEIGHTS_FILE, trainer.model)
    assert trainer.dev_loss() == pytest.approx(place.best_dev_loss, rel=1e-5)
    _, parity = export(config, run)
    assert parity.max_score_difference <= config.export.parity_tolerance

    assert Trainer(config, run).fit().finished
    mixed, plain = (read_state(folder / CHECKPOINT_FILE).history for folder in (run, whole))
    assert [point["step"] for point in mixed] == [3, 6, 9, 12]
    for found, expected in zip(mixed, plain, strict=True):
        assert found == pytest.approx(expected, rel=1e-4)
    weights, others = (read_weights(folder / BEST_WEIGHTS_FILE) for folder in (run, whole))
    assert weights.keys() == others.keys()
    for name, array in weights.items():
        np.testing.assert_allclose(array, others[name], atol=1e-3, err_msg=name)
