"""/v2/glossaries in DeepL's dialect: make, list, read and delete glossaries."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Annotated, Any, Final

from anyio.to_thread import run_sync
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
    STORAGE_RESPONSES,
    DeepLRefusal,
    error_entry,
    not_supported,
)
from app.api.deepl.models import DictionaryFields, GlossaryFields
from app.api.fields import shorten
from app.api.responses import DirectRoute, JsonResponse, json_answer, schema_of
from app.errors import InvalidGlossary, LimitExceeded, UnsupportedLanguage
from app.serving.container import Serving
from app.serving.glossaries import EntriesFormat, Entry, compile_terms, format_entries, read_entries
from app.serving.glossary_store import MAX_NAME_CHARACTERS, Dictionary, GlossaryInfo
from app.serving.registry import Registry
from app.text.codes import find_served
from app.text.placeholder_finder import Terms

router = APIRouter(tags=["DeepL"], route_class=DirectRoute, dependencies=[Security(DEEPL_KEY)])

_INVALID_ENTRIES: Final = "Invalid glossary entries provided"
_TSV: Final = "text/tab-separated-values"
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
_BODY_EXAMPLE: Final = {
    "name": "Cheese",
    "source_lang": "en",
    "target_lang": "fr",
    "entries": "cottage cheese\tfaisselle",
    "entries_format": "tsv",
}


class Glossary(TypedDict):
    """A glossary without its entries: languages in lower case, the time in UTC."""

    glossary_id: Annotated[str, Field(json_schema_extra={"format": "uuid"})]
    name: str
    ready: Annotated[bool, Field(description="Always true: it can be used at once.")]
    source_lang: str
    target_lang: str
    creation_time: Annotated[str, Field(json_schema_extra={"format": "date-time"})]
    entry_count: Annotated[int, Field(ge=1)]


class Glossaries(TypedDict):
    glossaries: list[Glossary]


_GLOSSARY: Final = schema_of(Glossary)
_ID: Final[dict[str, Any]] = {"name": "glossary_id", "in": "path", "required": True, "schema": {"type": "string"}}
_CREATE_BODY: Final[dict[str, Any]] = {
    "content": {"application/json": {"schema": schema_of(GlossaryFields), "example": _BODY_EXAMPLE}}
}
_MISSING: Final[dict[int | str, dict[str, Any]]] = {
    404: error_entry("There is no such glossary.", GLOSSARY_NOT_FOUND),
    **COMMON_RESPONSES,
    **STORAGE_RESPONSES,
}


@router.post(
    "/v2/glossaries",
    summary="Make a glossary",
    description="Terms are found as they are written, whole words only; a term in lower case also where it begins a "
    "sentence. Its translation comes as it is written: it is not inflected.",
    status_code=201,
    openapi_extra={"requestBody": _CREATE_BODY},
    responses={
        201: json_answer("The new glossary.", _GLOSSARY, _EXAMPLE),
        400: error_entry(
            "Entries, or a pair of languages, that cannot be used.",
            (_INVALID_ENTRIES, "Key with the index 0 (starting at position 0) misses tab separator"),
        ),
        **COMMON_RESPONSES,
        **STORAGE_RESPONSES,
    },
    response_model=None,
)
async def create(request: Request) -> Response:
    call = await ApiCall.open(request, needs_key=True)
    fields = GlossaryFields.read(call.fields)
    with refusals():
        name, dictionary = read_name(fields.name), read_dictionary(call, fields)
        info = await run_sync(call.serving.glossaries.create, name, [dictionary])
    return JsonResponse(_describe(info), status_code=201)


@router.get(
    "/v2/glossaries",
    summary="All glossaries",
    responses={
        200: json_answer(
            "The glossaries, oldest first.",
            schema_of(Glossaries),
            {"glossaries": [_EXAMPLE]},
        ),
        **COMMON_RESPONSES,
        **STORAGE_RESPONSES,
    },
    response_model=None,
)
async def list_all(request: Request) -> Response:
    call = await ApiCall.open(request, needs_key=True)
    found = await run_sync(call.serving.glossaries.list_all)
    return JsonResponse(Glossaries(glossaries=[_describe(info) for info in found if len(info.dictionaries) == 1]))


@router.get(
    "/v2/glossaries/{glossary_id}",
    summary="One glossary, without its entries",
    openapi_extra={"parameters": [_ID]},
    responses={200: json_answer("The glossary.", _GLOSSARY, _EXAMPLE), **_MISSING},
    response_model=None,
)
async def one(request: Request) -> Response:
    call = await ApiCall.open(request, needs_key=True)
    return JsonResponse(_describe(await _find(call)))


@router.get(
    "/v2/glossaries/{glossary_id}/entries",
    summary="The entries of a glossary",
    openapi_extra={"parameters": [_ID]},
    responses={
        200: {
            "description": "A line for each: the term, a tab, its translation.",
            "content": {_TSV: {"schema": {"type": "string"}, "example": "cottage cheese\tfaisselle"}},
        },
        **_MISSING,
    },
    response_model=None,
)
async def entries(request: Request) -> Response:
    call = await ApiCall.open(request, needs_key=True)
    accepted = [one.partition(";")[0].strip().lower() for one in request.headers.get("accept", "").split(",")]
    if accepted != [""] and not {_TSV, "text/*", "*/*"} & set(accepted):
        raise DeepLRefusal(f"Entries are {_TSV} alone", f"Accept is {request.headers['accept'][:80]!r}", 415)
    info = await _find(call)
    of = info.dictionaries[0]
    text = format_entries(await run_sync(call.serving.glossaries.load_entries, info.id, of.source, of.target))
    return Response(text, media_type=_TSV)


@router.delete(
    "/v2/glossaries/{glossary_id}",
    summary="Delete a glossary",
    status_code=204,
    openapi_extra={"parameters": [_ID]},
    responses={204: {"description": "It is gone."}, **_MISSING},
    response_model=None,
)
async def delete(request: Request) -> Response:
    call = await ApiCall.open(request, needs_key=True)
    if not await run_sync(call.serving.glossaries.delete, (await _find(call)).id):
        raise DeepLRefusal(GLOSSARY_NOT_FOUND, status=404)  # another request was faster
    return Response(status_code=204)


async def load_terms(serving: Serving, ids: Sequence[str], source: str | None, target: str) -> Terms | None:
    """Load the terms of the glossaries that a request names; None if it names none.

    Of a term that stands in several glossaries, the first one counts.

    Raises:
        DeepLRefusal: There is no such glossary, or it has no dictionary for the pair of languages.
    """
    if not ids:
        return None
    if source is None:
        raise DeepLRefusal(GLOSSARY_WITHOUT_SOURCE)
    found: dict[str, Entry] = {}
    for glossary_id in ids:
        glossary = await run_sync(serving.glossaries.find, glossary_id)
        if glossary is None:
            raise DeepLRefusal(GLOSSARY_NOT_FOUND)
        if glossary.find(source, target) is None:
            pairs = ", ".join(f"from {one.source} to {one.target}" for one in glossary.dictionaries) or "empty"
            detail = f"The glossary is {pairs}, the request from {source} to {target}"
            raise DeepLRefusal("No dictionary found for language pair", detail)
        loaded = await run_sync(serving.glossaries.load_entries, glossary_id, source, target)
        found = {entry.source: entry for entry in loaded} | found
    return await run_sync(compile_terms, tuple(found.values()))


@contextmanager
def refusals() -> Iterator[None]:
    """Turn what is wrong with a glossary into the errors of this dialect."""
    try:
        yield
    except InvalidGlossary as error:
        raise DeepLRefusal(_INVALID_ENTRIES, str(error)) from None
    except LimitExceeded as error:
        raise DeepLRefusal("Too many glossaries or entries", str(error)) from None


def read_name(given: str) -> str:
    """Check the name of a glossary."""
    name = given.strip()
    if not name:
        raise DeepLRefusal("Parameter 'name' not specified")
    if len(name) > MAX_NAME_CHARACTERS:
        raise DeepLRefusal(f"Parameter 'name' has {len(name)} characters, at most {MAX_NAME_CHARACTERS} are allowed")
    return name


def read_pair(source: str, target: str, registry: Registry) -> tuple[str, str]:
    """Check a pair of languages, and return their codes as they are served."""
    found = _check_language(source, "source_lang", registry), _check_language(target, "target_lang", registry)
    try:
        registry.snapshot.check(*found)
    except UnsupportedLanguage as error:
        raise DeepLRefusal("Unsupported glossary language pair", str(error)) from None
    return found


def read_dictionary(call: ApiCall, fields: DictionaryFields) -> Dictionary:
    """Check the entries for one pair of languages.

    Raises:
        DeepLRefusal: The languages or the format are not known.
        InvalidGlossary: An entry cannot be used.
        LimitExceeded: There are too many entries.
    """
    source, target = read_pair(fields.source_lang, fields.target_lang, call.serving.registry)
    given_format = fields.entries_format.strip().lower()
    if given_format not in _FORMATS:
        known = ", ".join(_FORMATS)
        raise not_supported("entries_format", f"{shorten(given_format)} is not among those known: {known}")
    entries = read_entries(fields.entries, _FORMATS[given_format], call.settings.max_glossary_entries)
    return Dictionary(source, target, entries)


async def _find(call: ApiCall) -> GlossaryInfo:
    """Find a glossary of one dictionary: this version of the interface knows no others."""
    info = await run_sync(call.serving.glossaries.find, call.request.path_params["glossary_id"])
    if info is None or len(info.dictionaries) != 1:
        raise DeepLRefusal(GLOSSARY_NOT_FOUND, status=404)
    return info


def _check_language(code: str, name: str, registry: Registry) -> str:
    given = code.strip()
    if not given:
        raise DeepLRefusal(f"Parameter '{name}' not specified")
    served = find_served(given, registry.snapshot.languages)
    if served is None:
        raise not_supported(name, f"{shorten(given)} is not served")
    return served


def _describe(info: GlossaryInfo) -> Glossary:
    (dictionary,) = info.dictionaries
    return {
        "glossary_id": info.id,
        "name": info.name,
        "ready": True,
        "source_lang": dictionary.source,
        "target_lang": dictionary.target,
        "creation_time": format_time(info.created),
        "entry_count": dictionary.entry_count,
    }


def format_time(time: datetime) -> str:
    """Format a time in UTC as DeepL does."""
    return time.isoformat(timespec="microseconds").replace("+00:00", "Z")
