"""How fast the engine goes: its steps, what one sequence costs, and how long each part of a sequence took."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from app.engine.histogram import ROWS, SECONDS, Histogram

_LONGEST_RETRY_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True)
class Timing:
    """Where the time of one sequence went.

    ``queue_seconds``: until it got its rows. ``encode_seconds``: of the call that encoded it, with others.
    ``decode_seconds``: from then to its end, in ``steps`` steps. ``step_rows``: the rows of all these steps together,
    so ``step_rows / steps`` is the mean batch.
    """

    queue_seconds: float = 0.0
    encode_seconds: float = 0.0
    decode_seconds: float = 0.0
    steps: int = 0
    step_rows: int = 0


@dataclass(slots=True)
class Stopwatch:
    """Reads the clock when a sequence is submitted, gets its rows, is encoded and ends. None: not yet."""

    submitted: float
    admitted: float | None = None
    encoded: float | None = None
    steps_before: int = 0
    rows_before: int = 0


class Pace:
    """Written by the engine's thread; the numbers may be read from any.

    ``turn_seconds``: of whole turns, with the encoding of newcomers. ``step_rows``: rows of each step.
    ``first_token_seconds``: from the submission of a sequence to the end of its first step.
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
        self._began: float | None = None
        self._steps = 0
        self._step_rows = 0
        self._busy_seconds = 0.0  # since a sequence finished last
        self._seconds_per_sequence = 0.1

    def turn_age_seconds(self) -> float | None:
        """How long the turn (one call of ``Engine.step``) now running has taken so far, None between turns."""
        began = self._began
        return None if began is None else self._clock() - began

    def begin_turn(self) -> None:
        self._began = self._clock()

    def end_turn(self, finished: int) -> None:
        """:param finished: how many sequences ended in it."""
        now = self._clock()
        seconds = 0.0 if self._began is None else now - self._began
        self._began = None
        self.turn_seconds.add(seconds)
        if self._newcomers:
            for watch in self._newcomers:
                self.first_token_seconds.add(now - watch.submitted)
            self._newcomers.clear()
        self.turns_done += 1
        self.last_turn_seconds = seconds
        # A running mean of what one sequence costs, so that "come back later" can say when.
        self._busy_seconds += seconds
        if finished:
            self._seconds_per_sequence += 0.1 * (self._busy_seconds / finished - self._seconds_per_sequence)
            self._busy_seconds = 0.0

    def fail_turn(self) -> None:
        """The turn now running raised; it ends as any other."""
        self.failed_turns += 1
        self._newcomers.clear()

    def retry_after_seconds(self, waiting: int) -> float:
        """When so many waiting sequences will have had their turn, as things go now; 1 to 60."""
        return min(max(1.0, waiting * self._seconds_per_sequence), _LONGEST_RETRY_SECONDS)

    def count_step(self, rows: int) -> None:
        """The graph ran once over so many rows."""
        self._steps += 1
        self._step_rows += rows
        self.step_rows.add(rows)

    def submitted(self) -> Stopwatch:
        return Stopwatch(self._clock())

    def admitted(self, watches: list[Stopwatch]) -> None:
        now = self._clock()
        for watch in watches:
            watch.admitted = now

    def encoded(self, watches: list[Stopwatch]) -> None:
        now = self._clock()
        for watch in watches:
            watch.encoded, watch.steps_before, watch.rows_before = now, self._steps, self._step_rows
        self._newcomers += watches

    def ended(self, watch: Stopwatch) -> Timing:
        """The timing of a sequence that ends now, wherever it is."""
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
