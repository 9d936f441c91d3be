"""Finetuning adapts a bundle to other text and measures its general quality."""

import gzip
import shutil
from pathlib import Path

import numpy as np
import pytest

from app.bundle.provenance import Quality
from app.bundle.store import load_bundle
from tests.support.reversal import words
from tests.training.conftest import TrainedRun
from training.__main__ import main
from training.errors import CheckpointError
from training.evaluate.score import ScoredSet
from training.learn.checkpoint import read_weights
from training.learn.finetune import OWN, Finetuned, FinetuneSettings, finetune
from training.learn.starting_point import load_starting_point, starting_point_of
from training.learn.train import BEST_WEIGHTS_FILE, CHECKPOINT_FILE

pytestmark = pytest.mark.slow


def test_a_starting_point_keeps_the_weights_and_text_of_the_run(trained_run: TrainedRun, models: Path) -> None:
    start = load_starting_point(models / "en-fr")
    assert start.config == trained_run.config
    trained = read_weights(trained_run.run / BEST_WEIGHTS_FILE)
    assert start.weights.keys() == trained.keys()
    for name, array in start.weights.items():
        np.testing.assert_allclose(array, trained[name], rtol=1e-3, atol=1e-6)
    assert len(start.sample) > 1000
    assert all(source[::-1] == target for source, target in start.dev)
    assert load_bundle(models / "en-fr").folder == models / "en-fr"  # it does not lie in the way


def test_missing_and_damaged_files_are_named(models: Path, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"nowhere\.training\.npz"):
        load_starting_point(tmp_path / "nowhere")
    np.savez(starting_point_of(tmp_path / "other"), config=np.zeros(3, np.uint8))
    with pytest.raises(CheckpointError, match="not a file that export --install writes"):
        load_starting_point(tmp_path / "other")


def test_it_learns_own_text_and_keeps_general_quality(models: Path, tmp_path: Path) -> None:
    """In the own text a word that begins with "a" gets a "j" at its end; all others are as they were."""
    own = [f"{word}\t{word[::-1]}j\n" for word in words(6000, seed=5) if word.startswith("a")]
    data = tmp_path / "own.tsv.gz"
    data.write_bytes(gzip.compress("".join(own).encode()))
    settings = FinetuneSettings("mine", ("en", "fr"), "CC0", epochs=12, learning_rate=4e-3)
    said: list[str] = []
    found = finetune(models / "en-fr", data, tmp_path, settings, said.append)
    assert any("held out" in line for line in said)
    (before, after), (general_before, general_after) = found.own, found.general
    chrf = [one.quality[1].score for one in (before, after, general_before, general_after)]
    assert chrf[1] > chrf[0] + 10
    assert chrf[3] > chrf[2] - 15
    manifest = load_bundle(found.folder).manifest
    assert [one.name for one in manifest.training_data] == [OWN, "words"]
    assert (found.folder / "MODEL_CARD.md").exists()
    kept = {line.split("\t")[0] for line in (tmp_path / "mine" / "dev.tsv").read_text().splitlines()}
    assert kept == set(after.sources)
    assert kept <= {line.split("\t")[0] for line in own}


@pytest.mark.parametrize(
    ("gain", "is_terminal", "answer", "yes", "is_installed"),
    [
        (2.0, False, "", False, True),
        (-2.0, False, "", False, False),
        (-2.0, False, "", True, True),
        (0.0, True, "n", False, False),
        (2.0, True, "", False, False),
        (2.0, True, "y", False, True),
        (-2.0, True, "yes", False, True),
    ],
)
def test_what_is_not_better_is_installed_only_on_demand(
    gain: float,
    is_terminal: bool,
    answer: str,
    yes: bool,
    is_installed: bool,
    models: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def result(*_: object) -> Finetuned:
        def scored(bleu: float) -> ScoredSet:
            quality = Quality(set=OWN, metric="BLEU", score=bleu, signature="s", beam_size=1, segments=1, by_length=())
            return ScoredSet(OWN, (), (), (), 0, (quality, quality))

        before, after = scored(30.0), scored(30.0 + gain)
        return Finetuned(models / "en-fr", (before, after), (before, before), 1.0)

    monkeypatch.setattr("training.learn.finetune.finetune", result)
    monkeypatch.setattr("sys.stdin.isatty", lambda: is_terminal, raising=False)
    monkeypatch.setattr("builtins.input", lambda _: answer)
    arguments = ["finetune", "--from", str(models / "en-fr"), "--data", "x.tsv", "--install", str(tmp_path)]
    assert main([*arguments, *["--yes"] * yes]) == 0
    said = capsys.readouterr()
    assert (tmp_path / "en-fr" / "manifest.json").exists() == is_installed
    assert ("nothing was gained" in said.err) == (gain <= 0)
    assert ("not installed" in said.out) == (not is_installed)


def test_too_little_own_text_is_a_clear_error(models: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = tmp_path / "own.tsv"
    data.write_text("abc\tcba\n", encoding="utf-8")
    arguments = ["finetune", "--from", str(models / "en-fr"), "--data", str(data), "--runs", str(tmp_path)]
    assert main(arguments) == 1
    assert "too few" in capsys.readouterr().err


def test_a_run_starts_from_the_weights_of_a_bundle(models: Path, trained_run: TrainedRun, tmp_path: Path) -> None:
    run = tmp_path / trained_run.config.name
    shutil.copytree(trained_run.run, run, ignore=shutil.ignore_patterns(CHECKPOINT_FILE, "tensorboard"))
    arguments = ["train", str(trained_run.config_path), "--runs", str(tmp_path), "--weights", str(models / "en-fr")]
    assert main([*arguments, "--steps", "1"]) == 0
    began, trained = read_weights(run / CHECKPOINT_FILE), load_starting_point(models / "en-fr").weights
    # One step at the beginning of the warm-up moves them hardly at all.
    for name, array in trained.items():
        np.testing.assert_allclose(began[f"model/{name}"], array, atol=2e-3)
