"""Penalties that rank hypotheses: attention to the source and scores."""

from pathlib import Path

import numpy as np
import pytest

from app.bundle.store import load_bundle
from app.bundle.tokenizers import EOS_ID
from app.engine.sessions import OnnxGraphs
from tests.support.reversal import words
from tests.training.conftest import TrainedRun
from training.__main__ import main
from training.evaluate.forced_decoding import forced_attention
from training.export.export import export
from training.learn.tune import candidates, choose, tune, uncovered

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def bundle(trained_run: TrainedRun) -> Path:
    return export(trained_run.config, trained_run.run)[0]["float32"]


def test_tokens_without_attention_are_counted() -> None:
    seen = np.array([[0.9, 0.1, 0.0, 0.0], [0.1, 0.9, 0.0, 0.0], [0.0, 0.0, 0.5, 0.5]], np.float32)
    assert uncovered(seen) == pytest.approx(np.log(0.5))  # the eos, last, need not be looked at
    assert uncovered(seen[:2]) == pytest.approx(np.log(1e-3))
    assert uncovered(np.vstack([seen, seen])) == 0.0  # more than once is no fault


def test_targets_of_one_batch_have_the_attention_of_single_targets(bundle: Path) -> None:
    loaded = load_bundle(bundle)
    graphs = OnnxGraphs(loaded, provider="cpu", threads=1)
    source = loaded.tokenizer.encode_source("abcd")
    targets = [[*loaded.tokenizer.encode(text), EOS_ID] for text in ("dcba", "d", "dcbabcd")]
    together = forced_attention(graphs, source, targets)
    assert [found.shape for found in together] == [(len(target), len(source)) for target in targets]
    for target, found in zip(targets, together, strict=True):
        np.testing.assert_allclose(found.sum(axis=1), 1.0, atol=1e-5)
        np.testing.assert_allclose(forced_attention(graphs, source, [target])[0], found, atol=1e-6)


def test_a_table_of_penalties(bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pairs = [(word, word[::-1]) for word in words(30, seed=5, longest=6)]
    found = list(candidates(bundle, [source for source, _ in pairs], beam_size=3))
    assert [len(some) for some in found] == [3] * 30
    for some in found:
        assert all(one.uncovered <= 0 for one in some)
        assert some[0].text not in {one.text for one in some[1:]}
    # Without a coverage penalty they are ranked as the engine ranks them; with a large one by coverage alone.
    assert choose(found, 1.0, 0.0) == [some[0].text for some in found]
    covered = [max(some, key=lambda one: one.uncovered) for some in found]
    assert choose(found, 1.0, 1e9) == [one.text for one in covered]
    assert any(one is not some[0] for one, some in zip(covered, found, strict=True))
    scores = tune(bundle, pairs, 3, [0.0, 1.0], [0.0, 50.0])
    assert scores.keys() == {(0.0, 0.0), (0.0, 50.0), (1.0, 0.0), (1.0, 50.0)}
    (tmp_path / "dev.tsv").write_text("".join(f"{source}\t{target}\n" for source, target in pairs), encoding="utf-8")
    asked = ["tune", str(bundle), "--data", str(tmp_path / "dev.tsv"), "--beam-size", "3", "--length-penalty", "1.0"]
    assert main([*asked, "--coverage-penalty", "0", "50"]) == 0
    row = capsys.readouterr().out.splitlines()[-1].split("\t")
    assert row == ["1.0", f"{scores[1.0, 0.0]:.2f}", f"{scores[1.0, 50.0]:.2f}"]
