"""The settings as the environment has them, and what else stands there."""

import os
from collections.abc import Mapping

from pydantic import ValidationError

from app.errors import ConfigurationError
from app.settings import PREFIX, Settings


def load_settings() -> Settings:
    """The settings of this process, from its environment.

    :raises ConfigurationError: names every variable that cannot be used, its value and what is allowed.
    """
    try:
        return Settings()
    except ValidationError as error:
        faults = []
        for fault in error.errors(include_url=False, include_context=False):
            name = str(fault["loc"][0]) if fault["loc"] else ""
            found = f" (found {fault['input']!r})" if name else ""
            faults.append(f"{variable_of(name)}: {fault['msg']}{found}" if name else str(fault["msg"]))
        raise ConfigurationError("; ".join(faults)) from error


def variable_of(field: str) -> str:
    """The environment variable of a field; one that is a variable already stays as it is."""
    if field.lower() == "models_dir":
        return "MODELS_DIR"
    return field if field.startswith(PREFIX) else PREFIX + field.upper()


def unknown_variables(environment: Mapping[str, str] = os.environ) -> list[str]:
    """Variables with the prefix that are no setting, most often a typing error."""
    known = {variable_of(name) for name in Settings.model_fields} | {"PASSERELLE_MODELS_DIR"}
    # Kubernetes adds PASSERELLE_SERVICE_* and PASSERELLE_PORT_* for a service of that name.
    links = (f"{PREFIX}SERVICE_", f"{PREFIX}PORT_")
    return sorted(
        name for name in environment if name.startswith(PREFIX) and name not in known and not name.startswith(links)
    )
