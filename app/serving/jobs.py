"""A translation request on its way: its texts in groups of one language, their segments in the engines."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, ParamSpec, TypeVar

from starlette.concurrency import run_in_threadpool

from app.api.libretranslate.included import timing_of
from app.api.libretranslate.translation_request import Asked
from app.api.observability.spans import current_span
from app.api.service import Service
from app.engine.sequence import FinishReason, Listener
from app.errors import DeadlineExceeded
from app.serving.registry import ServedBundle
from app.translation.assembly import Translation
from app.translation.pending import Pending
from app.translation.translator import Plan, TranslationOptions

# Splitting and tokenising so many characters takes less time than another thread takes to answer.
_SHORT_CHARACTERS: Final = 1000
_Given = ParamSpec("_Given")
_Found = TypeVar("_Found")
# For a number of segments, who listens to each.
Listen = Callable[[int], list[Listener]]


@dataclass(frozen=True, slots=True)
class Group:
    """The texts of a request that are in one language, by their place in the request."""

    served: ServedBundle
    places: tuple[int, ...]
    plan: Plan
    pending: Pending


@dataclass(frozen=True, slots=True)
class Job:
    """A text that is in no group is in the target language already, and comes back as it is."""

    texts: tuple[str, ...]
    groups: tuple[Group, ...]
    characters: int

    @property
    def pendings(self) -> list[Pending]:
        return [group.pending for group in self.groups]

    def cancel(self) -> None:
        for group in self.groups:
            group.pending.cancel()

    async def translations(self) -> list[Translation]:
        """Of every text, once all pendings are done."""
        translations = [Translation(text, (), ()) for text in self.texts]
        for group in self.groups:
            finished = await on_a_thread_if_long(
                self.characters, group.served.translator.finish, group.plan, group.pending
            )
            for place, translation in zip(group.places, finished, strict=True):
                translations[place] = translation
        span = current_span()
        if span is not None:
            segments = sum(len(group.plan.segments) for group in self.groups)
            times = timing_of(translations, 0.0)
            del times["total_seconds"]  # the span's own
            span.note({"characters": self.characters, "segments": segments} | times)
        return translations


async def begin(
    service: Service, asked: Asked, sources: Sequence[str], deadline: float, listen: Sequence[Listen] = ()
) -> Job:
    """Queue every segment of every text, or none.

    :param sources: of each text, its language.
    :param listen: of each language in their order, who listens; empty if nobody does.
    """
    options = _options(asked)
    characters = sum(map(len, asked.texts))
    languages = sorted(set(sources) - {asked.target})
    prepared = []
    for language in languages:
        served = service.registry.find(language, asked.target)
        places = tuple(place for place, of_place in enumerate(sources) if of_place == language)
        texts = [asked.texts[place] for place in places]
        prepared.append(
            (served, places, await on_a_thread_if_long(characters, served.translator.prepare, texts, options))
        )
    groups: list[Group] = []
    try:
        for number, (served, places, plan) in enumerate(prepared):
            listeners = listen[number](len(plan.segments)) if listen else None
            pending = served.translator.submit(plan, deadline, asked.priority, listeners)
            groups.append(Group(served, places, plan, pending))
            service.traffic.characters[languages[number], asked.target] += sum(len(asked.texts[one]) for one in places)
    except Exception:
        for group in groups:
            group.pending.cancel()
        raise
    return Job(asked.texts, tuple(groups), characters)


def cut_reasons(translations: Sequence[Translation]) -> set[FinishReason]:
    """Why something was cut; said in a header, which changes no body.

    :raises DeadlineExceeded: nothing at all was begun, so there is no answer to give.
    """
    segments = [segment for translation in translations for segment in translation.segments]
    reasons = {segment.finish_reason for segment in segments} - {FinishReason.STOP}
    if FinishReason.DEADLINE in reasons and all(segment.is_source for segment in segments):
        raise DeadlineExceeded("no segment was begun")
    return reasons


async def on_a_thread_if_long(
    characters: int, work: Callable[_Given, _Found], *args: _Given.args, **kwargs: _Given.kwargs
) -> _Found:
    """Long work must not keep the event loop from everybody else; short work is done before a thread is found."""
    if characters <= _SHORT_CHARACTERS:
        return work(*args, **kwargs)
    return await run_in_threadpool(work, *args, **kwargs)


def _options(asked: Asked) -> TranslationOptions:
    return TranslationOptions(
        beam_size=asked.beam_size,
        alternatives=asked.alternatives,
        text_format=asked.text_format,
        tags=asked.tags,
        splitting=asked.splitting,
        keeps_form=asked.keeps_form,
        terms=asked.terms,
        alignment="alignment" in asked.include,
        target_prefix=asked.target_prefix,
        no_repeat_ngram=asked.no_repeat_ngram,
        temperature=asked.temperature,
        top_k=asked.top_k,
        seed=asked.seed,
    )
