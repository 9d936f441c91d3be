"""The fields of a request: read from any of four encodings, and checked one by one.

A body is JSON, an urlencoded form, a multipart form, or empty beside a query string. The models of the endpoints name
the checks of this module; a fault is raised as ``InvalidRequest`` at once, so the first field with a fault is named.
"""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, NoReturn, Self
from urllib.parse import parse_qsl

from fastapi import Request
from pydantic import BaseModel, ConfigDict, ValidationInfo
from pydantic_core import CoreSchema, PydanticUseDefault, core_schema
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from app.api.errors import UnsupportedBody
from app.api.responses import header_of
from app.errors import InvalidRequest, RequestCancelled

_MAX_FIELDS: Final = 2000
_ACCEPTED: Final = (
    "send application/json, application/x-www-form-urlencoded, multipart/form-data, "
    "or a query string with an empty body"
)
_SURROGATE: Final = re.compile("[\ud800-\udfff]")

Fields = dict[str, object]


class FieldsModel(BaseModel):
    """The fields of one endpoint: what each may be by itself. Unknown fields are ignored."""

    model_config = ConfigDict(frozen=True, arbitrary_types_allowed=True)

    @classmethod
    def read(cls, fields: Fields) -> Self:
        """Check the fields in the order in which the model lists them.

        Raises:
            InvalidRequest: A field is missing or malformed.
        """
        # A required field that is missing is read as None, so that its own check refuses it in its turn.
        return cls.model_validate({**_missing_fields(cls), **fields})


@cache
def _missing_fields(model: type[FieldsModel]) -> Fields:
    return {name: None for name, field in model.model_fields.items() if field.is_required()}


@dataclass(frozen=True, slots=True)
class WholeNumber:
    """The check of a field that holds a whole number, in a form its digits; null and empty count as absent."""

    least: int | None = None
    most: int | None = None

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> CoreSchema:
        schema = core_schema.int_schema(ge=self.least, le=self.most)
        return core_schema.with_info_before_validator_function(self._read, schema)

    def _read(self, value: object, info: ValidationInfo) -> int:
        name = str(info.field_name)
        found = _whole_number(value, name)
        if found is None:
            raise PydanticUseDefault
        if self.least is not None and self.most is None and found < self.least:
            raise InvalidRequest(f"Invalid request: {name} is {found}, it must be {self.least} or more")
        if self.least is not None and self.most is not None and not self.least <= found <= self.most:
            raise out_of_bounds(name, found, self.least, self.most)
        return found


@dataclass(frozen=True, slots=True)
class Number:
    """The check of a field that holds a number within bounds; null and empty count as absent."""

    least: float
    most: float

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> CoreSchema:
        schema = core_schema.float_schema(ge=self.least, le=self.most)
        return core_schema.with_info_before_validator_function(self._read, schema)

    def _read(self, value: object, info: ValidationInfo) -> float:
        if value is None or value == "":
            raise PydanticUseDefault
        try:
            found = float(value) if isinstance(value, (int, float, str)) and not isinstance(value, bool) else None
        except (ValueError, OverflowError):
            found = None
        if found is None:
            raise InvalidRequest(f"Invalid request: {info.field_name} parameter is not a number")
        if not self.least <= found <= self.most:  # also refuses NaN
            raise out_of_bounds(str(info.field_name), found, self.least, self.most)
        return found


def out_of_bounds(name: str, value: float, least: float, most: float) -> InvalidRequest:
    """Make the error of a number that is out of bounds."""
    given, *bounds = (f"{one:g}" if isinstance(one, float) else str(one) for one in (value, least, most))
    return InvalidRequest(f"Invalid request: {name} is {given}, it must be {bounds[0]} to {bounds[1]}")


def read_string(value: object, info: ValidationInfo) -> str:
    """Check a field that holds a string; null is an empty one."""
    return check_string(value, str(info.field_name))


def check_string(value: object, name: str) -> str:
    """Do as ``read_string`` with the name of the field."""
    if value is None:
        return ""
    if not isinstance(value, str):
        raise InvalidRequest(f"Invalid request: {name} parameter is {kind_of(value)}, it must be a string")
    check_unicode(value, name)
    return value


def check_unicode(text: str, name: str) -> None:
    """Refuse a text with an unpaired surrogate, which has no UTF-8 form."""
    found = _SURROGATE.search(text)
    if found is not None:
        raise InvalidRequest(
            f"Invalid request: {name} has an unpaired surrogate (U+{ord(found.group()):04X}) at character "
            f"{found.start()}, which is not valid Unicode"
        )


def split_names(value: object, name: str) -> Iterable[str]:
    """Yield the names of a list, or of a string with commas; a form may repeat the field."""
    for entry in value if isinstance(value, list) else [value]:
        if entry is not None and not isinstance(entry, str):
            raise InvalidRequest(f"Invalid request: {name} has {kind_of(entry)}, it must be a list of strings")
        yield from (one.strip() for one in (entry or "").split(",") if one.strip())


def shorten(value: str) -> str:
    """Make a value of the caller fit for a message: short, and without what could break a line or a terminal."""
    printable = "".join(character if character.isprintable() else "?" for character in value[:40])
    return printable + ("..." if len(value) > 40 else "")


def kind_of(value: object) -> str:
    """Name the JSON type of a value, with its article."""
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, (int, float)):
        return "a number"
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "a list"
    return "null" if value is None else "a string"


async def read_fields(request: Request) -> Fields:
    """Read the fields by name. From a form or query every value is a string, or a list of strings if the name is
    repeated.

    Raises:
        InvalidRequest: The body is not what its content type says.
        UnsupportedBody: A content type or encoding that is not read here.
        RequestTooLarge: From the body limit.
        RequestCancelled: The client left while it was sending.
    """
    encoding = header_of(request.scope, b"content-encoding", "identity").strip().lower()
    if encoding not in ("", "identity"):
        raise UnsupportedBody(f"Content encoding {encoding[:50]!r} is not supported; send the body as it is")
    try:
        body = await request.body()
    except ClientDisconnect:
        raise RequestCancelled("the client left before its request was whole") from None
    kind = header_of(request.scope, b"content-type").split(";")[0].strip().lower()
    encoded = request.scope["query_string"].decode("latin-1")
    query = _pairs_to_fields(_read_pairs(encoded, "query string")) if encoded else {}
    if not body:
        return query
    # Some clients send JSON without a type, or as plain text, because their HTTP library calls every string so.
    is_untyped = kind in ("", "text/plain")
    if kind == "application/json" or kind.endswith("+json") or (is_untyped and body.lstrip()[:1] in (b"{", b"[")):
        return _read_json(body)
    if kind == "application/x-www-form-urlencoded":
        return query | _pairs_to_fields(_read_pairs(_text(body), "form"))
    if kind == "multipart/form-data":
        _text(body)  # otherwise a part that is not UTF-8 would be read as Latin-1
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
    """Group values by name. Forms write a line end as CR LF, which would count and come back as two characters, so it
    becomes LF.
    """
    grouped: dict[str, list[str]] = {}
    for name, value in pairs:
        grouped.setdefault(name, []).append(re.sub(r"\r\n?", "\n", value))
    return {name: values[0] if len(values) == 1 else values for name, values in grouped.items()}


def _text(body: bytes) -> str:
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidRequest(f"Invalid request: the body is not valid UTF-8 (at byte {error.start})") from None


def _whole_number(value: object, name: str) -> int | None:
    if value is None or value == "":
        return None
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and re.fullmatch(r"\s*[+-]?[0-9]{1,19}\s*", value):
        return int(value)
    raise InvalidRequest(f"Invalid request: {name} parameter is not a number")
