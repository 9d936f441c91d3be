"""An engine that decodes the same segment only once: finished answers come from the cache, running ones are shared."""

import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial

from app.engine.loop import Engine
from app.engine.sequence import Hypothesis, Listener, Priority, SearchOptions
from app.errors import PasserelleError, RequestCancelled
from app.serving.cache import Cache, Key, drop_timing, is_whole, key_of

Answer = Future[list[Hypothesis]]


@dataclass(eq=False, slots=True)
class _Caller:
    """One submission of a segment; ``flight`` is the flight that it waits for."""

    key: Key | None
    source_ids: Sequence[int]
    options: SearchOptions
    deadline: float | None
    priority: Priority
    listener: Listener | None
    flight: "_Flight | None" = None

    def is_late(self) -> bool:
        return self.deadline is not None and time.monotonic() >= self.deadline


@dataclass(eq=False, slots=True)
class _Flight:
    """A segment in the engine, submitted with the options of ``leader``; all ``callers`` wait for it, by their futures.

    At its end it drops all futures: a flight that referred to itself would keep a replaced engine alive.
    """

    leader: _Caller
    callers: dict[Answer, _Caller] = field(default_factory=dict)
    future: Answer | None = None

    def accepts(self, caller: _Caller) -> bool:
        """False for a caller whose deadline is earlier, and for one that should not wait behind bulk work."""
        mine, its = self.leader.deadline, caller.deadline
        in_time = its is None or (mine is not None and its >= mine)
        return in_time and not (self.leader.priority is Priority.BULK and caller.priority is Priority.INTERACTIVE)

    def join(self, caller: _Caller, future: Answer) -> None:
        caller.flight = self
        self.callers[future] = caller

    def report(self, settled: tuple[int, ...]) -> None:
        for caller in tuple(self.callers.values()):
            if caller.listener is not None:
                caller.listener(settled)


class CachedEngine:
    """Accepts what ``Engine.submit_many`` accepts, and coalesces equal segments.

    A caller that waits for another's segment is neither cancelled nor fails with that one: then its segment is
    submitted anew, for each caller that is left, as if there were no cache. A listener on a flight whose leader has
    none is not called before the end.

    Attributes:
        hits: segments found in the cache.
        misses: segments submitted to the engine.
        waits: segments that joined another caller's.
    """

    def __init__(self, engine: Engine, cache: Cache, version: str) -> None:
        """``version`` is the bundle's, and part of every key."""
        self._engine = engine
        self._cache = cache
        self._version = version
        self._lock = threading.Lock()  # taken before the engine's own, never while that is held
        self._flights: dict[Key, _Flight] = {}
        self.hits = 0
        self.misses = 0
        self.waits = 0

    def answer_late(self) -> None:
        """As ``Engine.answer_late``."""
        self._engine.answer_late()

    def submit_many(
        self,
        sources: Sequence[Sequence[int]],
        options: SearchOptions | Sequence[SearchOptions] | None = None,
        deadline: float | None = None,
        priority: Priority = Priority.INTERACTIVE,
        listeners: Sequence[Listener | None] | None = None,
    ) -> list[Answer]:
        """As ``Engine.submit_many``. Segments in the cache or in flight need no room in the queue."""
        if len(sources) > self._engine.limits.max_request_sequences:  # refused, also if the cache holds all of it
            return self._engine.submit_many(sources, options, deadline, priority, listeners)
        chosen = options if options is not None else SearchOptions()
        each = [chosen] * len(sources) if isinstance(chosen, SearchOptions) else chosen
        each_listener = listeners if listeners is not None else [None] * len(sources)
        futures: list[Answer] = []
        missing: list[tuple[_Caller, Answer]] = []
        for source_ids, search, listener in zip(sources, each, each_listener, strict=True):
            futures.append(Future())
            key = key_of(self._version, source_ids, search)
            found = self._cache.find(key) if key is not None else None
            if found is not None:
                futures[-1].set_result(found)
            else:
                missing.append((_Caller(key, source_ids, search, deadline, priority, listener), futures[-1]))
        started = self._join_flights(missing)
        with self._lock:
            self.hits += len(sources) - len(missing)
        for flight, ahead in started:
            ahead.add_done_callback(partial(self._finish, flight))
        for caller, future in missing:
            future.add_done_callback(partial(self._leave, caller))
        return futures

    def _join_flights(self, callers: list[tuple[_Caller, Answer]]) -> list[tuple[_Flight, Answer]]:
        """Let all callers join a flight, or none.

        Returns:
            The flights that are new, with the engine's futures.
        """
        with self._lock:
            joining: list[tuple[_Flight, _Caller, Answer]] = []
            leading: list[tuple[_Caller, Answer]] = []
            for caller, future in callers:
                flight = self._flights.get(caller.key) if caller.key is not None else None
                if flight is not None and flight.accepts(caller):
                    joining.append((flight, caller, future))
                else:
                    leading.append((caller, future))
            flights = [_Flight(caller) for caller, _ in leading]
            aheads = self._submit(flights)  # may be refused; until here nothing has changed
            for flight, (caller, future), ahead in zip(flights, leading, aheads, strict=True):
                flight.future = ahead
                flight.join(caller, future)
                if caller.key is not None:
                    self._flights.setdefault(caller.key, flight)
                    self.misses += 1
            for flight, caller, future in joining:
                flight.join(caller, future)
            self.waits += len(joining)
            return list(zip(flights, aheads, strict=True))

    def _submit(self, flights: list[_Flight]) -> list[Answer]:
        if not flights:
            return []
        leaders = [flight.leader for flight in flights]
        return self._engine.submit_many(
            [leader.source_ids for leader in leaders],
            [leader.options for leader in leaders],
            leaders[0].deadline,
            leaders[0].priority,
            [flight.report if flight.leader.listener is not None else None for flight in flights],
        )

    def _finish(self, flight: _Flight, ahead: Answer) -> None:
        """Resolve the callers of a flight. Runs where the engine ends a sequence, on its thread most often."""
        with self._lock:
            self._forget(flight)
            callers, flight.callers, flight.future = flight.callers, {}, None
        error = RequestCancelled("nobody waited any more") if ahead.cancelled() else ahead.exception()
        found = ahead.result() if error is None else []
        if error is None and flight.leader.key is not None:
            self._cache.keep(flight.leader.key, found)
        for future, caller in callers.items():
            is_leader = caller is flight.leader
            with suppress(InvalidStateError):  # the caller cancelled it at this moment
                if error is not None and is_leader:
                    future.set_exception(error)
                elif error is None and (is_leader or is_whole(found) or caller.is_late()):
                    future.set_result(found if is_leader else drop_timing(found))
                else:
                    self._submit_alone(caller, future)

    def _submit_alone(self, caller: _Caller, future: Answer) -> None:
        """Submits the segment for one caller alone: if it fails again, all fail at once and not one by one."""
        flight = _Flight(caller)
        with self._lock:
            flight.join(caller, future)
        try:
            (ahead,) = self._submit([flight])
        except PasserelleError as error:
            with self._lock:
                flight.callers.clear()
            future.set_exception(error)
            return
        with self._lock:
            flight.future = ahead
            has_left = not flight.callers
        ahead.add_done_callback(partial(self._finish, flight))
        if has_left:
            ahead.cancel()

    def _leave(self, caller: _Caller, future: Answer) -> None:
        """A caller's future is done; if it was cancelled, its rows are freed unless other callers wait for them."""
        with self._lock:
            flight, caller.flight = caller.flight, None
            if flight is None or flight.callers.pop(future, None) is None or flight.callers:
                return
            self._forget(flight)
            ahead = flight.future
        if ahead is not None:
            ahead.cancel()

    def _forget(self, flight: _Flight) -> None:
        """Let no further caller join. The caller of this method holds the lock."""
        key = flight.leader.key
        if key is not None and self._flights.get(key) is flight:
            del self._flights[key]
