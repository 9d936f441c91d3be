"""/v2/document in DeepL's dialect: upload a file, request its status, and fetch its translation once."""

import math
from typing import Annotated, Any, Final, Literal, NotRequired

from fastapi import APIRouter, Request, Security
from pydantic import Field
from starlette.responses import Response
from typing_extensions import TypedDict

from app.api.call import ApiCall
from app.api.deepl.errors import (
    COMMON_RESPONSES,
    DEEPL_KEY,
    INVALID_FILE,
    QUOTA_EXCEEDED,
    QUOTA_STATUS,
    SAME_LANGUAGES,
    DeepLRefusal,
    error_entry,
)
from app.api.deepl.glossaries import load_terms
from app.api.deepl.models import DocumentFields, DocumentKeyFields
from app.api.deepl.request import DocumentRequest, parse_document
from app.api.responses import BINARY_SCHEMA, DirectRoute, JsonResponse, json_answer, schema_of, upload_body
from app.api.upload import Upload, clean_name, file_response
from app.errors import EngineOverloaded, UnusableFile
from app.files.document_store import DocumentRecord
from app.files.formats.registry import SUFFIXES, suffix_of
from app.files.queue import FileJob

router = APIRouter(tags=["DeepL"], route_class=DirectRoute, dependencies=[Security(DEEPL_KEY)])


class UploadedDocument(TypedDict):
    document_id: str
    document_key: str


class DocumentStatus(TypedDict):
    document_id: str
    status: Literal["queued", "translating", "done", "error"]
    seconds_remaining: NotRequired[Annotated[int, Field(ge=0, description="An estimate.")]]
    billed_characters: NotRequired[Annotated[int, Field(ge=0)]]
    error_message: NotRequired[str]


_NOT_FOUND: Final = "Document not found"
_NOT_DONE: Final = "Document translation is not done"
_BUSY: Final = "Too many documents"

_UPLOAD_DESCRIPTION: Final = f"""\
Reads {", ".join(f"`{suffix}`" for suffix in SUFFIXES)}, by how the name ends; a document comes back in the format in
which it was sent. It is translated in the background, behind single texts. The answer has what is needed to ask for it;
the translation is deleted when it is fetched, or after `PASSERELLE_FILE_KEEP_SECONDS`.

Characters count against the quota, without tags; if fewer are left, the document ends with the status `error`.
"""
_ID: Final = "8B1C0E3AA6E14F1C9C1D2E4B7A5F6D10"
_KEY: Final = "0CB0054F1C132C1625B392EADDA41CB754A742822F6877173029A6C487E7F60A"

_UPLOAD_BODY: Final = upload_body(
    schema_of(DocumentFields), {"file": "Good morning!", "target_lang": "FR", "source_lang": "EN"}
)
_UPLOAD_RESPONSES: Final[dict[int | str, dict[str, Any]]] = {
    200: json_answer(
        "It is in line.",
        schema_of(UploadedDocument),
        {"document_id": _ID, "document_key": _KEY},
    ),
    400: error_entry(
        "A field is missing or not supported.",
        "Parameter 'file' not specified",
        ("Value for 'target_lang' not supported.", "ZZ is not among those served: EN, FR"),
        INVALID_FILE,
        SAME_LANGUAGES,
    ),
    **COMMON_RESPONSES,
    408: error_entry("The document arrived too slowly.", "The file did not arrive within file_timeout_seconds (600)"),
    413: error_entry("It is too large.", "The file (11000000 bytes) exceeds max_file_bytes (10485760)"),
    429: error_entry("Come back later.", f"{_BUSY}: 8 files are translated or wait, max_files is 8"),
    QUOTA_STATUS: error_entry("No character is left.", (QUOTA_EXCEEDED, "deepl_character_limit (500000) is reached")),
    503: error_entry("Nothing can be translated now.", "Nothing can be translated: no usable bundle in models"),
}

_STATUS_PARAMETERS: Final[list[dict[str, Any]]] = [
    {"name": "document_id", "in": "path", "required": True, "schema": {"type": "string"}, "example": _ID}
]
_STATUS_BODY: Final[dict[str, Any]] = {
    "required": True,
    "content": {
        kind: {"schema": schema_of(DocumentKeyFields), "example": {"document_key": _KEY}}
        for kind in ("application/json", "application/x-www-form-urlencoded")
    },
}
_MALFORMED: Final = error_entry("The body cannot be read.", "Invalid JSON format")
_UNKNOWN: Final = error_entry("No such document with this key, or it was fetched or deleted.", _NOT_FOUND)
_STATUS_RESPONSES: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "How far it is.",
        "content": {
            "application/json": {
                "schema": schema_of(DocumentStatus),
                "examples": {
                    "translating": {"value": {"document_id": _ID, "status": "translating", "seconds_remaining": 20}},
                    "done": {"value": {"document_id": _ID, "status": "done", "billed_characters": 1337}},
                    "error": {"value": {"document_id": _ID, "status": "error", "error_message": QUOTA_EXCEEDED}},
                },
            }
        },
    },
    400: _MALFORMED,
    404: _UNKNOWN,
    **COMMON_RESPONSES,
}
_CANCEL_RESPONSES: Final[dict[int | str, dict[str, Any]]] = {
    204: {"description": "It is deleted."},
    400: _MALFORMED,
    404: _UNKNOWN,
    **COMMON_RESPONSES,
}
_RESULT_RESPONSES: Final[dict[int | str, dict[str, Any]]] = {
    200: {"description": "The document.", "content": {"application/octet-stream": {"schema": BINARY_SCHEMA}}},
    400: _MALFORMED,
    404: _UNKNOWN,
    **COMMON_RESPONSES,
    503: error_entry("It is not done yet, or it failed.", _NOT_DONE, (_NOT_DONE, QUOTA_EXCEEDED)),
}


@router.post(
    "/v2/document",
    summary="Upload a document to be translated",
    description=_UPLOAD_DESCRIPTION,
    openapi_extra={"requestBody": _UPLOAD_BODY},
    responses=_UPLOAD_RESPONSES,
    response_model=None,
)
async def upload(request: Request) -> Response:
    call = await ApiCall.open_with_file(request, needs_key=True)
    call.check_served()
    parsed = parse_document(call.fields, call.serving.registry)
    terms = await load_terms(call.serving, parsed.glossary_ids, parsed.source, parsed.target)
    name, content = _check_file(parsed, call.upload)
    quotas = (call.serving.deepl_quota, call.quota)
    for quota in quotas:
        if quota.limit and quota.count >= quota.limit:
            raise DeepLRefusal(QUOTA_EXCEEDED, f"{quota.name} ({quota.limit}) is reached", QUOTA_STATUS)
    job = FileJob(name, content, parsed.source, parsed.target, call.timeout.seconds, quotas, terms)
    try:
        document_id, key = await call.files.documents.submit(job)
    except EngineOverloaded as error:
        raise EngineOverloaded(f"{_BUSY}: {error}", error.retry_after_seconds) from None
    return JsonResponse(UploadedDocument(document_id=document_id, document_key=key))


@router.post(
    "/v2/document/{document_id}",
    summary="How far a document is",
    openapi_extra={"parameters": _STATUS_PARAMETERS, "requestBody": _STATUS_BODY},
    responses=_STATUS_RESPONSES,
    response_model=None,
)
async def status(request: Request) -> Response:
    record = await _find_record(await ApiCall.open(request, needs_key=True))
    body: DocumentStatus = {"document_id": record.document_id, "status": record.status}
    if record.status == "translating" and record.seconds_remaining is not None:
        body["seconds_remaining"] = math.ceil(record.seconds_remaining)
    if record.status == "done":
        body["billed_characters"] = record.characters
    if record.status == "error":
        body["error_message"] = record.error
    return JsonResponse(body)


@router.post(
    "/v2/document/{document_id}/result",
    summary="Fetch a translated document, once",
    openapi_extra={"parameters": _STATUS_PARAMETERS, "requestBody": _STATUS_BODY},
    responses=_RESULT_RESPONSES,
    response_model=None,
)
async def result(request: Request) -> Response:
    call = await ApiCall.open(request, needs_key=True)
    record = await _find_record(call)
    if record.result_key is None:
        raise DeepLRefusal(_NOT_DONE, record.error, status=503)
    content = await call.files.documents.take(record, record.result_key)  # one of two concurrent requests gets it
    if content is None:
        raise DeepLRefusal(_NOT_FOUND, status=404)
    return file_response(content, record.name)


@router.delete(
    "/v2/document/{document_id}",
    summary="Cancel the translation of a document and delete it",
    openapi_extra={"parameters": _STATUS_PARAMETERS, "requestBody": _STATUS_BODY},
    responses=_CANCEL_RESPONSES,
    status_code=204,
    response_model=None,
)
async def cancel(request: Request) -> Response:
    call = await ApiCall.open(request, needs_key=True)
    await call.files.documents.cancel(await _find_record(call))
    return Response(status_code=204)


for _path, _endpoint in (("", status), ("/result", result)):
    router.add_api_route(
        f"/v2/document/{{document_id}}{_path}",
        _endpoint,
        methods=["GET"],
        include_in_schema=False,
        response_model=None,
    )


def _check_file(parsed: DocumentRequest, file: Upload | None) -> tuple[str, bytes]:
    """Return the name and the content of a document in a format that is read."""
    if file is None:
        raise DeepLRefusal("Parameter 'file' not specified")
    name = clean_name(parsed.filename) or file.name
    try:
        suffix = suffix_of(name)
    except UnusableFile:
        raise DeepLRefusal(INVALID_FILE, f"Documents end with one of {', '.join(SUFFIXES)}") from None
    if parsed.source == parsed.target:
        raise DeepLRefusal(SAME_LANGUAGES)
    output_format = parsed.output_format.strip().lower().removeprefix(".")
    if output_format and f".{output_format}" != suffix:
        raise DeepLRefusal(
            "Value for 'output_format' not supported.", "a document comes back in the format in which it was sent"
        )
    return name, file.content


async def _find_record(call: ApiCall) -> DocumentRecord:
    key = DocumentKeyFields.read(call.fields).document_key
    record = await call.files.documents.find(str(call.request.path_params["document_id"]), key)
    if record is None:
        raise DeepLRefusal(_NOT_FOUND, status=404)
    return record
