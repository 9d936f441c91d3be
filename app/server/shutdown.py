"""The HTTP server, which leaves in good order: first it says so, then it takes nothing more, then it ends."""

import asyncio
from collections.abc import Callable
from types import FrameType

import uvicorn


class LeavingServer(uvicorn.Server):
    """As its base, but told to stop it goes on for a while: a request that a load balancer has already sent on its way
    would find nobody. Told a second time it stops at once.
    """

    def __init__(self, config: uvicorn.Config, drain_seconds: float, leave: Callable[[], None]) -> None:
        """:param leave: called when it is told to stop; from then on readiness should be red."""
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
