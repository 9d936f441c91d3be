"""Requests in flight, and what each of them holds until it ends."""

import asyncio
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
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

    def track(self) -> AbstractContextManager[None]:
        """Count one request until the block ends, then release what it holds."""
        return _Tracked(self._tracked)

    async def wait_until_left(self, timeout_seconds: float) -> None:
        """Wait until all requests that are in flight now have finished; later ones are not waited for."""
        waited_for = set(self._tracked)
        end = time.monotonic() + timeout_seconds
        while not waited_for.isdisjoint(self._tracked) and time.monotonic() < end:
            await asyncio.sleep(_POLL_SECONDS)


class _Tracked(AbstractContextManager[None]):
    """A request among those that are tracked; a class, because a generator takes four times as long."""

    __slots__ = ("_all", "_before", "_releases")

    def __init__(self, tracked: set[object]) -> None:
        self._all = tracked
        self._releases: list[Callable[[], None]] = []

    def __enter__(self) -> None:
        self._before = _HELD.set(self._releases)
        self._all.add(self)

    def __exit__(self, *_: object) -> None:
        self._all.discard(self)
        _HELD.reset(self._before)
        while self._releases:  # emptied, because tasks that outlive the request have its context
            self._releases.pop()()


def hold(release: Callable[[], None]) -> None:
    """Hold something until the current request ends, when ``release`` is called: at once where there is no request."""
    releases = _HELD.get()
    if releases is None:
        release()
    else:
        releases.append(release)
