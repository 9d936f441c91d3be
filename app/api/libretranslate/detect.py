"""POST /detect as LibreTranslate's clients speak it: the language of a text, among those that are served."""

from collections.abc import Iterable
from typing import Any, Final

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from app.api.body import Fields
from app.api.direct import DirectRoute
from app.api.libretranslate.descriptions import DETECTED_SCHEMA, TRANSLATE_PARAMETERS, TRANSLATE_RESPONSES, error_entry
from app.api.libretranslate.request_schemas import body_of
from app.api.libretranslate.translation_request import check_amount, texts_of
from app.api.responses import JsonResponse
from app.api.service import Service
from app.api.timeout import RequestTimeout, in_time
from app.errors import EngineStopped
from app.serving.detection import detected_of
from app.text.languages import Detection

router = APIRouter(tags=["LibreTranslate"], route_class=DirectRoute)

_DESCRIPTION: Final = """\
Answers with the languages that the text may be in, likeliest first, out of those that are served; what has no
letters has a confidence of 0. Confidences are whole numbers. A list of texts gives a list of such answers.
"""
_STRING: Final[dict[str, Any]] = {"type": "string"}
_BODY: Final = body_of(
    {
        "type": "object",
        "required": ["q"],
        "properties": {
            "q": {
                "description": "The text, or a list of texts.",
                "oneOf": [_STRING, {"type": "array", "items": _STRING, "minItems": 1}],
            },
            "api_key": {"type": ["string", "null"], "description": "Needed where the service has keys."},
        },
    },
    {
        "one text": {"value": {"q": "Where is the station?"}},
        "a list": {"value": {"q": ["Where is the station?", "Où est la gare ?"]}},
    },
    {"q": "Where is the station?"},
)
_RANKED: Final[dict[str, Any]] = {"type": "array", "items": DETECTED_SCHEMA, "minItems": 1}
_RESPONSES: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "The possible languages.",
        "content": {
            "application/json": {
                "schema": {"oneOf": [_RANKED, {"type": "array", "items": _RANKED}]},
                "examples": {
                    "one text": {"value": [{"confidence": 98, "language": "en"}, {"confidence": 2, "language": "fr"}]},
                    "a list": {
                        "value": [[{"confidence": 100, "language": "en"}], [{"confidence": 100, "language": "fr"}]]
                    },
                },
            }
        },
    },
    400: error_entry(
        "The text is missing, malformed or over a limit.",
        "Invalid request: missing q parameter",
        "Invalid request: request (50001) exceeds text limit (50000)",
    ),
    **{status: TRANSLATE_RESPONSES[status] for status in (403, 408, 413, 415, 429, 500, 503)},
}


@router.post(
    "/detect",
    summary="Detect the language of a text",
    description=_DESCRIPTION,
    openapi_extra={"parameters": TRANSLATE_PARAMETERS, "requestBody": _BODY},
    responses=_RESPONSES,
    response_model=None,
)
async def detect(request: Request) -> Response:
    return await in_time(request, _answer)


async def _answer(_: Request, service: Service, fields: Fields, __: RequestTimeout) -> Response:
    texts, is_list = texts_of(fields.get("q"))
    check_amount(texts, service.settings)
    languages = service.registry.languages
    if not languages:
        raise EngineStopped(f"Nothing can be translated: {service.registry.problem}")
    ranked = await run_in_threadpool(lambda: [service.detector.rank(text, languages) for text in texts])
    found = [[detected_of(detection) for detection in _possible(detections)] for detections in ranked]
    return JsonResponse(found if is_list else found[0])


def _possible(detections: Iterable[Detection]) -> list[Detection]:
    """Never empty: a client reads the first."""
    first, *others = detections
    return [first, *(detection for detection in others if detection.confidence > 0)]
