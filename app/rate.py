"""How often somebody may ask. Refused requests use nothing up, so who waits as told is let in."""

import time
from collections.abc import Callable
from typing import Final

from app.errors import RateExceeded

_MINUTE_SECONDS: Final = 60.0
# Each is some 100 bytes. Beyond, those who asked longest ago are forgotten, which lets them in sooner, nobody later.
MAX_CALLERS: Final = 100_000


class RateLimiter:
    """So many requests at once, then one each time that its part of a minute has passed: the generic cell rate
    algorithm (ITU-T I.371). One number for each caller, and a request costs the same however many callers there are.
    Belongs to one thread, the event loop's.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic, max_callers: int = MAX_CALLERS) -> None:
        self._clock = clock
        self._max_callers = max_callers
        # When each will have its whole budget back. The order is that of their last requests.
        self._restored: dict[str, float] = {}

    def take(self, caller: str, per_minute: int) -> None:
        """Count a request, unless it is refused.

        :param per_minute: 0 is no limit.
        :raises RateExceeded: says when to come back; nothing is counted.
        """
        if not per_minute:
            return
        now, seconds_each = self._clock(), _MINUTE_SECONDS / per_minute
        restored = max(now, self._restored.get(caller, now)) + seconds_each
        wait_seconds = restored - now - _MINUTE_SECONDS
        if wait_seconds > 1e-9:  # not for the rounding of the sums
            raise RateExceeded(per_minute, wait_seconds)
        self._restored.pop(caller, None)
        self._restored[caller] = restored
        if len(self._restored) > self._max_callers:
            del self._restored[next(iter(self._restored))]

    def __len__(self) -> int:
        """How many callers are remembered."""
        return len(self._restored)
