"""The segments of a request while the engine translates them, and the texts of the hypotheses that it returns."""

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, InvalidStateError, wait
from contextlib import suppress
from typing import Final

from app.bundle.tokenizers import Tokenizer
from app.engine.sequence import Hypothesis
from app.errors import DeadlineExceeded, RequestCancelled
from app.translation.alignment import SegmentAlignment, clip_ranges, strip_ranges
from app.translation.assembly import TranslatedSegment

# The engine keeps the deadlines itself; an engine that is later than this is taken to hang.
GRACE_SECONDS: Final = 0.25
# How often a blocked thread checks whether its request was cancelled.
_CHECK_SECONDS: Final = 0.2


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
        is_shown: Whether the caller shows the texts while they are translated.

    Attributes:
        is_shown: The same.
        done: A future that completes with the last segment, or with the first error.
    """

    def __init__(
        self,
        futures: "Sequence[Future[list[Hypothesis]]]",
        answer_late: Callable[[], None] = lambda: None,
        is_shown: bool = False,
    ) -> None:
        self._futures = futures
        self.is_shown = is_shown
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


def is_settled(pendings: Sequence[Pending]) -> bool:
    """Tells whether all are done, or one failed."""
    left = [pending for pending in pendings if not pending.done.done()]
    if not left:
        return True
    return any(one.done.exception() is not None for one in pendings if one not in left and one.done.done())


def settle(pendings: Sequence[Pending]) -> None:
    """Ends the wait for the engine: if it still works, it is taken to hang and made to answer what it has.

    Raises:
        EngineError: What the engine failed with.
        DeadlineExceeded: The engine did not answer.
    """
    if not is_settled(pendings):
        for pending in pendings:
            pending.answer_late()
        if not is_settled(pendings):
            raise DeadlineExceeded("the engine did not answer in time")
    for pending in pendings:
        if pending.done.done():
            pending.done.result(timeout=0)


def block_until_done(pending: Pending, deadline: float | None, cancelled: threading.Event | None = None) -> None:
    """Blocks this thread until the engine has answered; ``app.api.waiting.wait_for`` does the same for coroutines.

    Args:
        pending: What the engine works on.
        deadline: A ``time.monotonic`` time, or None for no limit. The engine observes it by itself, and has
            ``GRACE_SECONDS`` more to do so.
        cancelled: Another thread sets it to end the wait.

    Raises:
        EngineError: What the engine failed with.
        DeadlineExceeded: The engine did not answer.
        RequestCancelled: ``cancelled`` was set.
    """
    while not pending.done.done():
        left = None if deadline is None else deadline + GRACE_SECONDS - time.monotonic()
        if left is not None and left <= 0:
            break
        if cancelled is None:
            wait([pending.done], left)
            continue
        wait([pending.done], _CHECK_SECONDS if left is None else min(left, _CHECK_SECONDS))
        if cancelled.is_set():
            raise RequestCancelled("the request was cancelled")
    settle([pending])


class Detokenizer:
    """Reads hypotheses in the tokens of one tokenizer."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer

    def detokenize(self, segment: str, hypothesis: Hypothesis) -> TranslatedSegment:
        """Joins the tokens of a hypothesis.

        Args:
            segment: As the model read it.
            hypothesis: Its translation; with an alignment, the segment's tokens are aligned with the text's.
        """
        decoded = self._tokenizer.decode(hypothesis.token_ids)
        text = decoded.strip()
        alignment = None
        if hypothesis.alignment is not None:
            lead = len(decoded) - len(decoded.lstrip())
            target_ranges = strip_ranges(decoded, self._tokenizer.decode_ranges(hypothesis.token_ids))
            alignment = SegmentAlignment(
                source_ranges=strip_ranges(segment, self._tokenizer.encode_ranges(segment)),
                target_ranges=clip_ranges(target_ranges, lead, len(text)),
                sources=hypothesis.alignment,
            )
        ended = (self._tokenizer.eos_id,) * (len(hypothesis.token_scores) - len(hypothesis.token_ids))
        return TranslatedSegment(
            source=segment,
            text=text,
            score=hypothesis.score,
            finish_reason=hypothesis.finish_reason,
            token_ids=hypothesis.token_ids,
            tokens=tuple(self._tokenizer.pieces((*hypothesis.token_ids, *ended))),
            token_scores=hypothesis.token_scores,
            alignment=alignment,
            timing=hypothesis.timing,
        )
