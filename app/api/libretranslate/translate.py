"""POST /translate in LibreTranslate's dialect."""

import asyncio
import time
from collections.abc import Sequence
from typing import Any, Final

from fastapi import APIRouter, Request
from starlette.responses import Response

from app.api.call import ApiCall
from app.api.extensions.shapes import other_dialect
from app.api.libretranslate.answers import (
    ERROR_RESPONSES,
    FINISH_REASON_ENTRY,
    SERVER_TIMING_HEADER,
    TIMEOUT_PARAMETER,
    Translated,
    describe_alignment,
    describe_choices,
    describe_detection,
    describe_segments,
    describe_timing,
    server_timing,
)
from app.api.libretranslate.models import TranslateFields
from app.api.libretranslate.request import TranslateRequest, glossary_size, parse_translation
from app.api.responses import (
    FINISH_REASON_HEADER,
    DirectRoute,
    JsonResponse,
    find_unplaced_terms,
    request_body,
    schema_of,
    translation_headers,
)
from app.api.streaming import TextStream, TokenListener
from app.api.waiting import finish_job
from app.engine.sequence import FinishReason
from app.errors import InvalidRequest
from app.serving.container import detect_languages
from app.serving.jobs import Job, measure_timing, run_off_loop_if_long
from app.text.detection import Detection
from app.translation.assembly import Translation
from app.translation.word_choices import Choices

router = APIRouter(tags=["LibreTranslate"], route_class=DirectRoute)

_DESCRIPTION: Final = """\
The same fields may come as JSON, as an urlencoded form, as a multipart form, or as a query string with an empty body
(`POST /translate?q=Hello&source=en&target=fr`). A list of texts gives a list of translations, in the same order. Line
breaks, white space and what has no letters come back as they are. Unknown fields are ignored.

What is not finished at the deadline of the request comes back as far as it is, with status 200 and the header
`X-Finish-Reason: deadline`; a sentence whose translation did not start comes back as it was sent.

Every error is `{"error": "..."}`.
"""
_SCHEMA: Final = schema_of(TranslateFields)
_FORM_Q: Final = {"type": "string", "description": "The text; repeat the field for a list of texts."}
_FORM_SCHEMA: Final[dict[str, Any]] = {**_SCHEMA, "properties": {**_SCHEMA["properties"], "q": _FORM_Q}}
_EXAMPLE: Final[dict[str, Any]] = {"q": "Good morning!", "source": "en", "target": "fr"}
_EXAMPLES: Final[dict[str, object]] = {
    "one text": _EXAMPLE,
    "a list": {**_EXAMPLE, "q": ["Good morning!", "See you tomorrow."]},
    "alternatives": {**_EXAMPLE, "source": "auto", "alternatives": 2},
    "everything beside": {**_EXAMPLE, "include": ["scores", "alignment", "timing"]},
    "a given beginning": {**_EXAMPLE, "target_prefix": "Bonne", "beam_size": 4},
    "other words at an offset": {**_EXAMPLE, "alternatives_at": 0, "choices": 3},
    "terms of your own": {**_EXAMPLE, "q": "I like cottage cheese.", "glossary": {"cottage cheese": "faisselle"}},
    "bulk": {**_EXAMPLE, "q": ["Good morning!"], "priority": "bulk"},
    "as events": {**_EXAMPLE, "stream": True},
    "a list as events": {**_EXAMPLE, "q": ["Good morning!", "Bye."], "stream": True},
    "drawn": {**_EXAMPLE, "temperature": 0.8, "top_k": 20, "seed": 7},
    "several draws of a given beginning": {
        **_EXAMPLE,
        "target_prefix": "Bon",
        "temperature": 1.0,
        "alternatives": 3,
        "seed": 7,
    },
    "html": {**_EXAMPLE, "q": "<p>Good <b>morning</b>!</p>", "format": "html"},
}
_ANSWERS: Final[dict[str, object]] = {
    "one text": {"translatedText": "Bonjour !"},
    "a list": {"translatedText": ["Bonjour !", "À demain."]},
    "alternatives": {
        "translatedText": "Bonjour !",
        "alternatives": ["Bon matin !", "Bonjour."],
        "detectedLanguage": {"confidence": 100, "language": "en"},
    },
    "other words at an offset": {
        "translatedText": "Bonjour !",
        "choices": {
            "range": [0, 7],
            "words": [
                {"word": "Bonjour", "score": -0.3, "translatedText": "Bonjour !", "finish_reason": "stop"},
                {"word": "Salut", "score": -1.7, "translatedText": "Salut !", "finish_reason": "stop"},
            ],
        },
    },
    "scores and alignment": {
        "translatedText": "Bonjour !",
        "segments": [
            {
                "source": "Hello!",
                "text": "Bonjour !",
                "score": -0.31,
                "finish_reason": "stop",
                "tokens": [
                    {"text": "\u2581Bonjour", "score": -0.3},
                    {"text": "\u2581!", "score": -0.1},
                    {"text": "</s>", "score": -0.01},
                ],
            }
        ],
        "align": [
            {"tgt": [{"range": [0, 7], "id": 0}], "src": [{"range": [0, 5], "id": 0}]},
            {"tgt": [{"range": [8, 9], "id": 1}], "src": [{"range": [5, 6], "id": 1}]},
        ],
    },
}
_RESPONSES: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "The translation, in the shape of `q`.",
        "headers": {
            **FINISH_REASON_ENTRY,
            SERVER_TIMING_HEADER: {
                "description": "Only if `timing` is requested: `queue`, `encode`, `decode`, `total`, in milliseconds.",
                "schema": {"type": "string"},
                "example": "queue;dur=0.210, encode;dur=1.500, decode;dur=9.800, total;dur=12.400",
            },
        },
        "content": {
            "application/json": {
                "schema": schema_of(Translated),
                "examples": {name: {"value": value} for name, value in _ANSWERS.items()},
            },
            "text/event-stream": {
                "schema": {
                    "type": "string",
                    "description": "`delta`: more of the text, never taken back, in whole words, for a list with the "
                    "`index` of the text; `done`: the whole answer, as without events, with `finish_reason` if "
                    "something was cut, and `glossary_unplaced` if the offset of terms was guessed; `error`: as ever.",
                },
                "example": 'event: delta\ndata: {"text":"Bonjour"}\n\nevent: delta\ndata: {"text":" !"}\n\n'
                'event: done\ndata: {"translatedText":"Bonjour !"}\n\n',
            },
        },
    },
    **ERROR_RESPONSES,
}


@router.post(
    "/translate",
    summary="Translate a text, or a list of texts",
    description=_DESCRIPTION,
    openapi_extra={
        "parameters": TIMEOUT_PARAMETER,
        "requestBody": request_body(_SCHEMA, _EXAMPLES, _EXAMPLE, _FORM_SCHEMA),
    },
    responses=_RESPONSES,
    response_model=None,
)
async def translate(request: Request) -> Response:
    call = await ApiCall.open(request)
    other = other_dialect(call)
    if other is not None:
        return await other(call)
    # The terms of a large glossary take long to check and compile.
    parsed = await run_off_loop_if_long(
        glossary_size(call.fields), parse_translation, call.fields, call.settings, call.serving.registry
    )
    with call.reserve(parsed.translation.characters, len(parsed.translation.texts)):
        return await _translate(call, parsed)


async def _translate(call: ApiCall, parsed: TranslateRequest) -> Response:
    serving, wanted = call.serving, parsed.translation
    call.check_served()
    detections: list[Detection] = []
    if wanted.source is None:
        detections = await detect_languages(serving.registry, serving.detector, wanted.texts, wanted.target)
    sources = [detection.language for detection in detections] or [wanted.source or ""] * len(wanted.texts)
    if not (parsed.stream or call.accepts_events):
        job = await call.start(wanted, sources)
        await call.wait_for(*job.pendings)
        body, headers, _ = await _answer(call, parsed, job, detections)
        return JsonResponse(body, headers=headers)

    async def answer() -> tuple[Translated, list[str]]:
        body, headers, translations = await _answer(call, parsed, job, detections)
        if FINISH_REASON_HEADER in headers:
            body["finish_reason"] = headers[FINISH_REASON_HEADER]
        if unplaced := find_unplaced_terms(translations):
            body["glossary_unplaced"] = unplaced
        return body, [translation.text for translation in translations]

    changed = asyncio.Event()
    listeners = [TokenListener(changed) for _ in set(sources) - {wanted.target}]
    job = await call.start(wanted, sources, [one.make_listeners for one in listeners])
    return TextStream(job, listeners, changed, parsed.is_list).respond(call, answer)


async def _answer(
    call: ApiCall, parsed: TranslateRequest, job: Job, detections: Sequence[Detection]
) -> tuple[Translated, dict[str, str], list[Translation]]:
    """Make the body, the headers and the translations, after every segment is done."""
    translations, reasons = await finish_job(job)
    body = _body(parsed, translations, detections)
    # A translation that the deadline cut may lack the offset, and no time is left to find other words.
    if parsed.alternatives_at is not None and FinishReason.DEADLINE not in reasons:
        choices = await _choose(call, parsed, job, translations[0])
        body["choices"] = describe_choices(choices)
        reasons |= {word.finish_reason for word in choices.words} - {FinishReason.STOP}
    headers = translation_headers(translations, reasons)
    if "timing" in parsed.include:
        timing = describe_timing(measure_timing(translations), time.monotonic() - call.timeout.start)
        body["timing"] = timing
        headers[SERVER_TIMING_HEADER] = server_timing(timing)
    return body, headers, translations


async def _choose(call: ApiCall, parsed: TranslateRequest, job: Job, translation: Translation) -> Choices:
    """Find other words at the offset that the request names, in its only text."""
    if not job.groups or parsed.alternatives_at is None:
        raise InvalidRequest("Invalid request: alternatives_at goes with a text that is translated")
    group = job.groups[0]
    chooser = group.served.chooser
    question = chooser.prepare(group.plan, translation, parsed.alternatives_at, parsed.choices)
    pending = chooser.submit(question, call.timeout.deadline, parsed.translation.priority)
    await call.wait_for(pending)
    return chooser.finish(question, pending)


def _body(parsed: TranslateRequest, translations: Sequence[Translation], detections: Sequence[Detection]) -> Translated:
    is_list = parsed.is_list
    texts = [translation.text for translation in translations]
    body: Translated = {"translatedText": texts if is_list else texts[0]}
    if parsed.translation.options.alternatives:
        alternatives = [list(translation.alternatives) for translation in translations]
        body["alternatives"] = alternatives if is_list else alternatives[0]
    if "scores" in parsed.include:
        segments = [describe_segments(translation) for translation in translations]
        body["segments"] = segments if is_list else segments[0]
    if "alignment" in parsed.include:
        alignments = [describe_alignment(translation) for translation in translations]
        body["align"] = alignments if is_list else alignments[0]
    if detections:
        languages = [describe_detection(detection) for detection in detections]
        body["detectedLanguage"] = languages if is_list else languages[0]
    return body
