"""An engine that is asked the same only once: what is finished comes from the cache, what is on its way is shared."""

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
from app.serving.cache import Cache, Key, is_whole, key_of, without_timing

Found = Future[list[Hypothesis]]


@dataclass(eq=False, slots=True)
class _Caller:
    """One who wants a segment; ``flight`` is the one waited for."""

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
    """A segment in the engine, asked for as ``leader`` asked; all ``callers`` wait for it, each with a future.

    At its end it lets go of all futures: what held itself would hold an engine that was replaced.
    """

    leader: _Caller
    callers: dict[Found, _Caller] = field(default_factory=dict)
    future: Found | None = None

    def takes(self, caller: _Caller) -> bool:
        """Not one whose deadline comes before, nor one that should not wait behind bulk work."""
        mine, its = self.leader.deadline, caller.deadline
        in_time = its is None or (mine is not None and its >= mine)
        return in_time and not (self.leader.priority is Priority.BULK and caller.priority is Priority.INTERACTIVE)

    def board(self, caller: _Caller, future: Found) -> None:
        caller.flight = self
        self.callers[future] = caller

    def tell(self, settled: tuple[int, ...]) -> None:
        for caller in tuple(self.callers.values()):
            if caller.listener is not None:
                caller.listener(settled)


class CachedEngine:
    """As the engine, for those who submit. ``hits``, ``misses`` and ``waits`` count segments.

    Who waits for what somebody else asked for neither is cancelled nor fails with that one: then it is asked for anew,
    for each who is left, as if there were no cache. Who listens to a flight whose leader does not hears only its end.
    """

    def __init__(self, engine: Engine, cache: Cache, version: str) -> None:
        """:param version: of the bundle."""
        self._engine = engine
        self._cache = cache
        self._version = version
        self._lock = threading.Lock()  # taken before the engine's own, never while that is held
        self._flights: dict[Key, _Flight] = {}
        self.hits = 0
        self.misses = 0
        self.waits = 0

    def answer_late(self) -> None:
        self._engine.answer_late()

    def submit_many(
        self,
        sources: Sequence[Sequence[int]],
        options: SearchOptions | Sequence[SearchOptions] | None = None,
        deadline: float | None = None,
        priority: Priority = Priority.INTERACTIVE,
        listeners: Sequence[Listener | None] | None = None,
    ) -> list[Found]:
        """As ``Engine.submit_many``. What is known or on its way needs no room in the queue."""
        if len(sources) > self._engine.limits.max_request_sequences:  # is refused, also where all of it is known
            return self._engine.submit_many(sources, options, deadline, priority, listeners)
        chosen = options if options is not None else SearchOptions()
        each = [chosen] * len(sources) if isinstance(chosen, SearchOptions) else chosen
        hears = listeners if listeners is not None else [None] * len(sources)
        futures: list[Found] = []
        unknown: list[tuple[_Caller, Found]] = []
        for source_ids, search, listener in zip(sources, each, hears, strict=True):
            futures.append(Future())
            key = key_of(self._version, source_ids, search)
            found = self._cache.find(key) if key is not None else None
            if found is not None:
                futures[-1].set_result(found)
            else:
                unknown.append((_Caller(key, source_ids, search, deadline, priority, listener), futures[-1]))
        begun = self._board(unknown)
        with self._lock:
            self.hits += len(sources) - len(unknown)
        for flight, ahead in begun:
            ahead.add_done_callback(partial(self._land, flight))
        for caller, future in unknown:
            future.add_done_callback(partial(self._leave, caller))
        return futures

    def _board(self, callers: list[tuple[_Caller, Found]]) -> list[tuple[_Flight, Found]]:
        """All on their way, or none. Returns the flights that are new."""
        with self._lock:
            joining: list[tuple[_Flight, _Caller, Found]] = []
            leading: list[tuple[_Caller, Found]] = []
            for caller, future in callers:
                flight = self._flights.get(caller.key) if caller.key is not None else None
                if flight is not None and flight.takes(caller):
                    joining.append((flight, caller, future))
                else:
                    leading.append((caller, future))
            flights = [_Flight(caller) for caller, _ in leading]
            aheads = self._submit(flights)  # may be refused; until here nothing has changed
            for flight, (caller, future), ahead in zip(flights, leading, aheads, strict=True):
                flight.future = ahead
                flight.board(caller, future)
                if caller.key is not None:
                    self._flights.setdefault(caller.key, flight)
                    self.misses += 1
            for flight, caller, future in joining:
                flight.board(caller, future)
            self.waits += len(joining)
            return list(zip(flights, aheads, strict=True))

    def _submit(self, flights: list[_Flight]) -> list[Found]:
        if not flights:
            return []
        leaders = [flight.leader for flight in flights]
        return self._engine.submit_many(
            [leader.source_ids for leader in leaders],
            [leader.options for leader in leaders],
            leaders[0].deadline,
            leaders[0].priority,
            [flight.tell if flight.leader.listener is not None else None for flight in flights],
        )

    def _land(self, flight: _Flight, ahead: Found) -> None:
        """Runs where the engine ends a sequence, on its thread most often."""
        with self._lock:
            self._forget(flight)
            callers, flight.callers, flight.future = flight.callers, {}, None
        error = RequestCancelled("nobody waited any more") if ahead.cancelled() else ahead.exception()
        found = ahead.result() if error is None else []
        if error is None and flight.leader.key is not None:
            self._cache.keep(flight.leader.key, found)
        for future, caller in callers.items():
            is_leader = caller is flight.leader
            with suppress(InvalidStateError):  # it left in this moment
                if error is not None and is_leader:
                    future.set_exception(error)
                elif error is None and (is_leader or is_whole(found) or caller.is_late()):
                    future.set_result(found if is_leader else without_timing(found))
                else:
                    self._begin_alone(caller, future)

    def _begin_alone(self, caller: _Caller, future: Found) -> None:
        """Each by itself: if their segment makes a step fail, all fail at once and not one after the other."""
        flight = _Flight(caller)
        with self._lock:
            flight.board(caller, future)
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
        ahead.add_done_callback(partial(self._land, flight))
        if has_left:
            ahead.cancel()

    def _leave(self, caller: _Caller, future: Found) -> None:
        """A caller's future is done; if it was cancelled, its rows are freed unless somebody else waits for them."""
        with self._lock:
            flight, caller.flight = caller.flight, None
            if flight is None or flight.callers.pop(future, None) is None or flight.callers:
                return
            self._forget(flight)
            ahead = flight.future
        if ahead is not None:
            ahead.cancel()

    def _forget(self, flight: _Flight) -> None:
        """Nobody joins it any more. The caller holds the lock."""
        key = flight.leader.key
        if key is not None and self._flights.get(key) is flight:
            del self._flights[key]
