"""POST /complete: how a translation that somebody is typing may go on."""

from typing import Any, Final

from fastapi import APIRouter, Request
from starlette.responses import Response

from app.api.access import quota_of
from app.api.body import Fields
from app.api.direct import DirectRoute
from app.api.libretranslate.descriptions import FINISH_REASON_HEADER, TRANSLATE_PARAMETERS, TRANSLATE_RESPONSES
from app.api.libretranslate.included_schemas import FINISH_REASON_SCHEMA
from app.api.libretranslate.request_schemas import COMPLETE_BODY
from app.api.libretranslate.translation_request import AskedCompletion, parse_completion
from app.api.responses import JsonResponse
from app.api.service import Service
from app.api.timeout import RequestTimeout, in_time
from app.api.waiting import wait_for
from app.engine.sequence import FinishReason
from app.errors import EngineStopped
from app.serving.detection import detect, detected_of
from app.serving.jobs import on_a_thread_if_long
from app.translation.completion import Completion

router = APIRouter(tags=["Passerelle"], route_class=DirectRoute)

_DESCRIPTION: Final = """\
For an editor in which somebody writes a translation: the likeliest ways on from what is typed, each to the end of the
sentence. What is typed may end within a word; every completion begins with it, to the letter. So many sentences as are
typed whole are taken to be done. Encodings, deadline and errors are those of `POST /translate`.
"""
_RESPONSES: Final[dict[int | str, dict[str, Any]]] = {
    **TRANSLATE_RESPONSES,
    200: {
        "description": "The completions.",
        "headers": {FINISH_REASON_HEADER: TRANSLATE_RESPONSES[200]["headers"][FINISH_REASON_HEADER]},
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "required": ["completions"],
                    "properties": {
                        "completions": {
                            "type": "array",
                            "description": "Different texts, likeliest first.",
                            "items": {
                                "type": "object",
                                "required": ["text", "score", "finish_reason"],
                                "properties": {
                                    "text": {
                                        "type": "string",
                                        "description": "Begins with what is typed; nothing more where that is whole.",
                                    },
                                    "score": {
                                        "type": "number",
                                        "description": "Log probabilities of the sentence being typed, normalised by "
                                        "length.",
                                    },
                                    "finish_reason": FINISH_REASON_SCHEMA,
                                },
                            },
                        },
                        "detectedLanguage": TRANSLATE_RESPONSES[200]["content"]["application/json"]["schema"][
                            "properties"
                        ]["detectedLanguage"]["anyOf"][0],
                    },
                },
                "examples": {
                    "within a word": {
                        "value": {
                            "completions": [
                                {"text": "Bonjour !", "score": -0.31, "finish_reason": "stop"},
                                {"text": "Bon matin !", "score": -1.2, "finish_reason": "stop"},
                            ]
                        }
                    }
                },
            }
        },
    },
}


@router.post(
    "/complete",
    summary="Complete a translation that is being typed",
    description=_DESCRIPTION,
    openapi_extra={"parameters": TRANSLATE_PARAMETERS, "requestBody": COMPLETE_BODY},
    responses=_RESPONSES,
    response_model=None,
)
async def complete(request: Request) -> Response:
    return await in_time(request, _answer)


async def _answer(request: Request, service: Service, fields: Fields, timeout: RequestTimeout) -> Response:
    asked = parse_completion(fields, service.settings, service.registry)
    if not service.registry.served:
        raise EngineStopped(f"Nothing can be translated: {service.registry.problem}")
    body: dict[str, object] = {}
    source = asked.source
    if source is None:
        (detection,) = await detect(service, [asked.text], asked.target)
        source = detection.language
        body["detectedLanguage"] = detected_of(detection)
    with quota_of(request).counted(len(asked.text)):
        found = await _completions(request, service, asked, source, timeout.deadline)
    reasons = {completion.finish_reason for completion in found} - {FinishReason.STOP}
    body["completions"] = [
        {"text": one.text, "score": one.score, "finish_reason": one.finish_reason.value} for one in found
    ]
    return JsonResponse(body, headers={FINISH_REASON_HEADER: ", ".join(sorted(reasons))} if reasons else None)


async def _completions(
    request: Request, service: Service, asked: AskedCompletion, source: str, deadline: float
) -> list[Completion]:
    if source == asked.target:  # the translation is the text
        is_begun = asked.text.startswith(asked.typed)
        return [Completion(asked.text, 0.0, FinishReason.STOP)] if is_begun else []
    completer = service.registry.find(source, asked.target).completer
    rows = min(2 * asked.count, service.settings.max_beam_size)
    characters = len(asked.text) + len(asked.typed)
    draft = await on_a_thread_if_long(characters, completer.prepare, asked.text, asked.typed, asked.count, rows)
    pending = completer.submit(draft, deadline, asked.priority)
    service.traffic.characters[source, asked.target] += len(asked.text)
    await wait_for(request, [pending], deadline)
    return completer.finish(draft, pending)
