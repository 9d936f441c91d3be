"""Endpoints for the operator.

GET /health: the process answers. GET /ready: it also translates, with detail. POST /admin/reload: read bundles and keys
again; this path exists only if an admin key is set.
"""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from anyio.to_thread import run_sync
from fastapi import APIRouter, Request, Security
from fastapi.security import HTTPBearer
from starlette.responses import Response

from app.api.call import Service, address_of, key_of, service_of
from app.api.libretranslate.answers import error_entry
from app.api.own.reports import (
    Health,
    Readiness,
    Reload,
    is_refused,
    merge_readiness,
    merge_reloads,
    readiness,
    reload_report,
)
from app.api.responses import JsonResponse
from app.errors import KeyMissing, KeyUnknown
from app.server.peers import Handler

# A worker that does not answer the others within this time does not answer callers either.
_READY_SECONDS: Final = 3.0
# Loading large bundles takes long.
_RELOAD_SECONDS: Final = 300.0
router = APIRouter(tags=["operation"])
_BEARER: Final = HTTPBearer(auto_error=False, scheme_name="admin key", description="The admin key.")
admin_router = APIRouter(tags=["operation"], dependencies=[Security(_BEARER)])


@router.get("/health", summary="Liveness: the process answers")
async def health() -> Health:
    return Health(status="ok")


@router.get(
    "/ready",
    summary="Readiness: every loaded bundle has translated something and still works",
    response_model=Readiness,
    responses={503: {"description": "Not ready; `problem` says why.", "model": Readiness}},
)
async def ready(request: Request) -> Response:
    service = service_of(request)
    report = readiness(service.serving.registry, is_leaving=request.app.state.is_leaving)
    if service.peers.worker is not None:
        report = merge_readiness(report, await service.peers.ask("ready", _READY_SECONDS))
    return JsonResponse(report.model_dump(mode="json"), status_code=200 if report.status == "ready" else 503)


_RELOAD_RESPONSES: Final[dict[int | str, dict[str, Any]]] = {
    403: error_entry("No admin key, or a wrong one.", "Invalid API key"),
    409: {"description": "Done, but something was refused; `problem` says why.", "model": Reload},
    429: error_entry("Too many attempts from this address.", "Slowdown: 60 per 1 minute"),
}


@admin_router.post(
    "/admin/reload",
    summary="Read the bundles and the API keys again",
    description="Bundles that changed while they are in memory, and new ones that are loaded at the start, are loaded "
    "beside those that run, translate something, and replace them all at once; others are loaded at their first "
    "request, and those that are gone are dropped. No request fails meanwhile.",
    response_model=Reload,
    responses=_RELOAD_RESPONSES,
)
async def reload(request: Request) -> Response:
    service = service_of(request)
    serving = service.serving
    key = key_of(request, {})
    if not serving.admission.is_admin(key):
        await serving.admission.count_admin_attempt(address_of(request))
        raise KeyUnknown("Invalid API key") if key else KeyMissing("This needs the admin key")
    peers = service.peers
    peers.hang_up_starting()
    # All at the same time, so that the service answers with old and new bundles for as short a time as it can.
    report, answers = await asyncio.gather(serving.reloader.reload(), peers.ask("reload", _RELOAD_SECONDS))
    merged = merge_reloads(reload_report(report), answers)
    return JsonResponse(merged.model_dump(mode="json"), status_code=409 if is_refused(merged) else 200)


def answers_to_peers(service: Service, is_leaving: Callable[[], bool]) -> dict[str, Handler]:
    """Return what answers the questions of other workers.

    Args:
        service: The service of this worker.
        is_leaving: Returns whether this worker is about to stop.
    """

    async def ready() -> Any:
        return readiness(service.serving.registry, is_leaving=is_leaving()).model_dump(mode="json")

    async def reload() -> Any:
        return reload_report(await service.serving.reloader.reload()).model_dump(mode="json")

    return {"ready": ready, "reload": reload, "metrics": partial(run_sync, service.metrics.snapshot)}
