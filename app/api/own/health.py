"""GET /health: the process answers. GET /ready: it also translates; with detail for the operator."""

from typing import Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel
from starlette.responses import Response

from app.api.responses import JsonResponse
from app.api.service import service_of
from app.serving.registry import Registry, ServedBundle

router = APIRouter(tags=["operation"])


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
    """One served bundle. ``version`` is the sha256 of its manifest; ``provider`` is where its graphs really run;
    ``problem`` is why it is not ready.
    """

    name: str
    version: str
    folder: str
    source: str
    target: str
    precision: str
    provider: str
    ready: bool
    problem: str | None
    quality: list[QualityReport]
    engine: EngineReport


class FailedBundle(BaseModel):
    folder: str
    problem: str


class Readiness(BaseModel):
    """``failed`` lists bundles that could not be loaded; they do not keep the others from being ready."""

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
    report = readiness(service_of(request).registry, is_leaving=request.app.state.is_leaving)
    return JsonResponse(report.model_dump(mode="json"), status_code=200 if report.status == "ready" else 503)


# Load balancers ask with HEAD; the server leaves out the body.
router.add_api_route("/health", health, methods=["HEAD"], include_in_schema=False)
router.add_api_route("/ready", ready, methods=["HEAD"], include_in_schema=False, response_model=None)


def readiness(registry: Registry, is_leaving: bool = False) -> Readiness:
    problem = "the service is being stopped" if is_leaving else registry.why_not_ready()
    return Readiness(
        status="ready" if problem is None else "not ready",
        problem=problem,
        bundles=[
            _bundle_report(entry, registry.settings.stall_seconds) for _, entry in sorted(registry.served.items())
        ],
        failed=[FailedBundle(folder=name, problem=reason) for name, reason in sorted(registry.failed.items())],
    )


def _bundle_report(entry: ServedBundle, stall_seconds: float) -> BundleReport:
    manifest, status = entry.bundle.manifest, entry.engine.status()
    problem = entry.why_not_ready(stall_seconds)
    return BundleReport(
        name=manifest.name,
        version=entry.bundle.version,
        folder=entry.bundle.folder.name,
        source=manifest.source,
        target=manifest.target,
        precision=manifest.precision,
        provider=entry.provider,
        ready=problem is None,
        problem=problem,
        quality=[QualityReport(set=found.set, metric=found.metric, score=found.score) for found in manifest.quality],
        engine=EngineReport(
            started=status.started,
            healthy=status.healthy,
            rows_running=status.rows_running,
            sequences_running=status.sequences_running,
            sequences_waiting=status.sequences_waiting,
            steps_done=status.steps_done,
            sequences_done=status.sequences_done,
            last_step_seconds=status.last_step_seconds,
            step_age_seconds=status.step_age_seconds,
        ),
    )
