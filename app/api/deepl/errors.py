"""Errors in DeepL's dialect: the sentences that its clients expect, with detail for people, and the scheme of keys."""

from typing import Any, Final

from fastapi import Request
from fastapi.security import APIKeyHeader
from starlette.responses import Response

from app.api.responses import error_response

TEXT_MISSING: Final = "Parameter 'text' not specified"
QUOTA_EXCEEDED: Final = "Quota for this billing period has been exceeded."
GLOSSARY_WITHOUT_SOURCE: Final = "Use of a glossary requires the source_lang parameter to be specified"
GLOSSARY_NOT_FOUND: Final = "Glossary not found"
INVALID_FILE: Final = "Invalid file"
SAME_LANGUAGES: Final = "Source and target language are equal."
TYPE_INVALID: Final = "Parameter 'type' is invalid. 'source' and 'target' are valid values."
QUOTA_STATUS: Final = 456
# For the OpenAPI page alone: the endpoints of this dialect read the key of their requests themselves.
DEEPL_KEY: Final = APIKeyHeader(
    name="Authorization",
    scheme_name="DeepLKey",
    description="`DeepL-Auth-Key` and a key; any does, such as `DeepL-Auth-Key any`, where the service has no keys. "
    "`Bearer` and a key does as well, and so does the field `auth_key`.",
    auto_error=False,
)


class DeepLRefusal(Exception):
    """A request in DeepL's dialect is refused. Concerns this dialect alone, so it is not in ``app.errors``."""

    def __init__(self, message: str, detail: str = "", status: int = 400) -> None:
        super().__init__(message)
        self.message = message
        self.detail = detail
        self.status = status


def not_supported(name: str, detail: str = "") -> DeepLRefusal:
    """Make the error of a field whose value is not one of those allowed."""
    return DeepLRefusal(f"Value for '{name}' not supported.", detail)


async def on_deepl_refusal(request: Request, error: Exception) -> Response:
    """Answer a ``DeepLRefusal``."""
    assert isinstance(error, DeepLRefusal)
    return error_response(request.scope, error.status, error.message, detail=error.detail)


_SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["message"],
    "properties": {
        "message": {"type": "string", "description": "What is wrong."},
        "detail": {"type": "string", "description": "More of it, where there is more to say."},
    },
}


def error_entry(description: str, *examples: str | tuple[str, str]) -> dict[str, Any]:
    """Describe one error status.

    Args:
        description: When it is answered.
        examples: Sentences, or pairs of a sentence and its detail.
    """
    shown = {}
    for number, example in enumerate(examples, start=1):
        message, detail = (example, "") if isinstance(example, str) else example
        value = {"message": message, "detail": detail} if detail else {"message": message}
        shown[f"example {number}"] = {"value": value}
    return {"description": description, "content": {"application/json": {"schema": _SCHEMA, "examples": shown}}}


# The errors of every endpoint of this dialect.
COMMON_RESPONSES: Final[dict[int | str, dict[str, Any]]] = {
    403: {"description": "No key was given, or there is no such key. The body is empty."},
    408: error_entry("The body arrived too slowly.", "The body did not arrive within request_timeout_seconds (30)"),
    413: error_entry("Too much at once.", "Request body (3000000 bytes or more) exceeds max_body_bytes (2097152)"),
    415: error_entry("A content type that is not read here.", "Content type 'text/csv' is not supported; send ..."),
    429: error_entry("Too many requests from one caller; come back later.", "Slowdown: 60 per 1 minute"),
    500: error_entry("Something unexpected.", "The server could not answer this request. ..."),
    503: error_entry(
        "Too much of other requests is being read; come back later.",
        "Bodies of 267999232 bytes are being read, and 2000000 more exceed max_bodies_mib (256); come back later",
    ),
}
# The errors of endpoints that read or write stored glossaries.
STORAGE_RESPONSES: Final[dict[int | str, dict[str, Any]]] = {
    503: error_entry(
        "The disk is full, or the file is in use for too long; come back later.",
        "The glossaries cannot be written or read now: database or disk is full",
    )
}
