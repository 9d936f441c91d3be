"""POST /translate_file and GET /download_file/... in LibreTranslate's dialect."""

import asyncio
from pathlib import PurePosixPath
from typing import Any, Final
from urllib.parse import quote

from anyio.to_thread import run_sync
from fastapi import APIRouter, Request
from starlette.responses import Response

from app.api.call import ApiCall, service_of
from app.api.libretranslate.answers import ERROR_RESPONSES, error_entry
from app.api.libretranslate.models import FileFields
from app.api.libretranslate.request import parse_file
from app.api.responses import (
    BINARY_SCHEMA,
    RETRY_AFTER_HEADER,
    DirectRoute,
    JsonResponse,
    error_response,
    json_answer,
    schema_of,
    upload_body,
)
from app.api.upload import Upload, file_response
from app.api.waiting import unless_the_client_leaves
from app.errors import DeadlineExceeded, InvalidRequest
from app.files.formats.registry import SUFFIXES, suffix_of
from app.files.queue import FileJob

router = APIRouter(tags=["LibreTranslate"], route_class=DirectRoute)

_DESCRIPTION: Final = f"""\
Reads {", ".join(f"`{suffix}`" for suffix in SUFFIXES)}, by how the name ends. What is no language stays as it is:
structure, formatting, code, numbers, times, identifiers. Texts are read in UTF-8, or in UTF-16 with a byte order mark.
In `.po` and `.xlf` what is translated already stays, and what is added is marked: as `fuzzy`, or by its `state`.

The answer comes once the file is translated, and has an address where it can be fetched once. The file is deleted then,
or after `PASSERELLE_FILE_KEEP_SECONDS`.
"""
_GONE: Final = "The file is not here: it was fetched already, or it was deleted after file_keep_seconds ({:g})"
_NAME: Final = "6f4a1d2c-52f5-4f3c-9b0e-2f6d1c8f3a77.letter_fr.docx"
_REQUEST: Final = upload_body(schema_of(FileFields), {"file": "Good morning!", "source": "en", "target": "fr"})
_RESPONSES: Final[dict[int | str, dict[str, Any]]] = {
    200: json_answer(
        "Where the translated file can be fetched.",
        {
            "type": "object",
            "required": ["translatedFileUrl"],
            "properties": {"translatedFileUrl": {"type": "string", "format": "uri"}},
        },
        {"translatedFileUrl": f"http://localhost:8000/download_file/{_NAME}"},
    ),
    400: error_entry(
        "A field is missing or malformed, the languages are not served, or the file cannot be used.",
        "Invalid request: missing file parameter",
        "Invalid request: file format not supported",
        "zz is not supported",
        "The file is damaged, or is no zip file as its name says: File is not a zip file",
    ),
    408: error_entry("The file arrived too slowly.", "The file did not arrive within file_timeout_seconds (600)"),
    413: error_entry("The file is too large.", "The file (11000000 bytes) exceeds max_file_bytes (10485760)"),
    415: ERROR_RESPONSES[415],
    429: {
        **error_entry("Too many files wait; come back later.", "8 files are translated or wait, max_files is 8"),
        "headers": RETRY_AFTER_HEADER,
    },
    500: ERROR_RESPONSES[500],
    503: ERROR_RESPONSES[503],
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
    call = await ApiCall.open_with_file(request)
    if call.upload is None:
        raise InvalidRequest("Invalid request: missing file parameter")
    if not call.upload.name:
        raise InvalidRequest("Invalid request: empty file")
    source, target = parse_file(call.fields, call.serving.registry)
    suffix = suffix_of(call.upload.name)
    call.check_served()
    results = call.files.results
    await run_sync(results.check_space, len(call.upload.content))
    content = await _translate(call, call.upload, source, target)
    name = f"{PurePosixPath(call.upload.name).stem}_{target}{suffix}"
    key = await run_sync(results.put, content, name)
    return JsonResponse({"translatedFileUrl": f"{_base_url(call)}/download_file/{key}.{quote(name)}"})


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
                "schema": {"type": "string"},
                "example": _NAME,
            }
        ]
    },
    responses={
        200: {"description": "The file.", "content": {"application/octet-stream": {"schema": BINARY_SCHEMA}}},
        404: error_entry("It is not here (any more).", _GONE.format(900)),
    },
    response_model=None,
)
async def download_file(request: Request) -> Response:
    service = service_of(request)
    key, _, name = str(request.path_params["name"]).partition(".")
    content = await run_sync(service.files.results.take, key, name)
    if content is None:
        return error_response(request.scope, 404, _GONE.format(service.serving.settings.file_keep_seconds))
    return file_response(content, name)


async def _translate(call: ApiCall, upload: Upload, source: str | None, target: str) -> bytes:
    """Translate the file while the client waits."""
    job = FileJob(upload.name, upload.content, source, target, call.timeout.seconds, (call.quota,))
    try:
        async with asyncio.timeout(call.timeout.seconds):
            with call.files.queue.slot():
                return await unless_the_client_leaves(call.request, call.files.queue.translate(job))
    except TimeoutError:
        raise DeadlineExceeded(f"The file was not translated within {call.timeout}") from None


def _base_url(call: ApiCall) -> str:
    """Return the address under which the client reaches the service, as far as its proxy tells it."""
    url = call.request.base_url
    forwarded = call.request.headers.get("x-forwarded-host", "").split(",")[0].strip()
    if forwarded and call.settings.trusted_proxies:
        url = url.replace(netloc=forwarded)
    return str(url).rstrip("/")
