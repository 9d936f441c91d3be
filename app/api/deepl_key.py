"""The key that DeepL's clients send with every request. Any is taken."""

import re
from collections.abc import Awaitable, Callable
from typing import Final

from fastapi import Request
from fastapi.security import APIKeyHeader
from starlette.responses import Response

from app.api.body import Fields
from app.api.service import Service
from app.api.timeout import RequestTimeout, in_time

# For the OpenAPI page alone: the routes of this dialect read their requests themselves.
DEEPL_KEY: Final = APIKeyHeader(
    name="Authorization",
    scheme_name="DeepLKey",
    description="`DeepL-Auth-Key` and any key, such as `DeepL-Auth-Key any`. The field `auth_key` does as well.",
    auto_error=False,
)
_HEADER: Final = re.compile(r"DeepL-Auth-Key\s+\S", re.IGNORECASE)


async def in_time_with_key(
    request: Request, answer: Callable[[Request, Service, Fields, RequestTimeout], Awaitable[Response]]
) -> Response:
    """As ``in_time``, for requests that bring a key; others get 403 and an empty body."""

    async def checked(request: Request, service: Service, fields: Fields, timeout: RequestTimeout) -> Response:
        if not has_key(request, fields):
            return Response(status_code=403)
        return await answer(request, service, fields, timeout)

    return await in_time(request, checked)


def has_key(request: Request, fields: Fields) -> bool:
    """Does a request bring a key, in its header or as a field?"""
    if _HEADER.match(request.headers.get("authorization", "").strip()):
        return True
    # Beside a body in JSON the query is no field, but the key may stand there.
    return any(isinstance(key, str) and key.strip() for key in (fields.get("auth_key"), _query_key(request)))


def _query_key(request: Request) -> str:
    return request.query_params.get("auth_key", "")
