"""Reading one field of a request: what it must be, and how its value is shown in a message."""

import re
from typing import Final

from app.api.body import Fields
from app.errors import InvalidRequest

_SURROGATE: Final = re.compile("[\ud800-\udfff]")


def whole_number(fields: Fields, name: str) -> int | None:
    """None where it is absent, null or empty."""
    value = fields.get(name)
    if value is None or value == "":
        return None
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and re.fullmatch(r"\s*[+-]?[0-9]{1,19}\s*", value):
        return int(value)
    raise InvalidRequest(f"Invalid request: {name} parameter is not a number")


def number(fields: Fields, name: str, least: float, most: float, absent: float) -> float:
    """:param absent: what counts where the field is absent, null or empty."""
    value = fields.get(name)
    if value is None or value == "":
        return absent
    try:
        found = float(value) if isinstance(value, (int, float, str)) and not isinstance(value, bool) else None
    except (ValueError, OverflowError):
        found = None
    if found is None:
        raise InvalidRequest(f"Invalid request: {name} parameter is not a number")
    if not least <= found <= most:  # also refuses NaN
        raise InvalidRequest(f"Invalid request: {name} is {found:g}, it must be {least:g} to {most:g}")
    return found


def string(fields: Fields, name: str) -> str:
    """Empty where it is absent or null."""
    value = fields.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise InvalidRequest(f"Invalid request: {name} parameter is {kind(value)}, it must be a string")
    check_unicode(value, name)
    return value


def check_unicode(text: str, name: str) -> None:
    found = _SURROGATE.search(text)
    if found is not None:
        raise InvalidRequest(
            f"Invalid request: {name} has an unpaired surrogate (U+{ord(found.group()):04X}) at character "
            f"{found.start()}, which is not valid Unicode"
        )


def shown(value: str) -> str:
    """A value of the caller in a message: short, and without what could break a line or a terminal."""
    printable = "".join(character if character.isprintable() else "?" for character in value[:40])
    return printable + ("..." if len(value) > 40 else "")


def kind(value: object) -> str:
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, (int, float)):
        return "a number"
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "a list"
    return "null" if value is None else "a string"
