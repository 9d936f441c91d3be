"""Training, export and measurement of systems, one after the other; finished ones are not repeated."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import keras

from training.compare.measure import Selection, measure
from training.compare.results import RESULT_FILE, Result, load_result
from training.compare.systems import System
from training.config import RunConfig, load_config
from training.data.prepare import prepare
from training.export.export import export
from training.learn.train import BEST_WEIGHTS_FILE, CHECKPOINT_FILE, Trainer

# A run with a budget ends when the budget is spent, so its number of steps is never reached.
UNREACHED = 10**9


@dataclass(frozen=True)
class Workspace:
    """Folders of a comparison.

    Attributes:
        configs: The systems' TOML files.
        data: Folder that the corpus paths start from.
        runs: The systems' runs.
        models: Bundles that a run may start from.
    """

    configs: Path
    data: Path
    runs: Path
    models: Path = Path("models")


def run_systems(
    systems: Sequence[System],
    workspace: Workspace,
    budget_seconds: float,
    say: Callable[[str], None],
    limit: int | None = None,
) -> list[Result]:
    """Trains and measures systems; each result is written into its run's folder at once.

    A call after an interruption continues with the unfinished system, from its last checkpoint.

    Args:
        systems: What is trained, in this order.
        workspace: Folders.
        budget_seconds: Processor time of each training.
        say: Receives a line for each system.
        limit: The number of test sentences to measure on; all if None.
    """
    results = []
    for number, system in enumerate(systems, start=1):
        config = with_budget(load_config(workspace.configs / f"{system.name}.toml"), budget_seconds)
        run = workspace.runs / config.name
        result = load_result(run)
        if result is None or result.budget_seconds != budget_seconds:
            say(f"{number} of {len(systems)}: {system.name}, {system.shows}")
            if result is not None:
                forget_training(run)  # otherwise the finished run would count as one of this budget
            result = _run(config, workspace.data, run, limit)
            result.save(run)
        say(f"{system.name}: BLEU {result.main.bleu:.1f}, chrF {result.main.chrf:.1f}, {result.steps:,} steps")
        results.append(result)
    return results


def with_budget(config: RunConfig, budget_seconds: float) -> RunConfig:
    """Returns the configuration with a budget of processor time instead of a number of steps."""
    training = config.training.model_copy(update={"budget_seconds": budget_seconds, "max_steps": UNREACHED})
    return config.model_copy(update={"training": training})


def forget_training(run: Path) -> None:
    """Deletes what a run has trained and measured; the prepared corpus stays."""
    for name in (CHECKPOINT_FILE, BEST_WEIGHTS_FILE, RESULT_FILE):
        (run / name).unlink(missing_ok=True)


def _run(config: RunConfig, data: Path, run: Path, limit: int | None) -> Result:
    # Frees Keras's state of the previous system.
    keras.utils.clear_session()
    if not (run / "corpus.json").exists():
        prepare(config, data, run)
    Trainer(config, run).fit()
    keras.utils.clear_session()
    export(config, run)
    return measure(config, data, run, Selection(limit=limit))
