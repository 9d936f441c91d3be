"""A translation as server-sent events: words as they become final, and at the end the whole answer.

The format is that of the WHATWG HTML standard, section "Server-sent events".
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from starlette.responses import StreamingResponse

from app.api.call import EVENT_STREAM, ApiCall
from app.api.errors import too_late_sentence
from app.api.responses import JsonResponse
from app.engine.sequence import Listener
from app.errors import DeadlineExceeded, PasserelleError, sentence_for_caller
from app.serving.jobs import Group, Job
from app.translation.assembly import WholeParts

# Makes the body as it is without events, and its texts, after everything is done.
AnswerFactory = Callable[[], Awaitable[tuple[Mapping[str, object], list[str]]]]


class TokenListener:
    """Receives on an engine's thread which tokens are final, and wakes the event loop.

    Attributes:
        final_tokens: The final tokens of a segment, by the number of the segment.
    """

    def __init__(self, changed: asyncio.Event) -> None:
        self.final_tokens: dict[int, tuple[int, ...]] = {}
        self._changed = changed
        self._loop = asyncio.get_running_loop()

    def make_listeners(self, count: int) -> list[Listener]:
        """Make a listener for each of ``count`` segments."""
        return [self._listener(number) for number in range(count)]

    def _listener(self, number: int) -> Listener:
        def listen(tokens: tuple[int, ...]) -> None:
            with suppress(RuntimeError):  # the event loop is closed while the service stops
                self._loop.call_soon_threadsafe(self._store, number, tokens)

        return listen

    def _store(self, number: int, tokens: tuple[int, ...]) -> None:
        self.final_tokens[number] = tokens
        self._changed.set()


@dataclass(frozen=True, slots=True)
class TextStream:
    """A job whose final tokens are listened to.

    Attributes:
        job: The queued request.
        listeners: One for each group of the job.
        changed: Set by each listener when more tokens are final.
        is_list: Each event names the text that it belongs to.
    """

    job: Job
    listeners: Sequence[TokenListener]
    changed: asyncio.Event
    is_list: bool

    def respond(self, call: ApiCall, answer: AnswerFactory) -> StreamingResponse:
        """Answer a request with events.

        Args:
            call: The request.
            answer: Makes the whole answer for the last event.
        """
        events = self._events(call, answer)
        return StreamingResponse(events, media_type=EVENT_STREAM, headers={"Cache-Control": "no-store"})

    async def _events(self, call: ApiCall, answer: AnswerFactory) -> AsyncIterator[bytes]:
        waiting = asyncio.ensure_future(call.wait_for(*self.job.pendings))
        sent = self._sent_texts()
        try:
            while not waiting.done():
                changing = asyncio.ensure_future(self.changed.wait())
                await asyncio.wait({waiting, changing}, return_when=asyncio.FIRST_COMPLETED)
                changing.cancel()
                self.changed.clear()
                for index, one in sent.items():
                    if not waiting.done() and (added := one.take_final()):
                        yield self._delta(added, index)
            waiting.result()
            body, texts = await _answer_in_time(call, answer)
            for index, text in enumerate(texts):
                done = sent[index].text if index in sent else ""
                if len(text) > len(done):
                    yield self._delta(text[len(done) :], index)
            yield _event("done", body)
        except PasserelleError as error:
            yield _event("error", {"error": sentence_for_caller(error)})
        finally:
            self.job.cancel()
            waiting.cancel()
            waiting.add_done_callback(_retrieve)

    def _sent_texts(self) -> dict[int, "_SentText"]:
        return {
            index: _SentText(number, group, listener)
            for group, listener in zip(self.job.groups, self.listeners, strict=True)
            for number, index in enumerate(group.indices)
        }

    def _delta(self, text: str, index: int) -> bytes:
        return _event("delta", {"index": index, "text": text} if self.is_list else {"text": text})


@dataclass(slots=True)
class _SentText:
    """What was sent of one text, the ``number``-th of its group."""

    number: int
    group: Group
    listener: TokenListener
    text: str = ""
    whole: WholeParts = field(default_factory=WholeParts)

    def take_final(self) -> str:
        """Return what became final since the last call."""
        translator, plan = self.group.served.translator, self.group.plan
        final = translator.read_settled(plan, self.number, self.group.pending, self.listener.final_tokens, self.whole)
        added = final[len(self.text) :]
        self.text += added
        return added


async def _answer_in_time(call: ApiCall, answer: AnswerFactory) -> tuple[Mapping[str, object], list[str]]:
    try:
        return await answer()
    except DeadlineExceeded:
        raise DeadlineExceeded(too_late_sentence(call.timeout)) from None


def _retrieve(task: "asyncio.Task[None]") -> None:
    """Mark the exception of a task as retrieved, when no code waits for its result any more."""
    if not task.cancelled():
        task.exception()


def _event(name: str, data: Mapping[str, object]) -> bytes:
    # This JSON contains no line break, so one line of data is enough.
    content = bytes(JsonResponse(data).body)
    return b"event: " + name.encode() + b"\ndata: " + content + b"\n\n"
