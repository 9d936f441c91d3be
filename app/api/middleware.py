"""The outermost middleware: names of requests, headers of answers, counts, and the answer to unexpected errors.

The innermost calls the endpoints that need nothing of FastAPI. All of it is plain ASGI, because a wrapper of whole
requests and responses would hide from the handlers that the client left.
"""

import asyncio
import logging
import time
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from typing import Any, Final

from fastapi import Request
from starlette.responses import Response
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.call import HELD, TIMEOUT_HEADER
from app.api.observability.metrics import Traffic
from app.api.observability.spans import REQUEST_ID_HEADER, RequestNames, Spans, names_of
from app.api.responses import DirectRoute, error_response, speaks_deepl
from app.api.waiting import STOPPED_SENTENCE
from app.errors import INTERNAL_ERROR_SENTENCE
from app.server.logs import REQUEST_ID, TRACE_ID
from app.serving.in_flight import InFlight

_LOG: Final = logging.getLogger(__name__)
_NAMED_HEADERS: Final = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Headers": "Authorization, Content-Type, Key, "
    f"{REQUEST_ID_HEADER}, {TIMEOUT_HEADER}, traceparent",
    "Access-Control-Expose-Headers": "Retry-After, Server-Timing, X-Finish-Reason, X-Formality, X-Glossary-Unplaced, "
    f"X-Repaired, {REQUEST_ID_HEADER}, X-Trace-ID",
    "Access-Control-Allow-Methods": "GET, HEAD, POST, PUT, PATCH, DELETE",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
}
# In the form in which the server sends them; no other part of the service sets one of these.
_HEADERS: Final = tuple((name.lower().encode(), value.encode()) for name, value in _NAMED_HEADERS.items())
# Added where the answer does not set them: it is not a page, and no cache may store texts.
_DEFAULTS: Final = (
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"cache-control", b"no-store"),
)


# Paths whose GET has an effect.
_FETCHED_ONCE: Final = ("/download_file/",)


class Edge:
    """Adds the headers of every answer, answers OPTIONS, counts and logs requests, and turns an exception that no
    handler caught into a 500 in JSON, a cancelled request into a 503.

    Every answer names its request id, and to DeepL's clients its trace id, with which its failure is found in the log.
    The middleware also tells the application where a reverse proxy publishes the service; the proxy may pass
    ``root_path`` on or remove it. The server's own access log would show query strings, and with them texts and keys.

    HEAD is answered wherever GET is, and a path with one slash more at its end as the path without it: a redirection
    would have to name scheme and host, which a proxy may have changed.
    """

    def __init__(
        self,
        app: ASGIApp,
        traffic: Traffic,
        in_flight: InFlight,
        spans: Spans,
        root_path: str = "",
        access_log: bool = False,
    ) -> None:
        self._app = app
        self._traffic = traffic
        self._in_flight = in_flight
        self._spans = spans
        self._root_path = root_path
        self._access_log = access_log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if self._root_path:
            scope = {**scope, "root_path": self._root_path}
        start = time.monotonic()
        status: int | None = None
        span = self._spans.begin(scope)
        names = names_of(scope, span.trace_id if span is not None else "")
        request_token, trace_token = REQUEST_ID.set(names.request_id), TRACE_ID.set(names.trace_id)

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = message.get("headers", ())
                names_set = {name for name, _ in headers}
                extra = [header for header in _DEFAULTS if header[0] not in names_set]
                message["headers"] = [*headers, *_headers(scope, names), *extra]
            elif scope["method"] == "HEAD":
                message = {**message, "body": b""}
            await send(message)

        self._traffic.in_progress += 1
        try:
            if scope["method"] == "OPTIONS":  # the preflight request of a browser
                await Response(status_code=200)(scope, receive, send_with_headers)
            elif self._root_path and scope["path"] == self._root_path:
                # The page's relative addresses need the slash. The location has no host, which a proxy may change.
                location = {"Location": f"{self._root_path}/"}
                await Response(status_code=307, headers=location)(scope, receive, send_with_headers)
            else:
                with self._in_flight.track(), ExitStack() as held:
                    scope[HELD] = held  # in this very scope, in which the router leaves the route for the counts
                    await self._app(_routed(scope), receive, send_with_headers)
        except asyncio.CancelledError:
            # The server cancels what still runs when it ends. It would answer with a 500 in plain text; where an answer
            # has started, it breaks the connection.
            if status is None:
                headers = {"Retry-After": "5", "Connection": "close"}
                await error_response(scope, 503, STOPPED_SENTENCE, headers)(scope, receive, send_with_headers)
        except Exception:
            # %r escapes line breaks in the path, which would forge lines of the log.
            _LOG.exception("%s %r failed (trace %s)", scope["method"], scope["path"], names.trace_id)
            if status is not None:
                raise  # an answer that has started cannot be replaced: the server breaks the connection
            await error_response(scope, 500, INTERNAL_ERROR_SENTENCE)(scope, receive, send_with_headers)
        finally:
            seconds = time.monotonic() - start
            self._traffic.in_progress -= 1
            self._traffic.count_answer(scope, status, seconds)
            if span is not None:
                span.end(scope, status)
            if self._access_log:
                _log_access(scope, status, 1000 * seconds)
            REQUEST_ID.reset(request_token)
            TRACE_ID.reset(trace_token)


class DirectCalls:
    """Calls the endpoint of a ``DirectRoute`` whose path has no parameters; every other request goes on.

    FastAPI's layers for errors, exit stacks and the search of the route take as long as the checks of a request.
    """

    def __init__(self, app: ASGIApp, routes: Iterable[BaseRoute], error_handlers: Mapping[Any, Any]) -> None:
        """Wrap an application.

        Args:
            app: The application.
            routes: All its routes.
            error_handlers: Coroutines that answer exceptions, by their classes.
        """
        self._app = app
        self._error_handlers = error_handlers
        self._routes = {
            (method, route.path): route
            for route in routes
            if isinstance(route, DirectRoute) and not route.param_convertors
            for method in route.methods or ()
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"].removeprefix(scope.get("root_path", "")) if scope["type"] == "http" else ""
        route = self._routes.get((scope["method"], path)) if path else None
        if route is None:
            await self._app(scope, receive, send)
            return
        scope["route"] = route
        request = Request(scope, receive, send)
        try:
            response = await route.endpoint(request)
        except Exception as error:
            handler = next(filter(None, map(self._error_handlers.get, type(error).__mro__)), None)
            if handler is None:
                raise
            response = await handler(request, error)
            error.__traceback__ = None  # its frames hold the request
        await response(scope, receive, send)


def _routed(scope: Scope) -> Scope:
    """The request as the routes see it: HEAD as GET, and the path without a slash at its end.

    Fetching a translated file deletes it, so HEAD stays HEAD there and is refused.
    """
    changes: dict[str, str] = {}
    path = scope["path"]
    below = path.removeprefix(scope.get("root_path", ""))
    if scope["method"] == "HEAD" and not below.startswith(_FETCHED_ONCE):
        changes["method"] = "GET"
    if path.endswith("/") and not path.endswith("//") and below not in ("", "/"):
        changes["path"] = path[:-1]
    return {**scope, **changes} if changes else scope


def _headers(scope: Scope, names: RequestNames) -> list[tuple[bytes, bytes]]:
    found = [*_HEADERS, (b"x-request-id", names.request_id.encode())]
    if speaks_deepl(scope):
        found.append((b"x-trace-id", names.trace_id.encode()))
    return found


def _log_access(scope: Scope, status: int | None, milliseconds: float) -> None:
    """Log a request without its query string, which may hold texts and keys."""
    fields = {
        "method": scope["method"],
        "path": scope["path"],
        "status": status,
        "milliseconds": round(milliseconds, 1),
    }
    # %r escapes line breaks in the path, which would forge lines of the log.
    _LOG.info("%s %r %s %.1f ms", scope["method"], scope["path"], status, milliseconds, extra=fields)
