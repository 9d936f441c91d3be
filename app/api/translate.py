"""POST /translate as LibreTranslate's clients speak it."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from app.api.asked import Asked, parse_asked
from app.api.body import Fields, read_fields
from app.api.descriptions import (
    FINISH_REASON_HEADER,
    TRANSLATE_BODY,
    TRANSLATE_PARAMETERS,
    TRANSLATE_RESPONSES,
    TRANSLATE_SUMMARY,
)
from app.api.included import SERVER_TIMING_HEADER, alignment_of, scores_of, server_timing, timing_of
from app.api.responses import JsonResponse, error_response
from app.api.service import Service, service_of
from app.api.streaming import Ear, event_response, wants_events
from app.api.timeout import RequestTimeout, timeout_of
from app.api.waiting import wait_for
from app.engine.sequence import FinishReason
from app.errors import DeadlineExceeded, EngineStopped
from app.text.language import Detection
from app.translation import Part
from app.translator import Translation, TranslationOptions, Translator

router = APIRouter(tags=["translation"])


@dataclass(frozen=True, slots=True)
class _Group:
    """The texts of a request that are in one language, by their place in the request."""

    translator: Translator
    places: tuple[int, ...]


@router.post(
    "/translate",
    summary="Translate a text, or a list of texts",
    description=TRANSLATE_SUMMARY,
    openapi_extra={"parameters": TRANSLATE_PARAMETERS, "requestBody": TRANSLATE_BODY},
    responses=TRANSLATE_RESPONSES,
    response_model=None,
)
async def translate(request: Request) -> Response:
    service = service_of(request)
    timeout = timeout_of(request, service.settings.request_timeout_seconds)
    try:
        async with asyncio.timeout(timeout.seconds):
            fields = await read_fields(request)
    except TimeoutError:
        return error_response(408, f"The body did not arrive within {timeout}", {"Connection": "close"})
    try:
        return await _answer(request, service, fields, timeout)
    except DeadlineExceeded:
        raise _too_late(timeout) from None


def _too_late(timeout: RequestTimeout) -> DeadlineExceeded:
    return DeadlineExceeded(f"Nothing was translated within {timeout}; send less at once")


async def _answer(request: Request, service: Service, fields: Fields, timeout: RequestTimeout) -> Response:
    asked = parse_asked(fields, service.settings, service.registry)
    if not service.registry.served:
        raise EngineStopped(f"Nothing can be translated: {service.registry.problem}")
    detections = await run_in_threadpool(_detect, service, asked) if asked.source is None else []
    sources = [detection.language for detection in detections] or [asked.source or ""] * len(asked.texts)
    if asked.stream or (wants_events(request) and not asked.is_list):
        return await _stream(request, service, asked, sources[0], detections, timeout)
    translations = await _translate_all(request, service, asked, sources, timeout.deadline)
    body, headers = _whole(asked, translations, detections, timeout)
    return JsonResponse(body, headers=headers)


def _whole(
    asked: Asked, translations: Sequence[Translation], detections: Sequence[Detection], timeout: RequestTimeout
) -> tuple[dict[str, object], dict[str, str]]:
    """The body and the headers."""
    headers = _headers(translations)
    body = _body(asked, translations, detections)
    if "timing" in asked.include:
        timing = timing_of(translations, time.monotonic() - timeout.began)
        body["timing"] = timing
        headers[SERVER_TIMING_HEADER] = server_timing(timing)
    return body, headers


async def _stream(
    request: Request,
    service: Service,
    asked: Asked,
    source: str,
    detections: Sequence[Detection],
    timeout: RequestTimeout,
) -> Response:
    is_translated = source != asked.target
    pair = (source, asked.target) if is_translated else next(iter(service.registry.served))
    translator = service.registry.find(*pair).translator
    # A text that is in the target language already is a plan of nothing but itself.
    texts = [asked.texts[0]] if is_translated else []
    plan = await run_in_threadpool(translator.prepare, texts, _options(asked))
    if not is_translated:
        plan = replace(plan, texts=((Part(kept=asked.texts[0]),),))
    ear = Ear(plan)
    pending = translator.submit(plan, timeout.deadline, asked.priority, ear.listeners)

    def whole() -> tuple[dict[str, object], str]:
        translations = translator.finish(plan, pending)
        try:
            body, headers = _whole(asked, translations, detections, timeout)
        except DeadlineExceeded:
            raise _too_late(timeout) from None
        if FINISH_REASON_HEADER in headers:
            body["finish_reason"] = headers[FINISH_REASON_HEADER]
        return body, translations[0].text

    return event_response(request, translator, plan, pending, ear, timeout.deadline, whole)


def _options(asked: Asked) -> TranslationOptions:
    return TranslationOptions(
        beam_size=asked.beam_size,
        alternatives=asked.alternatives,
        text_format=asked.text_format,
        alignment="alignment" in asked.include,
        target_prefix=asked.target_prefix,
        no_repeat_ngram=asked.no_repeat_ngram,
        temperature=asked.temperature,
        top_k=asked.top_k,
        seed=asked.seed,
    )


async def _translate_all(
    request: Request, service: Service, asked: Asked, sources: Sequence[str], deadline: float
) -> list[Translation]:
    options = _options(asked)
    # A text that is in the target language already comes back as it is.
    translations = [Translation(text, (), ()) for text in asked.texts]
    groups = [
        _Group(
            service.registry.find(source, asked.target).translator,
            tuple(place for place, of_place in enumerate(sources) if of_place == source),
        )
        for source in sorted(set(sources))
        if source != asked.target
    ]
    plans = [
        await run_in_threadpool(group.translator.prepare, [asked.texts[place] for place in group.places], options)
        for group in groups
    ]
    pendings = []
    try:
        for group, plan in zip(groups, plans, strict=True):
            pendings.append(group.translator.submit(plan, deadline, asked.priority))
    except Exception:
        for pending in pendings:
            pending.cancel()
        raise
    await wait_for(request, pendings, deadline)
    for group, plan, pending in zip(groups, plans, pendings, strict=True):
        finished = await run_in_threadpool(group.translator.finish, plan, pending)
        for place, translation in zip(group.places, finished, strict=True):
            translations[place] = translation
    return translations


def _headers(translations: Sequence[Translation]) -> dict[str, str]:
    """Says that something was cut, in a place that changes no body.

    :raises DeadlineExceeded: nothing at all was begun, so there is no answer to give.
    """
    segments = [segment for translation in translations for segment in translation.segments]
    reasons = {segment.finish_reason for segment in segments} - {FinishReason.STOP}
    if FinishReason.DEADLINE in reasons and all(segment.is_source for segment in segments):
        raise DeadlineExceeded("no segment was begun")
    return {FINISH_REASON_HEADER: ", ".join(sorted(reasons))} if reasons else {}


def _detect(service: Service, asked: Asked) -> list[Detection]:
    """The language of each text, among those from which the target can be reached, and the target itself."""
    registry = service.registry
    possible = set(registry.sources_of(asked.target))
    if asked.target in registry.sources:
        possible.add(asked.target)
    return [service.detector.rank(text, possible)[0] for text in asked.texts]


def _body(asked: Asked, translations: Sequence[Translation], detections: Sequence[Detection]) -> dict[str, object]:
    texts = [translation.text for translation in translations]
    body: dict[str, object] = {"translatedText": texts if asked.is_list else texts[0]}
    if asked.alternatives:
        alternatives = [list(translation.alternatives) for translation in translations]
        body["alternatives"] = alternatives if asked.is_list else alternatives[0]
    if "scores" in asked.include:
        segments = [scores_of(translation) for translation in translations]
        body["segments"] = segments if asked.is_list else segments[0]
    if "alignment" in asked.include:
        aligned = [alignment_of(translation) for translation in translations]
        body["align"] = aligned if asked.is_list else aligned[0]
    if detections:
        found = [{"confidence": detection.confidence, "language": detection.language} for detection in detections]
        body["detectedLanguage"] = found if asked.is_list else found[0]
    return body
