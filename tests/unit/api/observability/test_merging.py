"""The numbers of several workers as those of one service; what a dead one counted stays counted."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector

from app.api.observability.merging import WorkerMetrics, merge
from app.server.peers import Peers, Worker
from app.server.shared_memory import SharedCounts, WorkerBoard


class Counts(Collector):
    """What a worker counts in a test."""

    def __init__(self) -> None:
        self.requests = 0
        self.seconds: list[float] = []
        self.waiting = 0
        self.is_ready = True
        self.step_age_seconds = 0.0

    def collect(self) -> Iterator[Metric]:
        requests = CounterMetricFamily("passerelle_requests", "Requests.", labels=("route",))
        requests.add_metric(("/translate",), self.requests)
        yield requests
        buckets = [(bound, float(sum(one <= float(bound) for one in self.seconds))) for bound in ("0.1", "1.0", "+Inf")]
        histogram = HistogramMetricFamily("passerelle_request_seconds", "Times.", labels=("route",))
        histogram.add_metric(("/translate",), buckets, sum(self.seconds))
        yield histogram
        yield GaugeMetricFamily("passerelle_sequences_waiting", "Waiting.", value=self.waiting)
        yield GaugeMetricFamily("passerelle_bundle_ready", "Ready.", value=self.is_ready)
        yield GaugeMetricFamily("passerelle_step_age_seconds", "Age.", value=self.step_age_seconds)

    def count(self, *seconds: float) -> None:
        self.requests += len(seconds)
        self.seconds += seconds


@pytest.fixture
def workers(tmp_path: Path) -> list[Worker]:
    board, counts = WorkerBoard(2), SharedCounts.make()
    return [Worker(number, False, tmp_path, board, counts) for number in (1, 2)]


def metrics_of(worker: Worker | None, counts: Counts) -> WorkerMetrics:
    registry = CollectorRegistry()
    registry.register(counts)
    return WorkerMetrics(registry, Peers(worker))


def values(text: str) -> dict[str, float]:
    lines = [line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, value in lines}


def collected(metrics: WorkerMetrics) -> dict[str, float]:
    return values(generate_latest(asyncio.run(metrics.collect())).decode())


def test_one_process_alone_is_as_it_was() -> None:
    counts = Counts()
    counts.count(0.05)
    assert collected(metrics_of(None, counts))['passerelle_requests_total{route="/translate"}'] == 1


def test_what_is_counted_is_added_up_and_gauges_by_their_meaning(workers: list[Worker]) -> None:
    first, second = Counts(), Counts()
    first.count(0.05, 0.5)
    second.count(0.05, 5.0, 5.0)
    first.waiting, second.waiting = 3, 4
    second.is_ready, second.step_age_seconds = False, 7.0
    first.step_age_seconds = 2.0
    parts = [metrics_of(worker, counts).snapshot() for worker, counts in zip(workers, (first, second), strict=True)]
    registry = CollectorRegistry()
    registry.register(_Fixed(merge(parts)))
    assert values(generate_latest(registry).decode()) == {
        'passerelle_requests_total{route="/translate"}': 5.0,
        'passerelle_request_seconds_bucket{le="0.1",route="/translate"}': 2.0,
        'passerelle_request_seconds_bucket{le="1.0",route="/translate"}': 3.0,
        'passerelle_request_seconds_bucket{le="+Inf",route="/translate"}': 5.0,
        'passerelle_request_seconds_count{route="/translate"}': 5.0,
        'passerelle_request_seconds_sum{route="/translate"}': pytest.approx(10.6),
        "passerelle_sequences_waiting": 7.0,
        "passerelle_bundle_ready": 0.0,
        "passerelle_step_age_seconds": 7.0,
    }


class _Fixed(Collector):
    def __init__(self, metrics: list[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> list[Metric]:
        return self._metrics


def test_the_counts_of_a_dead_worker_are_kept_and_continued(workers: list[Worker]) -> None:
    name = 'passerelle_requests_total{route="/translate"}'
    first, second = Counts(), Counts()
    first.count(0.05)
    second.count(0.05, 0.05)
    second.waiting = 9
    metrics_of(workers[1], second).snapshot()
    # It is dead now: what it had counted remains, what it was at work on does not.
    found = collected(metrics_of(workers[0], first))
    assert (found[name], found["passerelle_sequences_waiting"]) == (3, 0)
    successor = Counts()
    successor.count(0.05)
    metrics = metrics_of(workers[1], successor)
    assert collected(metrics)[name] == 4
    for _ in range(2):  # its own counts are stored with those before it, which are not added again
        assert next(sum(value for *_, value in one["samples"]) for one in metrics.snapshot()) == 3
    third = metrics_of(workers[1], Counts())
    assert collected(third)[name] == 4
    assert collected(third)['passerelle_request_seconds_count{route="/translate"}'] == 4


def test_a_file_that_cannot_be_read_is_reported(workers: list[Worker], caplog: pytest.LogCaptureFixture) -> None:
    (workers[0].folder / "2.counts.json").write_text('[{"name":')
    counts = Counts()
    counts.count(0.05)
    assert collected(metrics_of(workers[0], counts))['passerelle_requests_total{route="/translate"}'] == 1
    assert "the counts of a worker are lost" in caplog.text


def test_what_is_stored_is_what_was_seen(workers: list[Worker]) -> None:
    """A worker that is killed right after an answer takes nothing along that the answer showed."""
    counts = Counts()
    metrics = metrics_of(workers[0], counts)
    for number in range(1, 4):
        counts.count(0.05)
        seen = collected(metrics)['passerelle_requests_total{route="/translate"}']
        stored: list[dict[str, Any]] = json.loads((workers[0].folder / "1.counts.json").read_text())
        assert seen == number == next(one for one in stored if one["name"] == "passerelle_requests")["samples"][0][2]
        assert {one["type"] for one in stored} == {"counter", "histogram"}
