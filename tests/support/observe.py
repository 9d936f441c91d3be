"""What the dashboard and the alert rules of app/deploy/observe ask Prometheus."""

import json
import re
from pathlib import Path
from typing import Any, Final

import yaml

OBSERVE: Final = Path(__file__).parents[2] / "app" / "deploy" / "observe"
_NAME: Final = re.compile(r"\b(?:passerelle|process)_[a-z_]+")
_FAMILY_ENDS: Final = ("_bucket", "_sum", "_count", "_total")


def dashboard() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((OBSERVE / "dashboards" / "passerelle.json").read_text(encoding="utf-8"))
    return found


def panels() -> list[dict[str, Any]]:
    return [panel for panel in dashboard()["panels"] if panel["type"] != "row"]


def panel_expressions(interval: str = "1m") -> dict[str, str]:
    """By panel and letter; with every value of the variables chosen."""
    return {
        f"{panel['title']} {target['refId']}": target["expr"]
        .replace("$__rate_interval", interval)
        .replace("$bundle", ".*")
        .replace("$instance", ".*")
        for panel in panels()
        for target in panel["targets"]
    }


def rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load((OBSERVE / "rules.yml").read_text(encoding="utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


def metric_names(expression: str) -> set[str]:
    return set(_NAME.findall(expression))


def family_of(name: str) -> str:
    """Of a series, as the panels name it."""
    for end in _FAMILY_ENDS:
        name = name.removesuffix(end)
    return name
