"""POST /translate_file and GET /download_file/... as LibreTranslate's clients know them."""

import asyncio
from pathlib import PurePosixPath
from typing import Any, Final
from urllib.parse import quote

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from app.api.access import quota_of
from app.api.body import Fields
from app.api.direct import DirectRoute
from app.api.libretranslate.descriptions import TRANSLATE_RESPONSES, error_entry
from app.api.libretranslate.translation_request import languages_of
from app.api.responses import JsonResponse, error_response
from app.api.service import Service, service_of
from app.api.timeout import RequestTimeout
from app.api.upload import BINARY, Upload, file_response, in_time_with_file
from app.api.waiting import unless_the_client_leaves
from app.errors import DeadlineExceeded, EngineStopped, InvalidRequest
from app.files.formats.registry import SUFFIXES, suffix_of
from app.files.queue import FileJob

router = APIRouter(tags=["LibreTranslate"], route_class=DirectRoute)

_STRING: Final[dict[str, Any]] = {"type": "string"}
_DESCRIPTION: Final = f"""\
Reads {", ".join(f"`{suffix}`" for suffix in SUFFIXES)}, by how the name ends. What is no language stays as it is:
structure, formatting, code, numbers, times, identifiers. Texts are read in UTF-8, or in UTF-16 with a byte order mark.
In `.po` and `.xlf` what is translated already stays, and what is added is marked: as `fuzzy`, or by its `state`.

The answer comes once the file is translated, and has an address where it can be fetched once. The file is deleted then,
or after `PASSERELLE_FILE_KEEP_SECONDS`.
"""
_GONE: Final = "The file is not here: it was fetched already, or it was deleted after file_keep_seconds ({:g})"
_REQUEST: Final[dict[str, Any]] = {
    "required": True,
    "content": {
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "required": ["file", "source", "target"],
                "properties": {
                    "file": {**BINARY, "description": "The file, with its name."},
                    "source": {**_STRING, "description": "Code of its language, or `auto`.", "examples": ["en"]},
                    "target": {**_STRING, "description": "Code of the language wanted.", "examples": ["fr"]},
                    "api_key": {**_STRING, "description": "Only where the service has keys."},
                },
            },
            "example": {"file": "Good morning!", "source": "en", "target": "fr"},
        }
    },
}
_RESPONSES: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "Where the translated file can be fetched.",
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "required": ["translatedFileUrl"],
                    "properties": {"translatedFileUrl": {**_STRING, "format": "uri"}},
                },
                "example": {
                    "translatedFileUrl": "http://localhost:8000/download_file/"
                    "6f4a1d2c-52f5-4f3c-9b0e-2f6d1c8f3a77.letter_fr.docx"
                },
            }
        },
    },
    400: error_entry(
        "A field is missing or malformed, the languages are not served, or the file cannot be used.",
        "Invalid request: missing file parameter",
        "Invalid request: file format not supported",
        "zz is not supported",
        "The file is damaged, or is no zip file as its name says: File is not a zip file",
    ),
    408: error_entry("The file arrived too slowly.", "The file did not arrive within file_timeout_seconds (600)"),
    413: error_entry("The file is too large.", "The file (11000000 bytes) exceeds max_file_bytes (10485760)"),
    415: TRANSLATE_RESPONSES[415],
    429: {
        **error_entry("Too many files wait; come back later.", "8 files are translated or wait, max_files is 8"),
        "headers": {"Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer"}}},
    },
    500: TRANSLATE_RESPONSES[500],
    503: TRANSLATE_RESPONSES[503],
    504: error_entry("It took too long.", "The file was not translated within 600 seconds"),
}


@router.post(
    "/translate_file",
    summary="Translate a file",
    description=_DESCRIPTION,
    openapi_extra={"requestBody": _REQUEST},
    responses=_RESPONSES,
    response_model=None,
)
async def translate_file(request: Request) -> Response:
    return await in_time_with_file(request, _answer)


@router.get(
    "/download_file/{name}",
    summary="Fetch a translated file, once",
    openapi_extra={
        "parameters": [
            {
                "name": "name",
                "in": "path",
                "required": True,
                "description": "As `translatedFileUrl` ends.",
                "schema": _STRING,
                "example": "6f4a1d2c-52f5-4f3c-9b0e-2f6d1c8f3a77.letter_fr.docx",
            }
        ]
    },
    responses={
        200: {"description": "The file.", "content": {"application/octet-stream": {"schema": BINARY}}},
        404: error_entry("It is not here (any more).", _GONE.format(900)),
    },
    response_model=None,
)
async def download_file(request: Request) -> Response:
    service = service_of(request)
    key, _, name = str(request.path_params["name"]).partition(".")
    content = await run_in_threadpool(service.shelf.take, key, name)
    if content is None:
        return error_response(request.scope, 404, _GONE.format(service.settings.file_keep_seconds))
    return file_response(content, name)


async def _answer(
    request: Request, service: Service, fields: Fields, upload: Upload | None, timeout: RequestTimeout
) -> Response:
    if upload is None:
        raise InvalidRequest("Invalid request: missing file parameter")
    if not upload.name:
        raise InvalidRequest("Invalid request: empty file")
    source, target = languages_of(fields, service.registry)
    suffix = suffix_of(upload.name)
    if not service.registry.served:
        raise EngineStopped(f"Nothing can be translated: {service.registry.problem}")
    await run_in_threadpool(service.shelf.check_room, len(upload.content))
    job = FileJob(upload.name, upload.content, source, target, timeout.seconds, (quota_of(request),))
    try:
        async with asyncio.timeout_at(asyncio.get_running_loop().time() + timeout.seconds):
            with service.files.place():
                content = await unless_the_client_leaves(request, service.files.translate(job))
    except TimeoutError:
        raise DeadlineExceeded(f"The file was not translated within {timeout}") from None
    name = f"{PurePosixPath(upload.name).stem}_{target}{suffix}"
    key = await run_in_threadpool(service.shelf.put, content, name)
    return JsonResponse({"translatedFileUrl": f"{_base_url(request, service)}/download_file/{key}.{quote(name)}"})


def _base_url(request: Request, service: Service) -> str:
    """Under which address the client reaches the service, as far as its proxy says it."""
    url = request.base_url
    forwarded = request.headers.get("x-forwarded-host", "").split(",")[0].strip()
    if forwarded and service.settings.trusted_proxies:
        url = url.replace(netloc=forwarded)
    return str(url).rstrip("/")
