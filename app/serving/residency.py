"""Which bundles are in memory: each is loaded at its first request, and leaves when others need its memory.

A request leases the bundles that it needs until it ends. A bundle without leases is idle, and may leave (``eviction``).
Requests whose bundles must be loaded wait in their order, and the bundles of one request are granted together, so that
no two requests wait for each other.
"""

import logging
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, InvalidStateError, ThreadPoolExecutor
from contextlib import suppress
from threading import Lock, Timer
from typing import Final, NamedTuple

from app.errors import BundleError, BundleUnavailable, ConfigurationError, EngineStopped
from app.server.resources import Threads, ThreadShare
from app.serving.eviction import PATIENCE_SECONDS, Granted, Key, Waiter, choose_draining, choose_idle
from app.serving.served_bundle import Loaded
from app.serving.snapshot import Installed, check_room

_LOG: Final = logging.getLogger(__name__)
_LOADERS: Final = 2  # a chain needs two bundles
_STOP_SECONDS: Final = 5.0
_WORKING_SECONDS: Final = 60.0  # a bundle that was used within this time counts when threads are divided


class Outdated(Exception):
    """A bundle is not installed any more: look again which there are."""


class _Work(NamedTuple):
    """A bundle to load, after others have left; ``leaving`` is emptied, so that it keeps none of them in memory."""

    installed: Installed
    leaving: list[Loaded]
    share: ThreadShare


class Residency:
    """Loads and evicts bundles. Any thread may use it.

    Args:
        open_bundle: Loads a bundle, on a thread that may block.
        threads: Are divided among the bundles that work.
        max_loaded_mib: The most memory of all loaded bundles together, by their estimates.
        fail: Is called with a bundle that cannot be loaded, and why.
        leave: Is called with a bundle that leaves.

    Attributes:
        loads: Bundles loaded at a request.
        evictions: Bundles that left for others.
        load_seconds: The time that all these loads took.
    """

    def __init__(
        self,
        open_bundle: Callable[[Installed, ThreadShare], Loaded],
        threads: Threads,
        max_loaded_mib: int,
        fail: Callable[[Installed, str], None],
        leave: Callable[[Loaded], None],
    ) -> None:
        self._open = open_bundle
        self._threads = threads
        self._max_loaded_mib = max_loaded_mib
        self._fail = fail
        self._leave = leave
        self._lock = Lock()
        self._installed: dict[Key, Installed] = {}
        self._loaded: dict[Key, Loaded] = {}
        self._loading: dict[Key, Installed] = {}
        self._waiters: list[Waiter] = []
        self._alarm: Timer | None = None
        self._loaders = ThreadPoolExecutor(_LOADERS, thread_name_prefix="load")
        self._is_stopped = False
        self.loads = 0
        self.evictions = 0
        self.load_seconds = 0.0

    @property
    def loaded(self) -> list[Loaded]:
        """The bundles in memory, by the names of their folders."""
        with self._lock:
            return [self._loaded[key] for key in sorted(self._loaded)]

    @property
    def loaded_mib(self) -> float:
        """Their memory, and that of those being loaded, by their estimates."""
        with self._lock:
            return self._count_mib()

    def get(self, installed: Installed) -> Loaded | None:
        """A bundle if it is in memory."""
        with self._lock:
            return self._loaded.get(installed.key)

    def swap(self, installed: Iterable[Installed], fresh: Iterable[Loaded] = ()) -> list[Loaded]:
        """Replace what is installed.

        Args:
            installed: All bundles from now on.
            fresh: Those of them that were loaded for it.

        Returns:
            The bundles in memory that are not installed any more; requests may still hold them.
        """
        with self._lock:
            self._installed = {one.key: one for one in installed}
            gone = [loaded for key, loaded in self._loaded.items() if key not in self._installed]
            self._loaded = {key: loaded for key, loaded in self._loaded.items() if key in self._installed}
            self._loaded |= {loaded.installed.key: loaded for loaded in fresh}
            for waiter in self._waiters:
                if any(one.key not in self._installed for one in waiter.needed):
                    waiter.refuse(Outdated())
            work = self._advance()
        for loaded in gone:
            self._leave(loaded)
        self._start(work)
        return gone

    def acquire(self, needed: Sequence[Installed]) -> "Future[Granted]":
        """Lease bundles, which are loaded if need be. The caller releases them, or cancels the future.

        Returns:
            The bundles in their order; done if all are in memory. It fails with ``BundleUnavailable`` if one cannot be
            loaded, and with ``Outdated`` if one is not installed any more.

        Raises:
            LimitExceeded: Together they never fit into the memory.
            EngineStopped: The service is being stopped.
        """
        check_room(needed, self._max_loaded_mib)
        waiter = Waiter(needed)
        with self._lock:
            if self._is_stopped:
                raise EngineStopped("the service is being stopped")
            if any(one.key not in self._installed for one in needed):
                waiter.refuse(Outdated())
                return waiter.future
            self._waiters.append(waiter)
            work = self._advance()
        self._start(work)
        return waiter.future

    def release(self, granted: Granted) -> None:
        """Give leases back."""
        with self._lock:
            for loaded in granted:
                loaded.leases -= 1
                loaded.used_at = time.monotonic()
            work = self._advance() if self._waiters else []
        self._start(work)

    def stop(self) -> list[Loaded]:
        """Load nothing more; those who wait fail.

        Returns:
            All bundles in memory.
        """
        with self._lock:
            self._is_stopped = True
            left = list(self._loaded.values())
            while self._waiters:
                self._waiters.pop().refuse(EngineStopped("the service is being stopped"))
            if self._alarm is not None:
                self._alarm.cancel()
        self._loaders.shutdown(wait=False, cancel_futures=True)
        return left

    def _advance(self) -> list[_Work]:
        """Grant what is in memory, and make room for what is not; the caller holds the lock.

        A request whose bundles do not fit now holds up others that need memory too, but none whose bundles are there.
        """
        work: list[_Work] = []
        is_full = False
        draining: set[Key] = set()
        reserved: set[Key] = set()  # needed by those who wait already
        left: list[Waiter] = []
        for waiter in self._waiters:
            missing = {one.key: one for one in waiter.needed if one.key not in self._loaded}
            if not missing and not draining & waiter.keys:
                self._grant(waiter)
                continue
            if waiter.future.done():  # the caller gave up
                continue
            left.append(waiter)
            reserved |= waiter.keys
            absent = [one for key, one in missing.items() if key not in self._loading]
            if is_full or not absent:
                continue
            needed_mib = sum(one.loaded_mib for one in absent)
            leaving = self._make_room(needed_mib, reserved)
            if leaving is None:
                is_full = True
                if waiter.has_turn:
                    over_mib = self._count_mib() + needed_mib - self._max_loaded_mib
                    draining = choose_draining(self._loaded.values(), over_mib, reserved)
                self._look_again()
                continue
            for one in absent:
                self._loading[one.key] = one
                work.append(_Work(one, leaving, self._share()))
                leaving = []  # one of them makes the room for all
        self._waiters = left
        return work

    def _look_again(self) -> None:
        """Advance soon, even if nobody comes or goes: a turn begins or ends. The caller holds the lock."""
        if self._alarm is None:
            self._alarm = Timer(PATIENCE_SECONDS, self._change_turn)
            self._alarm.daemon = True
            self._alarm.start()

    def _change_turn(self) -> None:
        with self._lock:
            self._alarm = None
            work = [] if self._is_stopped else self._advance()
        self._start(work)

    def _grant(self, waiter: Waiter) -> None:
        granted = tuple(self._loaded[one.key] for one in waiter.needed)
        try:
            waiter.future.set_result(granted)
        except InvalidStateError:  # the caller gave up
            return
        for loaded in granted:
            loaded.leases += 1
            loaded.used_at = time.monotonic()

    def _make_room(self, mib: float, reserved: set[Key]) -> list[Loaded] | None:
        """Take idle bundles out of the table until there is room; None if that does not do, and then none is taken."""
        leaving = choose_idle(self._loaded.values(), self._count_mib() + mib - self._max_loaded_mib, reserved)
        for loaded in leaving or ():
            del self._loaded[loaded.installed.key]
        self.evictions += len(leaving or ())
        return leaving

    def _count_mib(self) -> float:
        held = [*self._loading.values(), *(one.installed for one in self._loaded.values())]
        return sum(one.loaded_mib for one in held)

    def _share(self) -> ThreadShare:
        """The threads of a bundle that is loaded now: an open graph cannot change how many it uses."""
        since = time.monotonic() - _WORKING_SECONDS
        working = sum(one.leases > 0 or one.used_at > since for one in self._loaded.values())
        return self._threads.share(max(1, working + len(self._loading)))

    def _start(self, work: Iterable[_Work]) -> None:
        for one in work:
            with suppress(RuntimeError):  # shut down: those who wait have failed
                self._loaders.submit(self._load, one)

    def _load(self, work: _Work) -> None:
        while work.leaving:
            self._evict(work.leaving.pop(), work.installed)
        started = time.monotonic()
        try:
            fresh = self._open(work.installed, work.share)
        except (BundleError, ConfigurationError, OSError) as error:
            self._give_up(work.installed, str(error))
        except Exception as error:  # whatever a bad bundle raises, the others serve on
            _LOG.exception("bundle %s", work.installed.folder)
            self._give_up(work.installed, f"{type(error).__name__}: {error}")
        else:
            self._settle(fresh, time.monotonic() - started)

    def _evict(self, loaded: Loaded, newcomer: Installed) -> None:
        _LOG.info("%s leaves the memory for %s", loaded.installed.folder.name, newcomer.folder.name)
        self._leave(loaded)
        loaded.engine.stop(drain=False, timeout_seconds=_STOP_SECONDS)

    def _settle(self, fresh: Loaded, seconds: float) -> None:
        """Take a bundle into the table that was loaded."""
        key = fresh.installed.key
        with self._lock:
            del self._loading[key]
            is_wanted = not self._is_stopped and key in self._installed
            if is_wanted:
                self._loaded[key] = fresh
                self.loads += 1
                self.load_seconds += seconds
                _LOG.info("%s was loaded in %.2f s", fresh.installed.folder.name, seconds)
            work = self._advance()
        if not is_wanted:
            fresh.engine.stop(drain=False, timeout_seconds=_STOP_SECONDS)
        self._start(work)

    def _give_up(self, installed: Installed, problem: str) -> None:
        """Fail those who wait for a bundle that cannot be loaded."""
        _LOG.error("bundle %s cannot be used and is left out: %s", installed.folder, problem)
        with self._lock:
            del self._loading[installed.key]
            for waiter in self._waiters:
                if any(one.key == installed.key for one in waiter.needed):
                    waiter.refuse(BundleUnavailable(f"The model {installed.folder.name} cannot be used"))
            work = self._advance()
        self._fail(installed, problem)
        self._start(work)
