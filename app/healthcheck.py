"""``python -m app.healthcheck``: exit status 0 if the service here is ready. Only the standard library, no proxy."""

import json
import os
import sys
import urllib.error
import urllib.request
from typing import Final

_TIMEOUT_SECONDS: Final = 4.0


def main() -> int:
    port = os.environ.get("PASSERELLE_PORT", "") or "8000"
    if not port.isdecimal():  # what Kubernetes puts there for a service of this name; see app.settings
        port = "8000"
    host = os.environ.get("PASSERELLE_HOST", "") or "127.0.0.1"
    if host in ("0.0.0.0", "::"):
        host = "127.0.0.1"
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"http://{f'[{host}]' if ':' in host else host}:{port}/ready", timeout=_TIMEOUT_SECONDS):
            print("ready")
            return 0
    except urllib.error.HTTPError as error:
        with error:
            print(f"not ready: {_problem(error.read())}")
    except OSError as error:
        print(f"no answer: {error}")
    return 1


def _problem(body: bytes) -> str:
    try:
        return str(json.loads(body)["problem"])
    except (ValueError, KeyError, TypeError):
        return "no reason given"


if __name__ == "__main__":
    sys.exit(main())
