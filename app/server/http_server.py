"""The HTTP server: uvicorn with bounded connections and a graceful shutdown.

The server closes a connection when its headers are late or too long, when its client reads nothing of an answer, and
when there are too many connections. Otherwise slow and vanished clients would hold sockets and memory forever; uvicorn
leaves these bounds to a proxy.
"""

import asyncio
import json
import re
from asyncio import AbstractEventLoop, TimerHandle, Transport
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from types import FrameType
from typing import Any, Final

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import Server, ServerState

# Other servers allow 8 to 64 KiB; here the query may hold a text.
MAX_HEADER_BYTES: Final = 64 * 1024
# A client that reads less than this between two checks counts as gone.
_LEAST_READ_BYTES: Final = 4096
# After a refusal the client may still be sending; an immediate close would make it lose the answer.
_LINGER_SECONDS: Final = 2.0
_LINGER_BYTES: Final = 1024 * 1024
# Clients of HTTP/2 offer an upgrade in this header. The parser would read the body that follows as the other protocol.
_UPGRADE: Final = re.compile(rb"\r\nupgrade:", re.IGNORECASE)


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


class _HeadersTooLong(Exception):
    """Raised by a callback of the parser to end it."""


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
        self._limits = limits
        self._header_bytes = 0  # received of incomplete headers
        self._is_in_body = False
        self._discarded_bytes: int | None = None  # received since the refusal; None before one
        self._header_timer: TimerHandle | None = None
        self._send_timer: TimerHandle | None = None
        self._linger_timer: TimerHandle | None = None

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
        for timer in (self._header_timer, self._send_timer, self._linger_timer, self.timeout_keep_alive_task):
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
        if self._is_idle and not self._is_in_body:
            head, end, rest = data.partition(b"\r\n\r\n")
            data = _UPGRADE.sub(b"\r\nx-upgrade:", head) + end + rest
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
        """Check the size of the headers. The parser calls this."""
        size = len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
        if size > MAX_HEADER_BYTES:
            self._header_bytes = size
            raise _HeadersTooLong
        self._header_bytes = 0
        self._is_in_body = True
        if self._header_timer is not None:
            self._header_timer.cancel()
            self._header_timer = None
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Note the end of a body. The parser calls this."""
        self._is_in_body = False
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """Refuse a request that is no HTTP. uvicorn calls this when its parser ends with an error."""
        if not self._is_idle:
            self.transport.close()  # a second answer within one that is being sent would be read as a part of it
        elif self._header_bytes > MAX_HEADER_BYTES:
            self._refuse_long_headers(self._header_bytes)
        else:
            self._refuse(400, "This is no HTTP request")

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


class LeavingServer(Server):
    """A uvicorn server that continues to accept requests for a while after it is told to stop.

    A load balancer may send a request before it learns that the server is about to stop; such a request is still
    answered. A second signal stops the server at once.
    """

    def __init__(self, config: Config, drain_seconds: float, leave: Callable[[], None]) -> None:
        """Make a server.

        Args:
            config: The configuration of uvicorn.
            drain_seconds: How long the server continues after the first signal.
            leave: Called at the first signal; from then on the service should report that it is not ready.
        """
        super().__init__(config)
        self._drain_seconds = drain_seconds
        self._leave = leave
        self._is_leaving = False

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Handle a signal to stop. The server's own signal handlers call this."""
        if self._is_leaving or not self._drain_seconds or not self.started:
            super().handle_exit(sig, frame)
            return
        self._is_leaving = True
        self._leave()
        loop = asyncio.get_running_loop()  # the signal interrupts the thread of the event loop
        loop.call_soon_threadsafe(loop.call_later, self._drain_seconds, super().handle_exit, sig, None)
