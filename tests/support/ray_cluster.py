"""A Ray cluster of several nodes on this machine, each with its own processes, that dies with the block.

Needs the ``ray`` package: tests that use it begin with ``pytest.importorskip("ray")``.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import app  # noqa: F401  # it tells Ray to report nothing

os.environ["RAY_AUTH_MODE"] = "disabled"  # else it writes a token into the home directory

from ray.cluster_utils import Cluster

_STORE_BYTES = 80 * 2**20
_ATTEMPTS = 3  # a node of Ray gives itself up when one of its processes needs 15 seconds to start


@dataclass(frozen=True, slots=True)
class Nodes:
    """``address`` is what a program gives to be part of it; ``workers`` have the CPUs, the head has none."""

    cluster: Any
    address: str
    workers: list[Any]

    def kill(self, node: Any) -> None:
        """Without a warning, with all that runs on it."""
        self.cluster.remove_node(node, allow_graceful=False)
        self.workers.remove(node)


@contextmanager
def nodes(*cpus: int) -> Iterator[Nodes]:
    """:param cpus: of each worker; they are only counted, so they may be more than the machine has."""
    cluster, workers = _started(cpus)
    try:
        yield Nodes(cluster, cluster.address, workers)
    finally:
        cluster.shutdown()


def _started(cpus: tuple[int, ...]) -> tuple[Any, list[Any]]:
    for attempt in range(_ATTEMPTS):
        cluster: Any = Cluster()
        try:
            cluster.add_node(num_cpus=0, object_store_memory=_STORE_BYTES, include_dashboard=False)
            return cluster, [cluster.add_node(num_cpus=count, object_store_memory=_STORE_BYTES) for count in cpus]
        except Exception:  # Ray raises this one itself
            cluster.shutdown()
            if attempt == _ATTEMPTS - 1:
                raise
    raise AssertionError


def processes_on(node: Any, name: str) -> list[int]:
    """Of the node's processes those with this in their title."""
    parent = node.all_processes["raylet"][0].process.pid
    found = []
    for folder in Path("/proc").iterdir():
        try:
            fields = (folder / "stat").read_text().rsplit(") ", 1)[1].split()
            if int(fields[1]) == parent and name in (folder / "cmdline").read_text():
                found.append(int(folder.name))
        except (OSError, IndexError):
            continue
    return found
