"""Models without an encoder: the memory task and text generation."""

import json
from pathlib import Path

import numpy as np
import pytest

from app.bundle.store import load_bundle
from training.__main__ import main
from training.config import load_config
from training.data.dataset import BatchPlan, TokenPairs
from training.data.prepare import load_run_tokenizer, prepare
from training.evaluate.accuracy import measure_accuracy
from training.export.export import export
from training.learn.train import Trainer
from training.tasks.memory import build_question

pytestmark = pytest.mark.slow

CONFIGS = Path(__file__).parents[3] / "training" / "configs"


def derived(folder: Path, name: str, changes: str) -> Path:
    """A configuration of the repository with changes, beside a copy of it."""
    text = (CONFIGS / f"{name}.toml").read_text(encoding="utf-8")
    (folder / f"{name}.toml").write_text(text, encoding="utf-8")
    path = folder / "small.toml"
    path.write_text(f'base = "{name}.toml"\nname = "small"\n{changes}', encoding="utf-8")
    return path


def test_the_two_sequences_of_the_demonstration_are_told_apart_at_their_end(tmp_path: Path) -> None:
    """3 0 1 2 3 against 4 0 1 2 4: both are trained on and tested, because there is no other sequence."""
    changes = """
corpus.dev_fraction = 0.2
[model]
units = 8
[training]
max_steps = 60
warmup_steps = 5
learning_rate = 3e-2
evaluate_every_steps = 60
tokens_per_batch = 64
bucket_widths = [8]
"""
    config, run = load_config(derived(tmp_path, "memory", changes)), tmp_path / "runs" / "small"
    pairs = [("", f"{key} 0 1 2 {key}") for key in (3, 4)]
    made = tmp_path / "tasks" / "memory.tsv"
    # Enough of others that a share can be held out: then the two take the place of both sets.
    assert main(["make", "memory", str(made), "--lag", "3", "--alphabet", "5", "--count", "60"]) == 0
    prepare(config, tmp_path, run)
    both = TokenPairs.encode(pairs, load_run_tokenizer(config, run))
    for name in ("train", "dev"):
        both.save(run / f"{name}.npz")
    Trainer(config, run).fit()
    folders, _ = export(config, run)
    for folder in folders.values():
        found = measure_accuracy(folder, [build_question(pair) for pair in pairs])
        assert found.groups == {(3,): (2, 2)}


def test_only_the_last_symbol_counts(tmp_path: Path) -> None:
    config, run = load_config(derived(tmp_path, "memory", "corpus.dev_fraction = 0.2")), tmp_path / "run"
    made = tmp_path / "tasks" / "memory.tsv"
    assert main(["make", "memory", str(made), "--lag", "2", "4", "--count", "80"]) == 0
    prepare(config, tmp_path, run)
    pairs = TokenPairs.load(run / "train.npz")
    (batch,) = BatchPlan(pairs, [8], 8 * len(pairs), "last").batches(seed=1, epoch=0)
    (whole,) = BatchPlan(pairs, [8], 8 * len(pairs)).batches(seed=1, epoch=0)
    assert [batch.target_tokens, whole.target_tokens] == [len(pairs), int(np.count_nonzero(whole.target_ids))]
    assert (np.count_nonzero(batch.target_ids, axis=1) == 1).all()
    counted = batch.target_ids.max(axis=1)
    np.testing.assert_array_equal(counted, batch.input_ids[:, 1])  # the key stands first and last
    np.testing.assert_array_equal(batch.input_ids, whole.input_ids)
    np.testing.assert_array_equal(batch.target_ids[batch.target_ids > 0], whole.target_ids[batch.target_ids > 0])


def test_a_seed_repeats_sentences_and_they_start_with_the_prefix(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    changes = """
[tokenizer]
kind = "characters"
[corpus]
dev_fraction = 0.1
[[corpus.train]]
name = "made"
path = "made.txt"
columns = ["fr"]
licence = "CC0"
[model]
units = 32
embedding = 16
[training]
max_steps = 30
warmup_steps = 5
learning_rate = 1e-2
evaluate_every_steps = 30
tokens_per_batch = 512
bucket_widths = [16, 24]
precision = "float32"
[export]
parity_sentences = 8
calibration_sentences = 8
"""
    path = derived(tmp_path, "generate", changes)
    lines = [
        f"le {beast} {does}{end}"
        for beast in ("chat", "chien", "rat")
        for does in ("dort", "mord", "court")
        for end in "!.?"
    ]
    (tmp_path / "made.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    runs = ["--runs", str(tmp_path / "runs")]
    assert main(["prepare", str(path), *runs, "--data", str(tmp_path)]) == 0
    for command in ("train", "export"):
        assert main([command, str(path), *runs]) == 0
    manifest = load_bundle(tmp_path / "runs" / "small" / "int8").manifest
    assert manifest.length_ratio is not None
    assert manifest.length_ratio.mean == pytest.approx(np.mean([len(line) + 1 for line in lines]), rel=0.1)
    assert json.loads((tmp_path / "runs" / "small" / "corpus.json").read_text())["kept"]["made"] < len(lines)

    def drawn(*options: str) -> list[str]:
        capsys.readouterr()
        assert main(["sample", str(path), *runs, *options]) == 0
        return capsys.readouterr().out.splitlines()

    first = drawn("--count", "5", "--temperature", "1.0", "--prefix", "le ")
    assert len(first) == 5
    assert len(set(first)) > 1
    assert all(sentence.startswith("le ") for sentence in first)
    assert drawn("--count", "5", "--temperature", "1.0", "--prefix", "le ") == first
    assert drawn("--count", "4", "--temperature", "1.0", "--prefix", "le ", "--seed", "2") == first[1:]
    assert len(set(drawn("--count", "3", "--temperature", "0"))) == 1
    assert main(["evaluate", str(path), *runs]) == 1
    message = "small has no source to translate: use accuracy or sample instead of evaluate"
    assert message in capsys.readouterr().err
    assert main(["sample", str(path), *runs, "--top-k", "0"]) == 1
    assert "small: top_k is 0, must be 1 to 1000" in capsys.readouterr().err
