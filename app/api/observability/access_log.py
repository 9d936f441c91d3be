"""The names of a request in logs and answers, and the counts of all requests."""

import re
import uuid
from collections import Counter
from typing import Final, NamedTuple

from starlette.types import Scope

from app.api.responses import speaks_deepl
from app.engine.metrics import SECONDS, Histogram

REQUEST_ID_HEADER: Final = "X-Request-ID"
_REQUEST_ID: Final = re.compile(rb"[A-Za-z0-9._:+/=-]{1,128}")
# W3C Trace Context, section 3.2; later versions may append fields.
_TRACEPARENT: Final = re.compile(
    rb"(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(-.*)?"
)
_OTHER: Final = "other"


class RequestNames(NamedTuple):
    """The id of a request, and the id of the trace that it belongs to: 32 hexadecimal digits."""

    request_id: str
    trace_id: str


def names_of(scope: Scope, span_trace_id: str = "") -> RequestNames:
    """Read the names that the request brings, where they are well formed; make new ones otherwise.

    Args:
        scope: The ASGI scope of the request.
        span_trace_id: The trace of the request's span, if it has one; it includes what the request brings.
    """
    request_id = trace_id = ""
    for name, value in scope["headers"]:
        if name == b"x-request-id" and _REQUEST_ID.fullmatch(value):
            request_id = value.decode()
        elif name == b"traceparent":
            trace_id = _trace_id(value)
    trace_id = span_trace_id or trace_id or uuid.uuid4().hex
    return RequestNames(request_id or trace_id, trace_id)


class Traffic:
    """Counts the requests over HTTP. Used by the event loop's thread alone, so it needs no lock.

    A route is named by its template, and all paths without a route share one name, so callers cannot make new names.

    Attributes:
        requests: The number of answers by route, dialect and status.
        seconds: The time from the first byte to the end of the answer, by route.
        in_progress: The requests that are being answered.
    """

    def __init__(self) -> None:
        self.requests: Counter[tuple[str, str, int]] = Counter()
        self.seconds: dict[str, Histogram] = {}
        self.in_progress = 0

    def count_answer(self, scope: Scope, status: int | None, seconds: float) -> None:
        """Count a request; ``status`` is None if there was no answer, which is counted as 0."""
        route = scope.get("route")
        path = _OTHER if route is None else route.path
        self.requests[path, _dialect(scope), status or 0] += 1
        histogram = self.seconds.get(path)
        if histogram is None:
            histogram = self.seconds[path] = Histogram(SECONDS)
        histogram.add(seconds)


def _trace_id(traceparent: bytes) -> str:
    found = _TRACEPARENT.fullmatch(traceparent)
    if found is None or (found.group(1) == b"00" and found.group(3) is not None):
        return ""
    return found.group(2).decode()


def _dialect(scope: Scope) -> str:
    """Return the group that the route has on the page of the API, in lower case."""
    tags = getattr(scope.get("route"), "tags", None)
    if tags:
        return str(tags[0]).lower()
    return "deepl" if speaks_deepl(scope) else _OTHER
