"""Commands that compare recipes: ``compare`` for the models of the tutorials, ``ladder`` for single changes."""

import argparse
from pathlib import Path

from training.commands import CONFIGS, Commands
from training.errors import ConfigError


def add_commands(commands: Commands) -> None:
    """Adds the commands that compare recipes."""
    _add_compare(commands.add_parser("compare", help="train, export and measure the whole family with one budget"))
    _add_ladder(commands.add_parser("ladder", help="recipes that differ in one thing each, measured on dev"))


def _add_compare(compare: argparse.ArgumentParser) -> None:
    compare.add_argument("systems", nargs="*", metavar="SYSTEM", help="only these (default: all)")
    compare.add_argument("--data", type=Path, default=Path("data"), help="folder that the corpus paths start from")
    compare.add_argument("--runs", type=Path, default=Path("runs/compare"), help="default: runs/compare")
    compare.add_argument("--configs", type=Path, default=CONFIGS, help="folder of the systems' TOML files")
    compare.add_argument(
        "--budget-seconds", type=float, default=400.0, help="processor time of each system's training (default: 400)"
    )
    compare.add_argument("--page", type=Path, help="put table and pictures into this file, between its comments")
    compare.add_argument("--sentences", type=int, help="measure only on the first test sentences (default: all)")
    compare.set_defaults(command=_compare)


def _compare(options: argparse.Namespace) -> None:
    from training.compare.page import write_page
    from training.compare.run import Workspace, run_systems
    from training.compare.systems import SYSTEMS

    by_name = {system.name: system for system in SYSTEMS}
    unknown = [name for name in options.systems if name not in by_name]
    if unknown:
        raise ConfigError(f"no system {', '.join(unknown)}; there are {', '.join(by_name)}")
    systems = tuple(by_name[name] for name in options.systems) or SYSTEMS
    workspace = Workspace(options.configs, options.data, options.runs)
    results = run_systems(systems, workspace, options.budget_seconds, print, options.sentences)
    if options.page is not None:
        for path in write_page(results, options.runs, options.page):
            print(f"written: {path}")


def _add_ladder(ladder: argparse.ArgumentParser) -> None:
    ladder.add_argument(
        "ladder", choices=("first", "last"), help="first trains from random weights, last from a shipped model"
    )
    ladder.add_argument("rungs", nargs="*", metavar="RUNG", help="only these (default: all)")
    ladder.add_argument("--data", type=Path, default=Path("data"), help="folder that the corpus paths start from")
    ladder.add_argument("--runs", type=Path, default=Path("runs/ladder"), help="default: runs/ladder")
    ladder.add_argument("--configs", type=Path, default=CONFIGS / "ladder", help="folder of the rungs' TOML files")
    ladder.add_argument("--models", type=Path, default=Path("models"), help="where the shipped models are")
    ladder.add_argument("--budget-seconds", type=float, help="processor time of each rung's training")
    ladder.add_argument("--page", type=Path, help="put the tables into this file, between its comments")
    ladder.set_defaults(command=_ladder)


def _ladder(options: argparse.Namespace) -> None:
    from training.compare.ladder import LADDERS, climb
    from training.compare.ladder_page import write_ladders
    from training.compare.run import Workspace

    ladder = LADDERS[options.ladder]
    workspace = Workspace(options.configs, options.data, options.runs, options.models)
    climb(ladder, options.rungs, workspace, options.budget_seconds or ladder.budget_seconds, print)
    if options.page is not None:
        write_ladders(options.runs, options.page)
        print(f"written: {options.page}")
