"""Train, export and measure the systems, one after the other; what is done already is not done again."""

from collections.abc import Callable, Sequence
from pathlib import Path

import keras

from training.compare.measure import measure
from training.compare.results import RESULT_FILE, Result, load_result
from training.compare.systems import System
from training.config import RunConfig, load_config
from training.data.prepare import prepare
from training.export.export import export
from training.learn.train import BEST_WEIGHTS_FILE, CHECKPOINT_FILE, Trainer

# Steps can never end a run that has a budget.
UNREACHED = 10**9


def run_systems(
    systems: Sequence[System],
    configs: Path,
    data: Path,
    runs: Path,
    budget_seconds: float,
    say: Callable[[str], None],
    limit: int | None = None,
) -> list[Result]:
    """All results; each system's is written into its run's folder as soon as it is known.

    Killed and started again, it goes on with the system that was being trained, from its last checkpoint.

    :param limit: measure on so many test sentences only.
    """
    results = []
    for number, system in enumerate(systems, start=1):
        config = with_budget(load_config(configs / f"{system.name}.toml"), budget_seconds)
        run = runs / config.name
        result = load_result(run)
        if result is None or result.budget_seconds != budget_seconds:
            say(f"{number} of {len(systems)}: {system.name}, {system.shows}")
            if result is not None:
                forget_training(run)  # a finished run goes no further, and would pass for one of this budget
            result = _run(config, data, run, limit)
            result.save(run)
        say(f"{system.name}: BLEU {result.main.bleu:.1f}, chrF {result.main.chrf:.1f}, {result.steps:,} steps")
        results.append(result)
    return results


def with_budget(config: RunConfig, budget_seconds: float) -> RunConfig:
    """The configuration, trained for so many processor seconds, however many steps that is."""
    training = config.training.model_copy(update={"budget_seconds": budget_seconds, "max_steps": UNREACHED})
    return config.model_copy(update={"training": training})


def forget_training(run: Path) -> None:
    """Leave only the prepared corpus of a run."""
    for name in (CHECKPOINT_FILE, BEST_WEIGHTS_FILE, RESULT_FILE):
        (run / name).unlink(missing_ok=True)


def _run(config: RunConfig, data: Path, run: Path, limit: int | None) -> Result:
    # Each system begins with nothing left of the one before.
    keras.utils.clear_session()
    if not (run / "corpus.json").exists():
        prepare(config, data, run)
    Trainer(config, run).fit()
    keras.utils.clear_session()
    export(config, run)
    return measure(config, data, run, "int8", limit)
