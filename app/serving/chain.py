"""Two engines in a row that look like one: what the first translates into the pivot language, the second translates on.

To a translator a chain is a model that reads the first bundle's tokens and writes the second's. Segmentation, masking,
tags and postediting therefore happen once, at both ends of the chain; only a segment's words pass through the pivot
language. A segment joins the second engine as soon as the first has finished it.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, Future, InvalidStateError
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from app.engine.sequence import FinishReason, Hypothesis, Listener, Priority, SearchOptions
from app.errors import EngineOverloaded, EngineStopped, PasserelleError, RequestCancelled
from app.translation.pivot import Intermediate, PivotText
from app.translation.translator import Submitter

Answer = Future[list[Hypothesis]]

# Between two attempts to give segments to a second engine whose queue is full.
_RETRY_SECONDS: Final = 0.05


@dataclass(frozen=True, slots=True)
class ChainLimits:
    """How many segments of a chain may be where.

    Attributes:
        running: In the second engine, waiting or running; others are held until one of them ends, so that a long
            request does not fill the queue that the second engine has for all.
        held: Behind the first engine, before the second; while there are more, requests are refused.
    """

    running: int
    held: int


@dataclass(eq=False, slots=True)
class _Ahead:
    """What a segment waits for: the future of the first engine, then those of the second.

    They are dropped when they are done: futures keep their callbacks, and through them would keep the engines in
    memory until the cycle collector comes.

    Attributes:
        waiting: How many segments wait for the future of the first engine, which is theirs together.
    """

    futures: Sequence[Answer] = ()
    waiting: list[int] = field(default_factory=lambda: [1])

    def cancel(self) -> None:
        for future in self.futures:
            future.cancel()


@dataclass(eq=False, slots=True)
class _Segment:
    """A segment on its way.

    Attributes:
        source_ids: In the first bundle's tokens.
        options: Those of the second engine.
        future: The caller's.
    """

    source_ids: tuple[int, ...]
    options: SearchOptions
    deadline: float | None
    priority: Priority
    listener: Listener | None
    future: Answer = field(default_factory=Future)
    ahead: _Ahead = field(default_factory=_Ahead)
    intermediate: Intermediate | None = None

    def is_late(self) -> bool:
        return self.deadline is not None and time.monotonic() >= self.deadline

    def finish(self, hypotheses: list[Hypothesis]) -> None:
        with suppress(InvalidStateError):  # the caller cancelled it
            self.future.set_result(hypotheses)

    def finish_empty(self, reason: FinishReason, first: Hypothesis | None = None) -> None:
        """End it without a translation: a text in the pivot language is none."""
        alignment = () if self.options.align else None
        timing = None if first is None else first.timing
        self.finish([Hypothesis((), 0.0, (), reason, alignment, timing)])

    def fail(self, error: BaseException) -> None:
        with suppress(InvalidStateError):
            self.future.set_exception(error)


class ChainEngine:
    """Accepts what ``Engine.submit_many`` accepts.

    The caller's options, prefix and listeners are those of the second engine; the first makes one translation of each
    segment, by its own search. Scores of hypotheses are the sums of both engines' (the product of their
    probabilities); token scores are the second's. Tokens are aligned with those of the first engine's source.

    Args:
        engines: The first translates into the pivot language, the second out of it.
        text: What happens to the words between them.
        bridge: Runs what happens between the engines, on a thread that is neither's.
        limits: Of the segments between the engines.
    """

    def __init__(
        self, engines: tuple[Submitter, Submitter], text: PivotText, bridge: Executor, limits: ChainLimits
    ) -> None:
        self._first, self._second = engines
        self._text = text
        self._bridge = bridge
        self._limits = limits
        self._lock = threading.Lock()
        self._held: Mapping[Priority, deque[_Segment]] = {priority: deque() for priority in Priority}
        self._running = 0
        self._is_retrying = False

    def answer_late(self) -> None:
        """As ``Engine.answer_late``."""
        self._first.answer_late()
        self._second.answer_late()
        with self._lock:
            held = [segment for segments in self._held.values() for segment in segments if segment.is_late()]
        for segment in held:  # taken from the queue when their turn comes
            segment.finish_empty(FinishReason.DEADLINE)

    def submit_many(
        self,
        sources: Sequence[Sequence[int]],
        options: SearchOptions | Sequence[SearchOptions] | None = None,
        deadline: float | None = None,
        priority: Priority = Priority.INTERACTIVE,
        listeners: Sequence[Listener | None] | None = None,
    ) -> list[Answer]:
        """As ``Engine.submit_many``. Segments that differ in the second search alone are translated once by the first
        engine.
        """
        with self._lock:
            held = sum(map(len, self._held.values()))
        if held >= self._limits.held:
            raise EngineOverloaded(
                f"{held} segments wait between two models, the limit is {self._limits.held}", _RETRY_SECONDS
            )
        chosen = options if options is not None else SearchOptions()
        each = [chosen] * len(sources) if isinstance(chosen, SearchOptions) else chosen
        each_listener = listeners if listeners is not None else [None] * len(sources)
        segments: list[_Segment] = []
        by_first: dict[tuple[tuple[int, ...], SearchOptions], list[_Segment]] = {}
        for source_ids, search, listener in zip(sources, each, each_listener, strict=True):
            segment = _Segment(tuple(source_ids), search, deadline, priority, listener)
            segments.append(segment)
            by_first.setdefault((segment.source_ids, self._text.first_search(search)), []).append(segment)
        firsts = self._first.submit_many(
            [source_ids for source_ids, _ in by_first], [search for _, search in by_first], deadline, priority
        )
        for ahead, group in zip(firsts, by_first.values(), strict=True):
            waiting = [len(group)]
            for segment in group:
                segment.ahead = _Ahead((ahead,), waiting)
                segment.future.add_done_callback(partial(self._leave, segment.ahead))
            ahead.add_done_callback(partial(self._hand_over, partial(self._pass_on, group)))
        return [segment.future for segment in segments]

    def _leave(self, ahead: _Ahead, future: Answer) -> None:
        """Free the rows of a segment that was cancelled, unless others of its request wait for them."""
        if future.cancelled():
            with self._lock:
                ahead.waiting[0] -= 1
                is_last = ahead.waiting[0] <= 0
            if is_last:
                ahead.cancel()

    def _hand_over(self, work: Callable[[Answer], None], ahead: Answer) -> None:
        """Let the bridge continue, since this is the thread of an engine, which stands still meanwhile."""
        try:
            self._bridge.submit(work, ahead)
        except RuntimeError:  # it was shut down, as the engines are
            work(ahead)

    def _pass_on(self, group: list[_Segment], ahead: Answer) -> None:
        """Take segments from the first engine, and hold them for the second."""
        error = RequestCancelled("the request was cancelled") if ahead.cancelled() else ahead.exception()
        for segment in group:
            segment.ahead.futures = ()
        waiting = [segment for segment in group if not segment.future.done()]
        if error is not None:
            for segment in waiting:
                segment.fail(error)
            return
        try:
            found = self._text.read(group[0].source_ids, ahead.result()) if waiting else None
        except Exception as unexpected:  # otherwise the segments would never end
            for segment in waiting:
                segment.fail(unexpected)
            return
        for segment in waiting:
            assert found is not None
            if not found.is_translatable:
                segment.finish_empty(found.reason, found.hypothesis)
                continue
            segment.intermediate = found
            with self._lock:
                self._held[segment.priority].append(segment)
        self._fill_second()

    def _fill_second(self) -> None:
        """Give held segments to the second engine, as many as it may have. Runs on the bridge."""
        while (segment := self._take()) is not None:
            intermediate = segment.intermediate
            assert intermediate is not None
            try:
                ahead = self._second.submit_many(
                    intermediate.sources,
                    intermediate.searches(segment.options),
                    segment.deadline,
                    segment.priority,
                    [segment.listener, *[None] * (len(intermediate.sources) - 1)],
                )
            except EngineOverloaded:
                self._put_back(segment)
                return
            except PasserelleError as error:
                self._end(segment, error)
                continue
            segment.ahead.waiting, segment.ahead.futures = [1], ahead
            if segment.future.cancelled():  # before it had these to cancel
                segment.ahead.cancel()
            left = [len(ahead)]
            for one in ahead:
                one.add_done_callback(partial(self._hand_over, partial(self._finish, segment, left)))

    def _take(self) -> _Segment | None:
        """The next held segment, counted as running; None if there is none, or no more may run."""
        while True:
            with self._lock:
                queue = next((held for held in self._held.values() if held), None)
                if queue is None or self._running >= self._limits.running:
                    return None
                segment = queue.popleft()
                if not segment.future.done() and not segment.is_late():
                    self._running += 1
                    return segment
            segment.finish_empty(FinishReason.DEADLINE)

    def _put_back(self, segment: _Segment) -> None:
        """Hold a segment that the second engine did not take, and try again later."""
        with self._lock:
            self._running -= 1
            self._held[segment.priority].appendleft(segment)
            is_first, self._is_retrying = not self._is_retrying, True
        if is_first:
            timer = threading.Timer(_RETRY_SECONDS, self._retry)
            timer.daemon = True
            timer.start()

    def _retry(self) -> None:
        with self._lock:
            self._is_retrying = False
        try:
            self._bridge.submit(self._fill_second)
        except RuntimeError:
            with self._lock:
                left = [segment for held in self._held.values() for segment in held]
                for held in self._held.values():
                    held.clear()
            for segment in left:
                segment.fail(EngineStopped("the service is being stopped"))

    def _finish(self, segment: _Segment, left: list[int], ahead: Answer) -> None:
        """Count a part of a segment that the second engine ended, and with the last end the segment."""
        left[0] -= 1  # on the bridge alone, so one after the other
        error = RequestCancelled("the request was cancelled") if ahead.cancelled() else ahead.exception()
        if error is not None:
            segment.fail(error)
        if left[0]:
            return
        parts, segment.ahead.futures = segment.ahead.futures, ()
        if not segment.future.done():
            assert segment.intermediate is not None
            try:
                found = [one.result() for one in parts]
                segment.finish(self._text.compose(segment.intermediate, segment.options, found))
            except Exception as unexpected:  # otherwise the segment would never end
                segment.fail(unexpected)
        self._end(segment)

    def _end(self, segment: _Segment, error: PasserelleError | None = None) -> None:
        if error is not None:
            segment.fail(error)
        with self._lock:
            self._running -= 1
        self._fill_second()
