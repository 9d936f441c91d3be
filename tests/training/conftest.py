"""A small trained run that several tests share; TensorFlow logs errors only."""

import os
from dataclasses import dataclass
from pathlib import Path

import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from tests.support.reversal import write_task
from training.config import RunConfig


@dataclass(frozen=True)
class TrainedRun:
    config: RunConfig
    config_path: Path
    run: Path


@pytest.fixture(scope="session")
def trained_run(tmp_path_factory: pytest.TempPathFactory) -> TrainedRun:
    """The reversal task, learned well enough to be exact on most words."""
    from training.data.prepare import prepare
    from training.learn.train import Trainer

    folder = tmp_path_factory.mktemp("reversal")
    config = write_task(folder)
    run = folder / "runs" / config.name
    prepare(config, folder, run)
    Trainer(config, run).fit()
    return TrainedRun(config, folder / "reversal.toml", run)


@pytest.fixture(scope="session")
def models(trained_run: TrainedRun, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A models folder with the reversal bundle and the file that training continues from."""
    from training.export.export import export, install, install_starting_point

    folder = tmp_path_factory.mktemp("models")
    bundles, _ = export(trained_run.config, trained_run.run)
    install(bundles["int8"], folder / "en-fr")
    install_starting_point(trained_run.config, trained_run.run, folder / "en-fr")
    return folder
