"""The HTTP server with an orderly shutdown: it reports that it leaves, then stops accepting, then ends."""

import asyncio
from collections.abc import Callable
from types import FrameType

import uvicorn


class LeavingServer(uvicorn.Server):
    """A uvicorn server that goes on for a while after it is told to stop.

    A load balancer may have sent a request before it learns that the server leaves; such a request is still answered.
    Told a second time, the server stops at once.
    """

    def __init__(self, config: uvicorn.Config, drain_seconds: float, leave: Callable[[], None]) -> None:
        """Makes a server.

        Args:
            config: Of uvicorn.
            drain_seconds: How long it goes on after it is told to stop.
            leave: Called when it is told to stop; from then on the service should report that it is not ready.
        """
        super().__init__(config)
        self._drain_seconds = drain_seconds
        self._leave = leave
        self._is_leaving = False

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Called by the server's own signal handlers."""
        if self._is_leaving or not self._drain_seconds or not self.started:
            super().handle_exit(sig, frame)
            return
        self._is_leaving = True
        self._leave()
        loop = asyncio.get_running_loop()  # the signal interrupts the thread of the event loop
        loop.call_soon_threadsafe(loop.call_later, self._drain_seconds, super().handle_exit, sig, None)
