"""POST /translate as LibreTranslate's clients speak it."""

import asyncio
import time
from collections.abc import Sequence

from fastapi import APIRouter, Request
from starlette.responses import Response

from app.api.access import quota_of
from app.api.body import Fields
from app.api.direct import DirectRoute
from app.api.glossary_terms import unplaced_header
from app.api.libretranslate.descriptions import (
    FINISH_REASON_HEADER,
    TRANSLATE_PARAMETERS,
    TRANSLATE_RESPONSES,
    TRANSLATE_SUMMARY,
)
from app.api.libretranslate.included import (
    SERVER_TIMING_HEADER,
    alignment_of,
    choices_of,
    scores_of,
    server_timing,
    timing_of,
)
from app.api.libretranslate.request_schemas import TRANSLATE_BODY
from app.api.libretranslate.translation_request import Asked, parse_asked
from app.api.responses import JsonResponse
from app.api.service import Service
from app.api.streaming import Ear, event_response, wants_events
from app.api.timeout import RequestTimeout, in_time, too_late
from app.api.waiting import wait_for
from app.engine.sequence import FinishReason
from app.errors import DeadlineExceeded, EngineStopped, InvalidRequest
from app.serving.detection import detect, detected_of
from app.serving.jobs import Job, begin, cut_reasons
from app.text.languages import Detection
from app.translation.assembly import Translation
from app.translation.word_choices import Choices

router = APIRouter(tags=["LibreTranslate"], route_class=DirectRoute)


@router.post(
    "/translate",
    summary="Translate a text, or a list of texts",
    description=TRANSLATE_SUMMARY,
    openapi_extra={"parameters": TRANSLATE_PARAMETERS, "requestBody": TRANSLATE_BODY},
    responses=TRANSLATE_RESPONSES,
    response_model=None,
)
async def translate(request: Request) -> Response:
    return await in_time(request, _answer)


async def _answer(request: Request, service: Service, fields: Fields, timeout: RequestTimeout) -> Response:
    asked = parse_asked(fields, service.settings, service.registry)
    with quota_of(request).counted(sum(map(len, asked.texts))):
        return await _answer_asked(request, service, asked, timeout)


async def _answer_asked(request: Request, service: Service, asked: Asked, timeout: RequestTimeout) -> Response:
    if not service.registry.served:
        raise EngineStopped(f"Nothing can be translated: {service.registry.problem}")
    detections = await detect(service, asked.texts, asked.target) if asked.source is None else []
    sources = [detection.language for detection in detections] or [asked.source or ""] * len(asked.texts)
    if not (asked.stream or wants_events(request)):
        job = await begin(service, asked, sources, timeout.deadline)
        await wait_for(request, job.pendings, timeout.deadline)
        body, headers, _ = await _whole(request, asked, job, detections, timeout)
        return JsonResponse(body, headers=headers)

    async def whole() -> tuple[dict[str, object], list[str]]:
        try:
            body, headers, texts = await _whole(request, asked, job, detections, timeout)
        except DeadlineExceeded:
            raise too_late(timeout) from None
        if FINISH_REASON_HEADER in headers:
            body["finish_reason"] = headers[FINISH_REASON_HEADER]
        return body, texts

    news = asyncio.Event()
    ears = [Ear(news) for _ in set(sources) - {asked.target}]
    job = await begin(service, asked, sources, timeout.deadline, [ear.listeners for ear in ears])
    return event_response(request, job, ears, news, timeout.deadline, whole, asked.is_list)


async def _whole(
    request: Request, asked: Asked, job: Job, detections: Sequence[Detection], timeout: RequestTimeout
) -> tuple[dict[str, object], dict[str, str], list[str]]:
    """The body, the headers and the texts, once every segment is done."""
    translations = await job.translations()
    reasons = cut_reasons(translations)
    body = _body(asked, translations, detections)
    # What was cut by the deadline may lack the place, and there is no time left to ask about it.
    if asked.alternatives_at is not None and FinishReason.DEADLINE not in reasons:
        choices = await _choices(request, asked, job, translations[0], timeout)
        body["choices"] = choices_of(choices)
        reasons |= {word.finish_reason for word in choices.words} - {FinishReason.STOP}
    headers = {FINISH_REASON_HEADER: ", ".join(sorted(reasons))} if reasons else {}
    headers |= unplaced_header(translations)
    if "timing" in asked.include:
        timing = timing_of(translations, time.monotonic() - timeout.began)
        body["timing"] = timing
        headers[SERVER_TIMING_HEADER] = server_timing(timing)
    return body, headers, [translation.text for translation in translations]


async def _choices(
    request: Request, asked: Asked, job: Job, translation: Translation, timeout: RequestTimeout
) -> Choices:
    """What else could stand at the place asked for, in the only text."""
    if not job.groups or asked.alternatives_at is None:
        raise InvalidRequest("Invalid request: alternatives_at goes with a text that is translated")
    group = job.groups[0]
    chooser = group.served.chooser
    question = chooser.prepare(group.plan, translation, asked.alternatives_at, asked.choices)
    pending = chooser.submit(question, timeout.deadline, asked.priority)
    await wait_for(request, [pending], timeout.deadline)
    return chooser.finish(question, pending)


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
        found = [detected_of(detection) for detection in detections]
        body["detectedLanguage"] = found if asked.is_list else found[0]
    return body
