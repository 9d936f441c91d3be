"""The numbers of several workers as those of one service, with what dead workers counted.

The multiprocess mode of prometheus_client keeps the values of its own ``Counter`` and ``Gauge`` objects in files. The
numbers here are read from the engines when they are asked for, so each worker sends them, and the worker that answers
Prometheus adds them up.
"""

import asyncio
import json
import logging
from collections.abc import Iterable, Sequence
from pathlib import Path
from threading import Lock
from typing import Any, Final

from anyio.to_thread import run_sync
from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from app.server.peers import Peers

_LOG: Final = logging.getLogger(__name__)
# A worker whose event loop is busy for longer is left out, with the gauges that it would have sent.
_ANSWER_SECONDS: Final = 5.0
_STORE_SECONDS: Final = 5.0
_COUNTED: Final = ("counter", "histogram")
# Gauges of which the sum says nothing.
_LEAST: Final = ("passerelle_bundle_ready", "process_start_time_seconds")
_GREATEST: Final = ("passerelle_bundle_info", "passerelle_bundle_loaded", "passerelle_step_age_seconds")

# A family of metrics as JSON holds it: name, documentation, type, unit and samples.
Family = dict[str, Any]


class WorkerMetrics:
    """The numbers of this process, and of all workers together.

    What a worker has counted is in a file of its own before anyone sees it, so no sum becomes smaller when the worker
    is killed: Prometheus would take that for a restart, and count everything again. The process that takes the place of
    the dead worker goes on from that file.
    """

    def __init__(self, registry: CollectorRegistry, peers: Peers) -> None:
        """Set up the numbers.

        Args:
            registry: The numbers of this process.
            peers: The other workers.
        """
        self._registry = registry
        self._peers = peers
        self._lock = Lock()
        self._path: Path | None = None
        self._before: list[Family] = []
        if peers.worker is not None:
            self._path = self._path_of(peers.worker.number)
            self._before = _read(self._path)

    async def collect(self) -> Collector:
        """Return the numbers of all workers, to be written in Prometheus's format."""
        if self._path is None:
            return self._registry
        own = await run_sync(self.snapshot)
        answers = await self._peers.ask("metrics", _ANSWER_SECONDS)
        return _Merged(await run_sync(self._merge, own, answers.found))

    async def store(self) -> None:
        """Store the counts again and again, so that little is lost if this worker is killed, until cancelled."""
        while self._path is not None:
            await asyncio.sleep(_STORE_SECONDS)
            await run_sync(self.snapshot)

    def snapshot(self) -> list[Family]:
        """Return the numbers of this worker, with what those before it counted, and store its counts."""
        with self._lock:
            own = [_pack(metric) for metric in self._registry.collect()]
            families = [_pack(metric) for metric in merge([own, self._before])]
            if self._path is not None:
                _write(self._path, [family for family in families if family["type"] in _COUNTED])
            return families

    def _merge(self, own: list[Family], found: dict[int, list[Family]]) -> list[Metric]:
        assert self._peers.worker is not None
        others = [
            found[number] if number in found else _read(self._path_of(number))
            for number in range(1, self._peers.worker.board.count + 1)
            if number != self._peers.worker.number
        ]
        return merge([own, *others])

    def _path_of(self, number: int) -> Path:
        assert self._peers.worker is not None
        return self._peers.worker.folder / f"{number}.counts.json"


class _Merged(Collector):
    def __init__(self, metrics: list[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> Iterable[Metric]:
        return self._metrics


def merge(parts: Sequence[Sequence[Family]]) -> list[Metric]:
    """Put the numbers of several processes together, in the order of the first.

    Counters and histograms are added up, and gauges too, unless their sum says nothing: a bundle is ready if it is in
    every worker, and the age of a step is that of the oldest.

    Args:
        parts: The families of each process.
    """
    merged: dict[str, Metric] = {}
    values: dict[str, dict[tuple[str, tuple[tuple[str, str], ...]], float]] = {}
    for family in (family for part in parts for family in part):
        name = family["name"]
        if name not in merged:
            merged[name] = Metric(name, family["documentation"], family["type"], family["unit"])
        found = values.setdefault(name, {})
        for sample, labels, value in family["samples"]:
            key = (sample, tuple(labels.items()))
            if key not in found:
                found[key] = value
            elif name in _LEAST:
                found[key] = min(found[key], value)
            elif name in _GREATEST:
                found[key] = max(found[key], value)
            else:
                found[key] += value
    for name, metric in merged.items():
        for (sample, label_items), value in values[name].items():
            metric.add_sample(sample, dict(label_items), value)
    return list(merged.values())


def _pack(metric: Metric) -> Family:
    return {
        "name": metric.name,
        "documentation": metric.documentation,
        "type": metric.type,
        "unit": metric.unit,
        "samples": [[sample.name, dict(sample.labels), sample.value] for sample in metric.samples],
    }


def _read(path: Path) -> list[Family]:
    try:
        found: list[Family] = json.loads(path.read_bytes())
    except FileNotFoundError:
        return []
    except (OSError, ValueError):
        _LOG.exception("the counts of a worker are lost")
        return []
    return found


def _write(path: Path, families: list[Family]) -> None:
    new = path.with_suffix(".new")
    try:
        new.write_text(json.dumps(families))
        new.replace(path)
    except OSError as error:  # such as a full disk: the counts are lost only if the worker is killed
        _LOG.warning("the counts of this worker cannot be stored: %s", error)
