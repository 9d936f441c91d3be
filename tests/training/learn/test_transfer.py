"""Transfer of weights to another vocabulary."""

from pathlib import Path

import numpy as np
import pytest

from app.bundle.tokenizers import UNK_ID, CharacterTokenizer, SentencePieceTokenizer, Tokenizer
from tests.support.reversal import words, write_task
from training.__main__ import main
from training.data.config import TokenizerConfig
from training.data.prepare import prepare
from training.data.tokenizer import learn_tokenizer
from training.export.export import export, install, install_starting_point
from training.learn.build import build_model
from training.learn.checkpoint import read_weights
from training.learn.starting_point import START_FILE, load_starting_point
from training.learn.train import BEST_WEIGHTS_FILE, Trainer
from training.learn.transfer import token_parents, transfer_weights

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def old() -> Tokenizer:
    return learn_tokenizer(words(500, seed=1), TokenizerConfig(vocabulary_size=300), seed=1)


@pytest.fixture(scope="module")
def new() -> Tokenizer:
    texts = [f"{word} {word.upper()}" for word in words(500, seed=2)]
    return learn_tokenizer(texts, TokenizerConfig(vocabulary_size=320), seed=1, targets=("de", "es"))


def test_a_token_starts_from_the_tokens_that_write_it(old: Tokenizer, new: Tokenizer) -> None:
    parents = token_parents(old, new)
    assert len(parents) == new.vocabulary_size
    assert parents[: UNK_ID + 1] == [[0], [1], [2], [3]]
    written, before = new.token_bytes(), old.token_bytes()
    for token_id, of in enumerate(parents):
        if len(of) == 1 and of[0] > UNK_ID and written[token_id]:
            assert before[of[0]].strip() == written[token_id].strip()
        elif len(of) > 1:
            assert b"".join(before[one] for one in of).strip() == written[token_id].strip()
    assert any(len(of) > 1 for of in parents)
    assert isinstance(new, SentencePieceTokenizer)
    assert parents[new.id_of("<2de>")] == []


def test_the_same_vocabulary_changes_nothing(old: Tokenizer) -> None:
    assert token_parents(old, old) == [[token_id] for token_id in range(old.vocabulary_size)]


def test_weights_of_tokens_are_exchanged_and_no_others() -> None:
    old, new = CharacterTokenizer(["a", "b"]), CharacterTokenizer(["b", "z", "a"])
    generator = np.random.default_rng(1)
    weights = {
        "m/embedding/embeddings": generator.random((6, 4), np.float32),
        "m/output/bias": generator.random(6, np.float32),
        "m/output/kernel": generator.random((4, 6), np.float32),
        "m/readout/kernel": generator.random((6, 4), np.float32),
    }
    found = transfer_weights(weights, old, new)
    assert found["m/readout/kernel"] is weights["m/readout/kernel"]
    table = weights["m/embedding/embeddings"]
    np.testing.assert_array_equal(found["m/embedding/embeddings"][[0, 1, 2, 3, 4, 6]], table[[0, 1, 2, 3, 5, 4]])
    np.testing.assert_allclose(found["m/embedding/embeddings"][5], table.mean(0))  # nothing old writes a "z"
    assert found["m/output/bias"].shape == (7,)
    np.testing.assert_array_equal(found["m/output/kernel"][:, 4], weights["m/output/kernel"][:, 5])


def test_a_run_starts_from_a_bundle_of_another_vocabulary(tmp_path: Path) -> None:
    config = write_task(tmp_path, pairs=400, max_steps=3)
    run = tmp_path / "runs" / config.name
    prepare(config, tmp_path, run)
    Trainer(config, run).fit()
    install(export(config, run)[0]["int8"], tmp_path / "models" / "en-fr")
    install_starting_point(config, run, tmp_path / "models" / "en-fr")
    # The same task, its letters in capitals besides.
    path = tmp_path / "reversal.toml"
    path.write_text(path.read_text().replace('name = "reversal"', 'name = "capitals"', 1))
    lines = [f"{word}\t{word[::-1].upper()}\n" for word in words(400, seed=3)]
    (tmp_path / "pairs.tsv").write_text("".join(lines), encoding="utf-8")
    runs = ["--runs", str(tmp_path / "runs")]
    assert main(["prepare", str(path), "--data", str(tmp_path), *runs]) == 0
    assert main(["train", str(path), *runs, "--weights", str(tmp_path / "models" / "en-fr"), "--steps", "1"]) == 0
    began = read_weights(tmp_path / "runs" / "capitals" / START_FILE)
    before = load_starting_point(tmp_path / "models" / "en-fr").weights
    (table,) = (name for name in began if name.endswith("embeddings"))
    assert len(began[table]) > len(before[table])
    np.testing.assert_array_equal(began[table][:4], before[table][:4])
    assert build_model(config, len(began[table]), for_training=False).count_params() > 0
    assert read_weights(run / BEST_WEIGHTS_FILE).keys() == began.keys()
