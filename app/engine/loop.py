"""The engine: step() is admit -> encode newcomers -> decode_step -> advance -> finish; and the thread that calls it."""

import logging
import threading
import time
from collections.abc import Callable
from collections.abc import Sequence as SequenceOf
from concurrent.futures import Future
from typing import Final

from app.engine.batch import Batch, Ended
from app.engine.model import ModelFacts
from app.engine.pace import Pace
from app.engine.scheduler import EngineLimits, Scheduler, bucket, is_good_company
from app.engine.sequence import FinishReason, Hypothesis, Listener, Priority, SearchOptions, Sequence
from app.engine.sessions import Graphs
from app.engine.status import EngineStatus
from app.engine.tally import Tally
from app.errors import EngineStopped, InvalidRequest, LimitExceeded, StepFailed

__all__ = ["Engine", "EngineLimits", "EngineStatus"]

_LOG: Final = logging.getLogger(__name__)
# A lone newcomer costs as much as two. So where others wait, some of them are encoded with it, before their turn.
_ENCODED_TOGETHER: Final = 4
_LOOK_AHEAD: Final = 8


class Engine:
    """Decodes many sequences together, one token a step, on a thread of its own.

    The batch belongs to the engine's thread alone; the scheduler is shared and guarded by the condition.
    """

    def __init__(
        self,
        graphs: Graphs,
        facts: ModelFacts,
        limits: EngineLimits | None = None,
        name: str = "engine",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.limits = limits if limits is not None else EngineLimits()
        self.name = name
        self._facts = facts
        self._clock = clock
        self._batch = Batch(graphs, facts)
        self._scheduler = Scheduler(self.limits)
        self._pace = Pace(clock)
        self.tally = Tally()
        self._condition = threading.Condition()
        self._thread: threading.Thread | None = None
        self._accepting = False  # submit may enqueue
        self._closing = False  # leave when nothing is left
        self._aborting = False  # leave at once
        self._someone_left = False  # a future was cancelled since the last step
        self._failure: str | None = None
        self._sequences_done = 0

    def start(self) -> None:
        """Begin to accept and to decode.

        :raises EngineStopped: it was stopped; make a new one.
        """
        with self._condition:
            if self._closing:
                raise EngineStopped(f"{self.name} was stopped and does not start again")
            if self._thread is not None:
                return
            self._thread = threading.Thread(target=self._run, name=self.name, daemon=True)
            self._accepting = True
            self._thread.start()

    def stop(self, drain: bool = True, timeout_seconds: float | None = 30.0) -> None:
        """Accept nothing more, then end the thread.

        With ``drain`` what waits and runs is finished first, as far as the timeout allows; what is left then, or at
        once without ``drain``, fails with ``EngineStopped``. Returns even if a graph hangs.
        """
        with self._condition:
            self._accepting = False
            self._closing = True
            self._aborting = self._aborting or not drain
            self._condition.notify_all()
        if self._thread is None or self._thread is threading.current_thread():
            return
        self._thread.join(timeout_seconds)
        if self._thread.is_alive():
            with self._condition:
                self._aborting = True
                left = self._scheduler.everyone()  # the thread empties the queues if it ever returns
            _LOG.warning("%s: stopped with %d sequences unfinished", self.name, len(left))
            for sequence in left:
                sequence.fail(EngineStopped(f"{self.name} was stopped before this was finished"))

    def submit(
        self, source_ids: SequenceOf[int], options: SearchOptions | None = None, deadline: float | None = None
    ) -> "Future[list[Hypothesis]]":
        """Queue one source (eos included) and return the future of its hypotheses, best first.

        As ``submit_many`` with a single source.
        """
        return self.submit_many([source_ids], options, deadline)[0]

    def submit_many(
        self,
        sources: SequenceOf[SequenceOf[int]],
        options: SearchOptions | SequenceOf[SearchOptions] | None = None,
        deadline: float | None = None,
        priority: Priority = Priority.INTERACTIVE,
        listeners: SequenceOf[Listener | None] | None = None,
    ) -> "list[Future[list[Hypothesis]]]":
        """Queue all sources of a request, or none; one future each, in their order.

        Cancelling a future frees its rows at the next step. Futures fail with ``StepFailed`` or ``EngineStopped``.
        Their callbacks run on the engine's thread: keep them short.

        :param options: the same for all sources, or for each its own.
        :param deadline: a time of the engine's clock, ``time.monotonic``. What is not finished then ends as it is, with
            the reason ``deadline``: the tokens so far, or none if it never got a row.
        :param listeners: for each source, or None: told of the tokens that will not change any more, as they come, on
            the engine's thread; must neither wait nor raise.
        :raises LimitExceeded: a source, the beam or the request is larger than the engine ever takes.
        :raises InvalidRequest: a source is empty or has an id outside the vocabulary.
        :raises EngineOverloaded: the queue is full for now.
        :raises EngineStopped: not started, or stopped.
        """
        chosen = options if options is not None else SearchOptions()
        each = [chosen] * len(sources) if isinstance(chosen, SearchOptions) else chosen
        request = [self._sequence(ids, its, deadline, priority) for ids, its in zip(sources, each, strict=True)]
        if not request:
            return []
        for sequence, listener in zip(request, listeners or (), strict=listeners is not None):
            sequence.listener = listener
        with self._condition:
            if not self._accepting:
                raise EngineStopped(f"{self.name} is not running")
            before = self._scheduler.waiting_before(priority)
            self._scheduler.enqueue(request, self._pace.retry_after_seconds(before))
            self._condition.notify_all()
        self.tally.submitted(request)
        for sequence in request:
            sequence.future.add_done_callback(self._note_departure)
        return [sequence.future for sequence in request]

    def answer_late(self) -> None:
        """Answer everybody whose deadline passed with what there is, while the engine's own thread hangs in a step.

        That thread keeps the deadlines itself as long as it comes round; it frees their rows when it comes back.
        """
        now = self._clock()
        with self._condition:
            late = [sequence for sequence in self._scheduler.everyone() if sequence.is_late(now)]
            self._someone_left = self._someone_left or bool(late)
        for sequence in late:
            partial = self._batch.partial(sequence, FinishReason.DEADLINE)
            sequence.resolve(partial, self._pace.ended(sequence.watch))

    @property
    def pace(self) -> Pace:
        return self._pace

    def status(self) -> EngineStatus:
        """A picture of this moment; never waits for a step."""
        with self._condition:
            return EngineStatus(
                started=self._accepting,
                healthy=self._accepting and self._failure is None,
                failure=self._failure,
                rows_running=self._scheduler.rows_running,
                sequences_running=len(self._scheduler.running),
                sequences_waiting=self._scheduler.waiting_count,
                steps_done=self._pace.turns_done,
                sequences_done=self._sequences_done,
                last_step_seconds=self._pace.last_turn_seconds,
                step_age_seconds=self._pace.turn_age_seconds(),
            )

    def step(self) -> None:
        """One token for every running sequence. Called by the engine's thread."""
        self._drop_departed()
        self._encode(*self._admit())
        if not self._batch.rows:
            return
        self._pace.count_step(self._batch.rows)
        stepped = self._batch.decode_step()
        ended = self._batch.advance(stepped)
        self._finish(ended)
        self._batch.tell()

    def _sequence(
        self, source_ids: SequenceOf[int], options: SearchOptions, deadline: float | None, priority: Priority
    ) -> Sequence:
        facts, ids = self._facts, tuple(source_ids)
        if not ids:
            raise InvalidRequest("a source has no tokens, not even an eos")
        if len(ids) > facts.max_source_tokens:
            raise LimitExceeded("source tokens", facts.max_source_tokens, len(ids))
        # Refused here: inside the graph such an id would fail everybody's step.
        for name, given in (("source", ids), ("prefix", options.prefix)):
            if given and (min(given) < 0 or max(given) >= facts.vocabulary_size):
                raise InvalidRequest(
                    f"{name} ids go from {min(given)} to {max(given)}, "
                    f"the vocabulary from 0 to {facts.vocabulary_size - 1}"
                )
        cap = facts.target_cap(len(ids), options.max_target_tokens, len(options.prefix))
        return Sequence(ids, options, cap, deadline, self._pace.submitted(), priority)

    def _note_departure(self, future: "Future[list[Hypothesis]]") -> None:
        if future.cancelled():
            self._someone_left = True
        self.tally.ended(future)

    def _drop_departed(self) -> None:
        """Drop the sequences whose caller left, and answer those whose deadline passed with what there is."""
        now = self._clock()
        with self._condition:
            if not (self._someone_left or self._scheduler.is_deadline_due(now)):
                return
            self._someone_left = False
            waited, ran = self._scheduler.withdraw(lambda sequence: sequence.future.done() or sequence.is_late(now))
        self._batch.forget(waited)
        partial = [self._batch.partial(sequence, FinishReason.DEADLINE) for sequence in ran]
        if ran:
            self._batch.leave(ran)
        for sequence, hypotheses in zip(ran, partial, strict=True):
            sequence.resolve(hypotheses, self._pace.ended(sequence.watch))
        for sequence in waited:
            sequence.resolve(sequence.unstarted(FinishReason.DEADLINE), self._pace.ended(sequence.watch))

    def _admit(self) -> tuple[list[Sequence], list[Sequence]]:
        """Those who get rows now, and some whose turn is next, where company for a newcomer costs next to nothing."""
        with self._condition:
            newcomers = self._scheduler.admit()
            looks_ahead = newcomers and self._facts.encoder_rows == "any"
            return newcomers, self._scheduler.upcoming(_LOOK_AHEAD) if looks_ahead else []

    def _encode(self, newcomers: list[Sequence], upcoming: list[Sequence]) -> None:
        for newcomer in newcomers:
            if self._batch.is_encoded(newcomer):
                self._pace.admitted([newcomer.watch])
                self._batch.join_encoded(newcomer)
                self._pace.encoded([newcomer.watch])
        fresh = [newcomer for newcomer in newcomers if newcomer.watch.encoded is None]
        ahead = [sequence for sequence in upcoming if not self._batch.is_encoded(sequence)]
        for similar in bucket(fresh, self.limits.max_padded_tokens):
            company = [sequence for sequence in ahead if is_good_company(sequence, similar)]
            company = company[: max(0, _ENCODED_TOGETHER - len(similar))]
            ahead = [sequence for sequence in ahead if sequence not in company]
            watches = [sequence.watch for sequence in similar]
            self._pace.admitted(watches)
            self._batch.join(similar, company)
            self._pace.encoded(watches)

    def _finish(self, ended: list[Ended]) -> None:
        if not ended:
            return
        self._batch.leave([end.sequence for end in ended])
        with self._condition:
            for end in ended:
                self._scheduler.release(end.sequence)
            self._sequences_done += len(ended)
            if any(isinstance(end.outcome, list) for end in ended):
                self._failure = None
        for end in ended:
            if isinstance(end.outcome, list):
                end.sequence.resolve(end.outcome, self._pace.ended(end.sequence.watch))
            else:
                end.sequence.fail(end.outcome)

    def _run(self) -> None:
        """The thread: steps while there is work; whatever happens, no future is left hanging."""
        try:
            while self._wait_for_work():
                self._pace.begin_turn()
                done_before = self._sequences_done
                try:
                    self.step()
                except Exception as error:
                    self._fail_all(error)
                self._pace.end_turn(self._sequences_done - done_before)
        finally:
            with self._condition:
                self._accepting = False
                self._closing = True
                left = self._withdraw_all()
            self._batch.clear()
            for sequence in left:
                sequence.fail(EngineStopped(f"{self.name} was stopped before this was finished"))

    def _wait_for_work(self) -> bool:
        with self._condition:
            while not (self._closing or self._scheduler.waiting_count or self._scheduler.running):
                self._condition.wait()
            if self._aborting:
                return False
            return bool(self._scheduler.waiting_count or self._scheduler.running)

    def _fail_all(self, error: Exception) -> None:
        """A step raised: nobody's state can be trusted, so everybody fails now rather than waiting in vain."""
        _LOG.error("%s: a step failed", self.name, exc_info=error)
        self._pace.fail_turn()
        reason = f"{type(error).__name__}: {error}"
        with self._condition:
            self._failure = reason
            left = self._withdraw_all()
        self._batch.clear()
        for sequence in left:
            # An exception of its own for each: raised in many threads, a shared one would collect all their tracebacks.
            failed = StepFailed(f"{self.name}: a step failed: {reason}")
            failed.__cause__ = error
            sequence.fail(failed)

    def _withdraw_all(self) -> list[Sequence]:
        """Empty both queues; the caller holds the condition."""
        waited, ran = self._scheduler.withdraw(lambda _: True)
        return [*waited, *ran]
