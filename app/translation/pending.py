"""The segments of a request while the engine translates them."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from typing import Final

from app.engine.sequence import Hypothesis
from app.errors import RequestCancelled

# The engine keeps the deadlines itself; an engine that is later than this is taken to hang.
GRACE_SECONDS: Final = 0.25


class _Countdown:
    """Completes ``done`` with the last of ``count`` futures, or with the first error.

    It holds no reference to the futures, which hold one to it: a request's futures, and with them an engine that was
    replaced, are freed with the last reference, not only by the cycle collector.
    """

    def __init__(self, count: int) -> None:
        self.done: Future[None] = Future()
        self._left = count
        self._lock = threading.Lock()
        if not count:
            self.done.set_result(None)

    def count_down(self, future: "Future[list[Hypothesis]]") -> None:
        """Counts a future that is done, on the engine's thread or, after a cancellation, on the caller's.

        It must neither work nor wait, because the engine stands still meanwhile.
        """
        with self._lock:
            self._left -= 1
            is_last = self._left == 0
        error = RequestCancelled("the request was cancelled") if future.cancelled() else future.exception()
        with suppress(InvalidStateError):  # an earlier error has completed it
            if error is not None:
                self.done.set_exception(error)
            elif is_last:
                self.done.set_result(None)


class Pending:
    """All segments of a request in the engine.

    Args:
        futures: One for each segment.
        answer_late: Makes the engine complete what is late, even if it hangs.

    Attributes:
        done: A future that completes with the last segment, or with the first error.
    """

    def __init__(
        self, futures: "Sequence[Future[list[Hypothesis]]]", answer_late: Callable[[], None] = lambda: None
    ) -> None:
        self._futures = futures
        self.answer_late = answer_late
        countdown = _Countdown(len(futures))
        self.done = countdown.done
        for future in futures:
            future.add_done_callback(countdown.count_down)

    def cancel(self) -> None:
        """Gives the segments up, so that the engine frees their rows at its next step."""
        for future in self._futures:
            future.cancel()

    def collect_hypotheses(self) -> list[list[Hypothesis]]:
        """Returns the hypotheses of every segment; only after ``done`` has a result."""
        return [future.result(timeout=0) for future in self._futures]

    def get_outcome(self, number: int) -> list[Hypothesis] | None:
        """Returns the hypotheses of one segment, None where there are none (yet)."""
        future = self._futures[number]
        if not future.done() or future.cancelled() or future.exception() is not None:
            return None
        return future.result(timeout=0)
