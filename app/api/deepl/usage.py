"""GET /v2/usage: how many characters were translated for DeepL's clients, and how many may be."""

from typing import Any, Final

from fastapi import APIRouter, Request, Security
from starlette.responses import Response

from app.api.access import quota_of
from app.api.body import Fields
from app.api.deepl.errors import COMMON_RESPONSES
from app.api.deepl.key import DEEPL_KEY, in_time_with_key
from app.api.direct import DirectRoute
from app.api.responses import JsonResponse
from app.api.service import Service
from app.api.timeout import RequestTimeout

router = APIRouter(tags=["DeepL"], route_class=DirectRoute, dependencies=[Security(DEEPL_KEY)])

_COUNT: Final[dict[str, Any]] = {"type": "integer", "minimum": 0}
_RESPONSES: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "Both numbers, or none where there is no limit.",
        "content": {
            "application/json": {
                "schema": {"type": "object", "properties": {"character_count": _COUNT, "character_limit": _COUNT}},
                "examples": {
                    "a limit": {"value": {"character_count": 95, "character_limit": 20000000}},
                    "no limit": {"value": {}},
                },
            }
        },
    },
    **COMMON_RESPONSES,
}


@router.get(
    "/v2/usage",
    summary="Characters translated, and how many may be",
    description="Counted since the service was started, for `/v2/translate` and `/v2/document`, up to "
    "`PASSERELLE_DEEPL_CHARACTER_LIMIT`; for a key with a quota of its own, that of the key.",
    responses=_RESPONSES,
    response_model=None,
)
async def usage(request: Request) -> Response:
    return await in_time_with_key(request, _answer)


router.add_api_route("/v2/usage", usage, methods=["POST"], include_in_schema=False, response_model=None)


async def _answer(request: Request, service: Service, __: Fields, ___: RequestTimeout) -> Response:
    own = quota_of(request)
    quota = own if own.limit else service.quota
    # A client takes the absence of both for "no limit", and one alone for a mistake.
    return JsonResponse({"character_count": quota.count, "character_limit": quota.limit} if quota.limit else {})
