"""What clients of LibreTranslate use before they translate: POST /detect, GET /languages, GET /frontend/settings."""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from typing import Annotated, Any, Final

from anyio.to_thread import run_sync
from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from app.api.call import ApiCall, service_of
from app.api.libretranslate.answers import (
    ERROR_RESPONSES,
    TIMEOUT_PARAMETER,
    DetectedLanguage,
    describe_detection,
    error_entry,
)
from app.api.libretranslate.models import DetectFields
from app.api.libretranslate.request import parse_detection
from app.api.responses import DirectRoute, JsonResponse, error_response, request_body, schema_of
from app.files.formats.registry import SUFFIXES
from app.text.codes import find_served, format_code
from app.text.detection import Detection
from app.text.languages import language_name

router = APIRouter(tags=["LibreTranslate"], route_class=DirectRoute)

# How long LibreTranslate's page waits after a key was pressed before it sends a request.
_FRONTEND_TIMEOUT_MILLISECONDS: Final = 500
# More languages than a browser lists.
_MAX_ACCEPTED_LANGUAGES: Final = 50
_NO_SUGGESTIONS: Final = "Suggestions are disabled on this server."
_DESCRIPTION: Final = """\
Answers with the languages that the text may be in, likeliest first, whichever are served; what has no letters has a
confidence of 0. Confidences are whole numbers. A list of texts gives one answer for all of them, in which
longer texts weigh more.
"""
_TEXT: Final = {"q": "Where is the station?"}
_TEXTS: Final = {"q": ["Where is the station?", "Où est la gare ?"]}
_Ranked = Annotated[list[DetectedLanguage], Field(min_length=1)]
_RESPONSES: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "The possible languages.",
        "content": {
            "application/json": {
                "schema": schema_of(_Ranked),
                "examples": {
                    "one text": {"value": [{"confidence": 98, "language": "en"}, {"confidence": 2, "language": "fr"}]},
                    "a list": {"value": [{"confidence": 53, "language": "en"}, {"confidence": 47, "language": "fr"}]},
                },
            }
        },
    },
    400: error_entry(
        "The text is missing, malformed or over a limit.",
        "Invalid request: missing q parameter",
        "Invalid request: request (50001) exceeds text limit (50000)",
    ),
    **{status: ERROR_RESPONSES[status] for status in (403, 408, 413, 415, 429, 500, 503)},
}


class Language(BaseModel):
    """``targets`` holds the language itself too: a text is returned as it is."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"code": "en", "name": "English", "targets": ["en", "fr"]}]}
    )

    code: str
    name: str
    targets: list[str]


class NamedLanguage(BaseModel):
    code: str
    name: str


class FirstLanguages(BaseModel):
    """What a page offers at first. ``target`` is empty while nothing is served."""

    source: NamedLanguage
    target: NamedLanguage


class FrontendSettings(BaseModel):
    """``charLimit``: characters of all texts of one request together. ``frontendTimeout`` is in milliseconds."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "apiKeys": False,
                    "charLimit": 50000,
                    "filesTranslation": True,
                    "frontendTimeout": 500,
                    "keyRequired": False,
                    "language": {
                        "source": {"code": "auto", "name": "Auto Detect"},
                        "target": {"code": "fr", "name": "French"},
                    },
                    "suggestions": False,
                    "supportedFilesFormat": list(SUFFIXES),
                }
            ]
        }
    )

    apiKeys: bool
    charLimit: int
    filesTranslation: bool
    frontendTimeout: int
    keyRequired: bool
    language: FirstLanguages
    suggestions: bool
    supportedFilesFormat: list[str]


@router.post(
    "/detect",
    summary="Detect the language of a text",
    description=_DESCRIPTION,
    openapi_extra={
        "parameters": TIMEOUT_PARAMETER,
        "requestBody": request_body(schema_of(DetectFields), {"one text": _TEXT, "a list": _TEXTS}, _TEXT),
    },
    responses=_RESPONSES,
    response_model=None,
)
async def detect(request: Request) -> Response:
    call = await ApiCall.open(request)
    texts, is_list = parse_detection(call.fields, call.settings)
    serving = call.serving
    call.check_served()
    languages = serving.registry.snapshot.languages

    def rank(text: str) -> list[Detection]:
        return serving.detector.detect(text) or serving.detector.rank(text, languages)

    ranked = await run_sync(lambda: [rank(text) for text in texts])
    detections = _average(texts, ranked) if is_list else ranked[0]
    return JsonResponse([describe_detection(detection) for detection in _possible(detections)])


@router.get(
    "/languages", summary="Languages served, and what each can be translated into", response_model=list[Language]
)
async def languages(request: Request) -> Response:
    snapshot = service_of(request).serving.registry.snapshot
    found = [
        Language(
            code=format_code(code),
            name=language_name(code),
            targets=sorted(map(format_code, {code, *snapshot.targets_of(code)})),
        )
        for code in snapshot.languages
    ]
    return JsonResponse([language.model_dump() for language in found])


@router.get("/frontend/settings", summary="What a page for this service needs to know", response_model=FrontendSettings)
async def frontend_settings(request: Request) -> Response:
    serving = service_of(request).serving
    target = _preferred(
        request.headers.get("accept-language", ""), {target for _, target in serving.registry.snapshot.pairs}
    )
    found = FrontendSettings(
        apiKeys=serving.admission.has_keys,
        charLimit=serving.settings.max_characters,
        filesTranslation=True,
        frontendTimeout=_FRONTEND_TIMEOUT_MILLISECONDS,
        keyRequired=serving.admission.requires_key,
        language=FirstLanguages(
            source=NamedLanguage(code="auto", name="Auto Detect"),
            target=NamedLanguage(code=format_code(target), name=language_name(target)),
        ),
        suggestions=False,
        supportedFilesFormat=list(SUFFIXES),
    )
    return JsonResponse(found.model_dump())


@router.post(
    "/suggest",
    summary="Suggest a better translation (never accepted here)",
    status_code=403,
    responses={403: error_entry("Nothing is collected from those who translate.", _NO_SUGGESTIONS)},
    response_model=None,
)
async def suggest(request: Request) -> Response:
    return error_response(request.scope, 403, _NO_SUGGESTIONS)


def _average(texts: Sequence[str], ranked: Sequence[list[Detection]]) -> list[Detection]:
    """The languages of several texts together, as LibreTranslate answers: each text weighs as much as it is long."""
    weights = [max(1, len(text)) for text in texts]
    sums: Counter[str] = Counter()
    for weight, detections in zip(weights, ranked, strict=True):
        for detection in detections:
            sums[detection.language] += weight * detection.confidence
    # Stable, so that languages with the same confidence keep the order of the first text.
    order = sorted(sums, key=lambda language: -sums[language])
    return [Detection(language, round(sums[language] / sum(weights))) for language in order]


def _preferred(accepted: str, targets: Collection[str]) -> str:
    """The served target that a browser prefers; the first in alphabetical order if it names none.

    Args:
        accepted: The value of ``Accept-Language``, such as ``fr-CH, fr;q=0.9, en;q=0.8``.
        targets: Codes of the targets served.
    """
    ranked: list[tuple[float, str]] = []
    for item in accepted.split(",")[:_MAX_ACCEPTED_LANGUAGES]:
        code, _, quality = item.strip().partition(";q=")
        try:
            ranked.append((float(quality or 1), code.strip().lower()))
        except ValueError:
            continue
    for _, code in sorted(ranked, key=lambda one: -one[0]):
        if (served := find_served(code, targets)) is not None:
            return served
    return min(targets, default="")


def _possible(detections: Iterable[Detection]) -> list[Detection]:
    """Leave out languages without a share, but never the first: clients read it."""
    first, *others = detections
    return [first, *(detection for detection in others if detection.confidence > 0)]
