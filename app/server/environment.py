"""Reads the settings from the environment, finds unknown variables, and shows the settings as a table."""

import os
from collections.abc import Mapping
from difflib import get_close_matches

from annotated_types import Ge, Le
from pydantic import ValidationError
from pydantic.fields import FieldInfo

from app.errors import ConfigurationError
from app.settings import PREFIX, Settings


def load_settings(**given: object) -> Settings:
    """Read the settings of this process from its environment.

    Args:
        **given: Fields that come before the environment, from the command line; None stands for a field not given.

    Raises:
        ConfigurationError: A variable cannot be used; the message names each, its value and what is allowed.
    """
    try:
        return Settings(**{name: value for name, value in given.items() if value is not None})  # type: ignore[arg-type]
    except ValidationError as error:
        faults = []
        for fault in error.errors(include_url=False, include_context=False):
            name = str(fault["loc"][0]) if fault["loc"] else ""
            found = f" (found {fault['input']!r})" if name else ""
            faults.append(f"{variable_of(name)}: {fault['msg']}{found}" if name else str(fault["msg"]))
        raise ConfigurationError("; ".join(faults)) from error


def variable_of(field: str) -> str:
    """Return the environment variable of a field; the name of a variable is returned unchanged."""
    if field.lower() == "models_dir":
        return "MODELS_DIR"
    return field if field.startswith(PREFIX) else PREFIX + field.upper()


def unknown_variables(environment: Mapping[str, str] = os.environ) -> dict[str, str | None]:
    """Find the variables with the prefix that are no setting, most often because of a typing error.

    Returns:
        For each of them the setting with the most similar name, or None if none is similar.
    """
    settings = {variable_of(name) for name in Settings.model_fields} | {"PASSERELLE_MODELS_DIR"}
    # Kubernetes adds PASSERELLE_SERVICE_* and PASSERELLE_PORT_* for a service of that name.
    links = (f"{PREFIX}SERVICE_", f"{PREFIX}PORT_")
    unknown = sorted(
        name for name in environment if name.startswith(PREFIX) and name not in settings and not name.startswith(links)
    )
    return {name: next(iter(get_close_matches(name, settings, n=1)), None) for name in unknown}


def settings_table() -> str:
    """Return the table of all settings in Markdown, as app/README.md shows it."""
    rows = ["| Variable | Default | Unit | Allowed | Meaning |", "|---|---|---|---|---|"]
    for name, field in Settings.model_fields.items():
        default = field.default
        shown = str(default).lower() if isinstance(default, bool) else str(default)
        extra = field.json_schema_extra
        unit = str(extra.get("unit", "")) if isinstance(extra, dict) else ""
        default_cell = f"`{shown}`" if shown else "empty"
        rows.append(
            f"| `{variable_of(name)}` | {default_cell} | {unit} | {_allowed(field)} | {field.description or ''} |"
        )
    return "\n".join(rows) + "\n"


def _allowed(field: FieldInfo) -> str:
    if isinstance(field.json_schema_extra, dict) and "allowed" in field.json_schema_extra:
        return str(field.json_schema_extra["allowed"])
    if field.annotation is bool:
        return "`true`, `false`"
    choices = getattr(field.annotation, "__args__", ())
    if choices:
        return ", ".join(f"`{choice}`" for choice in choices)
    low, high = "", ""
    for rule in field.metadata:
        if isinstance(rule, Ge):
            low = f"{rule.ge}"
        elif isinstance(rule, Le):
            high = f"{rule.le}"
        elif hasattr(rule, "gt"):
            low = f"over {rule.gt}"
    return f"{low} to {high}" if high else ""
