"""Waiting for the engine without blocking, and noticing that the client has gone."""

import asyncio
import time
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, TypeVar

from fastapi import Request

from app.errors import DeadlineExceeded, RequestCancelled
from app.translation.pending import GRACE_SECONDS, Pending

_Found = TypeVar("_Found")


async def wait_for(request: Request, pendings: list[Pending], deadline: float) -> None:
    """Until all are done. Otherwise they are cancelled, so that the engine works for nobody who is not there.

    :param deadline: a ``time.monotonic`` time.
    :raises EngineError: what the engine failed with, ``DeadlineExceeded`` or ``RequestCancelled``.
    """
    news = _News()
    for pending in pendings:
        pending.done.add_done_callback(news.from_a_thread)
    departure = asyncio.ensure_future(_departure(request))
    departure.add_done_callback(news)
    try:
        end = deadline + GRACE_SECONDS
        while not (departure.done() or _is_settled(pendings)) and time.monotonic() < end:
            await news.until(end)
        if departure.done():
            raise RequestCancelled("the client left")
        if not _is_settled(pendings):
            for pending in pendings:
                pending.answer_late()
        if not _is_settled(pendings):
            raise DeadlineExceeded("the engine did not answer in time")
        for pending in pendings:
            if pending.done.done():
                pending.done.result(timeout=0)
    finally:
        for pending in pendings:
            pending.cancel()
        departure.cancel()


def _is_settled(pendings: list[Pending]) -> bool:
    """Are all done, or did one fail?"""
    done = [pending.done for pending in pendings if pending.done.done()]
    return len(done) == len(pendings) or any(one.exception() is not None for one in done)


class _News:
    """Wakes the event loop when something happens: far less work than a task for each thing that may."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._woken: asyncio.Future[None] = self._loop.create_future()

    def __call__(self, task: "asyncio.Task[None] | None" = None) -> None:
        if task is not None and not task.cancelled():
            task.exception()  # somebody looked at it
        if not self._woken.done():
            self._woken.set_result(None)

    def from_a_thread(self, _: object) -> None:
        with suppress(RuntimeError):  # the service ends, and with it the event loop
            self._loop.call_soon_threadsafe(self)

    async def until(self, end: float) -> None:
        """Until something happens, or ``end``, a ``time.monotonic`` time."""
        timer = self._loop.call_later(max(0.0, end - time.monotonic()), self)
        try:
            await self._woken
        finally:
            timer.cancel()
            self._woken = self._loop.create_future()


async def unless_the_client_leaves(request: Request, work: Coroutine[Any, Any, _Found]) -> _Found:
    """What the work comes to; it is cancelled when nobody waits for it any more.

    :raises RequestCancelled: the client left.
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
    """Ends when the client closes the connection. The body was read before, so nothing else can come."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
