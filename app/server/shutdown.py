"""The end of the process: the server accepts requests until it is told to stop, and then finishes those that run."""

import asyncio
import math
import socket
from collections.abc import Callable
from types import FrameType
from typing import Final

from uvicorn.config import Config
from uvicorn.server import Server

# The server waits this much longer than the requests have, so that each is answered before its connection is closed.
_ANSWER_SECONDS: Final = 1


class LeavingServer(Server):
    """A uvicorn server that continues to accept requests for a while after it is told to stop.

    A load balancer may send a request before it learns that the server is about to stop; such a request is still
    answered. A second signal stops the server at once. Requests that run longer than ``shutdown_seconds`` are answered
    by the service; uvicorn would cancel them.
    """

    def __init__(
        self,
        config: Config,
        drain_seconds: float,
        shutdown_seconds: float,
        leave: Callable[[], None],
        stop: Callable[[], None],
    ) -> None:
        """Make a server.

        Args:
            config: The configuration of uvicorn, whose ``timeout_graceful_shutdown`` is replaced.
            drain_seconds: How long the server continues after the first signal.
            shutdown_seconds: How long requests may run after that.
            leave: Called at the first signal; from then on the service should report that it is not ready.
            stop: Called when requests still run after their time; the service should end them with an answer.
        """
        config.timeout_graceful_shutdown = math.ceil(shutdown_seconds) + _ANSWER_SECONDS
        super().__init__(config)
        self._drain_seconds = drain_seconds
        self._shutdown_seconds = shutdown_seconds
        self._leave = leave
        self._stop = stop
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

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Wait for the requests that run, end them when their time is over, and stop the service."""
        timer = asyncio.get_running_loop().call_later(self._shutdown_seconds, self._stop)
        try:
            await super().shutdown(sockets)
        finally:
            timer.cancel()
