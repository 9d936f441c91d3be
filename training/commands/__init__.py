"""The commands of ``python -m training``, and the arguments that they share."""

import argparse
from pathlib import Path
from typing import Protocol

CONFIGS = Path(__file__).parents[1] / "configs"


class Commands(Protocol):
    """The object that argparse returns for a parser's subcommands."""

    def add_parser(
        self, name: str, *, help: str, parents: list[argparse.ArgumentParser] = ...
    ) -> argparse.ArgumentParser: ...


def of_a_run() -> argparse.ArgumentParser:
    """Returns a parent parser with the arguments of every command that works on one run."""
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("config", type=Path, help="the run's TOML file, e.g. training/configs/en-fr.toml")
    shared.add_argument("--runs", type=Path, default=Path("runs"), help="where runs keep their files (default: runs)")
    return shared
