"""Requests that bring a file in a multipart form, and answers that are a file."""

import logging
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from fastapi import Request
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from app.api.fields import Fields, read_fields
from app.errors import FileTooLarge, InvalidRequest, RequestCancelled, StorageError
from app.files.formats.registry import media_type_of

_LOG: Final = logging.getLogger(__name__)
# The size of a form without its file.
FORM_BYTES: Final = 64 * 1024
FILE_PATHS: Final = ("/translate_file", "/v2/document")
_MAX_FIELDS: Final = 100
_MAX_NAME: Final = 120


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that a request brought; ``name`` has no folder, and may be empty."""

    name: str
    content: bytes


async def read_upload(request: Request, max_file_bytes: int) -> tuple[Fields, Upload | None]:
    """Read the fields and the file of a request; the file is None if it has none.

    Raises:
        InvalidRequest: The form cannot be read.
        FileTooLarge: The file is longer than ``max_file_bytes``.
        StorageError: The file cannot be kept while it arrives.
        RequestCancelled: The client left while it was sending.
    """
    kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if kind != "multipart/form-data":
        return await read_fields(request), None
    try:
        form = await request.form(max_files=1, max_fields=_MAX_FIELDS, max_part_size=FORM_BYTES)
    except HTTPException as error:
        raise InvalidRequest(f"Invalid request: the multipart form cannot be read: {error.detail}") from None
    except ClientDisconnect:
        raise RequestCancelled("the client left before its request was whole") from None
    except OSError as error:  # large files are stored on disk while they arrive
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
        return fields, Upload(clean_name(found.filename or ""), content)
    finally:
        await form.close()


def file_response(content: bytes, name: str) -> Response:
    """Answer with a file that browsers save and do not show, because it may be an untrusted page."""
    shown = name.encode("ascii", "replace").decode().replace('"', "?").replace("\\", "?")
    headers = {
        "Content-Type": media_type_of(name),  # no charset: a text in UTF-16 stays one
        "Content-Disposition": f"attachment; filename=\"{shown}\"; filename*=UTF-8''{quote(name, safe='')}",
        "Cache-Control": "no-store",
    }
    return Response(content, headers=headers)


def clean_name(given: str) -> str:
    """Return the last part of a path without control characters; of a long name the end is kept, with its suffix."""
    last = given.replace("\\", "/").rpartition("/")[2]
    return "".join(character for character in last if character.isprintable()).strip()[-_MAX_NAME:]
