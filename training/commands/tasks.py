"""The command ``make``: generates the corpus of a synthetic task."""

import argparse
from collections.abc import Iterator
from pathlib import Path

from training.commands import Commands


def add_commands(commands: Commands) -> None:
    """Adds the command ``make`` with one subcommand for each task."""
    make = commands.add_parser("make", help="write the corpus of a synthetic task")
    tasks = make.add_subparsers(required=True, metavar="TASK")
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("file", type=Path, help="the tab-separated file to write")
    shared.add_argument("--count", type=int, default=50_000, help="lines (default: 50,000)")
    shared.add_argument("--seed", type=int, default=1)

    addition = tasks.add_parser("addition", parents=[shared], help="sums: 535+61 -> 596")
    addition.add_argument("--digits", type=int, default=3, help="of the longest number (default: 3)")
    addition.set_defaults(command=_make, lines=_addition)

    execute = tasks.add_parser("execute", parents=[shared], help="small programs and what they print")
    execute.add_argument("--length", type=int, default=3, help="digits of the longest numbers (default: 3)")
    execute.add_argument("--nesting", type=int, default=2, help="most operations composed (default: 2)")
    execute.set_defaults(command=_make, lines=_execute)

    memory = tasks.add_parser("memory", parents=[shared], help="sequences that end with their first symbol: 3 0 1 2 3")
    memory.add_argument("--lag", type=int, nargs="+", default=[10, 100], help="symbols between (default: 10 100)")
    memory.add_argument("--alphabet", type=int, default=10, help="different symbols (default: 10)")
    memory.add_argument("--distractors", choices=("random", "counting"), default="random", help="symbols between")
    memory.set_defaults(command=_make, lines=_memory)


def _make(options: argparse.Namespace) -> None:
    from training.files import write_atomically

    lines = [f"{line}\n" for line in options.lines(options)]
    options.file.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(options.file, "".join(lines).encode())
    print(f"{len(lines):,} lines in {options.file}")


def _addition(options: argparse.Namespace) -> Iterator[str]:
    from training.tasks.addition import addition

    return map("\t".join, addition(options.digits, options.count, options.seed))


def _execute(options: argparse.Namespace) -> Iterator[str]:
    from training.tasks.execute import execute

    return map("\t".join, execute(options.length, options.nesting, options.count, options.seed))


def _memory(options: argparse.Namespace) -> Iterator[str]:
    from training.tasks.memory import memory

    return memory(options.lag, options.alphabet, options.count, options.seed, options.distractors == "counting")
