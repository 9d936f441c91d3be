"""Requests in DeepL's dialect, and what is true of every answer to one."""

import re
from typing import Any, Final

import httpx

KEY: Final = {"Authorization": "DeepL-Auth-Key any"}
HELLO: Final[dict[str, Any]] = {"text": ["Hello"], "source_lang": "EN", "target_lang": "FR"}


def checked(answer: httpx.Response, status: int = 200) -> Any:
    """The body of an answer in JSON; None where it is empty."""
    assert answer.status_code == status, answer.text
    assert re.fullmatch("[0-9a-f]{32}", answer.headers["x-trace-id"])
    assert answer.headers["access-control-allow-origin"] == "*"
    return answer.json() if answer.content else None
