"""GET /metrics: the numbers of the service as Prometheus reads them, collected for each request."""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Final

from anyio.to_thread import run_sync
from fastapi import APIRouter, Request
from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import Scope

from app.api.call import address_of, key_of, service_of
from app.api.responses import speaks_deepl
from app.engine.metrics import SECONDS, Histogram
from app.serving.container import Serving
from app.serving.registry import ServedBundle
from app.translation.assembly import Repair

router = APIRouter(tags=["operation"])

_PREFIX: Final = "passerelle_"
_BUNDLE: Final = ("bundle",)
_OTHER: Final = "other"


class Traffic:
    """Counts the requests over HTTP. Used by the event loop's thread alone, so it needs no lock.

    A route is named by its template, and all paths without a route share one name, so callers cannot make new names.

    Attributes:
        requests: The number of answers by route, dialect and status.
        seconds: The time from the first byte to the end of the answer, by route.
        in_progress: The requests that are being answered.
    """

    def __init__(self) -> None:
        self.requests: Counter[tuple[str, str, int]] = Counter()
        self.seconds: dict[str, Histogram] = {}
        self.in_progress = 0

    def count_answer(self, scope: Scope, status: int | None, seconds: float) -> None:
        """Count a request; ``status`` is None if there was no answer, which is counted as 0."""
        route = scope.get("route")
        path = _OTHER if route is None else route.path
        self.requests[path, _dialect(scope), status or 0] += 1
        histogram = self.seconds.get(path)
        if histogram is None:
            histogram = self.seconds[path] = Histogram(SECONDS)
        histogram.add(seconds)


class ServiceCollector(Collector):
    """Reads what the event loop and the engines count, from any thread: a number may be a step old, but is never wrong.

    No label holds an address, a key or a text, and callers cannot make new values of a label.
    """

    def __init__(self, traffic: Traffic, serving: Serving, is_successor: bool) -> None:
        self._traffic = traffic
        self._serving = serving
        self._registry = serving.registry
        self._is_successor = is_successor

    def collect(self) -> Iterator[Metric]:
        yield GaugeMetricFamily(_PREFIX + "workers", "Processes that serve.", value=1)
        restarts = _counter("worker_restarts", "Processes that took the place of one that had died.", ())
        restarts.add_metric((), float(self._is_successor))
        yield restarts
        yield from self._of_http()
        # Several pairs of languages may share a bundle, and with it an engine.
        bundles = {entry.bundle.folder.name: entry for entry in self._registry.served.values()}
        yield from self._of_bundles(bundles)
        yield from _of_queues(bundles)
        yield from _of_steps(bundles)
        yield from _of_sequences(bundles)
        yield from self._of_cache(bundles)

    def _of_http(self) -> Iterator[Metric]:
        traffic = self._traffic
        requests = _counter(
            "requests", "Requests answered; status 0: without an answer.", ("route", "dialect", "status")
        )
        for (route, dialect, status), count in traffic.requests.copy().items():
            requests.add_metric((route, dialect, str(status)), count)
        yield requests
        yield _histogram(
            "request_seconds", "From the request to the end of its answer.", "route", traffic.seconds.copy()
        )
        yield GaugeMetricFamily(_PREFIX + "requests_in_progress", "Requests being answered.", value=traffic.in_progress)
        characters = _counter("characters", "Characters put into a queue to be translated.", ("source", "target"))
        for pair, count in self._serving.queued_characters.copy().items():
            characters.add_metric(pair, count)
        yield characters
        repairs = _counter("repairs", "Segments repaired in answers, by what was wrong with them.", ("kind",))
        for kind in Repair:
            repairs.add_metric((kind,), self._serving.repairs[kind])
        yield repairs

    def _of_bundles(self, bundles: dict[str, ServedBundle]) -> Iterator[Metric]:
        stall_seconds = self._registry.settings.stall_seconds
        names = ("bundle", "name", "precision", "provider")
        info = GaugeMetricFamily(_PREFIX + "bundle_info", "What is served, always 1.", labels=names)
        ready = GaugeMetricFamily(_PREFIX + "bundle_ready", "1: it translates.", labels=_BUNDLE)
        for folder, entry in bundles.items():
            manifest = entry.bundle.manifest
            info.add_metric((folder, manifest.name, manifest.precision, entry.provider), 1)
            ready.add_metric((folder,), float(entry.why_not_ready(stall_seconds) is None))
        yield info
        yield ready
        residency = self._registry.residency
        loaded = GaugeMetricFamily(_PREFIX + "bundle_loaded", "1: it is in memory.", labels=_BUNDLE)
        for folder in sorted(self._registry.snapshot.installed):
            loaded.add_metric((folder,), float(folder in bundles))
        yield loaded
        loads = _counter("bundle_loads", "Bundles loaded at a request.", ())
        loads.add_metric((), residency.loads)
        evictions = _counter("bundle_evictions", "Bundles that left the memory for others.", ())
        evictions.add_metric((), residency.evictions)
        seconds = _counter("bundle_load_seconds", "What these loads took.", ())
        seconds.add_metric((), residency.load_seconds)
        yield from (loads, evictions, seconds)
        yield GaugeMetricFamily(
            _PREFIX + "bundles_loaded_bytes",
            "Memory of the loaded bundles, estimated.",
            value=residency.loaded_mib * 2**20,
        )

    def _of_cache(self, bundles: dict[str, ServedBundle]) -> Iterator[Metric]:
        cache = self._registry.cache
        if cache is None:
            return
        segments = _counter(
            "cache_segments",
            "Segments by where their translation came from: hit: the cache; wait: another request's, which was being "
            "decoded; miss: their own.",
            ("bundle", "outcome"),
        )
        for folder, entry in bundles.items():
            if (cached := entry.cached) is not None:
                for outcome, count in (("hit", cached.hits), ("wait", cached.waits), ("miss", cached.misses)):
                    segments.add_metric((folder, outcome), count)
        yield segments
        yield GaugeMetricFamily(_PREFIX + "cache_bytes", "What the cache holds.", value=cache.bytes)
        yield GaugeMetricFamily(_PREFIX + "cache_entries", "Segments in the cache.", value=len(cache))


def _of_queues(bundles: dict[str, ServedBundle]) -> Iterator[Metric]:
    waiting = GaugeMetricFamily(_PREFIX + "sequences_waiting", "Segments that wait for a row.", labels=_BUNDLE)
    running = GaugeMetricFamily(_PREFIX + "sequences_running", "Segments being decoded.", labels=_BUNDLE)
    rows = GaugeMetricFamily(_PREFIX + "rows_running", "Hypotheses being decoded.", labels=_BUNDLE)
    age = GaugeMetricFamily(_PREFIX + "step_age_seconds", "Of the step now running; 0: there is none.", labels=_BUNDLE)
    for folder, entry in bundles.items():
        status = entry.engine.status()
        waiting.add_metric((folder,), status.sequences_waiting)
        running.add_metric((folder,), status.sequences_running)
        rows.add_metric((folder,), status.rows_running)
        age.add_metric((folder,), status.step_age_seconds or 0.0)
    yield from (waiting, running, rows, age)


def _of_steps(bundles: dict[str, ServedBundle]) -> Iterator[Metric]:
    paces = {folder: entry.engine.step_metrics for folder, entry in bundles.items()}
    yield _histogram(
        "step_seconds",
        "One step of the engine, with the encoding of newcomers.",
        "bundle",
        {folder: pace.turn_seconds for folder, pace in paces.items()},
    )
    yield _histogram(
        "step_rows", "Rows in one step.", "bundle", {folder: pace.step_rows for folder, pace in paces.items()}
    )
    yield _histogram(
        "first_token_seconds",
        "From a segment's arrival in the queue to the end of its first step.",
        "bundle",
        {folder: pace.first_token_seconds for folder, pace in paces.items()},
    )
    failed = _counter("failed_steps", "Steps that raised.", _BUNDLE)
    for folder, pace in paces.items():
        failed.add_metric((folder,), pace.failed_turns)
    yield failed


def _of_sequences(bundles: dict[str, ServedBundle]) -> Iterator[Metric]:
    tallies = {folder: entry.engine.sequence_metrics for folder, entry in bundles.items()}
    source = _counter("source_tokens", "Tokens of the segments put into the queue.", _BUNDLE)
    target = _counter("target_tokens", "Tokens of the best translation of each segment.", _BUNDLE)
    ended = _counter("sequences", "Segments that ended.", ("bundle", "finish_reason"))
    for folder, tally in tallies.items():
        source.add_metric((folder,), tally.source_tokens)
        target.add_metric((folder,), tally.target_tokens)
        for reason, count in tally.finish_reasons.copy().items():
            ended.add_metric((folder, reason), count)
    yield from (source, target, ended)
    queue = {folder: tally.queue_seconds for folder, tally in tallies.items()}
    yield _histogram("queue_seconds", "From a segment's arrival in the queue to its rows.", "bundle", queue)
    encode = {folder: tally.encode_seconds for folder, tally in tallies.items()}
    yield _histogram("encode_seconds", "From a segment's rows to the end of its encoding.", "bundle", encode)
    decode = {folder: tally.decode_seconds for folder, tally in tallies.items()}
    yield _histogram("decode_seconds", "From the end of a segment's encoding to its own end.", "bundle", decode)


def _counter(name: str, documentation: str, labels: Iterable[str]) -> CounterMetricFamily:
    return CounterMetricFamily(_PREFIX + name, documentation, labels=tuple(labels))


def _histogram(name: str, documentation: str, label: str, found: dict[str, Histogram]) -> HistogramMetricFamily:
    family = HistogramMetricFamily(_PREFIX + name, documentation, labels=(label,))
    for value, histogram in found.items():
        buckets, count = [], 0
        for bound, in_bucket in zip((*histogram.bounds, "+Inf"), histogram.counts.copy(), strict=True):
            count += in_bucket
            buckets.append((str(bound), float(count)))
        family.add_metric((value,), buckets, histogram.total)
    return family


def _dialect(scope: Scope) -> str:
    """Return the group that the route has on the page of the API, in lower case."""
    tags = getattr(scope.get("route"), "tags", None)
    if tags:
        return str(tags[0]).lower()
    return "deepl" if speaks_deepl(scope) else _OTHER


def prometheus_registry(traffic: Traffic, serving: Serving, is_successor: bool = False) -> CollectorRegistry:
    """Make a registry with the numbers of one application and of the process; applications share none.

    Args:
        traffic: The requests.
        serving: The bundles.
        is_successor: Whether the process took the place of a worker that had died.
    """
    registry = CollectorRegistry()
    registry.register(ServiceCollector(traffic, serving, is_successor))
    ProcessCollector(registry=registry)
    return registry


@router.get(
    "/metrics",
    summary="Numbers for Prometheus",
    response_class=Response,
    responses={
        200: {"content": {"text/plain": {"schema": {"type": "string"}}}, "description": "In Prometheus's format."}
    },
)
async def metrics(request: Request) -> Response:
    service = service_of(request)
    serving = service.serving
    if serving.settings.metrics == "off":
        raise HTTPException(404)
    if serving.settings.metrics == "key":
        await serving.admission.check(key_of(request, {}), address_of(request))
    encode, media_type = choose_encoder(request.headers.get("accept", ""))
    body = await run_sync(encode, await service.metrics.collect())
    return Response(body, headers={"Content-Type": media_type, "Cache-Control": "no-store"})
