"""The engine and its thread: one step is admit -> encode newcomers -> decode_step -> advance -> finish."""

import logging
import threading
import time
from collections.abc import Callable
from collections.abc import Sequence as SequenceOf
from concurrent.futures import Future
from typing import Final

from app.engine.batch import Batch, Ended
from app.engine.metrics import EngineStatus, Lifecycle, SequenceMetrics, StepMetrics
from app.engine.model import DecodingModel, Graphs
from app.engine.prefetch import Prefetch
from app.engine.scheduler import EngineLimits, Scheduler
from app.engine.sequence import FinishReason, Hypothesis, Listener, Priority, SearchOptions, Sequence
from app.errors import EngineStopped, StepFailed

__all__ = ["Engine", "EngineLimits", "EngineStatus"]

_LOG: Final = logging.getLogger(__name__)


class Engine:
    """Decodes many sequences together, one token a step, on a thread of its own.

    Only the engine's thread uses the batch and the prefetch. The scheduler and the lifecycle are shared; the condition
    guards them.
    """

    def __init__(
        self,
        graphs: Graphs,
        model: DecodingModel,
        limits: EngineLimits | None = None,
        name: str = "engine",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.limits = limits if limits is not None else EngineLimits()
        self.name = name
        self.step_metrics = StepMetrics(clock)
        self.sequence_metrics = SequenceMetrics()
        self.model = model
        self._clock = clock
        self._batch = Batch(graphs, model)
        self._prefetch = Prefetch(graphs, model, self.limits.max_padded_tokens)
        self._scheduler = Scheduler(self.limits)
        self._condition = threading.Condition()
        self._thread: threading.Thread | None = None
        self._lifecycle = Lifecycle.CREATED
        self._has_departures = False  # a future was cancelled since the last step
        self._failure: str | None = None
        self._sequences_done = 0

    def start(self) -> None:
        """Accept sequences and decode them. Has no effect on an engine that runs.

        Raises:
            EngineStopped: it was stopped; a new engine is needed.
        """
        with self._condition:
            if self._lifecycle > Lifecycle.RUNNING:
                raise EngineStopped(f"{self.name} was stopped and does not start again")
            if self._lifecycle is Lifecycle.RUNNING:
                return
            self._thread = threading.Thread(target=self._run, name=self.name, daemon=True)
            self._enter(Lifecycle.RUNNING)
            self._thread.start()

    def stop(self, drain: bool = True, timeout_seconds: float | None = 30.0) -> None:
        """Accept nothing more, then end the thread. Returns even if a graph hangs.

        Args:
            drain: finish what waits and runs, as far as the timeout allows. What is left then, or at once without
                ``drain``, fails with ``EngineStopped``.
            timeout_seconds: of waiting for the thread; None waits without a limit.
        """
        with self._condition:
            self._enter(Lifecycle.DRAINING if drain else Lifecycle.ABORTING)
        if self._thread is None or self._thread is threading.current_thread():
            return
        self._thread.join(timeout_seconds)
        if self._thread.is_alive():
            with self._condition:
                self._enter(Lifecycle.ABORTING)
                left = self._scheduler.all_sequences()  # the thread empties the queues if it ever returns
            _LOG.warning("%s: stopped with %d sequences unfinished", self.name, len(left))
            self._fail_stopped(left)

    def submit(
        self, source_ids: SequenceOf[int], options: SearchOptions | None = None, deadline: float | None = None
    ) -> "Future[list[Hypothesis]]":
        """Queue one source (eos included) and return the future of its hypotheses; see ``submit_many``."""
        return self.submit_many([source_ids], options, deadline)[0]

    def submit_many(
        self,
        sources: SequenceOf[SequenceOf[int]],
        options: SearchOptions | SequenceOf[SearchOptions] | None = None,
        deadline: float | None = None,
        priority: Priority = Priority.INTERACTIVE,
        listeners: SequenceOf[Listener | None] | None = None,
    ) -> "list[Future[list[Hypothesis]]]":
        """Queue all sources of a request, or none.

        Cancelling a future frees its rows at the next step. Futures fail with ``StepFailed`` or ``EngineStopped``.
        Their callbacks run on the engine's thread: keep them short.

        Args:
            sources: token ids, eos included.
            options: the same for all sources, or one for each.
            deadline: a time of the engine's clock, ``time.monotonic``. What is not finished then ends as it is, with
                the reason ``deadline``: the tokens so far, or none if it never got a row.
            priority: of all sources.
            listeners: for each source a function or None. It is called with the tokens that will not change any more,
                as they come, on the engine's thread; it must neither wait nor raise.

        Returns:
            The future of the hypotheses, best first, of each source in their order.

        Raises:
            LimitExceeded: a source, the beam or the request is larger than the engine ever takes.
            InvalidRequest: a source is empty or has an id outside the vocabulary.
            EngineOverloaded: the queue is full for now.
            EngineStopped: the engine is not started, or stopped.
        """
        chosen = options if options is not None else SearchOptions()
        each = [chosen] * len(sources) if isinstance(chosen, SearchOptions) else chosen
        request = [self._sequence(tuple(ids), its, deadline, priority) for ids, its in zip(sources, each, strict=True)]
        if not request:
            return []
        for sequence, listener in zip(request, listeners or (), strict=listeners is not None):
            sequence.listener = listener
        with self._condition:
            if self._lifecycle is not Lifecycle.RUNNING:
                raise EngineStopped(f"{self.name} is not running")
            before = self._scheduler.waiting_before(priority)
            self._scheduler.enqueue(request, self.step_metrics.retry_after_seconds(before))
            self._condition.notify_all()
        self.sequence_metrics.submit(request)
        for sequence in request:
            sequence.future.add_done_callback(self._note_departure)
        return [sequence.future for sequence in request]

    def answer_late(self) -> None:
        """Resolve every sequence whose deadline passed with what there is, while a step hangs.

        The engine's thread keeps the deadlines itself as long as it makes steps; it frees the rows when it returns.
        """
        now = self._clock()
        with self._condition:
            late = [sequence for sequence in self._scheduler.all_sequences() if sequence.is_late(now)]
            self._has_departures = self._has_departures or bool(late)
        for sequence in late:
            self._resolve(sequence, self._batch.cut(sequence, FinishReason.DEADLINE))

    def status(self) -> EngineStatus:
        """The state at this moment; never waits for a step."""
        with self._condition:
            is_running = self._lifecycle is Lifecycle.RUNNING
            return EngineStatus(
                started=is_running,
                healthy=is_running and self._failure is None,
                failure=self._failure,
                rows_running=self._scheduler.rows_running,
                sequences_running=len(self._scheduler.running),
                sequences_waiting=self._scheduler.waiting_count,
                steps_done=self.step_metrics.turns_done,
                sequences_done=self._sequences_done,
                last_step_seconds=self.step_metrics.last_turn_seconds,
                step_age_seconds=self.step_metrics.turn_age_seconds(),
            )

    def step(self) -> None:
        """One token for every running sequence. The engine's thread calls this."""
        self._drop_departed()
        self._admit()
        if not self._batch.rows:
            return
        self.step_metrics.count_step(self._batch.rows)
        stepped = self._batch.decode_step()
        self._finish(self._batch.advance(stepped))
        self._batch.report()

    def _enter(self, state: Lifecycle) -> None:
        """Move on to a state, unless the engine is beyond it. The caller holds the condition."""
        self._lifecycle = max(self._lifecycle, state)
        self._condition.notify_all()

    def _sequence(
        self, source_ids: tuple[int, ...], options: SearchOptions, deadline: float | None, priority: Priority
    ) -> Sequence:
        self.model.check_ids(source_ids, options.prefix)
        cap = self.model.target_cap(len(source_ids), options.max_target_tokens, len(options.prefix))
        return Sequence(source_ids, options, cap, deadline, self.step_metrics.start_watch(), priority)

    def _note_departure(self, future: "Future[list[Hypothesis]]") -> None:
        if future.cancelled():
            self._has_departures = True
        self.sequence_metrics.finish(future)

    def _resolve(self, sequence: Sequence, hypotheses: list[Hypothesis]) -> None:
        sequence.resolve(hypotheses, self.step_metrics.finish(sequence.watch))

    def _drop_departed(self) -> None:
        """Drop the sequences that were cancelled, and resolve those whose deadline passed with what there is."""
        now = self._clock()
        with self._condition:
            if not (self._has_departures or self._scheduler.is_deadline_due(now)):
                return
            self._has_departures = False
            waited, ran = self._scheduler.withdraw(lambda sequence: sequence.future.done() or sequence.is_late(now))
        self._prefetch.forget(waited)
        partial = [self._batch.cut(sequence, FinishReason.DEADLINE) for sequence in ran]
        if ran:
            self._batch.leave(ran)
        for sequence, hypotheses in zip(ran, partial, strict=True):
            self._resolve(sequence, hypotheses)
        for sequence in waited:
            self._resolve(sequence, sequence.finish_empty(FinishReason.DEADLINE))

    def _admit(self) -> None:
        """Give rows to the sequences that fit now, and encode some whose turn is next where that costs little."""
        with self._condition:
            newcomers = self._scheduler.admit()
            count = self._prefetch.look_ahead(newcomers)
            upcoming = self._scheduler.upcoming(count) if count else []
        if not newcomers:
            return
        for call in self._prefetch.plan(newcomers, upcoming):
            watches = [sequence.watch for sequence in call.newcomers]
            self.step_metrics.admit(watches)
            self._batch.join(call.newcomers, self._prefetch.encode(call))
            self.step_metrics.encode(watches)

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
                self._resolve(end.sequence, end.outcome)
            else:
                end.sequence.fail(end.outcome)

    def _run(self) -> None:
        """The thread: makes steps while there is work. Whatever happens, every future is resolved."""
        try:
            while self._wait_for_work():
                self.step_metrics.begin_turn()
                done_before = self._sequences_done
                try:
                    self.step()
                except Exception as error:
                    self._fail_all(error)
                self.step_metrics.end_turn(self._sequences_done - done_before)
        finally:
            with self._condition:
                self._enter(Lifecycle.STOPPED)
                left = self._clear()
            self._fail_stopped(left)

    def _wait_for_work(self) -> bool:
        with self._condition:
            while self._lifecycle is Lifecycle.RUNNING and not self._scheduler.has_work:
                self._condition.wait()
            return self._lifecycle < Lifecycle.ABORTING and self._scheduler.has_work

    def _fail_all(self, error: Exception) -> None:
        """A step raised, so the state of no row can be trusted: every sequence fails now."""
        _LOG.error("%s: a step failed", self.name, exc_info=error)
        self.step_metrics.fail_turn()
        reason = f"{type(error).__name__}: {error}"
        with self._condition:
            self._failure = reason
            left = self._clear()
        for sequence in left:
            # An exception of its own for each: raised in many threads, a shared one would collect all their tracebacks.
            failed = StepFailed(f"{self.name}: a step failed: {reason}")
            failed.__cause__ = error
            sequence.fail(failed)

    def _fail_stopped(self, sequences: list[Sequence]) -> None:
        for sequence in sequences:
            sequence.fail(EngineStopped(f"{self.name} was stopped before this was finished"))

    def _clear(self) -> list[Sequence]:
        """Empty the queues, the batch and the prefetch; return the sequences that were there. The caller holds the
        condition."""
        waited, ran = self._scheduler.withdraw(lambda _: True)
        self._batch.clear()
        self._prefetch.clear()
        return [*waited, *ran]
