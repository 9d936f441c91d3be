"""Rate limits of callers. A refused request is not counted, so a caller that waits as long as told is admitted."""

import asyncio
import logging
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Final, cast

from throttled.asyncio import BaseStore, MemoryStore, RateLimiterType, RedisStore, Throttled, per_min
from throttled.asyncio.store.memory import MemoryStoreBackend
from throttled.exceptions import StoreUnavailableError

from app.errors import ConfigurationError, RateExceeded
from app.server.shared_memory import SharedNumbers

if TYPE_CHECKING:
    from redis.asyncio import Redis

_LOG: Final = logging.getLogger(__name__)

IN_MEMORY: Final = "memory"
_SCHEMES: Final = ("redis://", "rediss://", "unix://")
# A caller takes about 260 bytes. Beyond this number the store drops the callers of the oldest requests, which are then
# admitted sooner; no other caller is delayed.
MAX_CALLERS: Final = 100_000
_CONNECTIONS: Final = 16
# A server on the same network answers within a millisecond. No request waits longer than this for an answer.
_ANSWER_SECONDS: Final = 1.0
# After a failure no request is sent to the server for this time; then one request tries it again.
_AWAY_SECONDS: Final = 5.0


class RateLimiter:
    """Limits the requests of each caller with the generic cell rate algorithm (ITU-T I.371), by throttled-py.

    A caller may send ``per_minute`` requests at once, then one whenever its share of a minute has passed. The store
    holds one number for each caller, and the cost of a request does not depend on the number of callers. (The memory
    of the more common package ``limits`` is unbounded, it visits all callers for each request, and it fails for hours
    after a clock was set back.)

    The numbers are stored in memory, which the workers of one service share, or in a Redis or Valkey server, where
    replicas share them. While that server does not answer, each replica counts its own requests. Only the event loop's
    thread uses a limiter.
    """

    def __init__(
        self, storage: str = IN_MEMORY, max_callers: int = MAX_CALLERS, numbers: SharedNumbers | None = None
    ) -> None:
        """Set up the store.

        Args:
            storage: ``memory``, or the address of a server: ``redis://HOST:PORT``.
            max_callers: The number of callers that the memory of a single process holds.
            numbers: The memory that workers share; None in a single process.

        Raises:
            ConfigurationError: The storage has another form, or the client for a server is not installed.
        """
        own = MemoryStore(options={"MAX_SIZE": max_callers}) if numbers is None else _SharedStore(numbers)
        self._own = _Counts(own)
        self._shared: _Counts | None = None
        self._server: _Server | None = None
        self._away_until: float | None = None
        if storage != IN_MEMORY:
            self._server = _connect(storage)
            self._shared = _Counts(self._server)

    async def take(self, caller: str, per_minute: int) -> None:
        """Count a request, unless it is refused.

        Args:
            caller: The name of the caller in the store.
            per_minute: The requests of a minute; 0 is no limit.

        Raises:
            RateExceeded: Too many requests came; the error tells how long to wait, and nothing is counted.
        """
        if not per_minute:
            return
        wait_seconds = None if self._shared is None else await self._shared_wait(self._shared, caller, per_minute)
        if wait_seconds is None:
            wait_seconds = await self._own.wait_seconds(caller, per_minute)
        if wait_seconds > 0:
            raise RateExceeded(per_minute, wait_seconds)

    async def close(self) -> None:
        """Close the connections to the server."""
        if self._server is not None:
            await self._server.close()

    async def _shared_wait(self, shared: "_Counts", caller: str, per_minute: int) -> float | None:
        """Return the seconds that the caller has to wait by the count of the server; None if it does not answer."""
        if self._away_until is not None:
            if time.monotonic() < self._away_until:
                return None
            self._away_until = time.monotonic() + _AWAY_SECONDS  # this request alone tries the server
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
    """Counts the requests of callers in one store, for every rate."""

    def __init__(self, store: BaseStore) -> None:
        self._store = store
        self._limits: dict[int, Throttled] = {}

    async def wait_seconds(self, caller: str, per_minute: int) -> float:
        """Count a request; return 0 if it was counted, else the seconds to wait."""
        limit = self._limits.get(per_minute)
        if limit is None:
            quota = per_min(per_minute, burst=per_minute)
            limit = Throttled(
                using=RateLimiterType.GCRA.value, quota=quota, store=self._store, key_prefix="passerelle:rate"
            )
            self._limits[per_minute] = limit
        result = await limit.limit(caller)
        return result.state.retry_after if result.limited else 0.0


class _SharedBackend(MemoryStoreBackend):
    """Keeps the numbers of callers where other processes read them. A number is the monotonic time from which on the
    caller has its whole rate again; one in the past does the same as none, so nothing expires.
    """

    def __init__(self, numbers: SharedNumbers) -> None:
        super().__init__()
        self._numbers = numbers
        self.lock = _SharedLock(numbers)

    def get(self, key: str) -> float | None:
        return self._numbers.get(key)

    def set(self, key: str, value: Any, timeout: int) -> None:
        self._numbers.set(key, float(value))


class _SharedLock:
    """The lock of shared numbers as a lock of the event loop, which throttled expects."""

    def __init__(self, numbers: SharedNumbers) -> None:
        self._numbers = numbers
        self._held = ExitStack()

    async def acquire(self) -> bool:
        self._held.enter_context(self._numbers.locked())
        return True

    def release(self) -> None:
        self._held.close()

    async def __aenter__(self) -> None:
        await self.acquire()

    async def __aexit__(self, *_: object) -> None:
        self.release()  # nothing was awaited since, so no other task can have entered


class _SharedStore(MemoryStore):
    """A store of numbers that the workers of a service share."""

    def __init__(self, numbers: SharedNumbers) -> None:
        super().__init__()
        self._backend = _SharedBackend(numbers)


class _Server(RedisStore):
    """A Redis or Valkey server whose connections can be closed."""

    async def close(self) -> None:
        await cast("Redis", self._backend.get_client()).connection_pool.disconnect()


def _connect(address: str) -> _Server:
    if not address.startswith(_SCHEMES):
        # The address is not shown, because it may hold a password.
        allowed = ", ".join(f"{scheme}..." for scheme in _SCHEMES)
        raise ConfigurationError(f"PASSERELLE_RATE_STORAGE must be {IN_MEMORY} or one of {allowed}")
    options: dict[str, Any] = {
        "CONNECTION_POOL_CLASS": "redis.asyncio.BlockingConnectionPool",  # waits for a free connection
        "CONNECTION_POOL_KWARGS": {"max_connections": _CONNECTIONS},
        "SOCKET_CONNECT_TIMEOUT": _ANSWER_SECONDS,
    }
    try:
        return _Server(address, options)
    except ImportError as error:
        raise ConfigurationError("PASSERELLE_RATE_STORAGE names a server: pip install 'passerelle[redis]'") from error
