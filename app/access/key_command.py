"""``python -m app keys new NAME``: make a key."""

import argparse
import sys

from app.access.keys import ApiKey, checked_name, digest_of, new_key
from app.errors import ConfigurationError


def key_command(arguments: list[str]) -> int:
    """Show a new key once, on the error output, and its line for the file on the output, for ``>> keys.txt``."""
    parser = argparse.ArgumentParser(
        prog="python -m app keys", description="Keys that callers of the service may have."
    )
    commands = parser.add_subparsers(required=True, metavar="new")
    new = commands.add_parser("new", help="make a key", description=key_command.__doc__)
    new.add_argument("name", help="who gets it; stands in no answer")
    new.add_argument("--characters", type=_above_zero, default=0, help="that may be translated with it")
    new.add_argument("--requests-per-minute", type=_above_zero, default=0, help="instead of the setting")
    asked = parser.parse_args(arguments)
    key = new_key()
    try:
        line = ApiKey(checked_name(asked.name), digest_of(key), asked.characters, asked.requests_per_minute)
    except ConfigurationError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"The key of {asked.name}, shown only now: {key}", file=sys.stderr)
    print(line)
    return 0


def _above_zero(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number} is not above 0")
    return number
