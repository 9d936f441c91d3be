"""Endpoints for the operator.

GET /health: the process answers. GET /ready: it also translates, with detail. POST /admin/reload: read bundles and keys
again; this path exists only if an admin key is set.
"""

from typing import Any, Final, Literal

from fastapi import APIRouter, Request, Security
from fastapi.security import HTTPBearer
from pydantic import BaseModel
from starlette.responses import Response

from app.api.call import address_of, key_of, service_of
from app.api.libretranslate.answers import error_entry
from app.api.responses import JsonResponse
from app.engine.metrics import EngineStatus
from app.errors import KeyMissing, KeyUnknown
from app.serving.registry import Registry, ServedBundle
from app.serving.reload import ReloadReport
from app.serving.routes import Pair
from app.serving.snapshot import Installed, Outcome

router = APIRouter(tags=["operation"])
_BEARER: Final = HTTPBearer(auto_error=False, scheme_name="admin key", description="The admin key.")
admin_router = APIRouter(tags=["operation"], dependencies=[Security(_BEARER)])


class Health(BaseModel):
    status: Literal["ok"]


class EngineReport(BaseModel):
    """What the engine of a bundle does at this moment."""

    started: bool
    healthy: bool
    rows_running: int
    sequences_running: int
    sequences_waiting: int
    steps_done: int
    sequences_done: int
    last_step_seconds: float | None
    step_age_seconds: float | None


class QualityReport(BaseModel):
    set: str
    metric: str
    score: float


class BundleReport(BaseModel):
    """One served bundle. ``version`` is the sha256 of its manifest; ``loaded``: it is in memory, otherwise its first
    request loads it, and it has no ``provider`` and no ``engine``; ``provider`` is where its graphs really run;
    ``problem`` is why it is not ready.
    """

    name: str
    version: str
    folder: str
    source: str
    target: str
    precision: str
    loaded: bool
    provider: str | None
    ready: bool
    problem: str | None
    quality: list[QualityReport]
    engine: EngineReport | None


class FailedBundle(BaseModel):
    folder: str
    problem: str


class Readiness(BaseModel):
    """``failed`` lists bundles that cannot be used; they do not keep the others from being ready."""

    status: Literal["ready", "not ready"]
    problem: str | None
    bundles: list[BundleReport]
    failed: list[FailedBundle]


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
    report = readiness(service_of(request).serving.registry, is_leaving=request.app.state.is_leaving)
    return JsonResponse(report.model_dump(mode="json"), status_code=200 if report.status == "ready" else 503)


# Load balancers send HEAD; the server leaves out the body.


class FolderOutcome(BaseModel):
    """``installed``: it is new or changed, and loaded at its first request. ``problem`` says why it was refused; what
    was loaded from that folder before is still served.
    """

    folder: str
    outcome: Outcome
    problem: str | None


class Reload(BaseModel):
    """``problem``: the folder of the bundles cannot be read at all. ``keys_problem``: the keys stay as they were."""

    bundles: list[FolderOutcome]
    keys: Literal["loaded", "unchanged", "refused"]
    keys_problem: str | None
    problem: str | None


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
    serving = service_of(request).serving
    key = key_of(request, {})
    if not serving.admission.is_admin(key):
        await serving.admission.count_admin_attempt(address_of(request))
        raise KeyUnknown("Invalid API key") if key else KeyMissing("This needs the admin key")
    report = await serving.reloader.reload()
    body = _reload_answer(report).model_dump(mode="json")
    return JsonResponse(body, status_code=409 if report.is_refused else 200)


def readiness(registry: Registry, is_leaving: bool = False) -> Readiness:
    """Report on every bundle; a service that is being stopped is not ready."""
    problem = "the service is being stopped" if is_leaving else registry.why_not_ready()
    served, installed = registry.served, registry.snapshot.by_pair
    stall_seconds = registry.settings.stall_seconds
    return Readiness(
        status="ready" if problem is None else "not ready",
        problem=problem,
        bundles=[
            _bundle_report(pair, bundle, served.get(pair), stall_seconds)
            for pair, bundle in sorted(installed.items(), key=lambda item: item[0])
        ],
        failed=[FailedBundle(folder=name, problem=reason) for name, reason in sorted(registry.snapshot.failed.items())],
    )


def _bundle_report(pair: Pair, installed: Installed, entry: ServedBundle | None, stall_seconds: float) -> BundleReport:
    manifest = installed.manifest if entry is None else entry.bundle.manifest
    source, target = installed.pairs[pair]
    problem = None if entry is None else entry.why_not_ready(stall_seconds)
    return BundleReport(
        name=manifest.name,
        version=installed.version if entry is None else entry.bundle.version,
        folder=installed.folder.name,
        source=source,
        target=target,
        precision=manifest.precision,
        loaded=entry is not None,
        provider=None if entry is None else entry.provider,
        ready=problem is None,
        problem=problem,
        quality=[QualityReport(set=found.set, metric=found.metric, score=found.score) for found in manifest.quality],
        engine=None if entry is None else _engine_report(entry.engine.status()),
    )


def _engine_report(status: EngineStatus) -> EngineReport:
    return EngineReport(
        started=status.started,
        healthy=status.healthy,
        rows_running=status.rows_running,
        sequences_running=status.sequences_running,
        sequences_waiting=status.sequences_waiting,
        steps_done=status.steps_done,
        sequences_done=status.sequences_done,
        last_step_seconds=status.last_step_seconds,
        step_age_seconds=status.step_age_seconds,
    )


def _reload_answer(report: ReloadReport) -> Reload:
    return Reload(
        bundles=[FolderOutcome(folder=one.folder, outcome=one.outcome, problem=one.problem) for one in report.folders],
        keys=report.keys,
        keys_problem=report.keys_problem,
        problem=report.problem,
    )
