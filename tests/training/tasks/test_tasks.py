"""Synthetic tasks: right answers, repeatability, and a run from the corpus to the accuracy."""

import contextlib
import io
import json
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.reversal import words
from tests.training.conftest import TrainedRun
from training.__main__ import main
from training.errors import ConfigError
from training.evaluate.accuracy import measure_accuracy
from training.export.export import export
from training.tasks import addition, execute, memory
from training.tasks.question import label

pytestmark = pytest.mark.slow

CONFIGS = Path(__file__).parents[3] / "training" / "configs"
SMALLER = """
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
    pairs = list(addition.addition(3, 2000, seed=4))
    questions = {tuple(sorted(map(int, question.split("+")))) for question, _ in pairs}
    assert len(questions) == 2000  # in either order
    assert all(sum(map(int, question.split("+"))) == int(answer) for question, answer in pairs)
    assert {len(number) for question, _ in pairs for number in question.split("+")} == {1, 2, 3}
    assert pairs == list(addition.addition(3, 2000, seed=4))
    assert pairs != list(addition.addition(3, 2000, seed=5))


def test_more_sums_than_there_are_is_an_error() -> None:
    with pytest.raises(ConfigError, match=r"28 sums of numbers of up to 1 digits: .* at most 27"):
        next(addition.addition(1, 28, seed=1))


def printed_by(program: str) -> str:
    """What Python prints of a program of the task."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(program.replace(execute.NEWLINE, "\n"), {})
    return out.getvalue().removesuffix("\n")


@given(st.integers(1, 5), st.integers(1, 5), st.randoms(use_true_random=False))
@settings(max_examples=200, deadline=None)
def test_a_program_prints_its_target(length: int, nesting: int, generator: random.Random) -> None:
    program, printed = execute.compose(generator, length, nesting)
    assert printed_by(program) == printed
    question = execute.build_question((program, printed))
    assert (question.source, question.prefix, question.answer) == (program, "", printed)
    assert question.group == (nesting, length)


def test_programs_are_different_and_of_every_difficulty_half_of_them_of_the_greatest() -> None:
    pairs = list(execute.execute(2, 3, 3000, seed=4))
    assert len({program for program, _ in pairs}) == 3000
    assert all(printed_by(program) == printed for program, printed in pairs[:300])
    groups = [execute.build_question(pair).group for pair in pairs]
    assert set(groups) == {(nesting, length) for nesting in (1, 2, 3) for length in (1, 2)}
    assert 0.5 < groups.count((3, 2)) / len(groups) < 0.75
    assert pairs == list(execute.execute(2, 3, 3000, seed=4))
    assert pairs != list(execute.execute(2, 3, 3000, seed=5))


def test_every_operation_of_the_paper_comes_up() -> None:
    text = "\n".join(program for program, _ in execute.execute(2, 2, 500, seed=1))
    for piece in ("+", "-", "*", " if ", " else ", "for x in range(", "+=", "-="):
        assert piece in text


def test_more_programs_than_there_are_is_an_error() -> None:
    with pytest.raises(ConfigError, match=r"99,999 programs of up to 1 digits and 1 operations: only [\d,]+ different"):
        list(execute.execute(1, 1, 99_999, seed=1))


@given(st.lists(st.integers(1, 30), min_size=1, max_size=3), st.integers(2, 12), st.booleans(), st.integers(0, 99))
@settings(max_examples=60, deadline=None)
def test_a_sequence_ends_with_its_first_symbol(lags: list[int], alphabet: int, counting: bool, seed: int) -> None:
    most = sum(max(0, alphabet - lag) for lag in set(lags)) if counting else 2 ** min(lags)
    if most == 0:
        return
    count = min(5, most)
    sequences = list(memory.memory(sorted(set(lags)), alphabet, count, seed, counting))
    assert len(set(sequences)) == count
    for sequence in sequences:
        symbols = [int(symbol) for symbol in sequence.split()]
        assert symbols[0] == symbols[-1]
        assert len(symbols) - 2 in lags
        assert all(0 <= symbol < alphabet for symbol in symbols)
        question = memory.build_question(("", sequence))
        assert f"{question.prefix} {question.answer}" == sequence
        assert (question.source, question.group) == ("", (len(symbols) - 2,))
        if counting:
            assert symbols[1:-1] == list(range(len(symbols) - 2))
            assert symbols[0] not in symbols[1:-1]


def test_the_demonstration_is_two_sequences() -> None:
    assert sorted(memory.memory([3], 5, 2, seed=1, counting=True)) == ["3 0 1 2 3", "4 0 1 2 4"]
    with pytest.raises(ConfigError, match=r"3 sequences of 5 symbols with lags \[3\]: .* at most 2"):
        next(memory.memory([3], 5, 3, seed=1, counting=True))


MADE = {
    "addition": ("[model]\nencoder_units = 16\nunits = 16\n", ["--digits", "2", "--count", "900"], "characters"),
    "addition-reversed": (
        "[model]\nencoder_units = 16\nunits = 16\n",
        ["--digits", "2", "--count", "900"],
        "characters",
    ),
    "execute": ("[model]\nencoder_units = 16\nunits = 16\n", ["--length", "1", "--count", "900"], "nesting"),
    "memory": ("[model]\nunits = 16\n", ["--lag", "3", "6", "--count", "900"], "lag"),
}


@pytest.mark.parametrize("name", MADE)
def test_a_task_from_its_made_corpus_to_its_accuracy(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model, options, axis = MADE[name]
    task = name.removesuffix("-reversed")
    for seed, file in ((1, tmp_path / "tasks" / f"{task}.tsv"), (2, tmp_path / "other.tsv")):
        assert main(["make", task, str(file), *options, "--seed", str(seed)]) == 0
    for config in CONFIGS.glob("*.toml"):
        (tmp_path / config.name).write_text(config.read_text(encoding="utf-8"), encoding="utf-8")
    small = tmp_path / "small.toml"
    small.write_text(
        f'base = "{task}.toml"\nname = "small"\ncorpus.dev_fraction = 0.1\n{model}{SMALLER}', encoding="utf-8"
    )
    if name != task:
        small.write_text(small.read_text().replace("[model]\n", "[model]\nreversed_source = true\n"), encoding="utf-8")
    runs = ["--runs", str(tmp_path / "runs")]
    assert main(["prepare", str(small), *runs, "--data", str(tmp_path)]) == 0
    for command in ("train", "export", "accuracy"):
        assert main([command, str(small), *runs]) == 0
    assert "unseen answers right" in capsys.readouterr().out.splitlines()[-1]
    found = json.loads((tmp_path / "runs" / "small" / "accuracy.json").read_text(encoding="utf-8"))
    assert (found["system"], found["axis"], found["steps"]) == ("small", axis, 20)
    held_out = (tmp_path / "runs" / "small" / "dev.tsv").read_text(encoding="utf-8").splitlines()
    assert sum(group["asked"] for group in found["groups"]) == len(held_out)
    assert main(["accuracy", str(small), *runs, "--file", str(tmp_path / "other.tsv")]) == 0
    found = json.loads((tmp_path / "runs" / "small" / "accuracy.json").read_text(encoding="utf-8"))
    total = sum(group["asked"] for group in found["groups"])
    lines = [
        set((tmp_path / place).read_text(encoding="utf-8").splitlines()) for place in ("other.tsv", f"tasks/{task}.tsv")
    ]
    assert len(lines[0] - lines[1]) <= total <= len(lines[0] - lines[1]) + len(held_out)
    assert main(["accuracy", str(small), *runs, "--file", str(tmp_path / "tasks" / "none.tsv")]) == 1
    if name == "addition":  # a translation goes on from nothing
        assert main(["sample", str(small), *runs]) == 1
        assert "small translates; sample needs a decoder alone" in capsys.readouterr().err


def test_accuracy_counts_whole_answers_by_length(trained_run: TrainedRun) -> None:
    folders, _ = export(trained_run.config, trained_run.run)
    unseen = words(60, seed=8)
    found = measure_accuracy(folders["float32"], [addition.build_question((word, word[::-1])) for word in unseen])
    assert (found.total, set(found.groups)) == (60, {(len(word),) for word in unseen})
    assert found.share > 0.95
    wrong = measure_accuracy(folders["float32"], [addition.build_question((word, word[::-1] + "a")) for word in unseen])
    assert wrong.right == 0


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (execute.execute(0, 2, 1, 1), "length is 0 and nesting 2, both must be 1 or more"),
        (memory.memory([3, 0], 5, 1, 1), r"alphabet has 5 symbols and the lags are \[3, 0\], all must be 1 or more"),
    ],
)
def test_impossible_difficulties_are_refused(lines: Iterator[object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        next(lines)


def test_labels_of_groups() -> None:
    assert [label(group) for group in ((7,), (2, 3))] == ["7", "2x3"]
