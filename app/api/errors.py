"""Errors -> statuses. Every error is ``{"error": "..."}``, and ``{"message": "..."}`` for DeepL's clients.

What is unexpected says nothing of the inside.
"""

import logging
import math
from typing import Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from app.api.deepl.errors import DeepLRefusal, on_deepl_refusal
from app.api.responses import error_response, speaks_deepl
from app.errors import (
    AccessRefused,
    BodiesExceeded,
    DeadlineExceeded,
    EngineOverloaded,
    EngineStopped,
    FileTooLarge,
    KeyUnknown,
    PasserelleError,
    QuotaExceeded,
    RateExceeded,
    RequestCancelled,
    RequestError,
    RequestTooLarge,
    StorageError,
)

_LOG: Final = logging.getLogger(__name__)

SENTENCE_FOR_500: Final = "The server could not answer this request. The operator finds the reason in the log."
RETRY_AFTER: Final = "1"  # seconds, for a body for which there was no room
_CLIENT_LEFT: Final = 499  # nobody reads it; it is the usual number in logs


class UnsupportedBody(Exception):
    """The body is of a kind that nothing here reads; a matter of HTTP alone, so not in the tree of ``app.errors``."""


def install_error_handlers(app: FastAPI) -> None:
    app.add_exception_handler(PasserelleError, _on_passerelle_error)
    app.add_exception_handler(HTTPException, _on_http_exception)
    app.add_exception_handler(RequestValidationError, _on_validation_error)
    app.add_exception_handler(UnsupportedBody, _on_unsupported_body)
    app.add_exception_handler(DeepLRefusal, on_deepl_refusal)


async def _on_passerelle_error(request: Request, error: Exception) -> Response:
    if isinstance(error, AccessRefused) and speaks_deepl(request.scope):
        return Response(status_code=403)  # that dialect says no more
    status, headers = _status_of(error)
    if status == 500:
        _LOG.error("%s %r: %s: %s", request.method, request.url.path, type(error).__name__, error)
        return error_response(request.scope, 500, SENTENCE_FOR_500)
    return error_response(request.scope, status, str(error), headers)


def sentence_of(error: PasserelleError) -> str:
    """What may be said of an error where its status cannot be given any more."""
    return SENTENCE_FOR_500 if _status_of(error)[0] == 500 else str(error)


def _status_of(error: Exception) -> tuple[int, dict[str, str]]:
    if isinstance(error, RequestTooLarge):
        # The rest of the body is not read, so the connection cannot be used again.
        return 413, {"Connection": "close"}
    if isinstance(error, BodiesExceeded):
        return 503, {"Connection": "close", "Retry-After": RETRY_AFTER}
    if isinstance(error, FileTooLarge):
        return 413, {}
    if isinstance(error, (KeyUnknown, QuotaExceeded)):
        return 403, {}
    if isinstance(error, (EngineOverloaded, RateExceeded)):
        return 429, {"Retry-After": str(max(1, math.ceil(error.retry_after_seconds)))}
    if isinstance(error, RequestError):
        return 400, {}
    if isinstance(error, (EngineStopped, StorageError)):
        return 503, {"Retry-After": "5"}
    if isinstance(error, DeadlineExceeded):
        return 504, {}
    if isinstance(error, RequestCancelled):
        return _CLIENT_LEFT, {}
    return 500, {}


async def _on_http_exception(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code == 404:
        message = f"{_shortened(request.url.path)} was not found; /docs lists what there is"
    elif error.status_code == 405:
        allowed = (error.headers or {}).get("Allow", "")
        message = f"{request.method} is not allowed here" + (f", only {allowed}" if allowed else "")
    else:
        message = str(error.detail)
    return error_response(request.scope, error.status_code, message, error.headers)


async def _on_validation_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    faults = [f"{'.'.join(str(step) for step in fault['loc'])}: {fault['msg']}" for fault in error.errors()]
    return error_response(request.scope, 400, "Invalid request: " + "; ".join(faults))


async def _on_unsupported_body(request: Request, error: Exception) -> Response:
    return error_response(request.scope, 415, str(error))


def _shortened(text: str) -> str:
    return text if len(text) <= 100 else text[:100] + "..."
