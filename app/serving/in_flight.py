"""Requests in flight, and what each of them holds until it ends."""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

_POLL_SECONDS: Final = 0.05
_HELD: "ContextVar[list[Callable[[], None]] | None]" = ContextVar("held", default=None)


class InFlight:
    """Tracks in-flight requests, so that a replaced engine is stopped only after they finish.

    Only the event loop's thread uses it.
    """

    def __init__(self) -> None:
        self._tracked: set[object] = set()

    @contextmanager
    def track(self) -> Iterator[None]:
        """Count one request until the block ends, then release what it holds."""
        request = object()
        releases: list[Callable[[], None]] = []
        before = _HELD.set(releases)
        self._tracked.add(request)
        try:
            yield
        finally:
            self._tracked.discard(request)
            _HELD.reset(before)
            while releases:  # emptied, because tasks that outlive the request have its context
                releases.pop()()

    async def wait_until_left(self, timeout_seconds: float) -> None:
        """Wait until all requests that are in flight now have finished; later ones are not waited for."""
        waited_for = set(self._tracked)
        end = time.monotonic() + timeout_seconds
        while not waited_for.isdisjoint(self._tracked) and time.monotonic() < end:
            await asyncio.sleep(_POLL_SECONDS)


def hold(release: Callable[[], None]) -> None:
    """Hold something until the current request ends, when ``release`` is called: at once where there is no request."""
    releases = _HELD.get()
    if releases is None:
        release()
    else:
        releases.append(release)
