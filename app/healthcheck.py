"""The command ``python -m app.healthcheck``: exits with status 0 if the service on this machine is ready.

It imports only the standard library, so that it starts fast, and ignores proxy settings.
"""

import json
import os
import sys
import urllib.error
import urllib.request
from typing import Final

_TIMEOUT_SECONDS: Final = 4.0


def main() -> int:
    """Request ``/ready``, print the result, and return the exit status."""
    port = os.environ.get("PASSERELLE_PORT", "") or "8000"
    if not port.isdecimal():  # Kubernetes sets this variable for a service of this name; see app.settings
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
    """Return the reason that the answer gives."""
    try:
        return str(json.loads(body)["problem"])
    except (ValueError, KeyError, TypeError):
        return "no reason given"


if __name__ == "__main__":
    sys.exit(main())
