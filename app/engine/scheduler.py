"""The queues of waiting and running sequences: admission by rows and padded tokens. No arrays and no locks."""

import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Final

from app.engine.sequence import Priority, Sequence
from app.errors import ConfigurationError, EngineOverloaded, LimitExceeded

# What one more call of the encoder costs, in padded tokens: the time of an encoder is proportional to its rows times
# the longest of them, and a call of many rows saves hardly anything.
_CALL_TOKENS: Final = 8
# Interactive sequences admitted for each bulk one, while both wait.
_INTERACTIVE_SHARE: Final = 4
# A request with more sequences is bulk, whatever priority it came with: its last sentence comes late anyway.
LONG_REQUEST: Final = 32
# Of ``max_waiting``, the part that one request counts at most. So a long request does not close the queue to others.
_REQUEST_PART: Final = 8
# While interactive requests come, bulk sequences hold at most this part of the rows. A step takes longer with more
# rows, and every row takes part in every step, so full rows would make the short request that joins them wait.
_BULK_ROWS_PART: Final = 4
# Steps after the last interactive request until bulk sequences may hold all rows.
_QUIET_STEPS: Final = 400


@dataclass(frozen=True, slots=True)
class EngineLimits:
    """Bounds of the engine.

    Attributes:
        max_rows: hypotheses decoded together in one step.
        max_padded_tokens: those rows times the longest source among them; one sequence alone may exceed it.
        max_waiting: a request is refused while this many sequences of its priority wait already; of one request an
            eighth of this number counts at most.
        max_request_sequences: the most sequences of one ``submit_many``. So a document may be longer than the queue.

    Raises:
        ConfigurationError: a bound is below 1.
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
    """The queues of waiting and running sequences.

    Requests take turns: each gives one sequence, then goes to the back, so that a document of a thousand segments does
    not delay a single sentence. Within a request, first come, first served. Interactive requests go before bulk ones,
    but after four interactive sequences it is the turn of one bulk sequence, so that neither ever starves. Long
    requests are bulk. While interactive requests come, bulk sequences leave most rows free for them.

    Attributes:
        running: the sequences that hold rows.
        rows_running: their rows.
    """

    def __init__(self, limits: EngineLimits) -> None:
        self.limits = limits
        self.running: set[Sequence] = set()
        self.rows_running = 0
        self._requests: dict[Priority, deque[deque[Sequence]]] = {priority: deque() for priority in Priority}
        self._waiting = dict.fromkeys(Priority, 0)
        self._interactive_in_a_row = 0  # admitted since the last bulk sequence
        self._bulk_rows = 0
        self._quiet_steps = _QUIET_STEPS  # since the last interactive request
        self._earliest_deadline = math.inf

    @property
    def waiting_count(self) -> int:
        """How many sequences wait."""
        return sum(self._waiting.values())

    @property
    def has_work(self) -> bool:
        """True if a sequence waits or runs."""
        return bool(self.waiting_count or self.running)

    def waiting_before(self, priority: Priority) -> int:
        """How many of the waiting sequences are admitted before a newcomer of this priority."""
        own = self._waiting[priority]
        if priority is Priority.BULK:
            return self.waiting_count
        return own + min(own // _INTERACTIVE_SHARE, self._waiting[Priority.BULK])

    def enqueue(self, request: list[Sequence], retry_after_seconds: float) -> None:
        """Enqueue all sequences of a request, or none.

        Args:
            request: sequences of one priority.
            retry_after_seconds: for ``EngineOverloaded``.

        Raises:
            LimitExceeded: the request could never be admitted.
            EngineOverloaded: the queue is full for now.
        """
        limits = self.limits
        if len(request) > limits.max_request_sequences:
            raise LimitExceeded("segments in one request", limits.max_request_sequences, len(request))
        rows = max(sequence.rows for sequence in request)
        if rows > limits.max_rows:
            raise LimitExceeded("beam_size", limits.max_rows, rows)
        if len(request) > LONG_REQUEST:
            for sequence in request:
                sequence.priority = Priority.BULK
        priority = request[0].priority
        counted = self._counted(priority)
        if counted >= limits.max_waiting:
            waiting = self._waiting[priority]
            raise EngineOverloaded(f"{waiting} sequences wait, the limit is {limits.max_waiting}", retry_after_seconds)
        if priority is Priority.INTERACTIVE:
            self._quiet_steps = 0
        self._requests[priority].append(deque(request))
        self._waiting[priority] += len(request)
        self._expect_deadlines(request)

    def admit(self) -> list[Sequence]:
        """Move to running what fits now, in turn. No sequence overtakes the first that does not fit."""
        self._quiet_steps += 1
        newcomers: list[Sequence] = []
        longest = max((sequence.source_tokens for sequence in self.running), default=0) if self.waiting_count else 0
        while self.waiting_count:
            priority = self._turn()
            requests = self._requests[priority]
            request = requests[0]
            sequence = request[0]
            rows, longest = self.rows_running + sequence.rows, max(longest, sequence.source_tokens)
            too_large = rows > self.limits.max_rows or rows * longest > self.limits.max_padded_tokens
            if self.running and (too_large or not self._may_hold_rows(sequence)):
                break
            requests.popleft()
            request.popleft()
            if request:
                requests.append(request)
            self._waiting[priority] -= 1
            self._interactive_in_a_row = 0 if priority is Priority.BULK else self._interactive_in_a_row + 1
            self.rows_running = rows
            self._bulk_rows += sequence.rows if priority is Priority.BULK else 0
            self.running.add(sequence)
            newcomers.append(sequence)
        return newcomers

    def upcoming(self, count: int) -> list[Sequence]:
        """At most ``count`` of the sequences whose turn is next, as the queues are now."""
        requests = self._requests[self._turn()] if self.waiting_count else ()
        firsts = (request[slot] for slot in range(count) for request in requests if slot < len(request))
        return list(islice(firsts, count))

    def _counted(self, priority: Priority) -> int:
        """The waiting sequences of a priority, of each request at most its part of ``max_waiting``."""
        most = max(1, self.limits.max_waiting // _REQUEST_PART)
        return sum(min(len(request), most) for request in self._requests[priority])

    def _may_hold_rows(self, sequence: Sequence) -> bool:
        """False if a bulk sequence would take rows that are kept for interactive ones."""
        if sequence.priority is not Priority.BULK or self._quiet_steps > _QUIET_STEPS:
            return True
        return self._bulk_rows + sequence.rows <= max(1, self.limits.max_rows // _BULK_ROWS_PART)

    def _turn(self) -> Priority:
        """The priority whose turn it is; the queues are not empty."""
        if not self._waiting[Priority.INTERACTIVE]:
            return Priority.BULK
        is_bulk_due = self._waiting[Priority.BULK] and self._interactive_in_a_row >= _INTERACTIVE_SHARE
        # A bulk sequence that has to wait for rows must not hold up interactive ones, for which rows are kept.
        if is_bulk_due and self.running and not self._may_hold_rows(self._requests[Priority.BULK][0][0]):
            is_bulk_due = False
        return Priority.BULK if is_bulk_due else Priority.INTERACTIVE

    def release(self, sequence: Sequence) -> None:
        """Remove a running sequence that left the batch."""
        self.running.remove(sequence)
        self.rows_running -= sequence.rows
        self._bulk_rows -= sequence.rows if sequence.priority is Priority.BULK else 0

    def withdraw(self, leaves: Callable[[Sequence], bool]) -> tuple[list[Sequence], list[Sequence]]:
        """Remove the sequences for which ``leaves`` is true from both queues.

        Returns:
            Those that waited and those that ran.
        """
        waited = [sequence for sequence in self._all_waiting() if leaves(sequence)]
        ran = [sequence for sequence in self.running if leaves(sequence)]
        if waited:
            left = set(waited)
            for priority, requests in self._requests.items():
                kept = (deque(sequence for sequence in request if sequence not in left) for request in requests)
                self._requests[priority] = deque(request for request in kept if request)
                self._waiting[priority] = sum(map(len, self._requests[priority]))
        for sequence in ran:
            self.release(sequence)
        self._earliest_deadline = math.inf
        self._expect_deadlines(self.running)
        self._expect_deadlines(self._all_waiting())
        return waited, ran

    def all_sequences(self) -> list[Sequence]:
        """The running and the waiting sequences."""
        return [*self.running, *self._all_waiting()]

    def _all_waiting(self) -> Iterator[Sequence]:
        return (one for requests in self._requests.values() for request in requests for one in request)

    def is_deadline_due(self, now: float) -> bool:
        """True if a deadline may have passed. Cheap, because every step checks it."""
        return now >= self._earliest_deadline

    def _expect_deadlines(self, sequences: Iterable[Sequence]) -> None:
        for sequence in sequences:
            if sequence.deadline is not None:
                self._earliest_deadline = min(self._earliest_deadline, sequence.deadline)


def bucket(newcomers: list[Sequence], max_padded_tokens: int) -> list[list[Sequence]]:
    """Split newcomers into groups of similar length, each to be encoded in one call with little padding.

    A sequence joins the shorter ones before it if that pads them by fewer tokens than a call of its own costs. A lone
    row is computed twice (see ``app.engine.sessions``), so a second row may cost as much again.
    """
    buckets: list[list[Sequence]] = []
    for sequence in sorted(newcomers, key=lambda sequence: sequence.source_tokens):
        tokens = sequence.source_tokens
        if buckets:
            current, longest = buckets[-1], buckets[-1][-1].source_tokens
            spared = _CALL_TOKENS + (longest if len(current) == 1 else 0)
            if len(current) * (tokens - longest) <= spared and (len(current) + 1) * tokens <= max_padded_tokens:
                current.append(sequence)
                continue
        buckets.append([sequence])
    return buckets


def is_similar_length(sequence: Sequence, others: list[Sequence]) -> bool:
    """True if it is about as long as the longest of these, so that together they need little padding."""
    longest = others[-1].source_tokens
    return abs(sequence.source_tokens - longest) <= longest // 4 + 2
