"""What the service reports to its operator: readiness and reloads, of one process or of several workers."""

from collections.abc import Sequence
from typing import Any, Final, Literal

from pydantic import BaseModel

from app.server.peers import Answers
from app.serving.registry import Registry, ServedBundle
from app.serving.reload import ReloadReport
from app.serving.routes import Pair
from app.serving.snapshot import Installed, Outcome

# The worst comes first.
_OUTCOMES: Final = ("refused", "loaded", "installed", "removed", "unchanged")


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
        engine=None if entry is None else EngineReport.model_validate(entry.engine.status(), from_attributes=True),
    )


def reload_report(report: ReloadReport) -> Reload:
    return Reload(
        bundles=[FolderOutcome(folder=one.folder, outcome=one.outcome, problem=one.problem) for one in report.folders],
        keys=report.keys,
        keys_problem=report.keys_problem,
        problem=report.problem,
    )


def merge_readiness(own: Readiness, answers: Answers) -> Readiness:
    """Put together what the workers that accept connections report: the service is ready if all of them are.

    A worker that is starting accepts none, so the service is as ready without it.

    Args:
        own: What this worker reports; it stands for a property in which the workers cannot differ.
        answers: What the others report.
    """
    others = {number: Readiness.model_validate(found) for number, found in answers.found.items()}
    problems = [own.problem] if own.problem else []
    problems += [f"worker {number}: {other.problem}" for number, other in sorted(others.items()) if other.problem]
    problems += [f"worker {number} does not answer" for number in sorted(answers.silent)]
    reports = [own, *(other for _, other in sorted(others.items()))]
    bundles = [
        _merge_bundle([one for report in reports for one in report.bundles if _pair_of(one) == _pair_of(bundle)])
        for bundle in own.bundles
    ]
    failed = {one.folder: one for report in reversed(reports) for one in report.failed}
    return Readiness(
        status="not ready" if problems else "ready",
        problem=problems[0] if problems else None,
        bundles=bundles,
        failed=[FailedBundle(folder=name, problem=failed[name].problem) for name in sorted(failed)],
    )


def merge_reloads(own: Reload, answers: Answers) -> Reload:
    """Put together what the workers did: of the reports on a folder, one that was refused comes first.

    Args:
        own: What this worker did.
        answers: What the others did.
    """
    reports = {0: own, **{number: Reload.model_validate(found) for number, found in sorted(answers.found.items())}}
    folders: dict[str, FolderOutcome] = {}
    for number, report in reports.items():
        for one in report.bundles:
            problem = f"worker {number}: {one.problem}" if number and one.problem else one.problem
            before = folders.get(one.folder)
            if before is None or _OUTCOMES.index(one.outcome) < _OUTCOMES.index(before.outcome):
                folders[one.folder] = FolderOutcome(folder=one.folder, outcome=one.outcome, problem=problem)
    keys = [report.keys for report in reports.values()]
    problems = [report.problem for report in reports.values() if report.problem]
    problems += [f"worker {number} did not answer" for number in sorted(answers.silent)]
    return Reload(
        bundles=[folders[name] for name in sorted(folders)],
        keys="refused" if "refused" in keys else "loaded" if "loaded" in keys else "unchanged",
        keys_problem=next((report.keys_problem for report in reports.values() if report.keys_problem), None),
        problem=problems[0] if problems else None,
    )


def is_refused(report: Reload) -> bool:
    """Return whether anything was refused."""
    problems = (report.problem, report.keys_problem, *(one.problem for one in report.bundles))
    return any(problem is not None for problem in problems)


def _pair_of(bundle: BundleReport) -> tuple[str, str]:
    return bundle.source, bundle.target


def _merge_bundle(reports: Sequence[BundleReport]) -> BundleReport:
    problem = next((one.problem for one in reports if one.problem), None)
    loaded = next((one for one in reports if one.loaded), reports[0])
    engines = [one.engine for one in reports if one.engine is not None]
    return loaded.model_copy(
        update={
            "ready": all(one.ready for one in reports),
            "problem": problem,
            "engine": _merge_engines(engines) if engines else None,
        }
    )


def _merge_engines(reports: Sequence[EngineReport]) -> EngineReport:
    def total(name: str) -> int:
        return sum(getattr(one, name) for one in reports)

    def longest(name: str) -> Any:
        return max((value for one in reports if (value := getattr(one, name)) is not None), default=None)

    return EngineReport(
        started=all(one.started for one in reports),
        healthy=all(one.healthy for one in reports),
        rows_running=total("rows_running"),
        sequences_running=total("sequences_running"),
        sequences_waiting=total("sequences_waiting"),
        steps_done=total("steps_done"),
        sequences_done=total("sequences_done"),
        last_step_seconds=longest("last_step_seconds"),
        step_age_seconds=longest("step_age_seconds"),
    )
