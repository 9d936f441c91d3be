"""The key that DeepL's clients send with every request. Any is taken where there are no keys."""

from collections.abc import Awaitable, Callable
from typing import Final

from fastapi import Request
from fastapi.security import APIKeyHeader
from starlette.responses import Response

from app.api.access import key_of
from app.api.body import Fields
from app.api.service import Service
from app.api.timeout import RequestTimeout, in_time

# For the OpenAPI page alone: the routes of this dialect read their requests themselves.
DEEPL_KEY: Final = APIKeyHeader(
    name="Authorization",
    scheme_name="DeepLKey",
    description="`DeepL-Auth-Key` and a key; any does, such as `DeepL-Auth-Key any`, where the service has no keys. "
    "`Bearer` and a key does as well, and so does the field `auth_key`.",
    auto_error=False,
)


async def in_time_with_key(
    request: Request, answer: Callable[[Request, Service, Fields, RequestTimeout], Awaitable[Response]]
) -> Response:
    """As ``in_time``, for requests that bring a key; others get 403 and an empty body."""

    async def checked(request: Request, service: Service, fields: Fields, timeout: RequestTimeout) -> Response:
        if not key_of(request, fields):
            return Response(status_code=403)
        return await answer(request, service, fields, timeout)

    return await in_time(request, checked)
