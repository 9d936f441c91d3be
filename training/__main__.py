"""``python -m training COMMAND``: train a model from a corpus, export it as a bundle, and work with finished bundles.

One TOML file configures one run.
"""

import argparse
import os
import sys

from training.commands import bundles, convert, recipes, runs, tasks
from training.errors import TrainingError


def main(arguments: list[str] | None = None) -> int:
    """Runs one command. An error that the user can correct is printed as one line, without a traceback.

    Args:
        arguments: Of the command line; None for those of the process.

    Returns:
        The exit status: 0, 1 after a ``TrainingError``, 130 after Ctrl-C.
    """
    options = _parser().parse_args(arguments)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    try:
        options.command(options)
    except TrainingError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped; the same command continues from the last checkpoint", file=sys.stderr)
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m training", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for module in (runs, bundles, convert, recipes, tasks):
        module.add_commands(commands)
    return parser


if __name__ == "__main__":
    sys.exit(main())
