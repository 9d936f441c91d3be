"""Parts of different runs are never combined, and a run that ended goes on when its limits are raised."""

import shutil
from pathlib import Path

import pytest

from tests.support.reversal import write_task
from training.config import RunConfig
from training.data.prepare import TOKENIZER_FILES, prepare
from training.errors import CheckpointError, ConfigError
from training.export.export import load_best_model
from training.learn.train import BEST_WEIGHTS_FILE, CHECKPOINT_FILE, Trainer

pytestmark = pytest.mark.slow


def small(folder: Path, pairs: int = 120, **training: object) -> RunConfig:
    folder.mkdir(exist_ok=True)
    config = write_task(folder, pairs=pairs, max_steps=4)
    settings = {"checkpoint_every_steps": 2, "evaluate_every_steps": 2, **training}
    return config.model_copy(update={"training": config.training.model_copy(update=settings)})


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[RunConfig, Path, Path]:
    """A configuration, the folder of its data, and its finished run."""
    folder = tmp_path_factory.mktemp("fingerprints")
    config = small(folder / "data")
    run = folder / "run"
    prepare(config, folder / "data", run)
    Trainer(config, run).fit()
    return config, folder / "data", run


def copy_of(run: Path, folder: Path) -> Path:
    return Path(shutil.copytree(run, folder / "run"))


def test_a_finished_run_goes_on_when_its_limit_is_raised(
    trained: tuple[RunConfig, Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config, _, finished = trained
    run = copy_of(finished, tmp_path)
    assert Trainer(config, run).fit().step == 4
    assert "nothing to train: 4 steps are done, max_steps is 4" in capsys.readouterr().out
    fewer, more = (
        config.model_copy(update={"training": config.training.model_copy(update={"max_steps": steps})})
        for steps in (3, 7)
    )
    assert Trainer(fewer, run).fit().step == 4
    assert "nothing to train: 4 steps are done, max_steps is 3" in capsys.readouterr().out
    assert Trainer(more, run).fit().step == 7
    assert "nothing to train" not in capsys.readouterr().out


def test_another_vocabulary_of_the_same_size_is_refused(trained: tuple[RunConfig, Path, Path], tmp_path: Path) -> None:
    _, _, finished = trained
    run = copy_of(finished, tmp_path)
    other = small(tmp_path / "other", pairs=150)
    pairs = tmp_path / "other" / "pairs.tsv"
    pairs.write_text(pairs.read_text().upper())  # as many characters, but other ones
    prepare(other, tmp_path / "other", run)
    for work in (lambda: Trainer(other, run), lambda: load_best_model(other, run, 0)):
        with pytest.raises(CheckpointError, match=r"belongs to another vocabulary than .*run has now"):
            work()
    (run / CHECKPOINT_FILE).unlink()
    with pytest.raises(CheckpointError, match="another vocabulary"):
        Trainer(other, run, weights=run / BEST_WEIGHTS_FILE)


def test_another_corpus_with_the_same_vocabulary_is_refused(
    trained: tuple[RunConfig, Path, Path], tmp_path: Path
) -> None:
    config, _, finished = trained
    run = copy_of(finished, tmp_path)
    other = small(tmp_path / "other", pairs=150)
    prepare(other, tmp_path / "other", run, finished / TOKENIZER_FILES[config.tokenizer.kind])
    with pytest.raises(CheckpointError, match="belongs to another corpus"):
        Trainer(other, run)


@pytest.mark.parametrize("change", ["seed", "tokenizer", "corpus"])
def test_a_configuration_that_changed_since_prepare_is_refused(
    trained: tuple[RunConfig, Path, Path], change: str
) -> None:
    config, _, run = trained
    changes: dict[str, object] = {
        "seed": config.seed + 1,
        "tokenizer": config.tokenizer.model_copy(update={"vocabulary_size": config.tokenizer.vocabulary_size + 1}),
        "corpus": config.corpus.model_copy(update={"max_words": 7}),
    }
    with pytest.raises(ConfigError, match="changed since prepare: run it again"):
        Trainer(config.model_copy(update={change: changes[change]}), run)


def test_another_model_is_refused(trained: tuple[RunConfig, Path, Path], tmp_path: Path) -> None:
    config, _, finished = trained
    run = copy_of(finished, tmp_path)
    other = config.model_copy(update={"model": config.model.model_copy(update={"residual": True})})
    with pytest.raises(CheckpointError, match="another configuration of the model"):
        load_best_model(other, run, 0)


def test_files_without_fingerprints_are_taken(trained: tuple[RunConfig, Path, Path], tmp_path: Path) -> None:
    config, _, finished = trained
    run = copy_of(finished, tmp_path)
    (run / BEST_WEIGHTS_FILE).with_suffix(".json").unlink()
    counts = (run / "corpus.json").read_text().replace('"configuration"', '"another"')
    (run / "corpus.json").write_text(counts)
    Trainer(config, run)
