"""What every endpoint answers with: JSON that is always valid, headers of translations, schemas of the OpenAPI page."""

import json
import math
from collections import Counter
from collections.abc import Callable, Collection, Coroutine, Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote

from fastapi import Request
from fastapi.routing import APIRoute
from pydantic import TypeAdapter
from starlette.responses import JSONResponse, Response
from starlette.types import Scope

from app.engine.sequence import FinishReason
from app.translation.assembly import Translation

FINISH_REASON_HEADER: Final = "X-Finish-Reason"
# The glossary terms that a translation lacks, or whose offset in it was guessed.
UNPLACED_HEADER: Final = "X-Glossary-Unplaced"
# What was repaired in a translation, each kind with its number.
REPAIRED_HEADER: Final = "X-Repaired"
_MAX_UNPLACED_BYTES: Final = 2048
BINARY_SCHEMA: Final[dict[str, Any]] = {"type": "string", "format": "binary"}
RETRY_AFTER_HEADER: Final = {"Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer"}}}
_FORM_TYPES: Final = ("application/x-www-form-urlencoded", "multipart/form-data")
# DeepL's clients of the next version use both.
_DEEPL_PATHS: Final = ("/v2/", "/v3/")
# Where a request's ASGI scope names its dialect, if its path does not tell it.
DIALECT: Final = "passerelle.dialect"
DEEPLX: Final = "deeplx"
GOOGLE_PATH: Final = "/language/translate/v2"
_ENCODER: Final = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))


class DirectRoute(APIRoute):
    """Calls its endpoint with the request alone, without FastAPI's reading of bodies and its dependencies: these
    endpoints do not use them, and they would cost each request more than all checks of the endpoint.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handler: Callable[[Request], Coroutine[Any, Any, Response]] = self.endpoint
        return handler


class JsonResponse(JSONResponse):  # a JSONResponse, so that FastAPI describes its answers as JSON
    """UTF-8 JSON without NaN, infinities or lone surrogates, none of which every client can read."""

    media_type = "application/json"

    def render(self, content: object) -> bytes:
        try:
            text = _ENCODER.encode(content)
        except ValueError:  # a score that is not finite
            text = _ENCODER.encode(_finite(content))
        # A lone surrogate has no UTF-8 form. Requests that contain one are refused before.
        return text.encode("utf-8", "replace")


def header_of(scope: Scope, name: bytes, default: str = "") -> str:
    """Return the first header with a name in small letters; Starlette's mapping takes five times as long."""
    for one, value in scope["headers"]:
        if one == name:
            return str(value, "latin-1")
    return default


def speaks_deepl(scope: Scope) -> bool:
    """Tell whether a request is for one of DeepL's paths, served here or not."""
    path = scope["path"].removeprefix(scope.get("root_path", ""))
    return bool(path.startswith(_DEEPL_PATHS))


def error_response(
    scope: Scope, status_code: int, message: str, headers: Mapping[str, str] | None = None, detail: str = ""
) -> JsonResponse:
    """Make an error answer in the shape of the dialect: LibreTranslate's, and those of others on their paths.

    Args:
        scope: The ASGI scope of the request.
        status_code: The HTTP status.
        message: What is wrong.
        headers: More headers.
        detail: More of the message; LibreTranslate's shape has no field for it.
    """
    path = scope["path"].removeprefix(scope.get("root_path", ""))
    body: dict[str, object] = {"error": message}
    if speaks_deepl(scope):
        body = {"message": message, "detail": detail} if detail else {"message": message}
    elif scope.get(DIALECT) == DEEPLX or path == f"/{DEEPLX}":
        body = {"code": status_code, "message": message}
    elif path.startswith(GOOGLE_PATH):
        fault = {"message": message, "domain": "global", "reason": "invalid" if status_code == 400 else "backendError"}
        body = {"error": {"code": status_code, "message": message, "errors": [fault]}}
    return JsonResponse(body, status_code=status_code, headers=dict(headers) if headers else None)


def translation_headers(translations: Sequence[Translation], reasons: Collection[FinishReason]) -> dict[str, str]:
    """Make the headers that say what is incomplete: why a translation was cut, which glossary terms have no offset of
    their own, each percent-encoded, and what was repaired. A header with nothing to say is left out.
    """
    headers = finish_reason_header(reasons)
    unplaced = find_unplaced_terms(translations)
    if unplaced:
        headers[UNPLACED_HEADER] = _list_terms(unplaced)
    repairs = Counter(repair for one in translations for segment in one.segments for repair in segment.repairs)
    if repairs:
        headers[REPAIRED_HEADER] = ", ".join(f"{repair}={count}" for repair, count in sorted(repairs.items()))
    return headers


def find_unplaced_terms(translations: Sequence[Translation]) -> list[str]:
    """Return the glossary terms whose offset in a translation was guessed, each once."""
    found = (term for one in translations for segment in one.segments for term in segment.unaligned_terms)
    return list(dict.fromkeys(found))


def _list_terms(terms: Sequence[str]) -> str:
    """Percent-encoded terms, divided by commas. Proxies refuse long headers, so what does not fit is only counted."""
    listed: list[str] = []
    length = 0
    for index, term in enumerate(terms):
        encoded = quote(term)
        length += len(encoded) + 2
        if length > _MAX_UNPLACED_BYTES:
            return ", ".join([*listed, f"... {len(terms) - index} more"])
        listed.append(encoded)
    return ", ".join(listed)


def finish_reason_header(reasons: Collection[FinishReason]) -> dict[str, str]:
    return {FINISH_REASON_HEADER: ", ".join(sorted(reasons))} if reasons else {}


def schema_of(model: Any) -> dict[str, Any]:
    """Make the JSON schema of a type that pydantic reads, without references, titles and descriptions of classes."""
    schema = TypeAdapter(model).json_schema()
    definitions = schema.pop("$defs", {})
    schema.pop("description", None)
    inlined: dict[str, Any] = _inlined(schema, definitions)
    return inlined


def json_answer(description: str, schema: dict[str, Any], example: object) -> dict[str, Any]:
    """Describe an answer that has one example."""
    return {"description": description, "content": {"application/json": {"schema": schema, "example": example}}}


def request_body(
    schema: dict[str, Any],
    examples: Mapping[str, object],
    form_example: object,
    form_schema: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Describe a request body in every encoding that is read.

    Args:
        schema: The fields.
        examples: Bodies in JSON, by name.
        form_example: The fields of a form.
        form_schema: The fields of a form, where they differ.
    """
    named = {name: {"value": value} for name, value in examples.items()}
    form = {"schema": form_schema or schema, "example": form_example}
    content = {"application/json": {"schema": schema, "examples": named}} | dict.fromkeys(_FORM_TYPES, form)
    return {"required": True, "content": content}


def upload_body(schema: dict[str, Any], example: object) -> dict[str, Any]:
    """Describe the body of a form that carries a file."""
    return {"required": True, "content": {"multipart/form-data": {"schema": schema, "example": example}}}


def _inlined(node: Any, definitions: Mapping[str, Any]) -> Any:
    if isinstance(node, list):
        return [_inlined(item, definitions) for item in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        target = {**definitions[node["$ref"].rpartition("/")[2]]}
        target.pop("description", None)
        node = target | {name: value for name, value in node.items() if name != "$ref"}
    found = {}
    for name, value in node.items():
        if name == "properties":
            found[name] = {field: _inlined(schema, definitions) for field, schema in value.items()}
        elif name in ("default", "example", "examples", "enum", "required"):
            if not (name == "default" and value is None):
                found[name] = value
        elif name != "title":
            found[name] = _inlined(value, definitions)
    return found


def _finite(content: object) -> object:
    """Replace each number that is not finite by null."""
    if isinstance(content, float):
        return content if math.isfinite(content) else None
    if isinstance(content, dict):
        return {key: _finite(value) for key, value in content.items()}
    if isinstance(content, (list, tuple)):
        return [_finite(value) for value in content]
    return content
