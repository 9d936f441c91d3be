"""/v2/document: upload a file, ask how far it is, and fetch its translation once."""

import math
from collections.abc import Awaitable, Callable

from fastapi import APIRouter, Request, Security
from starlette.responses import Response

from app.api.access import key_of, quota_of
from app.api.body import Fields
from app.api.deepl.document_schemas import (
    BUSY,
    NOT_DONE,
    NOT_FOUND,
    RESULT_RESPONSES,
    STATUS_BODY,
    STATUS_PARAMETERS,
    STATUS_RESPONSES,
    UPLOAD_BODY,
    UPLOAD_DESCRIPTION,
    UPLOAD_RESPONSES,
)
from app.api.deepl.errors import QUOTA_EXCEEDED, QUOTA_STATUS, DeepLRefusal
from app.api.deepl.glossaries import named_terms
from app.api.deepl.key import DEEPL_KEY, in_time_with_key
from app.api.deepl.translation_request import parse_document
from app.api.direct import DirectRoute
from app.api.fields import string
from app.api.responses import JsonResponse
from app.api.service import Service
from app.api.timeout import RequestTimeout
from app.api.upload import Upload, file_response, in_time_with_file
from app.errors import EngineOverloaded, EngineStopped
from app.files.document_store import Entry
from app.files.formats.registry import suffix_of
from app.files.queue import FileJob

router = APIRouter(tags=["DeepL"], route_class=DirectRoute, dependencies=[Security(DEEPL_KEY)])


@router.post(
    "/v2/document",
    summary="Upload a document to be translated",
    description=UPLOAD_DESCRIPTION,
    openapi_extra={"requestBody": UPLOAD_BODY},
    responses=UPLOAD_RESPONSES,
    response_model=None,
)
async def upload(request: Request) -> Response:
    return await in_time_with_file(request, _upload)


@router.post(
    "/v2/document/{document_id}",
    summary="How far a document is",
    openapi_extra={"parameters": STATUS_PARAMETERS, "requestBody": STATUS_BODY},
    responses=STATUS_RESPONSES,
    response_model=None,
)
async def status(request: Request) -> Response:
    return await _with_entry(request, _status)


@router.post(
    "/v2/document/{document_id}/result",
    summary="Fetch a translated document, once",
    openapi_extra={"parameters": STATUS_PARAMETERS, "requestBody": STATUS_BODY},
    responses=RESULT_RESPONSES,
    response_model=None,
)
async def result(request: Request) -> Response:
    return await _with_entry(request, _result)


for _path, _endpoint in (("", status), ("/result", result)):
    router.add_api_route(
        f"/v2/document/{{document_id}}{_path}",
        _endpoint,
        methods=["GET"],
        include_in_schema=False,
        response_model=None,
    )


async def _upload(
    request: Request, service: Service, fields: Fields, file: Upload | None, timeout: RequestTimeout
) -> Response:
    if not key_of(request, fields):
        return Response(status_code=403)
    if not service.registry.served:
        raise EngineStopped(f"Nothing can be translated: {service.registry.problem}")
    source, target, glossary_id = parse_document(fields, service.registry)
    terms = await named_terms(service, glossary_id, source, target)
    if file is None:
        raise DeepLRefusal("Parameter 'file' not specified")
    name = string(fields, "filename").strip().rpartition("/")[2][-100:] or file.name
    wanted = string(fields, "output_format").strip().lower().removeprefix(".")
    if wanted and f".{wanted}" != suffix_of(name):
        raise DeepLRefusal(
            "Value for 'output_format' not supported.", "a document comes back in the format in which it was sent"
        )
    suffix_of(name)
    for quota in (service.quota, quota_of(request)):
        if quota.limit and quota.count >= quota.limit:
            raise DeepLRefusal(QUOTA_EXCEEDED, f"{quota.name} ({quota.limit}) is reached", QUOTA_STATUS)
    try:
        quotas = (service.quota, quota_of(request))
        job = FileJob(name, file.content, source, target, timeout.seconds, quotas, terms)
        document_id, key = await service.documents.begin(job)
    except EngineOverloaded as error:
        raise EngineOverloaded(f"{BUSY}: {error}", error.retry_after_seconds) from None
    return JsonResponse({"document_id": document_id, "document_key": key})


async def _with_entry(request: Request, answer: Callable[[Service, Entry], Awaitable[Response]]) -> Response:
    async def found(request: Request, service: Service, fields: Fields, _: RequestTimeout) -> Response:
        entry = await service.documents.find(str(request.path_params["document_id"]), string(fields, "document_key"))
        if entry is None:
            raise DeepLRefusal(NOT_FOUND, status=404)
        return await answer(service, entry)

    return await in_time_with_key(request, found)


async def _status(_: Service, entry: Entry) -> Response:
    body: dict[str, object] = {"document_id": entry.document_id, "status": entry.status}
    if entry.status == "translating" and entry.seconds_remaining is not None:
        body["seconds_remaining"] = math.ceil(entry.seconds_remaining)
    if entry.status == "done":
        body["billed_characters"] = entry.characters
    if entry.status == "error":
        body["error_message"] = entry.error
    return JsonResponse(body)


async def _result(service: Service, entry: Entry) -> Response:
    if entry.shelf_key is None:
        raise DeepLRefusal(NOT_DONE, entry.error, status=503)
    content = await service.documents.take(entry, entry.shelf_key)  # of two requests one gets it
    if content is None:
        raise DeepLRefusal(NOT_FOUND, status=404)
    return file_response(content, entry.name)
