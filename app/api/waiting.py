"""Waits for the engine without blocking, and notices that the client left."""

import asyncio
import time
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from typing import Any, TypeVar

from fastapi import Request

from app.errors import RequestCancelled
from app.translation.pending import GRACE_SECONDS, Pending, is_settled, settle

_Found = TypeVar("_Found")


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
        RequestCancelled: The client left.
    """
    wake = _WakeUp()
    for pending in pendings:
        pending.done.add_done_callback(wake.from_a_thread)
    departure = asyncio.ensure_future(_departure(request))
    departure.add_done_callback(wake)
    try:
        end = deadline + GRACE_SECONDS
        while not (departure.done() or is_settled(pendings)) and time.monotonic() < end:
            await wake.until(end)
        if departure.done():
            raise RequestCancelled("the client left")
        settle(pendings)
    finally:
        for pending in pendings:
            pending.cancel()
        departure.cancel()


class _WakeUp:
    """Wakes the event loop at any of several events, which is far less work than a task for each of them."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._woken: asyncio.Future[None] = self._loop.create_future()

    def __call__(self, task: "asyncio.Task[None] | None" = None) -> None:
        if task is not None and not task.cancelled():
            task.exception()  # marks the exception as retrieved
        if not self._woken.done():
            self._woken.set_result(None)

    def from_a_thread(self, future: object) -> None:
        with suppress(RuntimeError):  # the event loop is closed while the service stops
            self._loop.call_soon_threadsafe(self)

    async def until(self, end: float) -> None:
        """Wait for an event, at most until ``end``, a ``time.monotonic`` time."""
        timer = self._loop.call_later(max(0.0, end - time.monotonic()), self)
        try:
            await self._woken
        finally:
            timer.cancel()
            self._woken = self._loop.create_future()


async def unless_the_client_leaves(request: Request, work: Coroutine[Any, Any, _Found]) -> _Found:
    """Return the result of the work, which is cancelled when the client leaves.

    Raises:
        RequestCancelled: The client left.
    """
    working = asyncio.ensure_future(work)
    departure = asyncio.ensure_future(_departure(request))
    try:
        await asyncio.wait({working, departure}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise RequestCancelled("the client left")
        return working.result()
    finally:
        departure.cancel()
        if not working.done():
            working.cancel()
            with suppress(asyncio.CancelledError):
                await working


async def _departure(request: Request) -> None:
    """Wait until the client closes the connection. The body was read before, so no other message can arrive."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
