"""A translation as server-sent events: words as they become final, and at the end the whole answer.

The format is that of the WHATWG HTML standard, section "Server-sent events".
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from fastapi import Request
from starlette.responses import StreamingResponse

from app.api.errors import sentence_of
from app.api.responses import JsonResponse
from app.api.waiting import wait_for
from app.engine.sequence import Listener
from app.errors import PasserelleError
from app.serving.jobs import Group, Job
from app.translation.assembly import WholeParts

EVENT_STREAM: Final = "text/event-stream"


def wants_events(request: Request) -> bool:
    """Does the client accept events and name no JSON before?"""
    accepted = [kind.split(";")[0].strip().lower() for kind in request.headers.get("accept", "").split(",")]
    return accepted[0] == EVENT_STREAM


class Ear:
    """Hears on an engine's thread which tokens are final, and wakes the event loop."""

    def __init__(self, news: asyncio.Event) -> None:
        self.heard: dict[int, tuple[int, ...]] = {}  # by the number of the segment
        self._news = news
        self._loop = asyncio.get_running_loop()

    def listeners(self, count: int) -> list[Listener]:
        """One for each of so many segments."""
        return [self._listener(number) for number in range(count)]

    def _listener(self, number: int) -> Listener:
        def listen(settled: tuple[int, ...]) -> None:
            with suppress(RuntimeError):  # the service ends, and with it the event loop
                self._loop.call_soon_threadsafe(self._hear, number, settled)

        return listen

    def _hear(self, number: int, settled: tuple[int, ...]) -> None:
        self.heard[number] = settled
        self._news.set()


@dataclass(slots=True)
class _Told:
    """What was sent of one text, the ``index``-th of its group."""

    place: int
    index: int
    group: Group
    ear: Ear
    sent: str = ""
    whole: WholeParts = field(default_factory=WholeParts)

    def news(self) -> str:
        """What is known by now and was not sent yet."""
        translator, plan = self.group.served.translator, self.group.plan
        known = translator.read_settled(plan, self.index, self.group.pending, self.ear.heard, self.whole)
        added = known[len(self.sent) :]
        self.sent += added
        return added


def event_response(
    request: Request,
    job: Job,
    ears: Sequence[Ear],
    news: asyncio.Event,
    deadline: float,
    answer: Callable[[], Awaitable[tuple[Mapping[str, object], list[str]]]],
    is_list: bool,
) -> StreamingResponse:
    """The answer to a request that was queued already.

    :param answer: the body as it would be without events and its texts, once everything is done.
    :param is_list: every event says which text it is of.
    """
    events = _events(request, job, ears, news, deadline, answer, is_list)
    return StreamingResponse(events, media_type=EVENT_STREAM, headers={"Cache-Control": "no-store"})


async def _events(
    request: Request,
    job: Job,
    ears: Sequence[Ear],
    news: asyncio.Event,
    deadline: float,
    answer: Callable[[], Awaitable[tuple[Mapping[str, object], list[str]]]],
    is_list: bool,
) -> AsyncIterator[bytes]:
    waiting = asyncio.ensure_future(wait_for(request, job.pendings, deadline))
    told = {
        place: _Told(place, index, group, ear)
        for group, ear in zip(job.groups, ears, strict=True)
        for index, place in enumerate(group.places)
    }
    try:
        while not waiting.done():
            hearing = asyncio.ensure_future(news.wait())
            await asyncio.wait({waiting, hearing}, return_when=asyncio.FIRST_COMPLETED)
            hearing.cancel()
            news.clear()
            for place, one in told.items():
                if not waiting.done() and (added := one.news()):
                    yield _delta(added, place, is_list)
        waiting.result()
        body, texts = await answer()
        for place, text in enumerate(texts):
            sent = told[place].sent if place in told else ""
            if len(text) > len(sent):
                yield _delta(text[len(sent) :], place, is_list)
        yield _event("done", body)
    except PasserelleError as error:
        yield _event("error", {"error": sentence_of(error)})
    finally:
        job.cancel()
        waiting.cancel()
        waiting.add_done_callback(_forget)


def _forget(task: "asyncio.Task[None]") -> None:
    """Nobody is there any more to hear how it ended."""
    if not task.cancelled():
        task.exception()


def _delta(text: str, place: int, is_list: bool) -> bytes:
    return _event("delta", {"index": place, "text": text} if is_list else {"text": text})


def _event(name: str, data: Mapping[str, object]) -> bytes:
    # JSON has no line break of its own, so one line of data is enough.
    content = bytes(JsonResponse(data).body)
    return b"event: " + name.encode() + b"\ndata: " + content + b"\n\n"
