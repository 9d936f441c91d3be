"""The fields of a request, however written: JSON, urlencoded form, multipart form, or the bare query string."""

import json
import re
from typing import Final, NoReturn
from urllib.parse import parse_qsl

from fastapi import Request
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from app.api.errors import UnsupportedBody
from app.errors import InvalidRequest, RequestCancelled

_MAX_FIELDS: Final = 2000
_ACCEPTED: Final = (
    "send application/json, application/x-www-form-urlencoded, multipart/form-data, "
    "or a query string with an empty body"
)

Fields = dict[str, object]


async def read_fields(request: Request) -> Fields:
    """The fields by name. From a form or query every value is a string, or a list of them if the name is repeated.

    :raises InvalidRequest: the body is not what its content type says.
    :raises UnsupportedBody: a content type or encoding that is not read here.
    :raises RequestTooLarge: from the body limit.
    :raises RequestCancelled: the client left while it was sending.
    """
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("", "identity"):
        raise UnsupportedBody(f"Content encoding {encoding[:50]!r} is not supported; send the body as it is")
    try:
        body = await request.body()
    except ClientDisconnect:
        raise RequestCancelled("the client left before its request was whole") from None
    kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
    query = _pairs_to_fields(_read_pairs(request.scope["query_string"].decode("latin-1"), "query string"))
    if not body:
        return query
    if kind == "application/json" or kind.endswith("+json") or (not kind and body.lstrip()[:1] in (b"{", b"[")):
        return _read_json(body)
    if kind == "application/x-www-form-urlencoded":
        return query | _pairs_to_fields(_read_pairs(_text(body), "form"))
    if kind == "multipart/form-data":
        _text(body)  # a part that is no UTF-8 would be read as Latin-1
        return query | _pairs_to_fields(await _read_multipart(request, len(body)))
    raise UnsupportedBody(f"Content type {kind[:50] or 'none'!r} is not supported; {_ACCEPTED}")


def _read_json(body: bytes) -> Fields:
    try:
        document = json.loads(_text(body), parse_constant=_refuse_constant)
    except RecursionError:
        raise InvalidRequest("Invalid JSON format: nested too deeply") from None
    except json.JSONDecodeError as error:
        raise InvalidRequest(f"Invalid JSON format: {error.msg} (line {error.lineno}, column {error.colno})") from None
    except ValueError:
        raise InvalidRequest("Invalid JSON format: a number has thousands of digits") from None
    if not isinstance(document, dict):
        raise InvalidRequest("Invalid JSON format")
    return document


def _refuse_constant(name: str) -> NoReturn:
    raise InvalidRequest(f"Invalid JSON format: {name} is not JSON")


def _read_pairs(text: str, where: str) -> list[tuple[str, str]]:
    try:
        return parse_qsl(text, keep_blank_values=True, max_num_fields=_MAX_FIELDS, errors="strict")
    except UnicodeDecodeError:
        raise InvalidRequest(f"Invalid request: the {where} is not valid UTF-8") from None
    except ValueError as error:
        message = f"Invalid request: the {where} cannot be read: {error} (at most {_MAX_FIELDS} fields)"
        raise InvalidRequest(message) from None


async def _read_multipart(request: Request, body_bytes: int) -> list[tuple[str, str]]:
    try:
        form = await request.form(max_files=0, max_fields=_MAX_FIELDS, max_part_size=body_bytes)
    except HTTPException as error:
        raise InvalidRequest(f"Invalid request: the multipart form cannot be read: {error.detail}") from None
    pairs: list[tuple[str, str]] = []
    for name, value in form.multi_items():
        if isinstance(value, UploadFile):
            raise InvalidRequest(f"Invalid request: {name[:50]} is a file, it must be a plain field")
        pairs.append((name, value))
    return pairs


def _pairs_to_fields(pairs: list[tuple[str, str]]) -> Fields:
    """Forms write a line end as CR LF, which would count and come back as two characters."""
    grouped: dict[str, list[str]] = {}
    for name, value in pairs:
        grouped.setdefault(name, []).append(re.sub(r"\r\n?", "\n", value))
    return {name: values[0] if len(values) == 1 else values for name, values in grouped.items()}


def _text(body: bytes) -> str:
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidRequest(f"Invalid request: the body is not valid UTF-8 (at byte {error.start})") from None
