"""Who is at work right now, so that what they may still hold is not taken away before they have left."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

_LOOK_SECONDS: Final = 0.05


class Presence:
    """Belongs to one thread, the event loop's."""

    def __init__(self) -> None:
        self._present: set[object] = set()

    @contextmanager
    def here(self) -> Iterator[None]:
        """Be counted until the block ends."""
        badge = object()
        self._present.add(badge)
        try:
            yield
        finally:
            self._present.discard(badge)

    async def until_left(self, timeout_seconds: float) -> None:
        """Until everybody who is here now has left; whoever comes later is not waited for."""
        waited_for = set(self._present)
        end = time.monotonic() + timeout_seconds
        while not waited_for.isdisjoint(self._present) and time.monotonic() < end:
            await asyncio.sleep(_LOOK_SECONDS)
