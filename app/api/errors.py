"""Maps errors to HTTP statuses. Every error is ``{"error": "..."}``, and ``{"message": "..."}`` for DeepL's clients.

The answer to an unexpected error contains nothing internal.
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
    INTERNAL_ERROR_SENTENCE,
    AccessRefused,
    BodiesExceeded,
    BundleUnavailable,
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

RETRY_AFTER: Final = "1"  # seconds, for a body that the budget of bodies has no room for
_CLIENT_LEFT: Final = 499  # no client reads it; it is the usual number in logs


class UnsupportedBody(Exception):
    """The service does not read bodies of this kind. Concerns HTTP alone, so it is not in ``app.errors``."""


class BodyTooSlow(Exception):
    """The body did not arrive in time. Concerns HTTP alone, so it is not in ``app.errors``."""


def install_error_handlers(app: FastAPI) -> None:
    """Register a handler for each error that an endpoint may raise."""
    app.add_exception_handler(PasserelleError, _on_passerelle_error)
    app.add_exception_handler(HTTPException, _on_http_exception)
    app.add_exception_handler(RequestValidationError, _on_validation_error)
    app.add_exception_handler(UnsupportedBody, _on_unsupported_body)
    app.add_exception_handler(BodyTooSlow, _on_body_too_slow)
    app.add_exception_handler(DeepLRefusal, on_deepl_refusal)


async def _on_passerelle_error(request: Request, error: Exception) -> Response:
    if isinstance(error, AccessRefused) and speaks_deepl(request.scope):
        return Response(status_code=403)  # DeepL's dialect has no body here
    status, headers = _status_of(error)
    if status == 500:
        _LOG.error("%s %r: %s: %s", request.method, request.url.path, type(error).__name__, error)
        return error_response(request.scope, 500, INTERNAL_ERROR_SENTENCE)
    # ``ApiCall.open`` leaves the timeout, where the engine's own message says less.
    timeout = getattr(request.state, "timeout", None) if isinstance(error, DeadlineExceeded) else None
    message = str(error) if timeout is None else too_late_sentence(timeout)
    return error_response(request.scope, status, message, headers)


def too_late_sentence(timeout: object) -> str:
    """Name the timeout within which nothing was translated."""
    return f"Nothing was translated within {timeout}; send less at once"


def _status_of(error: Exception) -> tuple[int, dict[str, str]]:
    if isinstance(error, RequestTooLarge):
        # The rest of the body stays unread, so the connection cannot be used again.
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
    if isinstance(error, BundleUnavailable):
        return 503, {"Retry-After": str(max(1, math.ceil(error.retry_after_seconds)))}
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


async def _on_body_too_slow(request: Request, error: Exception) -> Response:
    return error_response(request.scope, 408, str(error), {"Connection": "close"})


def _shortened(text: str) -> str:
    return text if len(text) <= 100 else text[:100] + "..."
