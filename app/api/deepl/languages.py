"""GET /v2/languages and /v2/glossary-language-pairs, and languages by the codes that DeepL's clients use."""

from collections.abc import Iterable
from typing import Any, Final

from fastapi import APIRouter, Request, Security
from starlette.responses import Response

from app.api.body import Fields
from app.api.deepl.errors import COMMON_RESPONSES, TYPE_INVALID, DeepLRefusal, error_entry
from app.api.deepl.key import DEEPL_KEY, in_time_with_key
from app.api.direct import DirectRoute
from app.api.fields import string
from app.api.responses import JsonResponse
from app.api.service import Service
from app.api.timeout import RequestTimeout
from app.text.languages import language_name

router = APIRouter(tags=["DeepL"], route_class=DirectRoute, dependencies=[Security(DEEPL_KEY)])

# The official client refuses EN and PT as targets, so a target is listed under its regional names.
_REGIONAL: Final = {
    "en": {"EN-GB": "English (British)", "EN-US": "English (American)"},
    "pt": {"PT-BR": "Portuguese (Brazilian)", "PT-PT": "Portuguese (European)"},
}
# Names under which a language is taken but not listed.
_OTHER_NAMES: Final = {"ES-419": "es", "NB": "no", "ZH-HANS": "zh"}
_BASES: Final = _OTHER_NAMES | {name: base for base, names in _REGIONAL.items() for name in names}

_LANGUAGE: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["language", "name"],
    "properties": {
        "language": {"type": "string"},
        "name": {"type": "string"},
        "supports_formality": {"type": "boolean", "description": "Of targets alone; never true."},
    },
}
_LANGUAGES_RESPONSES: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "The languages.",
        "content": {
            "application/json": {
                "schema": {"type": "array", "items": _LANGUAGE},
                "examples": {
                    "sources": {"value": [{"language": "EN", "name": "English"}]},
                    "targets": {
                        "value": [
                            {"language": "EN-GB", "name": "English (British)", "supports_formality": False},
                            {"language": "FR", "name": "French", "supports_formality": False},
                        ]
                    },
                },
            }
        },
    },
    400: error_entry("A type that does not exist.", TYPE_INVALID),
    **COMMON_RESPONSES,
}
_PAIRS_RESPONSES: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "Every pair that is served.",
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "required": ["supported_languages"],
                    "properties": {
                        "supported_languages": {
                            "type": "array",
                            "items": {
                                "type": "object",
                                "required": ["source_lang", "target_lang"],
                                "properties": {"source_lang": {"type": "string"}, "target_lang": {"type": "string"}},
                            },
                        }
                    },
                },
                "example": {"supported_languages": [{"source_lang": "en", "target_lang": "fr"}]},
            }
        },
    },
    **COMMON_RESPONSES,
}


def deepl_code(code: str) -> str:
    """As DeepL's clients read the code of a source."""
    return code.upper()


def served_code(code: str, served: Iterable[str]) -> str | None:
    """The served language that DeepL's clients mean with a code, in any case; None if it is not served."""
    known = set(served)
    wanted = code.strip()
    if wanted.lower() in known:
        return wanted.lower()
    base = _BASES.get(wanted.upper())
    return base if base in known else None


@router.get(
    "/v2/languages",
    summary="Languages that can be translated from, or into",
    description="The type may also come in a form, as the official client sends it.",
    openapi_extra={
        "parameters": [
            {
                "name": "type",
                "in": "query",
                "required": False,
                "schema": {"type": "string", "enum": ["source", "target"], "default": "source"},
                "example": "target",
            }
        ]
    },
    responses=_LANGUAGES_RESPONSES,
    response_model=None,
)
async def languages(request: Request) -> Response:
    return await in_time_with_key(request, _languages)


@router.get(
    "/v2/glossary-language-pairs",
    summary="Languages for which there can be a glossary",
    responses=_PAIRS_RESPONSES,
    response_model=None,
)
async def glossary_language_pairs(request: Request) -> Response:
    return await in_time_with_key(request, _pairs)


router.add_api_route("/v2/languages", languages, methods=["POST"], include_in_schema=False, response_model=None)


async def _languages(_: Request, service: Service, fields: Fields, __: RequestTimeout) -> Response:
    kind = string(fields, "type").strip().lower() or "source"
    if kind == "source":
        sources = [{"language": deepl_code(code), "name": language_name(code)} for code in service.registry.sources]
        return JsonResponse(sources)
    if kind != "target":
        raise DeepLRefusal(TYPE_INVALID)
    names: dict[str, str] = {}
    for code in sorted({target for _, target in service.registry.served}):
        names |= _REGIONAL.get(code, {deepl_code(code): language_name(code)})
    return JsonResponse(
        [{"language": code, "name": name, "supports_formality": False} for code, name in sorted(names.items())]
    )


async def _pairs(_: Request, service: Service, __: Fields, ___: RequestTimeout) -> Response:
    served = sorted(service.registry.served)
    return JsonResponse(
        {"supported_languages": [{"source_lang": source, "target_lang": target} for source, target in served]}
    )
