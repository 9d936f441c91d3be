"""/v3/languages in DeepL's dialect: languages and their features; and the parts of DeepL that are not served."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Request, Security
from pydantic import Field, PlainValidator
from starlette.responses import Response
from typing_extensions import TypedDict

from app.api.call import ApiCall
from app.api.deepl.errors import COMMON_RESPONSES, DEEPL_KEY, DeepLRefusal, error_entry, not_supported
from app.api.deepl.languages import has_formality, regional_names
from app.api.fields import FieldsModel, read_string, shorten
from app.api.responses import DirectRoute, JsonResponse, json_answer, schema_of
from app.text.languages import language_name

router = APIRouter(tags=["DeepL"], route_class=DirectRoute, dependencies=[Security(DEEPL_KEY)])

# Features of each resource, and on which side of a pair a language must have them.
_RESOURCES: Final[dict[str, dict[str, tuple[str, ...]]]] = {
    "translate_text": {
        "formality": ("target",),
        "tag_handling": ("source", "target"),
        "glossary": ("source", "target"),
        "auto_detection": ("source",),
    },
    "translate_document": {
        "formality": ("target",),
        "glossary": ("source", "target"),
        "auto_detection": ("source",),
    },
    "glossary": {},
}
_NOT_SERVED: Final = {
    "/v2/write/{rest:path}": "Improvements of texts",
    "/v3/style_rules": "Style rules",
    "/v3/style_rules/{rest:path}": "Style rules",
    "/v3/translation_memories": "Translation memories",
    "/v3/translation_memories/{rest:path}": "Translation memories",
}


class LanguagesV3Fields(FieldsModel):
    """The fields of GET /v3/languages. ``product`` is an older name of ``resource``."""

    resource: Annotated[str, PlainValidator(read_string, json_schema_input_type=str)] = ""
    product: Annotated[str, PlainValidator(read_string, json_schema_input_type=str)] = ""


class LanguageV3(TypedDict):
    lang: str
    name: str
    usable_as_source: bool
    usable_as_target: bool
    features: Annotated[dict[str, Any], Field(description="The names of the features that the language has.")]


_EXAMPLE: Final = {
    "lang": "fr",
    "name": "French",
    "usable_as_source": True,
    "usable_as_target": True,
    "features": {"formality": {}, "tag_handling": {}, "glossary": {}, "auto_detection": {}},
}


@router.get(
    "/v3/languages",
    summary="Languages of a resource, and their features",
    openapi_extra={
        "parameters": [
            {
                "name": "resource",
                "in": "query",
                "required": True,
                "schema": {"type": "string", "enum": list(_RESOURCES)},
                "example": "translate_text",
            }
        ]
    },
    responses={
        200: json_answer("The languages.", schema_of(list[LanguageV3]), [_EXAMPLE]),
        400: error_entry("There is no such resource here.", "Value for 'resource' not supported."),
        **COMMON_RESPONSES,
    },
    response_model=None,
)
async def languages(request: Request) -> Response:
    call = await ApiCall.open(request, needs_key=True)
    fields = LanguagesV3Fields.read(call.fields)
    resource = (fields.resource or fields.product).strip().lower()
    if resource not in _RESOURCES:
        raise not_supported("resource", f"{shorten(resource)!r} is not among those known: {', '.join(_RESOURCES)}")
    registry = call.serving.registry
    sources, targets = set(registry.snapshot.sources), {target for _, target in registry.snapshot.pairs}
    found: list[LanguageV3] = []
    for code in registry.snapshot.languages:
        regions = regional_names(code) if code in targets else {}
        is_target = code in targets and not regions  # else its regions are the targets
        found.append(_describe(code, language_name(code), resource, (code in sources, is_target)))
        for region, name in regions.items():
            found.append(_describe(region.lower(), name, resource, (region.lower() in sources, True)))
    return JsonResponse(found)


@router.get(
    "/v3/languages/resources",
    summary="Resources, and the features that a language may have for each",
    responses={
        200: json_answer(
            "The resources.", {"type": "array", "items": {"type": "object"}}, [{"name": "glossary", "features": []}]
        ),
        **COMMON_RESPONSES,
    },
    response_model=None,
)
async def resources(request: Request) -> Response:
    await ApiCall.open(request, needs_key=True)
    return JsonResponse(
        [
            {
                "name": name,
                "features": [
                    {"name": feature, **{f"needs_{side}_support": True for side in sides}}
                    for feature, sides in features.items()
                ],
            }
            for name, features in _RESOURCES.items()
        ]
    )


def _describe(lang: str, name: str, resource: str, usable: tuple[bool, bool]) -> LanguageV3:
    """Describe a language; ``usable`` says whether as a source, and whether as a target."""
    is_source, is_target = usable
    features: dict[str, Any] = {
        feature: {}
        for feature, sides in _RESOURCES[resource].items()
        if (has_formality(lang) if feature == "formality" else "target" in sides or is_source)
    }
    return LanguageV3(
        lang=_tag(lang), name=name, usable_as_source=is_source, usable_as_target=is_target, features=features
    )


def _tag(code: str) -> str:
    """Write a code with its region in capitals, as BCP 47 does."""
    language, _, region = code.partition("-")
    return f"{language}-{region.upper()}" if len(region) == 2 else code


async def refuse(request: Request) -> Response:
    """Refuse a request for a part of DeepL that is not served, and name the part."""
    await ApiCall.open(request, needs_key=True)
    raise DeepLRefusal(f"{_NOT_SERVED[request.scope['route'].path]} are not supported by this service")


for _path in _NOT_SERVED:
    router.add_api_route(
        _path, refuse, methods=["GET", "POST", "PUT", "PATCH", "DELETE"], include_in_schema=False, response_model=None
    )
