"""``python -m training COMMAND``: from a corpus to a bundle, and on from one. A run is one TOML file."""

import argparse
import os
import sys

from training.commands import bundles, recipes, runs, tasks
from training.errors import TrainingError


def main(arguments: list[str] | None = None) -> int:
    """Run one command; an error made by the user is one clear line, not a traceback."""
    options = _parser().parse_args(arguments)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    try:
        options.command(options)
    except TrainingError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped; the same command goes on from the last checkpoint", file=sys.stderr)
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m training", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for some in (runs, bundles, recipes, tasks):
        some.add_commands(commands)
    return parser


if __name__ == "__main__":
    sys.exit(main())
