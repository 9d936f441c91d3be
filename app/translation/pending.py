"""The segments of a request on their way through the engine."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from typing import Final

from app.engine.sequence import Hypothesis
from app.errors import RequestCancelled

# The engine keeps the deadlines itself; when it is this late, it is taken to hang.
GRACE_SECONDS: Final = 0.25


class _Countdown:
    """Ends ``done`` with the last of so many futures, or with the first error.

    It does not know the futures, which know it: so a request's futures, and with them an engine that was replaced, are
    freed with the last reference and not only when Python looks for cycles.
    """

    def __init__(self, count: int) -> None:
        self.done: Future[None] = Future()
        self._left = count
        self._lock = threading.Lock()
        if not count:
            self.done.set_result(None)

    def one_done(self, future: "Future[list[Hypothesis]]") -> None:
        # Runs on the engine's thread, or here when cancelled: no work, no waiting.
        with self._lock:
            self._left -= 1
            is_last = self._left == 0
        error = RequestCancelled("the request was cancelled") if future.cancelled() else future.exception()
        with suppress(InvalidStateError):  # done already, by an earlier error
            if error is not None:
                self.done.set_exception(error)
            elif is_last:
                self.done.set_result(None)


class Pending:
    """All segments of a request on their way. ``done`` has a result when the last one is there, or the first error."""

    def __init__(
        self, futures: "Sequence[Future[list[Hypothesis]]]", answer_late: Callable[[], None] = lambda: None
    ) -> None:
        """:param answer_late: makes the engine answer what is late, even if it hangs."""
        self._futures = futures
        self.answer_late = answer_late
        countdown = _Countdown(len(futures))
        self.done = countdown.done
        for future in futures:
            future.add_done_callback(countdown.one_done)

    def cancel(self) -> None:
        """Nobody waits any more: the engine frees the rows at its next step."""
        for future in self._futures:
            future.cancel()

    def hypotheses(self) -> list[list[Hypothesis]]:
        """Of every segment; only once ``done`` is."""
        return [future.result(timeout=0) for future in self._futures]

    def outcome(self, number: int) -> list[Hypothesis] | None:
        """Of one segment, None where there is none (yet)."""
        future = self._futures[number]
        if not future.done() or future.cancelled() or future.exception() is not None:
            return None
        return future.result(timeout=0)
