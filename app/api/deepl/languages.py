"""GET /v2/languages, /v2/glossary-language-pairs and /v2/usage, and the language codes that DeepL's clients use."""

from typing import Annotated, Any, Final, NotRequired

from fastapi import APIRouter, Request, Security
from pydantic import Field
from starlette.responses import Response
from typing_extensions import TypedDict

from app.api.call import ApiCall
from app.api.deepl.errors import COMMON_RESPONSES, DEEPL_KEY, TYPE_INVALID, DeepLRefusal, error_entry
from app.api.deepl.models import LanguageFields
from app.api.responses import DirectRoute, JsonResponse, json_answer, schema_of
from app.text.codes import parse_code
from app.text.languages import language_name

router = APIRouter(tags=["DeepL"], route_class=DirectRoute, dependencies=[Security(DEEPL_KEY)])

# The official client refuses EN and PT as targets, so a target is listed under its regional names.
_REGIONAL: Final = {
    "en": {"EN-GB": "English (British)", "EN-US": "English (American)"},
    "pt": {"PT-BR": "Portuguese (Brazilian)", "PT-PT": "Portuguese (European)"},
}
_FORMALITY: Final = frozenset({"de", "es", "fr", "it", "ja", "nl", "pl", "pt", "ru"})
# The limit that DeepL names for accounts without one; its clients read both numbers.
_NO_LIMIT: Final = 10**12


class NamedLanguage(TypedDict):
    language: str
    name: str
    supports_formality: NotRequired[Annotated[bool, Field(description="Of targets: whether `formality` is accepted.")]]


class LanguagePair(TypedDict):
    source_lang: str
    target_lang: str


class LanguagePairs(TypedDict):
    supported_languages: list[LanguagePair]


class Usage(TypedDict):
    character_count: Annotated[int, Field(ge=0)]
    character_limit: Annotated[int, Field(ge=0)]


_LANGUAGES_RESPONSES: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "The languages.",
        "content": {
            "application/json": {
                "schema": schema_of(list[NamedLanguage]),
                "examples": {
                    "sources": {"value": [{"language": "EN", "name": "English"}]},
                    "targets": {
                        "value": [
                            {"language": "EN-GB", "name": "English (British)", "supports_formality": False},
                            {"language": "FR", "name": "French", "supports_formality": True},
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
    200: json_answer(
        "Every pair that is served.",
        schema_of(LanguagePairs),
        {"supported_languages": [{"source_lang": "en", "target_lang": "fr"}]},
    ),
    **COMMON_RESPONSES,
}
_USAGE_RESPONSES: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "Both numbers. Without a limit, the limit is that of DeepL's accounts without one.",
        "content": {
            "application/json": {
                "schema": schema_of(Usage),
                "examples": {
                    "a limit": {"value": {"character_count": 95, "character_limit": 20000000}},
                    "no limit": {"value": {"character_count": 95, "character_limit": _NO_LIMIT}},
                },
            }
        },
    },
    **COMMON_RESPONSES,
}


def has_formality(target: str) -> bool:
    """Tell whether DeepL has forms of politeness for a target, so that its clients may ask for them."""
    return target.lower().partition("-")[0] in _FORMALITY


def regional_names(code: str) -> dict[str, str]:
    """Return the names of a target by its regional codes; none if it is listed under its own code."""
    return _REGIONAL.get(code, {})


def deepl_code(code: str) -> str:
    """Write the code of a source as DeepL's clients read it: without a region, and Norwegian as NB."""
    language, script, _ = parse_code(code)
    return f"{language}-{script}".upper() if script == "hant" else language.upper()


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
                "schema": schema_of(LanguageFields)["properties"]["type"],
                "example": "target",
            }
        ]
    },
    responses=_LANGUAGES_RESPONSES,
    response_model=None,
)
async def languages(request: Request) -> Response:
    call = await ApiCall.open(request, needs_key=True)
    kind = LanguageFields.read(call.fields).type.strip().lower() or "source"
    registry = call.serving.registry
    if kind == "source":
        sources = [
            NamedLanguage(language=deepl_code(code), name=language_name(code)) for code in registry.snapshot.sources
        ]
        return JsonResponse(sources)
    if kind != "target":
        raise DeepLRefusal(TYPE_INVALID)
    names: dict[str, str] = {}
    for code in sorted({target for _, target in registry.snapshot.pairs}):
        names |= _REGIONAL.get(code, {deepl_code(code): language_name(code)})
    targets = [
        NamedLanguage(language=code, name=name, supports_formality=has_formality(code))
        for code, name in sorted(names.items())
    ]
    return JsonResponse(targets)


@router.get(
    "/v2/glossary-language-pairs",
    summary="Languages for which there can be a glossary",
    responses=_PAIRS_RESPONSES,
    response_model=None,
)
async def glossary_language_pairs(request: Request) -> Response:
    call = await ApiCall.open(request, needs_key=True)
    served = sorted(call.serving.registry.snapshot.pairs)
    pairs = [LanguagePair(source_lang=source, target_lang=target) for source, target in served]
    return JsonResponse(LanguagePairs(supported_languages=pairs))


@router.get(
    "/v2/usage",
    summary="Characters translated, and how many may be",
    description="Counted since the service was started, for `/v2/translate` and `/v2/document`, up to "
    "`PASSERELLE_DEEPL_CHARACTER_LIMIT`; for a key with a quota of its own, that of the key.",
    responses=_USAGE_RESPONSES,
    response_model=None,
)
async def usage(request: Request) -> Response:
    call = await ApiCall.open(request, needs_key=True)
    quota = call.quota if call.quota.limit else call.serving.deepl_quota
    return JsonResponse(Usage(character_count=quota.count, character_limit=quota.limit or _NO_LIMIT))


for _path, _endpoint in (("/v2/languages", languages), ("/v2/usage", usage)):
    router.add_api_route(_path, _endpoint, methods=["POST"], include_in_schema=False, response_model=None)
