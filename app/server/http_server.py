"""Connections of the HTTP server: uvicorn's, with bounds, and strict about what could be read in two ways.

The server closes a connection when its headers are late or too long, when its client reads nothing of an answer, and
when there are too many connections. Otherwise slow and vanished clients would hold sockets and memory forever; uvicorn
leaves these bounds to a proxy.
"""

import json
import re
import socket
from asyncio import AbstractEventLoop, TimerHandle, Transport
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

from httptools import HttpParserUpgrade, HttpRequestParser
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

# Other servers allow 8 to 64 KiB; here the query may hold a text.
MAX_HEADER_BYTES: Final = 64 * 1024
# A client that reads less than this between two checks counts as gone.
_LEAST_READ_BYTES: Final = 4096
# After a refusal the client may still be sending; an immediate close would make it lose the answer.
_LINGER_SECONDS: Final = 2.0
_LINGER_BYTES: Final = 1024 * 1024
# How often the server checks whether a client that sends no more has left.
_DEPARTURE_SECONDS: Final = 0.1
_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
_VERSIONS: Final = ("1.0", "1.1")
_HOST: Final = re.compile(rb"[^\s,/?#@\\\x00-\x20\x7f]*")


class StrictParser(HttpRequestParser):
    """A parser for which an offer to change the protocol, as clients of HTTP/2 make it, is a header like others.

    After such a request the parser of httptools takes everything that follows, also its body, for the other protocol.
    """

    def __init__(self, connection: "Connection") -> None:
        """Make a parser that calls the methods of a connection."""
        super().__init__(connection)
        self._connection = connection
        self.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn does, so that it can answer first

    def feed_data(self, data: bytes) -> None:  # type: ignore[override]
        """Parse bytes and call the connection's methods."""
        try:
            super().feed_data(data)
        except HttpParserUpgrade as upgrade:
            self._connection.decline_upgrade(data[upgrade.args[0] :])


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """Bounds of connections.

    Attributes:
        count: Connections at the same time.
        client_seconds: Time until the headers of a request are complete, and the longest time in which a client may
            read nothing of an answer.
    """

    count: int
    client_seconds: float


class _Refused(Exception):
    """Raised by a callback of the parser to end it; ``send_400_response`` answers."""


class Connection(HttpToolsProtocol):
    """One connection. The event loop's thread runs its methods."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: AbstractEventLoop | None = None,
        *,
        limits: ConnectionLimits,
    ) -> None:
        """Make a connection; uvicorn passes all arguments but ``limits``."""
        super().__init__(config, server_state, app_state, _loop)
        self.parser = StrictParser(self)
        self._limits = limits
        self._header_bytes = 0  # received of incomplete headers
        self._is_in_body = False
        self._discarded_bytes: int | None = None  # received since the refusal; None before one
        self._header_timer: TimerHandle | None = None
        self._send_timer: TimerHandle | None = None
        self._linger_timer: TimerHandle | None = None
        self._departure_timer: TimerHandle | None = None
        self._refusal = (400, "This is no HTTP request")  # the answer if the parser ends with an error

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        """Refuse the connection if there are too many, otherwise wait for the headers of a request."""
        super().connection_made(transport)
        transport.set_write_buffer_limits(high=0)  # pause_writing is called as soon as a client stops reading
        count = self._limits.count
        if len(self.connections) > 2 * count:
            transport.abort()
        elif len(self.connections) > count:
            self._refuse(503, f"{count} connections are open, max_connections is {count}", "retry-after: 1")
        else:
            self._await_headers()

    def connection_lost(self, exc: Exception | None) -> None:
        """Cancel the timers."""
        timers = (self._header_timer, self._send_timer, self._linger_timer, self._departure_timer)
        for timer in (*timers, self.timeout_keep_alive_task):
            if timer is not None:
                timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Pass bytes to the parser and count those of incomplete headers; after a refusal bytes are discarded."""
        if self._discarded_bytes is not None:
            self._discarded_bytes += len(data)
            if self._discarded_bytes > _LINGER_BYTES:
                self.transport.abort()
            return
        was_in_body = self._is_in_body
        super().data_received(data)
        if self._discarded_bytes is not None or self.transport.is_closing() or not self._is_idle:
            return
        # Incomplete headers, or the rest of a body whose request was answered early.
        self._await_headers()
        if not (was_in_body or self._is_in_body):
            self._header_bytes += len(data)
            if self._header_bytes > MAX_HEADER_BYTES:
                self._refuse_long_headers(self._header_bytes)

    def on_headers_complete(self) -> None:
        """Check the headers. The parser calls this."""
        if self.parser.get_method() == b"CONNECT":
            self._refusal = (501, "CONNECT is not served")
            raise _Refused
        if self.parser.should_upgrade():
            return  # ``decline_upgrade`` follows
        size = len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
        refusal = find_fault(self.parser.get_http_version(), self.headers)
        if size > MAX_HEADER_BYTES:
            self._header_bytes = size
            raise _Refused
        if refusal is not None:
            self._refusal = refusal
            raise _Refused
        self._header_bytes = 0
        self._is_in_body = True
        if self._header_timer is not None:
            self._header_timer.cancel()
            self._header_timer = None
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Note the end of a body. The parser calls this."""
        if self.parser.should_upgrade():
            return
        self._is_in_body = False
        super().on_message_complete()

    def decline_upgrade(self, rest: bytes) -> None:
        """Read a request again without its header ``Upgrade``. The parser calls this.

        Args:
            rest: What was received behind the headers.
        """
        parser = self.parser
        first = b"%s %s HTTP/%s\r\n" % (parser.get_method(), self.url, parser.get_http_version().encode())
        lines = [b"%s: %s\r\n" % header for header in self.headers if header[0] != b"upgrade"]
        self.parser = StrictParser(self)
        self.parser.feed_data(b"".join([first, *lines, b"\r\n", rest]))

    def send_400_response(self, msg: str) -> None:
        """Refuse a request that is no HTTP. uvicorn calls this when its parser ends with an error."""
        if self._is_in_body and not self.pipeline and not self.cycle.response_started:
            self.cycle.disconnected = True  # the application's own answer is dropped
            self.cycle.message_event.set()
            self._refuse(400, "The body is not in the form that the HTTP headers announce")
        elif not self._is_idle and not self._is_in_body:
            # The requests before this one are answered, and the connection is closed behind the last answer.
            self._discarded_bytes = 0
            self.cycle.keep_alive = False
        elif not self._is_idle:
            self.transport.close()  # a second answer within one that is being sent would be read as a part of it
        elif self._header_bytes > MAX_HEADER_BYTES:
            self._refuse_long_headers(self._header_bytes)
        else:
            self._refuse(*self._refusal)

    def eof_received(self) -> bool:  # type: ignore[override]
        """Finish the requests of a client that sends no more. The transport calls this.

        A client may close its sending side behind its request and still read. One that has left does the same as far as
        TCP tells, so the server sends it an interim answer: the system of a client that has left resets the connection.

        Returns:
            Whether the connection stays open.
        """
        if self._is_idle or self._is_in_body or self._discarded_bytes is not None or self.transport.is_closing():
            return False
        self.cycle.keep_alive = False
        if not self.cycle.response_started and not self.pipeline and self.cycle.scope["http_version"] == "1.1":
            self.transport.write(_CONTINUE)
        self._watch_departure()
        return True

    def pause_writing(self) -> None:
        """Watch whether the client still reads. The transport calls this when its buffer is not empty."""
        super().pause_writing()
        self._watch_reader()

    def resume_writing(self) -> None:
        """End the watch. The transport calls this when its buffer is empty."""
        super().resume_writing()
        if self._send_timer is not None:
            self._send_timer.cancel()

    @property
    def _is_idle(self) -> bool:
        """Whether no request is in progress."""
        return self.cycle is None or self.cycle.response_complete

    def _await_headers(self) -> None:
        if self._header_timer is None:
            self._header_timer = self.loop.call_later(self._limits.client_seconds, self._refuse_late_headers)

    def _refuse_late_headers(self) -> None:
        self._header_timer = None
        if not self._is_idle:
            return
        seconds = self._limits.client_seconds
        if self._header_bytes:
            self._refuse(408, f"The headers did not arrive within client_timeout_seconds ({seconds:g})")
        else:
            self.transport.close()

    def _watch_departure(self) -> None:
        self._departure_timer = self.loop.call_later(_DEPARTURE_SECONDS, self._check_departure)

    def _check_departure(self) -> None:
        peer = self.transport.get_extra_info("socket")
        if peer is not None and peer.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            self.transport.abort()
        else:
            self._watch_departure()

    def _watch_reader(self) -> None:
        # Nothing is written while the client does not read, so the remaining bytes can only decrease.
        left_bytes = self.transport.get_write_buffer_size()
        self._send_timer = self.loop.call_later(self._limits.client_seconds, self._check_reader, left_bytes)

    def _check_reader(self, left_bytes: int) -> None:
        if left_bytes - self.transport.get_write_buffer_size() < _LEAST_READ_BYTES:
            self.transport.abort()
        else:
            self._watch_reader()

    def _refuse_long_headers(self, size: int) -> None:
        self._refuse(431, f"The headers have {size} bytes or more, at most {MAX_HEADER_BYTES} are read")

    def _refuse(self, status: int, message: str, *headers: str) -> None:
        """Answer without the application, and close the connection."""
        content = json.dumps({"error": message}).encode()
        lines = [
            f"HTTP/1.1 {status} {HTTPStatus(status).phrase}",
            "content-type: application/json",
            f"content-length: {len(content)}",
            "connection: close",
            "x-content-type-options: nosniff",
            *headers,
        ]
        self._discarded_bytes = 0
        self.transport.write("\r\n".join([*lines, "", ""]).encode() + content)
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self._linger_timer = self.loop.call_later(_LINGER_SECONDS, self.transport.abort)


def find_fault(version: str, headers: list[tuple[bytes, bytes]]) -> tuple[int, str] | None:
    """Find what makes a request ambiguous or impossible to serve (RFC 9112, sections 2.3, 3.2 and 6.1).

    Returns:
        The status and the message of the refusal; None if there is no such fault.
    """
    if version not in _VERSIONS:
        return 505, f"The request is in HTTP/{version}, only {' and '.join(_VERSIONS)} are served"
    hosts = [value for name, value in headers if name == b"host"]
    if len(hosts) > 1 or (not hosts and version == "1.1"):
        return 400, f"The request has {len(hosts)} Host headers, it must have 1"
    if hosts and not _HOST.fullmatch(hosts[0].strip()):
        return 400, "The Host header is no host"
    codings = b",".join(value for name, value in headers if name == b"transfer-encoding").strip().lower()
    if codings not in (b"", b"chunked"):
        return 501, "Transfer-Encoding must be chunked, no other coding is read"
    return None
