"""The ladders: every rung changes one thing of its foot, is trained, measured on dev and written into a page."""

import tomllib
from pathlib import Path

import pytest

from tests.support.reversal import words, write_task
from training.compare.ladder import LADDERS, Ladder, climb, results_of
from training.compare.ladder_page import BEGIN, END, write_ladders
from training.compare.results import load_result
from training.compare.run import Workspace
from training.compare.systems import System
from training.config import load_config
from training.errors import ConfigError
from training.export.export import install, install_starting_point
from training.learn.checkpoint import read_state, read_weights
from training.learn.train import CHECKPOINT_FILE

pytestmark = pytest.mark.slow

CONFIGS = Path(__file__).parents[3] / "training" / "configs" / "ladder"
DEV = """
[[corpus.dev]]
name = "words held out"
path = "dev.tsv"
licence = "CC0"
"""


@pytest.mark.parametrize("name", LADDERS)
def test_every_rung_has_its_file_and_changes_its_foot(name: str) -> None:
    ladder = LADDERS[name]
    assert {path.stem for path in (CONFIGS / name).glob("*.toml")} == {rung.name for rung in ladder.rungs}
    assert ladder.rungs[0].name == "foot"
    foot = load_config(CONFIGS / name / "foot.toml")
    for rung in ladder.rungs[1:]:
        config = load_config(CONFIGS / name / f"{rung.name}.toml")
        assert config.name == rung.name
        changed = tomllib.loads((CONFIGS / name / f"{rung.name}.toml").read_text(encoding="utf-8"))
        assert changed["base"] == f"../../bases/ladder-{name}.toml"
        assert config.model_copy(update={"name": "foot"}) != foot
        assert config.corpus.dev == foot.corpus.dev


@pytest.fixture(scope="module")
def climbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ladder of two rungs on a toy task, and one that continues from the bundle of the first's foot."""
    folder = tmp_path_factory.mktemp("ladder")
    write_task(folder, pairs=400, max_steps=40)
    (folder / "dev.tsv").write_text("".join(f"{word}\t{word[::-1]}\n" for word in words(30, seed=9)), encoding="utf-8")
    base = (folder / "reversal.toml").read_text(encoding="utf-8").replace("dev_fraction = 0.03", "")
    tokenizer = '[tokenizer]\nkind = "sentencepiece"\nvocabulary_size = 290'
    base = base.replace('[tokenizer]\nkind = "characters"', f"{DEV}\n{tokenizer}")
    base = base.replace("bucket_widths = [5, 8]", "bucket_widths = [6, 10]")
    (folder / "base.toml").write_text(base, encoding="utf-8")
    for ladder, rungs in {"toy": {"foot": "", "dot": '[model]\nattention = "dot"\n'}, "further": {"foot": ""}}.items():
        (folder / ladder).mkdir()
        for name, changed in rungs.items():
            text = f'base = "../base.toml"\nname = "{name}"\n{changed}[export]\nparity_sentences = 8\n'
            (folder / ladder / f"{name}.toml").write_text(text, encoding="utf-8")
    climb(TOY, [], Workspace(folder, folder, folder / "runs", folder / "models"), 2.0, print)
    config, run = load_config(folder / "toy" / "foot.toml"), folder / "runs" / "toy" / "foot"
    install(run / "int8", folder / "models" / "en-fr")
    install_starting_point(config, run, folder / "models" / "en-fr")
    return folder


TOY = Ladder("toy", "Words backwards", 2.0, (System("foot", "the foot"), System("dot", "attention by the dot product")))
FURTHER = Ladder("further", "Words backwards, further", 1.0, (System("foot", "the foot"),), start="en-fr")


def climb_again(folder: Path, ladder: Ladder, budget_seconds: float, said: list[str], *names: str) -> None:
    workspace = Workspace(folder, folder, folder / "runs", folder / "models")
    climb(ladder, names, workspace, budget_seconds, said.append)


def test_the_tables_hold_the_results(climbed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training.compare.ladder_page.LADDERS", {"toy": TOY})
    page = climbed / "page.md"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n", encoding="utf-8")
    write_ladders(climbed / "runs", page)
    text = page.read_text(encoding="utf-8")
    assert text.startswith(f"before\n{BEGIN}\n")
    assert text.endswith(f"\n{END}\nafter\n")
    assert "old" not in text
    results = results_of(TOY, climbed / "runs")
    assert results.keys() == {"foot", "dot"}
    for name, result in results.items():
        assert result.budget_seconds == 2
        assert (result.main.set, result.main.segments) == ("words held out", 30)
        assert set(result.main.faults) >= {"words missing", "number wrong", "name wrong"}
        row = next(line for line in text.splitlines() if line.startswith(f"| `{name}`"))
        assert f"| {result.dev_loss:.3f} | {result.main.bleu:.2f} / {result.main.chrf:.2f} |" in row


def test_measured_rungs_are_not_measured_again(climbed: Path) -> None:
    said: list[str] = []
    before = (climbed / "runs" / "toy" / "dot" / "result.json").stat().st_mtime_ns
    climb_again(climbed, TOY, 2.0, said, "dot")
    assert (climbed / "runs" / "toy" / "dot" / "result.json").stat().st_mtime_ns == before
    assert len(said) == 1
    with pytest.raises(ConfigError, match="no rung high; there are foot, dot"):
        climb_again(climbed, TOY, 2.0, said, "high")


def test_a_ladder_continues_from_a_bundle(climbed: Path) -> None:
    climb_again(climbed, FURTHER, 1.0, [])
    run = climbed / "runs" / "further" / "foot"
    model = (climbed / "models" / "en-fr" / "tokenizer.model").read_bytes()
    assert (run / "tokenizer.model").read_bytes() == model
    started, reached = read_state(climbed / "runs" / "toy" / "foot" / CHECKPOINT_FILE), load_result(run)
    assert reached is not None
    # It began where the other one stood, not at log(290).
    first = read_state(run / CHECKPOINT_FILE).history[0]["dev_loss"]
    assert first < started.history[0]["dev_loss"]
    assert reached.dev_loss < started.best_dev_loss + 0.1
    assert read_weights(run / "start.weights.npz").keys() == read_weights(run / "best.weights.npz").keys()
