"""POST /v2/translate in DeepL's dialect."""

from dataclasses import replace
from typing import Annotated, Any, Final, NotRequired

from fastapi import APIRouter, Request, Security
from pydantic import Field
from starlette.responses import Response
from typing_extensions import TypedDict

from app.api.call import ApiCall
from app.api.deepl.errors import (
    COMMON_RESPONSES,
    DEEPL_KEY,
    GLOSSARY_NOT_FOUND,
    GLOSSARY_WITHOUT_SOURCE,
    QUOTA_EXCEEDED,
    QUOTA_STATUS,
    TEXT_MISSING,
    DeepLRefusal,
    error_entry,
)
from app.api.deepl.glossaries import load_terms
from app.api.deepl.languages import deepl_code
from app.api.deepl.models import TranslateFields
from app.api.deepl.request import DeepLRequest, parse_translation
from app.api.libretranslate.answers import FINISH_REASON_ENTRY, TIMEOUT_PARAMETER
from app.api.responses import (
    RETRY_AFTER_HEADER,
    DirectRoute,
    JsonResponse,
    request_body,
    schema_of,
    translation_headers,
)
from app.errors import QuotaExceeded
from app.serving.container import detect_languages

router = APIRouter(tags=["DeepL"], route_class=DirectRoute, dependencies=[Security(DEEPL_KEY)])

# The register that was used, where another one was wanted.
FORMALITY_HEADER: Final = "X-Formality"
_DESCRIPTION: Final = """\
JSON, a form (with `text` or `text[]` repeated), or the query string, also by GET. Codes are read in any case. Texts
come back in their order. Known fields with unknown values are refused; unknown fields are ignored, and so is `context`.
Forms of politeness are accepted for the targets where DeepL has them, and change nothing: a model has one register, and
the header `X-Formality: default` says so. What would change the answer and is not there (`style_id`,
`custom_instructions`, translation memories) is refused by name.

White space, line breaks, tags and attributes come back, every one of them. A tag within a sentence does not cut it: it
goes where the words went that it stood at.
"""
_TEXTS: Final[dict[str, Any]] = {"text": ["Good morning!", "See you tomorrow."], "target_lang": "FR"}
_EXAMPLES: Final[dict[str, object]] = {
    "texts": {**_TEXTS, "source_lang": "EN"},
    "any language": _TEXTS,
    "html": {"text": ["<p>Good <b>morning</b>!</p>"], "target_lang": "FR", "tag_handling": "html"},
    "xml": {
        "text": ['Good morning, <x id="1"></x>!'],
        "source_lang": "EN",
        "target_lang": "FR",
        "tag_handling": "xml",
        "ignore_tags": ["x"],
    },
}
_BODY: Final = request_body(schema_of(TranslateFields), _EXAMPLES, {"text": "Good morning!", "target_lang": "FR"})


class TranslatedText(TypedDict):
    detected_source_language: Annotated[str, Field(description="The `source_lang` given, or what was detected.")]
    text: str
    billed_characters: Annotated[int, Field(ge=0)]
    model_type_used: NotRequired[Annotated[str, Field(description="Only if a `model_type` was given.")]]


class TranslatedTexts(TypedDict):
    """The answer of POST /v2/translate."""

    translations: list[TranslatedText]


_RESPONSES: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "The translations.",
        "headers": {
            **FINISH_REASON_ENTRY,
            FORMALITY_HEADER: {
                "description": "`default`, if `formality` asked for something else.",
                "schema": {"type": "string"},
                "example": "default",
            },
            "X-Trace-ID": {
                "description": "A number of this answer, on every answer; the log has it beside failures.",
                "schema": {"type": "string"},
                "example": "3f0c9f3b1d5e4a7c8b2a6d9e0f1c2b3a",
            },
        },
        "content": {
            "application/json": {
                "schema": schema_of(TranslatedTexts),
                "examples": {
                    "texts": {
                        "value": {
                            "translations": [
                                {"detected_source_language": "EN", "text": "Bonjour !", "billed_characters": 13},
                                {"detected_source_language": "EN", "text": "À demain.", "billed_characters": 17},
                            ]
                        }
                    }
                },
            }
        },
    },
    400: error_entry(
        "A field is missing, malformed, or has a value that is not served.",
        TEXT_MISSING,
        ("Value for 'target_lang' not supported.", "ZZ is not among those served: EN, FR"),
        "Target language 'EN' doesn't support formality.",
        GLOSSARY_WITHOUT_SOURCE,
        GLOSSARY_NOT_FOUND,
    ),
    **COMMON_RESPONSES,
    429: {
        **error_entry("Too many segments wait; come back later.", "256 sequences wait, the limit is 256"),
        "headers": RETRY_AFTER_HEADER,
    },
    QUOTA_STATUS: error_entry(
        "The characters are used up.",
        (
            QUOTA_EXCEEDED,
            "990 characters are counted, and 13 more exceed deepl_character_limit (1000)",
        ),
    ),
    503: error_entry("Nothing can be translated now.", "Nothing can be translated: no usable bundle in models"),
    504: error_entry(
        "The deadline passed before anything was translated.",
        "Nothing was translated within request_timeout_seconds (30); send less at once",
    ),
}


@router.post(
    "/v2/translate",
    summary="Translate texts",
    description=_DESCRIPTION,
    openapi_extra={"parameters": TIMEOUT_PARAMETER, "requestBody": _BODY},
    responses=_RESPONSES,
    response_model=None,
)
async def translate(request: Request) -> Response:
    call = await ApiCall.open(request, needs_key=True)
    call.check_served()
    parsed = parse_translation(call.fields, call.settings, call.serving.registry)
    characters = parsed.translation.characters
    try:
        with call.serving.deepl_quota.reserve(characters), call.reserve(characters, len(parsed.translation.texts)):
            return await _translate(call, parsed)
    except QuotaExceeded as error:
        raise DeepLRefusal(QUOTA_EXCEEDED, str(error), QUOTA_STATUS) from None


router.add_api_route("/v2/translate", translate, methods=["GET"], include_in_schema=False, response_model=None)


async def _translate(call: ApiCall, parsed: DeepLRequest) -> Response:
    serving, wanted = call.serving, parsed.translation
    terms = await load_terms(serving, parsed.glossary_ids, wanted.source, wanted.target)
    wanted = replace(wanted, options=replace(wanted.options, terms=terms))
    if wanted.source is None:
        detections = await detect_languages(serving.registry, serving.detector, wanted.texts, wanted.target)
        sources = [detection.language for detection in detections]
    else:
        sources = [wanted.source] * len(wanted.texts)
    job = await call.start(wanted, sources)
    translations, reasons = await call.finish(job)
    body: TranslatedTexts = {"translations": []}
    for source, text, translation in zip(sources, wanted.texts, translations, strict=True):
        translated: TranslatedText = {
            "detected_source_language": deepl_code(source),
            "text": translation.text,
            "billed_characters": len(text),  # the official client fails without it
        }
        if parsed.model_type:
            translated["model_type_used"] = parsed.model_type
        body["translations"].append(translated)
    headers = translation_headers(translations, reasons)
    if parsed.formality != "default":
        headers[FORMALITY_HEADER] = "default"
    return JsonResponse(body, headers=headers)
