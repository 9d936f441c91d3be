"""/v2/glossaries: make, list, read and delete glossaries as DeepL's clients do."""

from typing import Any, Final

from fastapi import APIRouter, Request, Security
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from app.api.body import Fields
from app.api.deepl.errors import (
    COMMON_RESPONSES,
    GLOSSARY_NOT_FOUND,
    GLOSSARY_WITHOUT_SOURCE,
    STORAGE_RESPONSES,
    DeepLRefusal,
    error_entry,
    not_supported,
)
from app.api.deepl.key import DEEPL_KEY, in_time_with_key
from app.api.deepl.languages import served_code
from app.api.direct import DirectRoute
from app.api.fields import shown, string
from app.api.glossary_terms import terms_of
from app.api.responses import JsonResponse
from app.api.service import Service
from app.api.timeout import RequestTimeout
from app.errors import InvalidGlossary, LimitExceeded, UnsupportedLanguage
from app.serving.glossaries import MAX_NAME_CHARACTERS, EntriesFormat, GlossaryInfo, read_entries, written_entries
from app.text.glossary_terms import Terms

router = APIRouter(tags=["DeepL"], route_class=DirectRoute, dependencies=[Security(DEEPL_KEY)])

INVALID_ENTRIES: Final = "Invalid glossary entries provided"
TSV: Final = "text/tab-separated-values"
_FORMATS: Final[dict[str, EntriesFormat]] = {"tsv": "tsv", "csv": "csv"}
_EXAMPLE: Final[dict[str, Any]] = {
    "glossary_id": "def3a26b-3e84-45b3-84ae-0c0aaf3525f7",
    "name": "Cheese",
    "ready": True,
    "source_lang": "en",
    "target_lang": "fr",
    "creation_time": "2026-11-20T23:12:35.220000Z",
    "entry_count": 1,
}
_GLOSSARY: Final[dict[str, Any]] = {
    "type": "object",
    "required": list(_EXAMPLE),
    "properties": {
        "glossary_id": {"type": "string", "format": "uuid"},
        "name": {"type": "string"},
        "ready": {"type": "boolean", "description": "Always true: it can be used at once."},
        "source_lang": {"type": "string"},
        "target_lang": {"type": "string"},
        "creation_time": {"type": "string", "format": "date-time"},
        "entry_count": {"type": "integer", "minimum": 1},
    },
}
_BODY: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["name", "source_lang", "target_lang", "entries", "entries_format"],
    "properties": {
        "name": {"type": "string"},
        "source_lang": {"type": "string"},
        "target_lang": {"type": "string"},
        "entries": {"type": "string", "description": "A line for each: the term, a tab (or comma), its translation."},
        "entries_format": {"type": "string", "enum": list(_FORMATS)},
    },
}
_ID: Final[dict[str, Any]] = {"name": "glossary_id", "in": "path", "required": True, "schema": {"type": "string"}}
_BODY_EXAMPLE: Final = {
    "name": "Cheese",
    "source_lang": "en",
    "target_lang": "fr",
    "entries": "cottage cheese\tfaisselle",
    "entries_format": "tsv",
}
_MISSING: Final[dict[int | str, dict[str, Any]]] = {
    404: error_entry("There is no such glossary.", GLOSSARY_NOT_FOUND),
    **COMMON_RESPONSES,
    **STORAGE_RESPONSES,
}


def _answers(description: str, schema: dict[str, Any], example: object) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": schema, "example": example}}}


@router.post(
    "/v2/glossaries",
    summary="Make a glossary",
    description="Terms are found as they are written, whole words only; a term in lower case also where it begins a "
    "sentence. Its translation comes as it is written: it is not inflected.",
    status_code=201,
    openapi_extra={"requestBody": {"content": {"application/json": {"schema": _BODY, "example": _BODY_EXAMPLE}}}},
    responses={
        201: _answers("The new glossary.", _GLOSSARY, _EXAMPLE),
        400: error_entry(
            "Entries, or a pair of languages, that cannot be used.",
            (INVALID_ENTRIES, "Key with the index 0 (starting at position 0) misses tab separator"),
        ),
        **COMMON_RESPONSES,
        **STORAGE_RESPONSES,
    },
    response_model=None,
)
async def create(request: Request) -> Response:
    return await in_time_with_key(request, _create)


@router.get(
    "/v2/glossaries",
    summary="All glossaries",
    responses={
        200: _answers(
            "The glossaries, oldest first.",
            {
                "type": "object",
                "required": ["glossaries"],
                "properties": {"glossaries": {"type": "array", "items": _GLOSSARY}},
            },
            {"glossaries": [_EXAMPLE]},
        ),
        **COMMON_RESPONSES,
        **STORAGE_RESPONSES,
    },
    response_model=None,
)
async def list_all(request: Request) -> Response:
    return await in_time_with_key(request, _list)


@router.get(
    "/v2/glossaries/{glossary_id}",
    summary="One glossary, without its entries",
    openapi_extra={"parameters": [_ID]},
    responses={200: _answers("The glossary.", _GLOSSARY, _EXAMPLE), **_MISSING},
    response_model=None,
)
async def one(request: Request) -> Response:
    return await in_time_with_key(request, _one)


@router.get(
    "/v2/glossaries/{glossary_id}/entries",
    summary="The entries of a glossary",
    openapi_extra={"parameters": [_ID]},
    responses={
        200: {
            "description": "A line for each: the term, a tab, its translation.",
            "content": {TSV: {"schema": {"type": "string"}, "example": "cottage cheese\tfaisselle"}},
        },
        **_MISSING,
    },
    response_model=None,
)
async def entries(request: Request) -> Response:
    return await in_time_with_key(request, _entries)


@router.delete(
    "/v2/glossaries/{glossary_id}",
    summary="Delete a glossary",
    status_code=204,
    openapi_extra={"parameters": [_ID]},
    responses={204: {"description": "It is gone."}, **_MISSING},
    response_model=None,
)
async def delete(request: Request) -> Response:
    return await in_time_with_key(request, _delete)


async def _create(_: Request, service: Service, fields: Fields, __: RequestTimeout) -> Response:
    name = string(fields, "name").strip()
    if not name:
        raise DeepLRefusal("Parameter 'name' not specified")
    if len(name) > MAX_NAME_CHARACTERS:
        raise DeepLRefusal(f"Parameter 'name' has {len(name)} characters, at most {MAX_NAME_CHARACTERS} are allowed")
    source, target = _code(service, fields, "source_lang"), _code(service, fields, "target_lang")
    try:
        service.registry.find(source, target)
    except UnsupportedLanguage as error:
        raise DeepLRefusal("Unsupported glossary language pair", str(error)) from None
    given_format = string(fields, "entries_format").strip().lower()
    if given_format not in _FORMATS:
        raise not_supported("entries_format", f"{shown(given_format)} is not among those known: {', '.join(_FORMATS)}")
    text = string(fields, "entries")
    try:
        found = read_entries(text, _FORMATS[given_format], service.settings.max_glossary_entries)
        info = await run_in_threadpool(service.glossaries.create, name, source, target, found)
    except InvalidGlossary as error:
        raise DeepLRefusal(INVALID_ENTRIES, str(error)) from None
    except LimitExceeded as error:
        raise DeepLRefusal("Too many glossaries or entries", str(error)) from None
    return JsonResponse(described(info), status_code=201)


async def _list(_: Request, service: Service, __: Fields, ___: RequestTimeout) -> Response:
    found = await run_in_threadpool(service.glossaries.all)
    return JsonResponse({"glossaries": [described(info) for info in found]})


async def _one(request: Request, service: Service, __: Fields, ___: RequestTimeout) -> Response:
    return JsonResponse(described(await _found(request, service)))


async def _entries(request: Request, service: Service, __: Fields, ___: RequestTimeout) -> Response:
    accepted = [one.partition(";")[0].strip().lower() for one in request.headers.get("accept", "").split(",")]
    if accepted != [""] and not {TSV, "text/*", "*/*"} & set(accepted):
        raise DeepLRefusal(f"Entries are {TSV} alone", f"Accept is {request.headers['accept'][:80]!r}", 415)
    info = await _found(request, service)
    text = written_entries(await run_in_threadpool(service.glossaries.entries, info.id))
    return Response(text, media_type=TSV)


async def _delete(request: Request, service: Service, __: Fields, ___: RequestTimeout) -> Response:
    if not await run_in_threadpool(service.glossaries.delete, request.path_params["glossary_id"]):
        raise DeepLRefusal(GLOSSARY_NOT_FOUND, status=404)
    return Response(status_code=204)


async def _found(request: Request, service: Service) -> GlossaryInfo:
    info = await run_in_threadpool(service.glossaries.find, request.path_params["glossary_id"])
    if info is None:
        raise DeepLRefusal(GLOSSARY_NOT_FOUND, status=404)
    return info


def _code(service: Service, fields: Fields, name: str) -> str:
    given = string(fields, name).strip()
    if not given:
        raise DeepLRefusal(f"Parameter '{name}' not specified")
    code = served_code(given, service.registry.languages)
    if code is None:
        raise not_supported(name, f"{shown(given)} is not served")
    return code


async def named_terms(service: Service, glossary_id: str, source: str | None, target: str) -> Terms | None:
    """The terms of the glossary that a request names; None if it names none.

    :raises DeepLRefusal: there is no such glossary, or it is of another pair of languages.
    """
    if not glossary_id:
        return None
    if source is None:
        raise DeepLRefusal(GLOSSARY_WITHOUT_SOURCE)
    glossary = await run_in_threadpool(service.glossaries.find, glossary_id)
    if glossary is None:
        raise DeepLRefusal(GLOSSARY_NOT_FOUND)
    if (glossary.source, glossary.target) != (source, target):
        detail = f"It is from {glossary.source} to {glossary.target}, the request from {source} to {target}"
        raise DeepLRefusal("Source and target language must match glossary languages", detail)
    return await terms_of(service, glossary)


def described(info: GlossaryInfo) -> dict[str, object]:
    """As DeepL's clients read it: languages in lower case, the time in UTC."""
    created = info.created.isoformat(timespec="microseconds").replace("+00:00", "Z")
    return {
        "glossary_id": info.id,
        "name": info.name,
        "ready": True,
        "source_lang": info.source,
        "target_lang": info.target,
        "creation_time": created,
        "entry_count": info.entry_count,
    }
