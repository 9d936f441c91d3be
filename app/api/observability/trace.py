"""What a request is called in the log and in its answer: its own id, and that of the trace it belongs to."""

import re
import uuid
from typing import Final, NamedTuple

from starlette.types import Scope

REQUEST_ID_HEADER: Final = "X-Request-ID"
_REQUEST_ID: Final = re.compile(rb"[A-Za-z0-9._:+/=-]{1,128}")
# W3C Trace Context, section 3.2; versions to come may add to it.
_TRACEPARENT: Final = re.compile(
    rb"(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(-.*)?"
)


class RequestNames(NamedTuple):
    """``trace_id``: 32 hexadecimal digits."""

    request_id: str
    trace_id: str


def names_of(scope: Scope, span_trace_id: str = "") -> RequestNames:
    """Those that the request brings, where they are well formed; else new ones.

    :param span_trace_id: of the span of the request, where there is one; it brings what the request brings.
    """
    request_id = trace_id = ""
    for name, value in scope["headers"]:
        if name == b"x-request-id" and _REQUEST_ID.fullmatch(value):
            request_id = value.decode()
        elif name == b"traceparent":
            trace_id = _trace_id(value)
    trace_id = span_trace_id or trace_id or uuid.uuid4().hex
    return RequestNames(request_id or trace_id, trace_id)


def _trace_id(traceparent: bytes) -> str:
    found = _TRACEPARENT.fullmatch(traceparent)
    if found is None or (found.group(1) == b"00" and found.group(3) is not None):
        return ""
    return found.group(2).decode()
