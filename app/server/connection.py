"""One client's connection: uvicorn's, with the bounds that it leaves to a proxy.

A connection ends when its headers are late or too long, when its client takes nothing of its answer any more, and when
there are too many. Otherwise slow and vanished clients would hold sockets and memory for ever.
"""

import json
import re
from asyncio import AbstractEventLoop, TimerHandle, Transport
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

# Those of other servers lie between 8 and 64 KiB; here a text may stand in the query.
MAX_HEADER_BYTES: Final = 64 * 1024
# Who takes less than this between two looks is taken to be gone.
_LEAST_TAKEN_BYTES: Final = 4096
# After a refusal the client may still be sending; if it were closed at once, it would lose the answer.
_LINGER_SECONDS: Final = 2.0
_LINGER_BYTES: Final = 1024 * 1024
# Clients of HTTP/2 offer it so. The parser would take the body that follows for the other protocol.
_UPGRADE: Final = re.compile(rb"\r\nupgrade:", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """``count``: connections at the same time. ``client_seconds``: until the headers of a request are there, and so
    long a client may take nothing of its answer.
    """

    count: int
    client_seconds: float


class _HeadersTooLong(Exception):
    """Raised within the parser, which ends it."""


class Connection(HttpToolsProtocol):
    """Belongs to the event loop's thread."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: AbstractEventLoop | None = None,
        *,
        limits: ConnectionLimits,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._limits = limits
        self._header_bytes = 0  # of headers that are not whole
        self._is_in_body = False
        self._discarded_bytes: int | None = None  # since it was refused
        self._header_timer: TimerHandle | None = None
        self._send_timer: TimerHandle | None = None
        self._linger_timer: TimerHandle | None = None

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        transport.set_write_buffer_limits(high=0)  # so that it is told as soon as a client does not take its answer
        count = self._limits.count
        if len(self.connections) > 2 * count:
            transport.abort()
        elif len(self.connections) > count:
            self._refuse(503, f"{count} connections are open, max_connections is {count}", "retry-after: 1")
        else:
            self._await_headers()

    def connection_lost(self, exc: Exception | None) -> None:
        for timer in (self._header_timer, self._send_timer, self._linger_timer, self.timeout_keep_alive_task):
            if timer is not None:
                timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
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
        # Headers that are not whole, or the rest of a body that nobody waits for.
        self._await_headers()
        if not (was_in_body or self._is_in_body):
            self._header_bytes += len(data)
            if self._header_bytes > MAX_HEADER_BYTES:
                self._refuse_long_headers(self._header_bytes)

    def on_headers_complete(self) -> None:
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
        self._is_in_body = False
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """Called where the parser ended with an error."""
        if not self._is_idle:
            self.transport.close()  # an answer is on its way, and another in the midst of it would be read as a part
        elif self._header_bytes > MAX_HEADER_BYTES:
            self._refuse_long_headers(self._header_bytes)
        else:
            self._refuse(400, "This is no HTTP request")

    def pause_writing(self) -> None:
        super().pause_writing()
        self._watch_sending()

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._send_timer is not None:
            self._send_timer.cancel()

    @property
    def _is_idle(self) -> bool:
        """No request is being answered."""
        return self.cycle is None or self.cycle.response_complete

    def _await_headers(self) -> None:
        if self._header_timer is None:
            self._header_timer = self.loop.call_later(self._limits.client_seconds, self._headers_are_late)

    def _headers_are_late(self) -> None:
        self._header_timer = None
        if not self._is_idle:
            return
        seconds = self._limits.client_seconds
        if self._header_bytes:
            self._refuse(408, f"The headers did not arrive within client_timeout_seconds ({seconds:g})")
        else:
            self.transport.close()

    def _watch_sending(self) -> None:
        # Nothing is written while this waits, so what is left can only become less.
        left_bytes = self.transport.get_write_buffer_size()
        self._send_timer = self.loop.call_later(self._limits.client_seconds, self._look_at_sending, left_bytes)

    def _look_at_sending(self, left_bytes: int) -> None:
        if left_bytes - self.transport.get_write_buffer_size() < _LEAST_TAKEN_BYTES:
            self.transport.abort()
        else:
            self._watch_sending()

    def _refuse_long_headers(self, size: int) -> None:
        self._refuse(431, f"The headers have {size} bytes or more, at most {MAX_HEADER_BYTES} are read")

    def _refuse(self, status: int, message: str, *headers: str) -> None:
        """Answer without the application, and end."""
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
