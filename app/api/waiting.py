"""Waits for the engine without blocking, and notices that the client left or that the service has to end."""

import asyncio
import time
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from typing import Any, Final, TypeVar

from fastapi import Request

from app.api.observability.spans import current_span
from app.engine.sequence import FinishReason
from app.errors import EngineStopped, RequestCancelled
from app.serving.jobs import Job, cut_reasons, measure_timing
from app.translation.assembly import Translation
from app.translation.pending import GRACE_SECONDS, Pending, is_settled, settle

# A task that waits for the client's departure costs more than what is saved where the answer comes within this time.
_UNWATCHED_SECONDS: Final = 0.25
STOPPED_SENTENCE: Final = "The service is being stopped, and the time to finish this request is over"
_Found = TypeVar("_Found")


class StopSignal:
    """Tells all waits that the time to finish running requests is over. Used by the event loop's thread alone.

    Attributes:
        is_set: Whether that time is over.
    """

    def __init__(self) -> None:
        self.is_set = False
        self._wake_ups: set[Callable[[], None]] = set()

    def set(self) -> None:
        """End all waits."""
        self.is_set = True
        for wake_up in tuple(self._wake_ups):
            wake_up()

    def wake(self, wake_up: Callable[[], None]) -> None:
        """Call a function at the signal, if it is not forgotten before."""
        self._wake_ups.add(wake_up)

    def forget(self, wake_up: Callable[[], None]) -> None:
        """Do not call a function any more."""
        self._wake_ups.discard(wake_up)

    def check(self) -> None:
        """Check that there is still time.

        Raises:
            EngineStopped: The time is over.
        """
        if self.is_set:
            raise EngineStopped(STOPPED_SENTENCE)


def stop_signal_of(request: Request) -> StopSignal:
    """Return the signal of the application that a request came to."""
    found = request.app.state.stop_signal
    assert isinstance(found, StopSignal)
    return found


async def wait_for(request: Request, pendings: Sequence[Pending], deadline: float) -> None:
    """Wait until all are done. Otherwise they are cancelled, so that the engine does not work for a client that left.

    Args:
        request: Tells when the client leaves.
        pendings: What the engine works on.
        deadline: A ``time.monotonic`` time. The engine observes it by itself, and has ``GRACE_SECONDS`` to do so; then
            it is taken to hang and made to answer what it has.

    Raises:
        EngineError: What the engine failed with.
        DeadlineExceeded: The engine did not answer.
        EngineStopped: The service has to end.
        RequestCancelled: The client left.
    """
    wake, stop_signal = _WakeUp(), stop_signal_of(request)
    stop_signal.wake(wake)
    for pending in pendings:
        pending.done.add_done_callback(wake.from_a_thread)
    end, watch_at = deadline + GRACE_SECONDS, time.monotonic() + _UNWATCHED_SECONDS
    departure: asyncio.Task[None] | None = None
    try:
        while not (_is_over(departure) or stop_signal.is_set or is_settled(pendings)):
            if (now := time.monotonic()) >= end:
                break
            if departure is None and now >= watch_at:
                departure = asyncio.create_task(_departure(request))
                departure.add_done_callback(wake)
            await wake.until(end if departure is not None else min(end, watch_at))
        if _is_over(departure):
            raise RequestCancelled("the client left")
        if stop_signal.is_set and not is_settled(pendings):
            stop_signal.check()
        settle(pendings)
    finally:
        stop_signal.forget(wake)
        for pending in pendings:
            pending.cancel()
        if departure is not None:
            departure.cancel()


def _is_over(task: "asyncio.Task[None] | None") -> bool:
    return task is not None and task.done()


class _WakeUp:
    """Wakes the event loop at any of several events, which is far less work than a task for each of them."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._woken: asyncio.Future[None] = self._loop.create_future()

    def __call__(self, task: "asyncio.Task[Any] | None" = None) -> None:
        if task is not None and not task.cancelled():
            task.exception()  # marks the exception as retrieved
        if not self._woken.done():
            self._woken.set_result(None)

    def from_a_thread(self, future: object) -> None:
        with suppress(RuntimeError):  # the event loop is closed while the service stops
            self._loop.call_soon_threadsafe(self)

    async def until(self, end: float | None = None) -> None:
        """Wait for an event, at most until ``end``, a ``time.monotonic`` time."""
        timer = None if end is None else self._loop.call_later(max(0.0, end - time.monotonic()), self)
        try:
            await self._woken
        finally:
            if timer is not None:
                timer.cancel()
            self._woken = self._loop.create_future()


async def unless_the_client_leaves(request: Request, work: Coroutine[Any, Any, _Found]) -> _Found:
    """Return the result of the work, which is cancelled when the client leaves or the service has to end.

    Raises:
        EngineStopped: The service has to end.
        RequestCancelled: The client left.
    """
    wake, stop_signal = _WakeUp(), stop_signal_of(request)
    working = asyncio.ensure_future(work)
    departure = asyncio.ensure_future(_departure(request))
    for task in (working, departure):
        task.add_done_callback(wake)
    try:
        stop_signal.wake(wake)
        while not (working.done() or departure.done() or stop_signal.is_set):
            await wake.until()
        if not working.done():
            stop_signal.check()
            raise RequestCancelled("the client left")
        return working.result()
    finally:
        stop_signal.forget(wake)
        departure.cancel()
        if not working.done():
            working.cancel()
            with suppress(asyncio.CancelledError):
                await working


async def _departure(request: Request) -> None:
    """Wait until the client closes the connection. The body was read before, so no other message can arrive."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def finish_job(job: Job) -> tuple[list[Translation], set[FinishReason]]:
    """Put together the translations of a job that is done, and record its timing in the span of the request."""
    translations = await job.translations()
    span = current_span()
    if span is not None:
        timing = measure_timing(translations)
        span.record(
            {
                "characters": job.characters,
                "segments": job.segment_count,
                "queue_seconds": timing.queue_seconds,
                "encode_seconds": timing.encode_seconds,
                "decode_seconds": timing.decode_seconds,
                "steps": timing.steps,
                "mean_batch_rows": timing.mean_batch_rows,
            }
        )
    return translations, cut_reasons(translations)
