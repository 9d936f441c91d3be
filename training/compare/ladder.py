"""Ladders of recipes: each rung changes one thing of its ladder's foot and is measured on dev with the same budget."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import keras

from training.compare.measure import Selection, measure
from training.compare.results import Result, load_result
from training.compare.run import Workspace, forget_training, with_budget
from training.compare.systems import System
from training.config import RunConfig, load_config
from training.data.prepare import load_run_tokenizer, prepare
from training.errors import ConfigError
from training.evaluate.pair_scores import PairScorer
from training.export.export import export
from training.learn.starting_point import weights_of
from training.learn.train import Trainer

# Largest number of sentences of each dev set; the everyday set has no more.
SENTENCES: Final = 2000


@dataclass(frozen=True)
class Ladder:
    """A ladder.

    Attributes:
        name: Of the ladder and of its folder of configurations.
        what: What is trained, for the head of the table.
        budget_seconds: Processor time of each training.
        rungs: The recipes; the first is the foot.
        start: The bundle whose weights and vocabulary all rungs start from; None for random weights.
    """

    name: str
    what: str
    budget_seconds: float
    rungs: tuple[System, ...]
    start: str | None = None


FIRST: Final = Ladder(
    "first",
    "English to French from nothing, everyday sentences alone",
    240.0,
    (
        System("foot", "one layer under and one over general attention, 6,000 unigram pieces, 256 wide, a shortlist"),
        System("heads", "general attention with four heads"),
        System("deeper-encoder", "three layers in the encoder, residual"),
        System("self-attention", "two layers of self-attention for an encoder"),
        System("layer-norm", "each layer's output normalised"),
        System("wider", "one and a half times as wide"),
        System("recurrent-dropout", "variational dropout of the states too"),
        System("no-smoothing", "no label smoothing"),
        System("vocabulary-2000", "2,000 pieces"),
        System("vocabulary-12000", "12,000 pieces"),
        System("bpe", "BPE in place of unigram pieces"),
        System("other-pieces", "other unigram pieces each time, temperature 0.3"),
        System("averaged", "weights averaged over the last 100 steps"),
        System("no-shortlist", "the whole vocabulary in the loss at every step"),
    ),
)
LAST: Final = Ladder(
    "last",
    "French to English, the last stage of a model that has read everything",
    300.0,
    (
        System("foot", "everyday sentences twice, a fifth of all else"),
        System("averaged", "weights averaged over the last 100 steps"),
        System("other-pieces", "other unigram pieces each time, temperature 0.3"),
        System("noise", "a tenth of the sources once more with noise"),
        System("filtered", "without pairs of another language and the tenth that the model finds worst"),
        System("distilled", "everyday sentences once as they are, once as the model itself translates them best"),
    ),
    start="fr-en",
)
LADDERS: Final = {ladder.name: ladder for ladder in (FIRST, LAST)}


def climb(
    ladder: Ladder,
    names: Sequence[str],
    workspace: Workspace,
    budget_seconds: float,
    say: Callable[[str], None],
) -> None:
    """Trains, exports and measures rungs of a ladder.

    A rung that was measured is not measured again. A call after an interruption continues with the unfinished rung.

    Args:
        ladder: The ladder.
        names: Of the rungs; all if empty.
        workspace: Folders.
        budget_seconds: Processor time of each training.
        say: Receives a line for each rung.

    Raises:
        ConfigError: The ladder has no rung of that name.
    """
    by_name = {rung.name: rung for rung in ladder.rungs}
    unknown = [name for name in names if name not in by_name]
    if unknown:
        raise ConfigError(f"no rung {', '.join(unknown)}; there are {', '.join(by_name)}")
    start = None if ladder.start is None else workspace.models / ladder.start
    for rung in [by_name[name] for name in names] or ladder.rungs:
        config = with_budget(load_config(workspace.configs / ladder.name / f"{rung.name}.toml"), budget_seconds)
        run = workspace.runs / ladder.name / rung.name
        result = load_result(run)
        if result is None or result.budget_seconds != budget_seconds:
            say(f"{ladder.name}: {rung.name}, {rung.shows}")
            if result is not None:
                forget_training(run)
            result = _run(config, workspace.data, run, start)
            result.save(run)
        say(f"{rung.name}: dev loss {result.dev_loss:.3f}, BLEU {result.main.bleu:.2f}, {result.steps:,} steps")


def results_of(ladder: Ladder, runs: Path) -> dict[str, Result]:
    """Returns the results of the measured rungs by name."""
    found = {rung.name: load_result(runs / ladder.name / rung.name) for rung in ladder.rungs}
    return {name: result for name, result in found.items() if result is not None}


def _run(config: RunConfig, data: Path, run: Path, start: Path | None) -> Result:
    # Frees Keras's state of the previous rung.
    keras.utils.clear_session()
    if not (run / "corpus.json").exists():
        scorer = None if start is None or config.corpus.keep_best == 1 else PairScorer([start]).best
        prepare(config, data, run, None if start is None else start / "tokenizer.model", scorer)
    weights = None if start is None else weights_of(start, run, load_run_tokenizer(config, run))
    Trainer(config, run, weights).fit()
    keras.utils.clear_session()
    export(config, run)
    dev = config.corpus.dev
    return measure(config, data, run, Selection(dev, SENTENCES, config.export.beam_size))
