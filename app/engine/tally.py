"""What became of the sequences of an engine so far, in plain numbers."""

import threading
from collections import Counter
from collections.abc import Sequence as SequenceOf
from concurrent.futures import Future
from typing import Final

from app.engine.histogram import SECONDS, Histogram
from app.engine.sequence import FinishReason, Hypothesis, Sequence

_FAILED: Final = "failed"


class Tally:
    """Counted since the engine was made, wherever a sequence begins or ends, under a lock: each once, however many
    threads try to end it. Steps are counted by ``app.engine.pace``.

    ``target_tokens``: of the best hypothesis of each sequence. ``finish_reasons``: those of ``FinishReason``, and
    ``failed``.
    """

    def __init__(self) -> None:
        self.source_tokens = 0
        self.target_tokens = 0
        self.finish_reasons: Counter[str] = Counter()
        self.queue_seconds = Histogram(SECONDS)
        self.encode_seconds = Histogram(SECONDS)
        self.decode_seconds = Histogram(SECONDS)
        self._lock = threading.Lock()

    def submitted(self, request: SequenceOf[Sequence]) -> None:
        """These are in the queue now."""
        source_tokens = sum(sequence.source_tokens for sequence in request)
        with self._lock:
            self.source_tokens += source_tokens

    def ended(self, future: "Future[list[Hypothesis]]") -> None:
        """A sequence ended in one way or another; this is its future, which is done."""
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
