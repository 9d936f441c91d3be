"""What every request passes first and every answer last: names, headers, and the net under errors.

Plain ASGI: a wrapper of whole requests and responses would hide from the handlers that the client left.
"""

import logging
import time
from typing import Final

from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.errors import SENTENCE_FOR_500
from app.api.observability.spans import Spans
from app.api.observability.trace import REQUEST_ID_HEADER, RequestNames, names_of
from app.api.observability.traffic import Traffic
from app.api.responses import error_response, speaks_deepl
from app.api.timeout import TIMEOUT_HEADER
from app.server.logs import REQUEST_ID, TRACE_ID
from app.serving.in_flight import Presence

_LOG: Final = logging.getLogger(__name__)
_NAMED_HEADERS: Final = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Headers": f"Authorization, Content-Type, {REQUEST_ID_HEADER}, {TIMEOUT_HEADER}, traceparent",
    "Access-Control-Expose-Headers": f"Retry-After, Server-Timing, X-Finish-Reason, {REQUEST_ID_HEADER}, X-Trace-ID",
    "Access-Control-Allow-Methods": "GET, POST",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
}
# As the server sends them; nothing else in the service sets one of these.
_HEADERS: Final = tuple((name.lower().encode(), value.encode()) for name, value in _NAMED_HEADERS.items())
# Where an answer says nothing else: it is no page, and texts are nobody's to keep.
_UNLESS_SAID: Final = (
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"cache-control", b"no-store"),
)


class Edge:
    """Adds the headers of every answer, answers OPTIONS, and turns what nobody caught into a 500 in JSON.

    Every answer says its id, and to DeepL's clients that of its trace, with which its failure is found in the log.

    It also says where a reverse proxy publishes the service (the proxy may pass ``root_path`` on or take it away), and
    writes the access log: the server's own would show query strings, and with them texts and keys. It counts requests.
    """

    def __init__(
        self,
        app: ASGIApp,
        traffic: Traffic,
        presence: Presence,
        spans: Spans,
        root_path: str = "",
        access_log: bool = False,
    ) -> None:
        self._app = app
        self._traffic = traffic
        self._presence = presence
        self._spans = spans
        self._root_path = root_path
        self._access_log = access_log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if self._root_path:
            scope = {**scope, "root_path": self._root_path}
        began = time.monotonic()
        status: int | None = None
        span = self._spans.begin(scope)
        names = names_of(scope, span.trace_id if span is not None else "")
        request_token, trace_token = REQUEST_ID.set(names.request_id), TRACE_ID.set(names.trace_id)
        own_headers = _headers(scope, names)

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                said = message.get("headers", ())
                names_said = {name for name, _ in said}
                extra = [header for header in _UNLESS_SAID if header[0] not in names_said]
                message["headers"] = [*said, *own_headers, *extra]
            await send(message)

        self._traffic.in_progress += 1
        try:
            if scope["method"] == "OPTIONS":  # a browser asks before it sends
                await Response(status_code=200)(scope, receive, send_with_headers)
            else:
                with self._presence.here():
                    await self._app(scope, receive, send_with_headers)
        except Exception:
            # %r: a path may hold line breaks, which would forge lines of the log.
            _LOG.exception("%s %r failed (trace %s)", scope["method"], scope["path"], names.trace_id)
            if status is not None:
                raise  # half an answer cannot be taken back: the server breaks the connection
            await error_response(scope, 500, SENTENCE_FOR_500)(scope, receive, send_with_headers)
        finally:
            seconds = time.monotonic() - began
            self._traffic.in_progress -= 1
            self._traffic.answered(scope, status, seconds)
            if span is not None:
                span.end(scope, status)
            if self._access_log:
                _log_access(scope, status, 1000 * seconds)
            REQUEST_ID.reset(request_token)
            TRACE_ID.reset(trace_token)


def _headers(scope: Scope, names: RequestNames) -> list[tuple[bytes, bytes]]:
    found = [*_HEADERS, (b"x-request-id", names.request_id.encode())]
    if speaks_deepl(scope):
        found.append((b"x-trace-id", names.trace_id.encode()))
    return found


def _log_access(scope: Scope, status: int | None, milliseconds: float) -> None:
    fields = {
        "method": scope["method"],
        "path": scope["path"],
        "status": status,
        "milliseconds": round(milliseconds, 1),
    }
    _LOG.info("%s %r %s %.1f ms", scope["method"], scope["path"], status, milliseconds, extra=fields)
