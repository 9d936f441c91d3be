"""``passerelle check URL``: whether a running service is ready, what it translates, and if it is not ready, why."""

import json
import urllib.error
import urllib.request
from typing import Any, Final

from app.errors import ConfigurationError

_MAX_BYTES: Final = 4 * 1024 * 1024
_OPENER: Final = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def check_service(url: str, timeout_seconds: float) -> int:
    """Requests ``/ready`` and ``/languages`` and prints what they say.

    Args:
        url: The address of the service, with the path under which a proxy publishes it.
        timeout_seconds: The longest wait for each answer.

    Returns:
        0 if the service is ready, else 1.

    Raises:
        ConfigurationError: The address is no HTTP address.
    """
    base = (url if "://" in url else f"http://{url}").rstrip("/")
    if not base.startswith(("http://", "https://")):
        raise ConfigurationError(f"{url} is no address of a service, which begins with http:// or https://")
    try:
        status, ready = _request(f"{base}/ready", timeout_seconds)
        if status == 503 and isinstance(ready, dict) and "problem" in ready:
            print(f"{base} is not ready: {ready['problem']}")
            return 1
        if status != 200 or not isinstance(ready, dict) or "status" not in ready:
            print(
                f"{base} answers, but is no Passerelle, or is published under another path: /ready has status {status}"
            )
            return 1
        _, languages = _request(f"{base}/languages", timeout_seconds)
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        print(
            f"{base} does not answer within {timeout_seconds:g} seconds: {reason}. `passerelle serve` starts a service"
        )
        return 1
    print(f"{base} is ready")
    for language in languages if isinstance(languages, list) else []:
        targets = [target for target in language["targets"] if target != language["code"]]
        if targets:
            print(f"  {language['code']} ({language['name']}) to {', '.join(targets)}")
    return 0


def _request(url: str, timeout_seconds: float) -> tuple[int, Any]:
    """Returns the status and the JSON value of an answer; None in place of what is no JSON."""
    try:
        with _OPENER.open(url, timeout=timeout_seconds) as answer:
            return answer.status, _parse(answer.read(_MAX_BYTES))
    except urllib.error.HTTPError as error:
        with error:
            return error.code, _parse(error.read(_MAX_BYTES))


def _parse(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return None
