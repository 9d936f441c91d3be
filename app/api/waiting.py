"""Waiting for the engine without blocking, and noticing that the client has gone."""

import asyncio
import time

from fastapi import Request

from app.errors import DeadlineExceeded, RequestCancelled
from app.pending import GRACE_SECONDS, Pending


async def wait_for(request: Request, pendings: list[Pending], deadline: float) -> None:
    """Until all are done. Otherwise they are cancelled, so that the engine works for nobody who is not there.

    :param deadline: a ``time.monotonic`` time.
    :raises EngineError: what the engine failed with, ``DeadlineExceeded`` or ``RequestCancelled``.
    """
    answers = asyncio.ensure_future(_answers(pendings))
    departure = asyncio.ensure_future(_departure(request))
    try:
        left_seconds = max(0.0, deadline - time.monotonic()) + GRACE_SECONDS
        await asyncio.wait({answers, departure}, timeout=left_seconds, return_when=asyncio.FIRST_COMPLETED)
        if not (answers.done() or departure.done()):
            for pending in pendings:
                pending.answer_late()
            await asyncio.wait({answers}, timeout=GRACE_SECONDS)
        if answers.done():
            answers.result()
        elif departure.done():
            raise RequestCancelled("the client left")
        else:
            raise DeadlineExceeded("the engine did not answer in time")
    finally:
        for pending in pendings:
            pending.cancel()
        for task in (answers, departure):
            task.cancel()
        await asyncio.gather(answers, departure, return_exceptions=True)


async def _answers(pendings: list[Pending]) -> None:
    await asyncio.gather(*(asyncio.wrap_future(pending.done) for pending in pendings))


async def _departure(request: Request) -> None:
    """Ends when the client closes the connection. The body was read before, so nothing else can come."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
