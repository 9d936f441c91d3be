"""How long a request may take: what the setting allows, or less where the client asks for less."""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from fastapi import Request
from starlette.responses import Response

from app.api.body import Fields, read_fields
from app.api.responses import error_response
from app.api.service import Service, service_of
from app.errors import DeadlineExceeded, InvalidRequest

TIMEOUT_HEADER: Final = "X-Request-Timeout-Seconds"


@dataclass(frozen=True, slots=True)
class RequestTimeout:
    """``began`` and ``deadline`` are ``time.monotonic`` times; ``name`` says in messages where ``seconds`` are from."""

    seconds: float
    name: str
    began: float

    @property
    def deadline(self) -> float:
        return self.began + self.seconds

    def __str__(self) -> str:
        return f"{self.name} ({self.seconds:g})"


def timeout_of(request: Request, limit_seconds: float, setting: str = "request_timeout_seconds") -> RequestTimeout:
    """From now on. A client that wants to wait longer than the setting gets what the setting allows.

    :param setting: where the limit is from.
    :raises InvalidRequest: the header is no positive number.
    """
    now = time.monotonic()
    asked = request.headers.get(TIMEOUT_HEADER, "").strip()
    if not asked:
        return RequestTimeout(limit_seconds, setting, now)
    try:
        asked_seconds = float(asked)
    except ValueError:
        asked_seconds = math.nan
    if not 0 < asked_seconds < math.inf:
        raise InvalidRequest(f"Invalid request: {TIMEOUT_HEADER} is {asked[:40]!r}, it must be a number above 0")
    if asked_seconds >= limit_seconds:
        return RequestTimeout(limit_seconds, setting, now)
    return RequestTimeout(asked_seconds, TIMEOUT_HEADER, now)


async def in_time(
    request: Request, answer: Callable[[Request, Service, Fields, RequestTimeout], Awaitable[Response]]
) -> Response:
    """Read the fields of a request, let it in and answer it, within its time."""
    service = service_of(request)
    timeout = timeout_of(request, service.settings.request_timeout_seconds)
    try:
        async with asyncio.timeout(timeout.seconds):
            fields = await read_fields(request)
    except TimeoutError:
        return error_response(request.scope, 408, f"The body did not arrive within {timeout}", {"Connection": "close"})
    request.state.quota = await service.access.admit(request, fields)
    try:
        return await answer(request, service, fields, timeout)
    except DeadlineExceeded:
        raise too_late(timeout) from None


def too_late(timeout: RequestTimeout) -> DeadlineExceeded:
    return DeadlineExceeded(f"Nothing was translated within {timeout}; send less at once")
