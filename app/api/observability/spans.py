"""The names of a request in logs and answers, and its span for OpenTelemetry.

Spans are off unless OpenTelemetry's standard variables request them and the extra ``otel`` is installed. No span holds
a text, a key, an address, a query string or a path with values of the caller.
"""

import logging
import os
import re
import uuid
from collections.abc import Mapping
from contextvars import ContextVar, Token
from typing import TYPE_CHECKING, Final, NamedTuple

from starlette.datastructures import Headers
from starlette.types import Scope

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Span

_LOG: Final = logging.getLogger(__name__)
REQUEST_ID_HEADER: Final = "X-Request-ID"
_REQUEST_ID: Final = re.compile(rb"[A-Za-z0-9._:+/=-]{1,128}")
# W3C Trace Context, section 3.2; later versions may append fields.
_TRACEPARENT: Final = re.compile(
    rb"(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(-.*)?"
)
_SCOPE: Final = "passerelle"
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"})
_ENDPOINTS: Final = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
# The span of the request that is being answered, if spans are on.
_CURRENT: Final[ContextVar["RequestSpan | None"]] = ContextVar("span", default=None)


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


class RequestSpan:
    """The span of one request, started by ``Spans.begin``."""

    def __init__(self, span: "Span", method: str) -> None:
        self._span = span
        self._method = method
        self._token: Token[RequestSpan | None] = _CURRENT.set(self)

    @property
    def trace_id(self) -> str:
        """32 hexadecimal digits."""
        return f"{self._span.get_span_context().trace_id:032x}"

    def record(self, numbers: Mapping[str, float]) -> None:
        """Add attributes to the span, under names of the service's own."""
        self._span.set_attributes({f"{_SCOPE}.{name}": value for name, value in numbers.items()})

    def end(self, scope: Scope, status: int | None) -> None:
        """End the span; ``status`` is None if there was no answer."""
        from opentelemetry.trace import StatusCode

        _CURRENT.reset(self._token)
        route = scope.get("route")
        if route is not None:  # the template; a path without a route is not named
            self._span.update_name(f"{self._method} {route.path}")
            self._span.set_attribute("http.route", route.path)
        if status is not None:
            self._span.set_attribute("http.response.status_code", status)
        if status is None or status >= 500:
            self._span.set_attribute("error.type", str(status or "no_answer"))
            self._span.set_status(StatusCode.ERROR)
        self._span.end()


class Spans:
    """Makes spans when it has a provider; otherwise ``begin`` returns None and costs nothing."""

    def __init__(self, provider: "TracerProvider | None" = None) -> None:
        self._provider = provider
        self._tracer = None if provider is None else provider.get_tracer(_SCOPE)

    def start(self, version: str) -> None:
        """Read the environment. What it requests and cannot be done is logged, and the service runs without spans.

        Args:
            version: The version of the service.
        """
        if self._provider is None:
            self._provider = _provider_of_environment(version)
            self._tracer = None if self._provider is None else self._provider.get_tracer(_SCOPE)

    def stop(self) -> None:
        """Send the remaining spans. This waits for the network, so it belongs on a thread."""
        if self._provider is not None:
            self._provider.shutdown()

    def begin(self, scope: Scope) -> RequestSpan | None:
        """Start the span of a request; None if spans are off."""
        if self._tracer is None:
            return None
        from opentelemetry.trace import SpanKind
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        headers = Headers(scope=scope)
        carrier = {name: headers[name] for name in ("traceparent", "tracestate") if name in headers}
        method = scope["method"] if scope["method"] in _METHODS else "_OTHER"
        span = self._tracer.start_span(
            method,
            context=TraceContextTextMapPropagator().extract(carrier),
            kind=SpanKind.SERVER,
            attributes={"http.request.method": method, "url.scheme": scope.get("scheme", "http")},
        )
        return RequestSpan(span, method)


def current_span() -> RequestSpan | None:
    """Return the span of the request that is being answered; None if spans are off."""
    return _CURRENT.get()


def _provider_of_environment(version: str, environment: Mapping[str, str] = os.environ) -> "TracerProvider | None":
    exporter = environment.get("OTEL_TRACES_EXPORTER", "").strip().lower()
    requested = exporter or any(environment.get(name) for name in _ENDPOINTS)
    if not requested or exporter == "none" or environment.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return None
    protocol = environment.get("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL") or environment.get("OTEL_EXPORTER_OTLP_PROTOCOL")
    if exporter not in ("", "otlp") or protocol not in (None, "", "http/protobuf"):
        what = f"OTEL_TRACES_EXPORTER={exporter}" if exporter not in ("", "otlp") else f"the protocol {protocol}"
        _LOG.error("no spans are made: %s is not known here, only otlp over http/protobuf", what)
        return None
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError:
        _LOG.error("no spans are made: OpenTelemetry is asked for, but not installed; pip install '.[otel]'")
        return None
    # OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES take precedence over these.
    named = {"service.name": environment.get("OTEL_SERVICE_NAME") or "passerelle", "service.version": version}
    provider = TracerProvider(resource=Resource.create(named))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    _LOG.info("a span of each request goes to OpenTelemetry")
    return provider


def _trace_id(traceparent: bytes) -> str:
    found = _TRACEPARENT.fullmatch(traceparent)
    if found is None or (found.group(1) == b"00" and found.group(3) is not None):
        return ""
    return found.group(2).decode()
