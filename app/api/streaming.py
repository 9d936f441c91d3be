"""A translation as server-sent events: words as they become final, and at the end the whole answer.

The format is that of the WHATWG HTML standard, section "Server-sent events".
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import suppress
from typing import Final

from fastapi import Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import StreamingResponse

from app.api.errors import sentence_of
from app.api.responses import JsonResponse
from app.api.waiting import wait_for
from app.engine.sequence import Listener
from app.errors import PasserelleError
from app.pending import Pending
from app.translation import WholeParts
from app.translator import Plan, Translator

EVENT_STREAM: Final = "text/event-stream"


def wants_events(request: Request) -> bool:
    """Does the client accept events and name no JSON before?"""
    accepted = [kind.split(";")[0].strip().lower() for kind in request.headers.get("accept", "").split(",")]
    return accepted[0] == EVENT_STREAM


class Ear:
    """Hears on the engine's thread which tokens are final, and wakes the event loop."""

    def __init__(self, plan: Plan) -> None:
        self.heard: dict[int, tuple[int, ...]] = {}
        self.news = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self.listeners: list[Listener] = [self._listener(number) for number in range(len(plan.segments))]

    def _listener(self, number: int) -> Listener:
        def listen(settled: tuple[int, ...]) -> None:
            with suppress(RuntimeError):  # the service ends, and with it the event loop
                self._loop.call_soon_threadsafe(self._hear, number, settled)

        return listen

    def _hear(self, number: int, settled: tuple[int, ...]) -> None:
        self.heard[number] = settled
        self.news.set()


def event_response(
    request: Request,
    translator: Translator,
    plan: Plan,
    pending: Pending,
    ear: Ear,
    deadline: float,
    whole: Callable[[], tuple[Mapping[str, object], str]],
) -> StreamingResponse:
    """The answer to a request that was queued already.

    :param whole: the body as it would be without events and the text of it, once everything is done.
    """
    events = _events(request, translator, plan, pending, ear, deadline, whole)
    return StreamingResponse(events, media_type=EVENT_STREAM, headers={"Cache-Control": "no-store"})


async def _events(
    request: Request,
    translator: Translator,
    plan: Plan,
    pending: Pending,
    ear: Ear,
    deadline: float,
    whole: Callable[[], tuple[Mapping[str, object], str]],
) -> AsyncIterator[bytes]:
    waiting = asyncio.ensure_future(wait_for(request, [pending], deadline))
    sent, parts = "", WholeParts()
    try:
        while not waiting.done():
            news = asyncio.ensure_future(ear.news.wait())
            await asyncio.wait({waiting, news}, return_when=asyncio.FIRST_COMPLETED)
            news.cancel()
            ear.news.clear()
            known = translator.known(plan, pending, ear.heard, parts)
            if len(known) > len(sent) and not waiting.done():
                yield _event("delta", {"text": known[len(sent) :]})
                sent = known
        waiting.result()
        body, text = await run_in_threadpool(whole)
        if len(text) > len(sent):
            yield _event("delta", {"text": text[len(sent) :]})
        yield _event("done", body)
    except PasserelleError as error:
        yield _event("error", {"error": sentence_of(error)})
    finally:
        pending.cancel()
        waiting.cancel()
        waiting.add_done_callback(_forget)


def _forget(task: "asyncio.Task[None]") -> None:
    """Nobody is there any more to hear how it ended."""
    if not task.cancelled():
        task.exception()


def _event(name: str, data: Mapping[str, object]) -> bytes:
    # JSON has no line break of its own, so one line of data is enough.
    content = bytes(JsonResponse(data).body)
    return b"event: " + name.encode() + b"\ndata: " + content + b"\n\n"
