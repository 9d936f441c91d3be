"""/v3/glossaries in DeepL's dialect: glossaries that hold dictionaries for several pairs of languages."""

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
    STORAGE_RESPONSES,
    DeepLRefusal,
    error_entry,
)
from app.api.deepl.glossaries import format_time, read_dictionary, read_name, read_pair, refusals
from app.api.deepl.models import DictionaryFields, GlossaryV3Fields, PairFields
from app.api.responses import DirectRoute, JsonResponse, json_answer, schema_of
from app.serving.glossaries import format_entries
from app.serving.glossary_store import GlossaryInfo

router = APIRouter(tags=["DeepL"], route_class=DirectRoute, dependencies=[Security(DEEPL_KEY)])

_PATH: Final = "/v3/glossaries"
_DICTIONARY_NOT_FOUND: Final = "Dictionary not found"
_PAIR: Final = {"source_lang": "en", "target_lang": "fr"}
_ENTRIES: Final = {"entries": "cottage cheese\tfaisselle", "entries_format": "tsv"}
_EXAMPLE: Final[dict[str, Any]] = {
    "glossary_id": "def3a26b-3e84-45b3-84ae-0c0aaf3525f7",
    "name": "Cheese",
    "creation_time": "2026-11-20T23:12:35.220000Z",
    "dictionaries": [{**_PAIR, "entry_count": 1}],
}


class DictionaryAnswer(TypedDict):
    """A dictionary without its entries: languages in lower case."""

    source_lang: str
    target_lang: str
    entry_count: Annotated[int, Field(ge=0)]


class GlossaryAnswer(TypedDict):
    """A glossary without its entries; the time in UTC."""

    glossary_id: Annotated[str, Field(json_schema_extra={"format": "uuid"})]
    name: str
    creation_time: Annotated[str, Field(json_schema_extra={"format": "date-time"})]
    dictionaries: list[DictionaryAnswer]


class GlossariesAnswer(TypedDict):
    glossaries: list[GlossaryAnswer]


class EntriesAnswer(TypedDict):
    source_lang: str
    target_lang: str
    entries: str
    entries_format: str


class DictionariesAnswer(TypedDict):
    dictionaries: list[EntriesAnswer]


_GLOSSARY: Final = schema_of(GlossaryAnswer)
_ID: Final[dict[str, Any]] = {"name": "glossary_id", "in": "path", "required": True, "schema": {"type": "string"}}
_PAIR_PARAMETERS: Final[list[dict[str, Any]]] = [
    {"name": name, "in": "query", "required": True, "schema": {"type": "string"}, "example": example}
    for name, example in _PAIR.items()
]
_ERRORS: Final[dict[int | str, dict[str, Any]]] = {
    400: error_entry("Entries, or a pair of languages, that cannot be used.", "Invalid glossary entries provided"),
    **COMMON_RESPONSES,
    **STORAGE_RESPONSES,
}
_MISSING: Final = {404: error_entry("There is none.", GLOSSARY_NOT_FOUND, _DICTIONARY_NOT_FOUND), **_ERRORS}


def _body(model: Any, example: object) -> dict[str, Any]:
    return {"content": {"application/json": {"schema": schema_of(model), "example": example}}}


_GLOSSARY_BODY: Final = _body(GlossaryV3Fields, {"name": "Cheese", "dictionaries": [{**_PAIR, **_ENTRIES}]})


@router.post(
    _PATH,
    summary="Make a glossary of several languages",
    status_code=201,
    openapi_extra={"requestBody": _GLOSSARY_BODY},
    responses={201: json_answer("The new glossary.", _GLOSSARY, _EXAMPLE), **_ERRORS},
    response_model=None,
)
async def create(request: Request) -> Response:
    call = await ApiCall.open(request, needs_key=True)
    fields = GlossaryV3Fields.read(call.fields)
    name = read_name(fields.name)
    with refusals():
        dictionaries = [read_dictionary(call, one) for one in fields.dictionaries]
        info = await run_sync(call.serving.glossaries.create, name, dictionaries)
    return JsonResponse(_describe(info), status_code=201)


@router.get(
    _PATH,
    summary="All glossaries",
    responses={
        200: json_answer("Oldest first.", schema_of(GlossariesAnswer), {"glossaries": [_EXAMPLE]}),
        **COMMON_RESPONSES,
        **STORAGE_RESPONSES,
    },
    response_model=None,
)
async def list_all(request: Request) -> Response:
    call = await ApiCall.open(request, needs_key=True)
    found = await run_sync(call.serving.glossaries.list_all)
    return JsonResponse(GlossariesAnswer(glossaries=[_describe(info) for info in found]))


@router.get(
    f"{_PATH}/{{glossary_id}}",
    summary="One glossary, without its entries",
    openapi_extra={"parameters": [_ID]},
    responses={200: json_answer("The glossary.", _GLOSSARY, _EXAMPLE), **_MISSING},
    response_model=None,
)
async def one(request: Request) -> Response:
    call = await ApiCall.open(request, needs_key=True)
    return JsonResponse(_describe(_found(await run_sync(call.serving.glossaries.find, _id_of(call)))))


@router.patch(
    f"{_PATH}/{{glossary_id}}",
    summary="Rename a glossary, or add entries",
    description="An entry whose term is there already replaces it; other entries stay.",
    openapi_extra={"parameters": [_ID], "requestBody": _GLOSSARY_BODY},
    responses={200: json_answer("The changed glossary.", _GLOSSARY, _EXAMPLE), **_MISSING},
    response_model=None,
)
async def update(request: Request) -> Response:
    call = await ApiCall.open(request, needs_key=True)
    fields = GlossaryV3Fields.read(call.fields)
    name = read_name(fields.name) if call.fields.get("name") is not None else None
    if name is None and not fields.dictionaries:
        raise DeepLRefusal("Parameter 'name' or 'dictionaries' not specified")
    with refusals():
        dictionaries = [read_dictionary(call, one) for one in fields.dictionaries]
        info = await run_sync(call.serving.glossaries.update, _id_of(call), name, dictionaries)
    return JsonResponse(_describe(_found(info)))


@router.put(
    f"{_PATH}/{{glossary_id}}/dictionaries",
    summary="Replace the entries for a pair of languages",
    openapi_extra={"parameters": [_ID], "requestBody": _body(DictionaryFields, {**_PAIR, **_ENTRIES})},
    responses={
        200: json_answer("The new dictionary.", schema_of(DictionaryAnswer), {**_PAIR, "entry_count": 1}),
        **_MISSING,
    },
    response_model=None,
)
async def replace(request: Request) -> Response:
    call = await ApiCall.open(request, needs_key=True)
    with refusals():
        dictionary = read_dictionary(call, DictionaryFields.read(call.fields))
        info = await run_sync(call.serving.glossaries.replace, _id_of(call), dictionary)
    replaced = _found(info).find(dictionary.source, dictionary.target)
    assert replaced is not None
    return JsonResponse(
        DictionaryAnswer(source_lang=replaced.source, target_lang=replaced.target, entry_count=replaced.entry_count)
    )


@router.get(
    f"{_PATH}/{{glossary_id}}/entries",
    summary="The entries for a pair of languages",
    openapi_extra={"parameters": [_ID, *_PAIR_PARAMETERS]},
    responses={
        200: json_answer("The entries.", schema_of(DictionariesAnswer), {"dictionaries": [{**_PAIR, **_ENTRIES}]}),
        **_MISSING,
    },
    response_model=None,
)
async def entries(request: Request) -> Response:
    call = await ApiCall.open(request, needs_key=True)
    info = _found(await run_sync(call.serving.glossaries.find, _id_of(call)))
    source, target = _pair_of(call)
    if info.find(source, target) is None:
        raise DeepLRefusal(_DICTIONARY_NOT_FOUND, status=404)
    text = format_entries(await run_sync(call.serving.glossaries.load_entries, info.id, source, target))
    answer = EntriesAnswer(source_lang=source, target_lang=target, entries=text, entries_format="tsv")
    return JsonResponse(DictionariesAnswer(dictionaries=[answer]))


@router.delete(
    f"{_PATH}/{{glossary_id}}",
    summary="Delete a glossary",
    status_code=204,
    openapi_extra={"parameters": [_ID]},
    responses={204: {"description": "It is gone."}, **_MISSING},
    response_model=None,
)
async def delete(request: Request) -> Response:
    call = await ApiCall.open(request, needs_key=True)
    if not await run_sync(call.serving.glossaries.delete, _id_of(call)):
        raise DeepLRefusal(GLOSSARY_NOT_FOUND, status=404)
    return Response(status_code=204)


@router.delete(
    f"{_PATH}/{{glossary_id}}/dictionaries",
    summary="Delete the entries for a pair of languages",
    status_code=204,
    openapi_extra={"parameters": [_ID, *_PAIR_PARAMETERS]},
    responses={204: {"description": "They are gone."}, **_MISSING},
    response_model=None,
)
async def delete_dictionary(request: Request) -> Response:
    call = await ApiCall.open(request, needs_key=True)
    info = _found(await run_sync(call.serving.glossaries.find, _id_of(call)))
    if not await run_sync(call.serving.glossaries.delete_dictionary, info.id, *_pair_of(call)):
        raise DeepLRefusal(_DICTIONARY_NOT_FOUND, status=404)
    return Response(status_code=204)


def _id_of(call: ApiCall) -> str:
    return str(call.request.path_params["glossary_id"])


def _pair_of(call: ApiCall) -> tuple[str, str]:
    fields = PairFields.read(call.fields)
    return read_pair(fields.source_lang, fields.target_lang, call.serving.registry)


def _found(info: GlossaryInfo | None) -> GlossaryInfo:
    if info is None:
        raise DeepLRefusal(GLOSSARY_NOT_FOUND, status=404)
    return info


def _describe(info: GlossaryInfo) -> GlossaryAnswer:
    return {
        "glossary_id": info.id,
        "name": info.name,
        "creation_time": format_time(info.created),
        "dictionaries": [
            {"source_lang": of.source, "target_lang": of.target, "entry_count": of.entry_count}
            for of in info.dictionaries
        ],
    }
