"""Who waits and who runs: admission by rows and padded tokens. Touches no arrays and takes no locks."""

import math
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from app.engine.sequence import Sequence
from app.errors import ConfigurationError, EngineOverloaded, LimitExceeded

# Newcomers are encoded together while the longest has at most this many times the tokens of the shortest, and some
# more: short sources differ much in proportion, but hardly in cost.
_BUCKET_RATIO: Final = 1.5
_BUCKET_SPARE: Final = 8


@dataclass(frozen=True, slots=True)
class EngineLimits:
    """Bounds of the engine.

    ``max_rows``: hypotheses decoded together in one step. ``max_padded_tokens``: those rows times the longest source
    among them; one sequence alone may exceed it. ``max_waiting``: a request is refused while so many sequences wait
    already. ``max_request_sequences``: the most sequences of one ``submit_many``; so a document may be longer than the
    queue, and at most ``max_waiting - 1 + max_request_sequences`` sequences ever wait.

    :raises ConfigurationError: a bound below 1.
    """

    max_rows: int = 64
    max_padded_tokens: int = 8192
    max_waiting: int = 256
    max_request_sequences: int = 4096

    def __post_init__(self) -> None:
        for name in ("max_rows", "max_padded_tokens", "max_waiting", "max_request_sequences"):
            if getattr(self, name) < 1:
                raise ConfigurationError(f"{name} is {getattr(self, name)}, at least 1 is needed")


class Scheduler:
    """The queues.

    Requests take turns: each gives one sequence, then goes to the back, so that a document of a thousand segments does
    not keep a single sentence waiting. Within a request, first come, first served.
    """

    def __init__(self, limits: EngineLimits) -> None:
        self.limits = limits
        self.running: set[Sequence] = set()
        self.waiting_count = 0
        self.rows_running = 0
        self._requests: deque[deque[Sequence]] = deque()
        self._earliest_deadline = math.inf

    def enqueue(self, request: list[Sequence], retry_after_seconds: float) -> None:
        """Let all sequences of a request wait, or none.

        :raises LimitExceeded: it could never be admitted.
        :raises EngineOverloaded: the queue is full for now.
        """
        limits = self.limits
        if len(request) > limits.max_request_sequences:
            raise LimitExceeded("segments in one request", limits.max_request_sequences, len(request))
        rows = max(sequence.rows for sequence in request)
        if rows > limits.max_rows:
            raise LimitExceeded("beam_size", limits.max_rows, rows)
        if self.waiting_count >= limits.max_waiting:
            raise EngineOverloaded(
                f"{self.waiting_count} sequences wait, the limit is {limits.max_waiting}", retry_after_seconds
            )
        self._requests.append(deque(request))
        self.waiting_count += len(request)
        self._expect_deadlines(request)

    def admit(self) -> list[Sequence]:
        """Move to running what fits now, in turn. The first that does not fit is waited for: nobody overtakes it."""
        newcomers: list[Sequence] = []
        longest = max((sequence.source_tokens for sequence in self.running), default=0) if self._requests else 0
        while self._requests:
            request = self._requests[0]
            sequence = request[0]
            rows, longest = self.rows_running + sequence.rows, max(longest, sequence.source_tokens)
            too_large = rows > self.limits.max_rows or rows * longest > self.limits.max_padded_tokens
            if self.running and too_large:
                break
            self._requests.popleft()
            request.popleft()
            if request:
                self._requests.append(request)
            self.waiting_count -= 1
            self.rows_running = rows
            self.running.add(sequence)
            newcomers.append(sequence)
        return newcomers

    def release(self, sequence: Sequence) -> None:
        """A running sequence left."""
        self.running.remove(sequence)
        self.rows_running -= sequence.rows

    def withdraw(self, leaves: Callable[[Sequence], bool]) -> tuple[list[Sequence], list[Sequence]]:
        """Drop the sequences that leave, out of both queues.

        :returns: those that waited and those that ran.
        """
        waited = [sequence for request in self._requests for sequence in request if leaves(sequence)]
        ran = [sequence for sequence in self.running if leaves(sequence)]
        if waited:
            left = set(waited)
            kept = (deque(sequence for sequence in request if sequence not in left) for request in self._requests)
            self._requests = deque(request for request in kept if request)
            self.waiting_count -= len(waited)
        for sequence in ran:
            self.release(sequence)
        self._earliest_deadline = math.inf
        self._expect_deadlines(self.running)
        for request in self._requests:
            self._expect_deadlines(request)
        return waited, ran

    def everyone(self) -> list[Sequence]:
        return [*self.running, *(sequence for request in self._requests for sequence in request)]

    def is_deadline_due(self, now: float) -> bool:
        """Has a deadline passed, perhaps? Cheap, so that every step can ask."""
        return now >= self._earliest_deadline

    def _expect_deadlines(self, sequences: Iterable[Sequence]) -> None:
        for sequence in sequences:
            if sequence.deadline is not None:
                self._earliest_deadline = min(self._earliest_deadline, sequence.deadline)


def bucket(newcomers: list[Sequence], max_padded_tokens: int) -> list[list[Sequence]]:
    """Split newcomers into groups of similar length, each to be encoded in one call with little padding."""
    buckets: list[list[Sequence]] = []
    for sequence in sorted(newcomers, key=lambda sequence: sequence.source_tokens):
        if buckets:
            current = buckets[-1]
            similar = sequence.source_tokens <= current[0].source_tokens * _BUCKET_RATIO + _BUCKET_SPARE
            if similar and (len(current) + 1) * sequence.source_tokens <= max_padded_tokens:
                current.append(sequence)
                continue
        buckets.append([sequence])
    return buckets
