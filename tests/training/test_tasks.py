"""Tasks made up here: right, repeatable, and led through the whole chain."""

from pathlib import Path

import pytest

from tests.reversal import words
from tests.training.conftest import TrainedRun
from training.__main__ import main
from training.accuracy import measure_accuracy
from training.errors import ConfigError
from training.export import export
from training.tasks import addition

CONFIGS = Path(__file__).parents[2] / "training" / "configs"
SMALLER = """
[model]
encoder_units = 16
units = 16
[training]
max_steps = 20
warmup_steps = 5
evaluate_every_steps = 20
tokens_per_batch = 256
[export]
parity_sentences = 8
calibration_sentences = 8
"""


def test_sums_are_right_and_different_and_the_same_for_a_seed() -> None:
    pairs = list(addition(3, 2000, seed=4))
    assert len({question for question, _ in pairs}) == 2000
    assert all(sum(map(int, question.split("+"))) == int(answer) for question, answer in pairs)
    assert {len(number) for question, _ in pairs for number in question.split("+")} == {1, 2, 3}
    assert pairs == list(addition(3, 2000, seed=4))
    assert pairs != list(addition(3, 2000, seed=5))


def test_more_sums_than_there_are_is_an_error() -> None:
    with pytest.raises(ConfigError, match=r"51 sums of numbers of up to 1 digits .* at most 50"):
        next(addition(1, 51, seed=1))


@pytest.mark.parametrize("name", ["addition", "addition-reversed"])
def test_addition_from_the_made_corpus_to_its_accuracy(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["make", "addition", str(tmp_path / "tasks" / "addition.tsv"), "--digits", "2", "--count", "900"]) == 0
    for config in CONFIGS.glob("addition*.toml"):
        (tmp_path / config.name).write_text(config.read_text(encoding="utf-8"), encoding="utf-8")
    small = tmp_path / "small.toml"
    reversed_source = "reversed_source = true\n" if name == "addition-reversed" else ""
    body = SMALLER.replace("[model]\n", f"[model]\n{reversed_source}")
    small.write_text(f'base = "addition.toml"\nname = "small"\n{body}', encoding="utf-8")
    runs = ["--runs", str(tmp_path / "runs")]
    assert main(["prepare", str(small), *runs, "--data", str(tmp_path)]) == 0
    for command in ("train", "export", "accuracy"):
        assert main([command, str(small), *runs]) == 0
    assert "unseen answers right" in capsys.readouterr().out.splitlines()[-1]


def test_accuracy_counts_whole_answers_by_length(trained_run: TrainedRun) -> None:
    folders, _ = export(trained_run.config, trained_run.run)
    unseen = words(60, seed=8)
    found = measure_accuracy(folders["float32"], [(word, word[::-1]) for word in unseen])
    assert (found.questions, set(found.by_length)) == (60, {len(word) for word in unseen})
    assert found.share > 0.95
    wrong = measure_accuracy(folders["float32"], [(word, word[::-1] + "a") for word in unseen])
    assert wrong.right == 0
