"""Every setting as a Markdown table, as README.md shows it."""

from annotated_types import Ge, Le
from pydantic.fields import FieldInfo

from app.server.environment import variable_of
from app.settings import Settings


def settings_table() -> str:
    """Every setting as a Markdown table, as README.md shows it."""
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
