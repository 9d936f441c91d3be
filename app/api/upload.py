"""Requests that bring a file, as a multipart form, and answers that are one."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

from fastapi import Request
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from app.api.body import Fields, read_fields
from app.api.responses import error_response
from app.api.service import Service, service_of
from app.api.timeout import RequestTimeout, timeout_of
from app.errors import FileTooLarge, InvalidRequest, RequestCancelled, StorageError
from app.files.formats.registry import media_type_of

_LOG: Final = logging.getLogger(__name__)
# What a form has beside its file.
FORM_BYTES: Final = 64 * 1024
FILE_PATHS: Final = ("/translate_file", "/v2/document")
_MAX_FIELDS: Final = 100
_MAX_NAME: Final = 120

BINARY: Final[dict[str, Any]] = {"type": "string", "format": "binary"}


@dataclass(frozen=True, slots=True)
class Upload:
    """``name`` is no path, and may be empty."""

    name: str
    content: bytes


Answer = Callable[[Request, Service, Fields, Upload | None, RequestTimeout], Awaitable[Response]]


async def in_time_with_file(request: Request, answer: Answer) -> Response:
    """Read the fields of a request and its file, and answer it, all in the time that a file may take."""
    service = service_of(request)
    timeout = timeout_of(request, service.settings.file_timeout_seconds, "file_timeout_seconds")
    try:
        async with asyncio.timeout(timeout.seconds):
            fields, upload = await _read(request, service.settings.max_file_bytes)
    except TimeoutError:
        return error_response(request.scope, 408, f"The file did not arrive within {timeout}", {"Connection": "close"})
    request.state.quota = await service.access.admit(request, fields)
    return await answer(request, service, fields, upload, timeout)


async def _read(request: Request, max_file_bytes: int) -> tuple[Fields, Upload | None]:
    """The upload is None where the request has no file."""
    kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if kind != "multipart/form-data":
        return await read_fields(request), None
    try:
        form = await request.form(max_files=1, max_fields=_MAX_FIELDS, max_part_size=FORM_BYTES)
    except HTTPException as error:
        raise InvalidRequest(f"Invalid request: the multipart form cannot be read: {error.detail}") from None
    except ClientDisconnect:
        raise RequestCancelled("the client left before its request was whole") from None
    except OSError as error:  # large files are kept on disk while they arrive
        _LOG.error("an uploaded file cannot be kept: %s", error)
        raise StorageError(f"The file cannot be kept now: {error.strerror}") from error
    try:
        fields: Fields = dict(request.query_params)
        fields |= {name: value for name, value in form.multi_items() if not isinstance(value, UploadFile)}
        found = form.get("file")
        if not isinstance(found, UploadFile):
            return fields, None
        content = await found.read(max_file_bytes + 1)
        if len(content) > max_file_bytes:
            size = found.size or len(content)
            message = f"The file ({size} bytes) exceeds max_file_bytes ({max_file_bytes})"
            raise FileTooLarge("max_file_bytes", max_file_bytes, size, message)
        return fields, Upload(_name_of(found.filename or ""), content)
    finally:
        await form.close()


def file_response(content: bytes, name: str) -> Response:
    """A file to be saved, not shown: it may be a page of a stranger."""
    shown = name.encode("ascii", "replace").decode().replace('"', "?").replace("\\", "?")
    headers = {
        "Content-Type": media_type_of(name),  # no charset: a text in UTF-16 stays one
        "Content-Disposition": f"attachment; filename=\"{shown}\"; filename*=UTF-8''{quote(name, safe='')}",
        "Cache-Control": "no-store",
    }
    return Response(content, headers=headers)


def _name_of(given: str) -> str:
    """The last part of a path, without what has no place in a name; the end of a long one is kept, with its suffix."""
    last = given.replace("\\", "/").rpartition("/")[2]
    return "".join(character for character in last if character.isprintable()).strip()[-_MAX_NAME:]
