"""The comparison of systems: training with a budget, measurement, stored results and the generated page."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from app.bundle.store import load_bundle
from app.engine.sessions import OnnxGraphs
from tests.support.reversal import words, write_task
from training.__main__ import main
from training.compare.page import BEGIN, END, write_page
from training.compare.projection import encoder_vectors, project
from training.compare.results import load_result
from training.compare.systems import BY_LENGTH, LEARNING, PROJECTED, SYSTEMS
from training.config import load_config
from training.errors import ConfigError, CorpusError
from training.learn.checkpoint import read_state
from training.learn.train import CHECKPOINT_FILE

pytestmark = pytest.mark.slow

CONFIGS = Path(__file__).parents[3] / "training" / "configs"
PLAIN = """
[model]
attention = "none"
bidirectional = false
encoder_units = 96
layers_above = 0
bridge = "copy"
"""
TEST = """
[[corpus.test]]
name = "sentences"
path = "test.tsv"
licence = "CC0"
"""


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two systems compared on a toy task: its folder, with ``page.md`` and ``runs``."""
    folder = tmp_path_factory.mktemp("compare")
    write_task(folder, pairs=400, max_steps=40)
    base = (folder / "reversal.toml").read_text(encoding="utf-8").replace("[tokenizer]", TEST + "\n[tokenizer]")
    (folder / "base.toml").write_text(base, encoding="utf-8")
    for name, pieces in (("plain", PLAIN), ("attention-dot", '[model]\nattention = "dot"\n')):
        text = f'base = "base.toml"\nname = "{name}"\n{pieces}[export]\nparity_sentences = 8\n'
        (folder / f"{name}.toml").write_text(text, encoding="utf-8")
    long = [" ".join(words(16, seed=seed)) for seed in range(4)]
    lines = [f"{text}\t{text[::-1]}\n" for text in (*words(20, seed=9), *long)]
    (folder / "test.tsv").write_text("".join(lines), encoding="utf-8")
    (folder / "page.md").write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n", encoding="utf-8")
    assert main(arguments(folder)) == 0
    return folder


def arguments(folder: Path) -> list[str]:
    places = ["--configs", str(folder), "--data", str(folder), "--runs", str(folder / "runs")]
    return ["compare", "plain", "attention-dot", *places, "--budget-seconds", "2", "--page", str(folder / "page.md")]


def test_the_page_holds_the_results(compared: Path) -> None:
    page = (compared / "page.md").read_text(encoding="utf-8")
    assert page.startswith(f"before\n{BEGIN}\n")
    assert page.endswith(f"\n{END}\nafter\n")
    assert "old" not in page
    for name in ("plain", "attention-dot"):
        result = load_result(compared / "runs" / name)
        assert result is not None
        assert result.budget_seconds == 2
        assert result.steps > 0
        assert result.parameters > 1000
        long = result.bleu_from(15)
        assert long is not None
        assert long.segments == 4
        assert sum(part.segments for part in result.main.by_length if part.from_words < 15) == 20
        row = next(line for line in page.splitlines() if line.startswith(f"| `{name}`"))
        assert f"| {result.main.bleu:.1f} | {result.main.chrf:.1f} | {long.bleu:.1f} |" in row
    for picture in ("bleu_by_length", "learning_curves", "attention-dot", "encoder_vectors"):
        assert f"(pictures/{picture}.png)" in page
        assert (compared / "pictures" / f"{picture}.png").read_bytes().startswith(b"\x89PNG")
    assert "On the 4 sentences of 15 words and more, attention is worth " in page


def test_finished_systems_are_not_trained_again(compared: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = (compared / "runs" / "plain" / "best.weights.npz").stat().st_mtime_ns
    assert main(arguments(compared)) == 0
    assert (compared / "runs" / "plain" / "best.weights.npz").stat().st_mtime_ns == before
    assert "1 of 2" not in capsys.readouterr().out


def test_another_budget_trains_again(compared: Path, tmp_path: Path) -> None:
    shutil.copytree(compared / "runs", tmp_path / "runs")
    longer = arguments(compared)[:2] + arguments(compared)[3:-4]
    places = ["--runs", str(tmp_path / "runs"), "--budget-seconds", "4"]
    assert main([*longer, *places]) == 0
    before, after = (load_result(folder / "runs" / "plain") for folder in (compared, tmp_path))
    assert before is not None
    assert after is not None
    assert (before.budget_seconds, after.budget_seconds) == (2, 4)
    assert read_state(tmp_path / "runs" / "plain" / CHECKPOINT_FILE).processor_seconds >= 4
    assert after.steps > before.steps


def test_errors_name_what_cannot_be_compared(
    compared: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["compare", "perceptron"]) == 1
    assert "no system perceptron; there are char-lstm, " in capsys.readouterr().err
    (tmp_path / "page.md").write_text("no marks", encoding="utf-8")
    result = load_result(compared / "runs" / "plain")
    assert result is not None
    with pytest.raises(ConfigError, match="the comments"):
        write_page([result], compared / "runs", tmp_path / "page.md")
    (tmp_path / "result.json").write_text("{}", encoding="utf-8")
    with pytest.raises(CorpusError, match="Field required"):
        load_result(tmp_path)


def test_similar_sentences_have_similar_vectors(compared: Path) -> None:
    bundle = load_bundle(compared / "runs" / "plain" / "float32")
    graphs = OnnxGraphs(bundle, provider="cpu", threads=1)
    vectors = encoder_vectors(bundle, graphs, ("abcde", "j", "abcde"))
    np.testing.assert_array_equal(vectors[0], vectors[2])
    np.testing.assert_array_equal(vectors[1], encoder_vectors(bundle, graphs, ("j",))[0])
    groups = {"a": ("aaaa", "aaaaa", "aaaaaa"), "j": ("jjjj", "jjjjj", "jjjjjj")}
    found = project(bundle, graphs, groups)
    assert found.pca.shape == found.tsne.shape == (6, 2)
    assert found.neighbours == 1.0
    assert 0.5 < found.explained <= 1.0


def test_every_system_has_its_configuration_and_the_same_sets() -> None:
    names = [system.name for system in SYSTEMS]
    assert len(set(names)) == len(names)
    assert {*BY_LENGTH, *LEARNING, PROJECTED} <= set(names)
    for name in names:
        config = load_config(CONFIGS / f"{name}.toml")
        assert config.name == name
        assert config.corpus.test[0].name == "tatoeba-test-v2020-07-28"
        assert config.corpus.train[0].path == "en-fr/train/tatoeba.tsv.gz"
