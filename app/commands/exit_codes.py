"""Exit codes of the commands, and the one line that an error prints."""

import functools
import sys
from collections.abc import Callable
from typing import ParamSpec

import typer

from app.errors import ConfigurationError, PasserelleError

_Parameters = ParamSpec("_Parameters")


def report_errors(command: Callable[_Parameters, int]) -> Callable[_Parameters, None]:
    """Ends the process with the status that a command returns.

    An error of the project becomes one line on the error output: status 2 if settings or arguments cannot be used,
    else 1. A command that is interrupted by its user ends with status 130, as a shell expects.
    """

    @functools.wraps(command)
    def run(*args: _Parameters.args, **kwargs: _Parameters.kwargs) -> None:
        try:
            status = command(*args, **kwargs)
        except PasserelleError as error:
            print(f"error: {error}", file=sys.stderr)
            status = 2 if isinstance(error, ConfigurationError) else 1
        except KeyboardInterrupt:
            status = 130
        raise typer.Exit(status)

    return run
