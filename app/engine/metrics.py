"""The state and the measurements of an engine in plain numbers: its lifecycle, its steps, its sequences."""

import threading
import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable
from collections.abc import Sequence as SequenceOf
from concurrent.futures import Future
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from app.engine.sequence import FinishReason, Hypothesis, Sequence, Stopwatch, Timing

SECONDS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
ROWS: Final = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0)

_LONGEST_RETRY_SECONDS: Final = 60.0
_FAILED: Final = "failed"


class Histogram:
    """Counts values by upper bounds. One thread writes at a time, without a lock; any thread may read.

    Attributes:
        bounds: the upper bounds, ascending.
        counts: one count for each bound, and one more for the values above the last bound.
        total: the sum of all values.
    """

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def add(self, value: float) -> None:
        """Count one value."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value


class Lifecycle(IntEnum):
    """The states of an engine. It passes through them in this order, may skip some, and never goes back."""

    CREATED = 0  # ``start`` was not called
    RUNNING = 1  # ``submit`` enqueues
    DRAINING = 2  # accepts nothing more; the thread ends when nothing is left
    ABORTING = 3  # accepts nothing more; the thread ends before its next step
    STOPPED = 4  # the thread has ended


@dataclass(frozen=True, slots=True)
class EngineStatus:
    """The state of an engine at one moment.

    Attributes:
        healthy: False from a failed step until a later sequence succeeds.
        failure: the error of the step that failed last, while the engine is unhealthy.
        step_age_seconds: how long the step that runs now has taken so far, None between steps. Only this value shows
            a graph that hangs.
    """

    started: bool
    healthy: bool
    failure: str | None
    rows_running: int
    sequences_running: int
    sequences_waiting: int
    steps_done: int
    sequences_done: int
    last_step_seconds: float | None
    step_age_seconds: float | None


class StepMetrics:
    """Measures the engine's turns and steps, and times its sequences.

    A turn is one call of ``Engine.step``: it encodes newcomers and runs the decoder step once. The engine's thread
    writes; any thread may read the numbers.

    Attributes:
        turn_seconds: durations of whole turns, the encoding of newcomers included.
        step_rows: rows of each decoder step.
        first_token_seconds: durations from the submission of a sequence to the end of its first step.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self.turns_done = 0
        self.last_turn_seconds: float | None = None
        self.turn_seconds = Histogram(SECONDS)
        self.step_rows = Histogram(ROWS)
        self.first_token_seconds = Histogram(SECONDS)
        self.failed_turns = 0
        self._newcomers: list[Stopwatch] = []  # encoded, and still without a step
        self._turn_started: float | None = None
        self._steps = 0
        self._step_rows = 0
        self._busy_seconds = 0.0  # since the last turn in which a sequence finished
        self._seconds_per_sequence = 0.1

    def turn_age_seconds(self) -> float | None:
        """The time that the current turn has taken so far, None between turns."""
        started = self._turn_started
        return None if started is None else self._clock() - started

    def begin_turn(self) -> None:
        """A turn begins."""
        self._turn_started = self._clock()

    def end_turn(self, finished: int) -> None:
        """The current turn ends.

        Args:
            finished: the number of sequences that ended in it.
        """
        now = self._clock()
        seconds = 0.0 if self._turn_started is None else now - self._turn_started
        self._turn_started = None
        self.turn_seconds.add(seconds)
        if self._newcomers:
            for watch in self._newcomers:
                self.first_token_seconds.add(now - watch.submitted)
            self._newcomers.clear()
        self.turns_done += 1
        self.last_turn_seconds = seconds
        # An exponential mean of the time that one sequence takes, from which ``retry_after_seconds`` is estimated.
        self._busy_seconds += seconds
        if finished:
            self._seconds_per_sequence += 0.1 * (self._busy_seconds / finished - self._seconds_per_sequence)
            self._busy_seconds = 0.0

    def fail_turn(self) -> None:
        """The current turn raised an error. It still ends with ``end_turn``."""
        self.failed_turns += 1
        self._newcomers.clear()

    def retry_after_seconds(self, waiting: int) -> float:
        """An estimate of when ``waiting`` sequences will have been decoded: 1 to 60 seconds."""
        return min(max(1.0, waiting * self._seconds_per_sequence), _LONGEST_RETRY_SECONDS)

    def count_step(self, rows: int) -> None:
        """The decoder step runs once over ``rows`` rows."""
        self._steps += 1
        self._step_rows += rows
        self.step_rows.add(rows)

    def start_watch(self) -> Stopwatch:
        """A stopwatch for a sequence that is submitted now."""
        return Stopwatch(self._clock())

    def admit(self, watches: list[Stopwatch]) -> None:
        """These sequences get their rows now."""
        now = self._clock()
        for watch in watches:
            watch.admitted = now

    def encode(self, watches: list[Stopwatch]) -> None:
        """The encoder has read these sequences."""
        now = self._clock()
        for watch in watches:
            watch.encoded, watch.steps_before, watch.rows_before = now, self._steps, self._step_rows
        self._newcomers += watches

    def finish(self, watch: Stopwatch) -> Timing:
        """The timing of a sequence that ends now, in whichever state it is."""
        now = self._clock()
        if watch.admitted is None:
            return Timing(queue_seconds=now - watch.submitted)
        encoded = now if watch.encoded is None else watch.encoded
        return Timing(
            queue_seconds=watch.admitted - watch.submitted,
            encode_seconds=encoded - watch.admitted,
            decode_seconds=now - encoded,
            steps=self._steps - watch.steps_before if watch.encoded is not None else 0,
            step_rows=self._step_rows - watch.rows_before if watch.encoded is not None else 0,
        )


class SequenceMetrics:
    """Counts the sequences of an engine since it was made, and what became of them.

    A lock guards the counters. Each sequence is counted once, whichever thread ends it.

    Attributes:
        source_tokens: tokens of all submitted sources.
        target_tokens: tokens of the best hypothesis of each sequence.
        finish_reasons: counts by the values of ``FinishReason``, and ``failed``.
    """

    def __init__(self) -> None:
        self.source_tokens = 0
        self.target_tokens = 0
        self.finish_reasons: Counter[str] = Counter()
        self.queue_seconds = Histogram(SECONDS)
        self.encode_seconds = Histogram(SECONDS)
        self.decode_seconds = Histogram(SECONDS)
        self._lock = threading.Lock()

    def submit(self, request: SequenceOf[Sequence]) -> None:
        """Count sequences that have entered the queue."""
        source_tokens = sum(sequence.source_tokens for sequence in request)
        with self._lock:
            self.source_tokens += source_tokens

    def finish(self, future: "Future[list[Hypothesis]]") -> None:
        """Count a sequence that ended, by its future, which is done."""
        if future.cancelled():
            reason, best = FinishReason.CANCELLED.value, None
        elif future.exception() is not None:
            reason, best = _FAILED, None
        else:
            best = future.result()[0]
            reason = best.finish_reason.value
        with self._lock:
            self.finish_reasons[reason] += 1
            if best is not None:
                self._add(best)

    def _add(self, best: Hypothesis) -> None:
        self.target_tokens += len(best.token_ids)
        timing = best.timing
        if timing is None:
            return
        self.queue_seconds.add(timing.queue_seconds)
        if timing.steps:
            self.encode_seconds.add(timing.encode_seconds)
            self.decode_seconds.add(timing.decode_seconds)
