"""Pairs that are no translations have the highest costs and are dropped first."""

import json
import random
from pathlib import Path

import numpy as np
import pytest

from app.bundle.store import load_bundle
from tests.support.reversal import words, write_task
from tests.training.conftest import TrainedRun
from training.__main__ import main
from training.data.corpus import Pair
from training.data.dataset import BatchPlan, TokenPairs
from training.data.prepare import load_run_tokenizer
from training.errors import CheckpointError, ConfigError
from training.evaluate.pair_scores import PairScorer, best, cross_entropies, dual
from training.learn.train import Trainer

pytestmark = pytest.mark.slow


def planted(count: int, seed: int) -> tuple[list[Pair], set[int]]:
    """Words with their reversals, and the indices of the tenth whose targets belong to other words."""
    sources = words(count, seed)
    pairs = [(word, word[::-1]) for word in sources]
    wrong = sorted(random.Random(seed).sample(range(count), count // 10))
    for index, other in zip(wrong, wrong[1:] + wrong[:1], strict=True):
        pairs[index] = (sources[index], sources[other][::-1])
    return pairs, set(wrong)


def test_planted_pairs_are_dropped_first(models: Path) -> None:
    pairs, wrong = planted(300, seed=8)
    costs = cross_entropies(models / "en-fr", pairs, "en", "fr")
    dropped = set(range(300)) - set(best(costs, 0.9).tolist())
    assert len(dropped) == 30
    assert len(dropped & wrong) >= 28
    right = [index for index in range(300) if index not in wrong]
    assert costs[sorted(wrong)].mean() > 5 * costs[right].mean()


def test_the_cost_is_the_loss_of_training(models: Path, trained_run: TrainedRun) -> None:
    trainer = Trainer(trained_run.config, trained_run.run)
    pairs, _ = planted(40, seed=9)
    bundle = load_bundle(models / "en-fr")
    ids = TokenPairs.encode(pairs, bundle.tokenizer)
    tokens = ids.target.lengths + 1
    costs = cross_entropies(models / "en-fr", pairs, "en", "fr")
    trainer.dev_plan = BatchPlan(ids, (8,), 800)
    # The bundle's file holds the best weights in float16, the checkpoint the last ones, which are the best here too.
    assert np.average(costs, weights=tokens) == pytest.approx(trainer.dev_loss(), rel=0.02)


def test_a_cost_does_not_depend_on_other_pairs(models: Path) -> None:
    pairs, _ = planted(60, seed=10)
    longer = [("abcdefghij" * length, "jihgfedcba" * length) for length in (1, 3, 8, 14)]  # wider than any bucket
    together = cross_entropies(models / "en-fr", [*pairs, *longer], "en", "fr")
    alone = [cross_entropies(models / "en-fr", [pair], "en", "fr")[0] for pair in (pairs[3], longer[-1])]
    assert np.isfinite(together).all()
    np.testing.assert_allclose([together[3], together[-1]], alone, rtol=1e-4, atol=1e-6)


def test_two_models_find_the_pairs_that_either_finds() -> None:
    forward, backward = np.array([1.0, 1.0, 4.0, 4.0]), np.array([1.0, 4.0, 1.0, 4.0])
    assert dual(forward, backward).tolist() == [1.0, 5.5, 5.5, 4.0]


def test_the_best_keep_their_order_and_of_equals_the_first_stay() -> None:
    assert best(np.array([3.0, 1.0, 2.0, 1.0, 1.0]), 0.6).tolist() == [1, 3, 4]
    assert best(np.ones(4), 0.5).tolist() == [0, 1]


def test_a_backward_bundle_reads_targets(models: Path) -> None:
    """en-fr scores fr-en pairs by their sources."""
    pairs, _ = planted(20, seed=11)
    turned = [(target, source) for source, target in pairs]
    scorer = PairScorer([models / "en-fr"])
    np.testing.assert_allclose(scorer.costs(turned, "fr", "en"), scorer.costs(pairs, "en", "fr"), rtol=1e-5)


def test_bundles_that_cannot_score_are_refused(models: Path, tmp_path: Path) -> None:
    pairs = [("ab", "ba")]
    with pytest.raises(ConfigError, match="cannot score en-de: it translates from en into fr"):
        PairScorer([models / "en-fr"]).costs(pairs, "en", "de")
    with pytest.raises(ConfigError, match="one each way"):
        PairScorer([models / "en-fr", models / "en-fr"]).costs(pairs, "en", "fr")
    alone = tmp_path / "alone"
    alone.symlink_to(models / "en-fr")
    with pytest.raises(CheckpointError, match=r"alone\.training\.npz"):
        PairScorer([alone]).costs(pairs, "en", "fr")


def test_prepare_drops_the_worst_of_a_file(models: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config, config_run = write_task(tmp_path), tmp_path / "reversal"
    pairs, wrong = planted(300, seed=12)
    (tmp_path / "pairs.tsv").write_text("".join(f"{source}\t{target}\n" for source, target in pairs), encoding="utf-8")
    toml = tmp_path / "reversal.toml"
    command = ["prepare", str(toml), "--data", str(tmp_path), "--runs", str(tmp_path)]
    scored_by = ["--scored-by", str(models / "en-fr")]
    assert main([*command, *scored_by]) == 1
    toml.write_text(toml.read_text(encoding="utf-8").replace("[corpus]", "[corpus]\nkeep_best = 0.9"), encoding="utf-8")
    assert main(command) == 1
    assert capsys.readouterr().err.count("--scored-by") == 2
    assert main([*command, *scored_by]) == 0
    counts = json.loads((tmp_path / "reversal" / "corpus.json").read_text(encoding="utf-8"))
    held_out = counts["dropped"]["words"]["held out for dev"]
    assert counts["dropped"]["words"]["score"] == (300 - held_out) - round(0.9 * (300 - held_out))
    assert counts["train"] == counts["kept"]["words"] == 300 - held_out - counts["dropped"]["words"]["score"]
    kept, tokenizer = TokenPairs.load(tmp_path / "reversal" / "train.npz"), load_run_tokenizer(config, config_run)
    sources = {tokenizer.decode(kept.source.sentence(place).tolist()) for place in range(len(kept))}
    assert len(sources) == counts["train"]
    assert len(sources & {pairs[place][0] for place in wrong}) <= 3
