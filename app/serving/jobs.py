"""Translation jobs: the texts of a request, grouped by source language, in the queues of the engines."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Final, ParamSpec, TypeVar

from anyio.to_thread import run_sync

from app.engine.sequence import FinishReason, Listener, Priority, Timing
from app.errors import DeadlineExceeded, RequestCancelled
from app.serving.container import Serving
from app.serving.registry import ServedBundle
from app.serving.routes import ServedChain
from app.translation.assembly import Translation
from app.translation.pending import Pending
from app.translation.translator import Plan, TranslationOptions

# Segmenting and tokenising this many characters takes less time than handing them to another thread.
SHORT_CHARACTERS: Final = 1000
_Given = ParamSpec("_Given")
_Found = TypeVar("_Found")
# Makes the listeners of the segments of one group, given their number.
ListenerFactory = Callable[[int], list[Listener]]


@dataclass(frozen=True, slots=True)
class TranslationRequest:
    """A checked request, independent of the dialect that it came in.

    Attributes:
        texts: The texts.
        source: Their language; None if it is to be detected for each text.
        target: The language wanted.
        options: What the translator is told.
        priority: The queue of the engine.
    """

    texts: tuple[str, ...]
    source: str | None
    target: str
    options: TranslationOptions = field(default_factory=TranslationOptions)
    priority: Priority = Priority.INTERACTIVE

    @property
    def characters(self) -> int:
        return sum(map(len, self.texts))


@dataclass(frozen=True, slots=True)
class Group:
    """The texts of a request that are in one language; ``indices`` are their numbers in the request."""

    served: ServedBundle | ServedChain
    indices: tuple[int, ...]
    plan: Plan
    pending: Pending


@dataclass(frozen=True, slots=True)
class JobTiming:
    """The longest wait, encoding and decoding of a segment in seconds, and the steps of all segments."""

    queue_seconds: float
    encode_seconds: float
    decode_seconds: float
    steps: int
    mean_batch_rows: float


@dataclass(frozen=True, slots=True)
class Job:
    """A request whose segments are queued. A text that is in no group is in the target language already and comes back
    as it is; ``repairs`` counts what is repaired in the others.
    """

    texts: tuple[str, ...]
    groups: tuple[Group, ...]
    characters: int
    repairs: Counter[str] = field(default_factory=Counter)

    @property
    def pendings(self) -> list[Pending]:
        return [group.pending for group in self.groups]

    @property
    def segment_count(self) -> int:
        return sum(len(group.plan.segments) for group in self.groups)

    def cancel(self) -> None:
        """Free the rows of the job in the engines."""
        for group in self.groups:
            group.pending.cancel()

    async def translations(self) -> list[Translation]:
        """Put together the translation of every text, after all pendings are done."""
        translations = [Translation(text, (), ()) for text in self.texts]
        for group in self.groups:
            finish = group.served.translator.finish
            finished = await run_off_loop_if_long(self.characters, finish, group.plan, group.pending)
            for index, translation in zip(group.indices, finished, strict=True):
                pivot = group.served.pivot
                translations[index] = translation if pivot is None else replace(translation, pivot=pivot)
        for one in translations:
            for segment in one.segments:
                if segment.repairs:
                    self.repairs.update(segment.repairs)
        return translations


async def start_job(
    serving: Serving,
    request: TranslationRequest,
    sources: Sequence[str],
    deadline: float,
    listeners: Sequence[ListenerFactory] = (),
) -> Job:
    """Queue every segment of every text, or none.

    Args:
        serving: Finds the bundles, and counts the characters.
        request: What to translate.
        sources: The language of each text.
        deadline: A ``time.monotonic`` time.
        listeners: For each source language, in alphabetical order, what listens to its segments; empty for none.

    Raises:
        UnsupportedLanguage: No bundle translates one of the languages.
        InvalidRequest: An option cannot be honoured.
        DeadlineExceeded: The texts were not prepared before the deadline.
        EngineError: The engine does not take the segments.
    """
    characters = request.characters
    languages = sorted(set(sources) - {request.target})
    found = await serving.registry.acquire([(language, request.target) for language in languages], deadline)
    prepared = []
    is_given_up = threading.Event()
    check = partial(_check_wanted, deadline, is_given_up)
    try:
        for language, served in zip(languages, found, strict=True):
            indices = tuple(index for index, of_text in enumerate(sources) if of_text == language)
            texts = [request.texts[index] for index in indices]
            prepare = served.translator.prepare
            plan = await run_off_loop_if_long(characters, prepare, texts, request.options, check)
            prepared.append((served, indices, plan))
    finally:
        is_given_up.set()  # a thread that still prepares a text stops, because this coroutine was cancelled
    groups: list[Group] = []
    try:
        for number, (served, indices, plan) in enumerate(prepared):
            of_group = listeners[number](len(plan.segments)) if listeners else None
            pending = served.translator.submit(plan, deadline, request.priority, of_group)
            groups.append(Group(served, indices, plan, pending))
            queued = sum(len(request.texts[index]) for index in indices)
            serving.queued_characters[languages[number], request.target] += queued
    except Exception:
        for group in groups:
            group.pending.cancel()
        raise
    return Job(request.texts, tuple(groups), characters, serving.repairs)


def cut_reasons(translations: Sequence[Translation]) -> set[FinishReason]:
    """Collect why translations are cut.

    Raises:
        DeadlineExceeded: The decoding of no segment started, so there is no answer to give.
    """
    segments = [segment for translation in translations for segment in translation.segments]
    reasons = {segment.finish_reason for segment in segments} - {FinishReason.STOP}
    if FinishReason.DEADLINE in reasons and all(segment.is_source for segment in segments):
        raise DeadlineExceeded("the decoding of no segment started")
    return reasons


def measure_timing(translations: Sequence[Translation]) -> JobTiming:
    """Summarise where the time of a job went."""
    # A segment that stands in several texts was translated once.
    found = (segment.timing for translation in translations for segment in translation.segments)
    timings: list[Timing] = list({id(timing): timing for timing in found if timing is not None}.values())
    steps = sum(timing.steps for timing in timings)
    return JobTiming(
        queue_seconds=max((timing.queue_seconds for timing in timings), default=0.0),
        encode_seconds=max((timing.encode_seconds for timing in timings), default=0.0),
        decode_seconds=max((timing.decode_seconds for timing in timings), default=0.0),
        steps=steps,
        mean_batch_rows=sum(timing.step_rows for timing in timings) / steps if steps else 0.0,
    )


def _check_wanted(deadline: float, is_given_up: threading.Event) -> None:
    """Check whether the preparation of a request goes on.

    Raises:
        DeadlineExceeded: The deadline passed.
        RequestCancelled: The request was cancelled.
    """
    if is_given_up.is_set():
        raise RequestCancelled("the request was cancelled")
    if time.monotonic() > deadline:
        raise DeadlineExceeded("the texts were not prepared before the deadline")


async def run_off_loop_if_long(
    characters: int, work: Callable[_Given, _Found], *args: _Given.args, **kwargs: _Given.kwargs
) -> _Found:
    """Run long work on a thread, so that it does not block the event loop; run short work at once, which takes less
    time than finding a thread. A cancelled coroutine does not wait for the thread.
    """
    if characters <= SHORT_CHARACTERS:
        return work(*args, **kwargs)
    return await run_sync(partial(work, *args, **kwargs), abandon_on_cancel=True)
