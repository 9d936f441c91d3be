"""How often somebody may ask. Refused requests use nothing up, so who waits as told is let in."""

import asyncio
import logging
import time
from typing import TYPE_CHECKING, Any, Final, cast

from throttled.asyncio import BaseStore, MemoryStore, RateLimiterType, RedisStore, Throttled, per_min
from throttled.exceptions import StoreUnavailableError

from app.errors import ConfigurationError, RateExceeded

if TYPE_CHECKING:
    from redis.asyncio import Redis

_LOG: Final = logging.getLogger(__name__)

IN_MEMORY: Final = "memory"
_SCHEMES: Final = ("redis://", "rediss://", "unix://")
# Each is some 260 bytes. Beyond, those who asked longest ago are forgotten, which lets them in sooner, nobody later.
MAX_CALLERS: Final = 100_000
_CONNECTIONS: Final = 16
# A server of the same network answers within a millisecond. Longer than this no request waits for it.
_ANSWER_SECONDS: Final = 1.0
# Away, the server is not asked again for so long; one request then finds out.
_AWAY_SECONDS: Final = 5.0


class RateLimiter:
    """So many requests at once, then one each time that its part of a minute has passed: the generic cell rate
    algorithm (ITU-T I.371), by throttled-py. One number for each caller, and a request costs the same however many
    callers there are. (The memory of the better known ``limits`` has no bound, goes through all callers for each
    request, and is put out for hours by a clock that is set back.)

    The numbers are in this process, or in a Redis or Valkey server, where replicas share them. While that server does
    not answer, each replica counts for itself. Belongs to one thread, the event loop's.
    """

    def __init__(self, storage: str = IN_MEMORY, max_callers: int = MAX_CALLERS) -> None:
        """:param storage: ``memory``, or the address of a server: ``redis://HOST:PORT``.

        :raises ConfigurationError: it is neither, or the client for a server is not installed.
        """
        self._own = _Counts(MemoryStore(options={"MAX_SIZE": max_callers}))
        self._shared: _Counts | None = None
        self._server: _Server | None = None
        self._away_until: float | None = None
        if storage != IN_MEMORY:
            self._server = _server(storage)
            self._shared = _Counts(self._server)

    async def take(self, caller: str, per_minute: int) -> None:
        """Count a request, unless it is refused.

        :param per_minute: 0 is no limit.
        :raises RateExceeded: says when to come back; nothing is counted.
        """
        if not per_minute:
            return
        wait_seconds = None if self._shared is None else await self._shared_wait(self._shared, caller, per_minute)
        if wait_seconds is None:
            wait_seconds = await self._own.wait_seconds(caller, per_minute)
        if wait_seconds > 0:
            raise RateExceeded(per_minute, wait_seconds)

    async def close(self) -> None:
        if self._server is not None:
            await self._server.close()

    async def _shared_wait(self, shared: "_Counts", caller: str, per_minute: int) -> float | None:
        """None where the server does not answer."""
        if self._away_until is not None:
            if time.monotonic() < self._away_until:
                return None
            self._away_until = time.monotonic() + _AWAY_SECONDS  # this request alone asks
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                wait_seconds = await shared.wait_seconds(caller, per_minute)
        except (StoreUnavailableError, TimeoutError) as error:
            if self._away_until is None:
                reason = str(error.__cause__ or "") or f"no answer within {_ANSWER_SECONDS:g} seconds"
                _LOG.warning("rates are not shared, this replica counts for itself: %s", reason)
            self._away_until = time.monotonic() + _AWAY_SECONDS
            return None
        if self._away_until is not None:
            self._away_until = None
            _LOG.info("rates are shared again")
        return wait_seconds


class _Counts:
    """The callers of one store, whatever rates they have."""

    def __init__(self, store: BaseStore) -> None:
        self._store = store
        self._limits: dict[int, Throttled] = {}

    async def wait_seconds(self, caller: str, per_minute: int) -> float:
        """0 where the request was counted."""
        limit = self._limits.get(per_minute)
        if limit is None:
            quota = per_min(per_minute, burst=per_minute)
            limit = Throttled(
                using=RateLimiterType.GCRA.value, quota=quota, store=self._store, key_prefix="passerelle:rate"
            )
            self._limits[per_minute] = limit
        result = await limit.limit(caller)
        return result.state.retry_after if result.limited else 0.0


class _Server(RedisStore):
    async def close(self) -> None:
        await cast("Redis", self._backend.get_client()).connection_pool.disconnect()


def _server(address: str) -> _Server:
    if not address.startswith(_SCHEMES):
        # The address may have a password in it.
        allowed = ", ".join(f"{scheme}..." for scheme in _SCHEMES)
        raise ConfigurationError(f"PASSERELLE_RATE_STORAGE must be {IN_MEMORY} or one of {allowed}")
    options: dict[str, Any] = {
        "CONNECTION_POOL_CLASS": "redis.asyncio.BlockingConnectionPool",  # waits where the other would open more
        "CONNECTION_POOL_KWARGS": {"max_connections": _CONNECTIONS},
        "SOCKET_CONNECT_TIMEOUT": _ANSWER_SECONDS,
    }
    try:
        return _Server(address, options)
    except ImportError as error:
        raise ConfigurationError("PASSERELLE_RATE_STORAGE names a server: pip install 'passerelle[redis]'") from error
