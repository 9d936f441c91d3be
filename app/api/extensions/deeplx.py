"""POST /deeplx: the interface of DeepLX, which many extensions and desktop programs speak."""

import secrets
from typing import Any, Final

from fastapi import APIRouter, Request
from pydantic import Field
from starlette.responses import Response
from typing_extensions import TypedDict

from app.api.call import ApiCall
from app.api.extensions.texts import Wanted, find_languages, translate_texts
from app.api.fields import FieldsModel, shorten
from app.api.libretranslate.answers import TIMEOUT_PARAMETER
from app.api.libretranslate.models import String
from app.api.responses import DirectRoute, JsonResponse, json_answer, request_body, schema_of
from app.errors import InvalidRequest
from app.text.inline import TextFormat

router = APIRouter(tags=["Extensions"], route_class=DirectRoute)

_MAX_ALTERNATIVES: Final = 3
_MAX_ID: Final = 10**10
_FORMATS: Final[dict[str, TextFormat]] = {"": "text", "html": "html", "xml": "xml"}
_EXAMPLE: Final = {"text": "Good morning!", "source_lang": "EN", "target_lang": "FR"}


class DeepLXFields(FieldsModel):
    """The fields of POST /deeplx."""

    text: String
    source_lang: String = Field("auto", description="`auto`, empty or absent: detected.")
    target_lang: String
    tag_handling: String = Field("", description="`html` or `xml` for a text with tags.")


class DeepLXAnswer(TypedDict):
    """The answer of POST /deeplx."""

    code: int
    id: int
    data: str
    alternatives: list[str]
    source_lang: str
    target_lang: str
    method: str


_ERROR: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["code", "message"],
    "properties": {"code": {"type": "integer"}, "message": {"type": "string"}},
}


@router.post(
    "/deeplx",
    summary="DeepLX: translate a text",
    description="`POST /translate` answers bodies of this shape too. A key goes into `Authorization: Bearer` or "
    "`?token=KEY`.",
    openapi_extra={
        "parameters": TIMEOUT_PARAMETER,
        "requestBody": request_body(schema_of(DeepLXFields), {"a text": _EXAMPLE}, _EXAMPLE),
    },
    responses={
        200: json_answer(
            "The translation.",
            schema_of(DeepLXAnswer),
            {
                "code": 200,
                "id": 8300079001,
                "data": "Bonjour !",
                "alternatives": ["Bon matin !"],
                "source_lang": "EN",
                "target_lang": "FR",
                "method": "Free",
            },
        ),
        **{
            status: json_answer("As the other dialects.", _ERROR, {"code": status, "message": "..."})
            for status in (400, 403, 408, 413, 415, 429, 500, 503, 504)
        },
    },
    response_model=None,
)
async def translate(request: Request) -> Response:
    return await answer(await ApiCall.open(request))


async def answer(call: ApiCall) -> Response:
    """Answer a request whose body has this shape."""
    fields = DeepLXFields.read(call.fields)
    if not fields.text:
        raise InvalidRequest("Invalid request: missing text parameter")
    text_format = _FORMATS.get(fields.tag_handling.strip().lower())
    if text_format is None:
        raise InvalidRequest(f"Invalid request: tag_handling is {shorten(fields.tag_handling)!r}, known are html, xml")
    source, target = find_languages(call, fields.source_lang, fields.target_lang)
    alternatives = min(_MAX_ALTERNATIVES, call.settings.max_alternatives)
    (found,) = await translate_texts(call, Wanted((fields.text,), source, target, text_format, alternatives))
    return JsonResponse(
        DeepLXAnswer(
            code=200,
            id=secrets.randbelow(_MAX_ID),
            data=found.text,
            alternatives=list(found.translation.alternatives),
            source_lang=(found.source or fields.source_lang).upper(),
            target_lang=fields.target_lang,
            method="Free",
        )
    )
