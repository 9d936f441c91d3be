"""The CPUs that this process may use, and how its bundles share them.

onnxruntime can also share one thread pool among all sessions, but its Python package offers no way to let that pool's
idle threads sleep: they spin, and a token costs about twice the processor time (0.86 ms instead of 0.46 ms with 2
threads).
"""

import math
import os
import sys
from collections import deque
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Final

CGROUP_ROOT: Final = Path("/sys/fs/cgroup")
_UNLIMITED_FILES: Final = 2048  # assumed where the system has no such limit


def usable_cpus(cgroup_root: Path = CGROUP_ROOT) -> int:
    """Return the number of CPUs that this process may use, at least 1.

    A library that counts the machine's CPUs instead starts too many threads in a small container.

    Args:
        cgroup_root: Where control groups are mounted.
    """
    quota = _quota_cpus(cgroup_root)
    allowed = _allowed_cpus()
    # Rounded down, because threads beyond the quota are throttled together.
    return max(1, min(allowed, math.floor(quota)) if quota is not None else allowed)


def allowed_open_files() -> int:
    """Raise the limit of open files and sockets to the system's, and return it. A shell often sets only 1,024."""
    if sys.platform == "win32":
        return _UNLIMITED_FILES
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard and soft != resource.RLIM_INFINITY:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        except (ValueError, OSError):
            return soft
        soft = hard
    return 1_000_000 if soft == resource.RLIM_INFINITY else soft


def _allowed_cpus() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _quota_cpus(cgroup_root: Path) -> float | None:
    """Return the CPUs that the control group grants; None if it grants all. A container's own group is the root."""
    version_2 = _read(cgroup_root / "cpu.max").split()
    if len(version_2) == 2 and version_2[0] != "max":
        return _ratio(version_2[0], version_2[1])
    for folder in ("cpu", "cpu,cpuacct"):  # version 1 mounts the controllers under either name
        quota = _read(cgroup_root / folder / "cpu.cfs_quota_us").strip()
        period = _read(cgroup_root / folder / "cpu.cfs_period_us").strip()
        if quota and period and not quota.startswith("-"):  # -1: no quota
            return _ratio(quota, period)
    return None


def _ratio(quota: str, period: str) -> float | None:
    try:
        return int(quota) / int(period)
    except (ValueError, ZeroDivisionError):
        return None


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii")
    except (OSError, ValueError):
        return ""


@dataclass(frozen=True, slots=True)
class ThreadShare:
    """The part of the process's threads that one bundle uses.

    Attributes:
        threads: The number of threads that the graphs of one bundle use.
        turns: Held while one of the graphs runs.
    """

    threads: int
    turns: AbstractContextManager[object]


class Turns:
    """A fair semaphore: at most ``slots`` threads hold it at once, and they get it in the order in which they wait.

    A thread that releases its slot passes it to the thread that has waited longest. A ``threading.Semaphore`` would
    give it to the first thread that runs, which is nearly always the engine that has just released it: measured, a
    busy engine took 2,658 turns and another one took 1.
    """

    def __init__(self, slots: int) -> None:
        self._lock = Lock()
        self._free = slots
        self._waiting: deque[Lock] = deque()

    def __enter__(self) -> None:
        with self._lock:
            if self._free:
                self._free -= 1
                return
            slot = Lock()
            slot.acquire()
            self._waiting.append(slot)
        slot.acquire()  # until it is handed over

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with self._lock:
            if self._waiting:
                self._waiting.popleft().release()
            else:
                self._free += 1


def divide(threads: int, bundles: int) -> ThreadShare:
    """Return the share of each bundle: the same for all, at least one thread.

    If there are more bundles than threads, as many bundles run at once as there are threads, and the others wait.

    Args:
        threads: The threads of the process.
        bundles: The number of bundles.
    """
    each = max(1, threads // max(1, bundles))
    return ThreadShare(each, Turns(max(1, threads // each)))
