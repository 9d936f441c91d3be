"""The CPUs that this process may use, and how its bundles share them.

onnxruntime can also share one thread pool among all sessions, but its Python package offers no way to let that pool's
idle threads sleep: they spin, and a token costs about twice the processor time (0.86 ms instead of 0.46 ms with 2
threads).
"""

import ctypes
import math
import os
import sys
from collections import deque
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Final

CGROUP_ROOT: Final = Path("/sys/fs/cgroup")
WORKER_MIB: Final = 120.0  # measured: what a process takes beside its bundles
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


def usable_memory_mib(cgroup_root: Path = CGROUP_ROOT, meminfo: Path = Path("/proc/meminfo")) -> float | None:
    """Return the memory that this process may still take, in MiB; None if the system does not say.

    Args:
        cgroup_root: Where control groups are mounted.
        meminfo: The file in which Linux reports the memory of the machine.
    """
    found = []
    for line in _read(meminfo).splitlines():
        name, _, value = line.partition(":")
        if name == "MemAvailable" and value.split():
            found.append(int(value.split()[0]) / 1024)
    # Version 2, then version 1, which writes a number beyond any machine's memory for no limit.
    for path in (cgroup_root / "memory.max", cgroup_root / "memory" / "memory.limit_in_bytes"):
        limit = _read(path).strip()
        if limit.isdecimal():
            found.append(int(limit) / 1024**2)
    return min(found, default=None)


def has_gpu_runtime() -> bool:
    """Return whether onnxruntime is installed in its build for GPUs, whose memory each process would fill anew."""
    try:
        return bool(version("onnxruntime-gpu"))
    except PackageNotFoundError:
        return False


def fitting_workers(cpus: int, memory_mib: float | None, base_mib: float, worker_mib: float) -> int:
    """Return how many workers one machine has room for: one for each CPU, unless its memory holds fewer.

    Args:
        cpus: The CPUs of the service.
        memory_mib: The memory of the service; None if it is unknown.
        base_mib: What the service takes whatever the number of workers.
        worker_mib: What each worker takes.
    """
    if memory_mib is None:
        return max(1, cpus)
    return max(1, min(cpus, math.floor((memory_mib - base_mib) / worker_mib)))


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


class Threads:
    """The threads of the process: graphs take as many as they use, in the order in which they ask for them.

    Those that are given back go to the graph that has waited longest. A ``threading.Semaphore`` would give them to the
    first thread that runs, which is nearly always the engine that has just released it: measured, a busy engine took
    2,658 turns and another one took 1.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self._lock = Lock()
        self._free = count
        self._waiting: deque[tuple[int, Lock]] = deque()

    def share(self, bundles: int) -> ThreadShare:
        """Return the share of a bundle where ``bundles`` of them work: the same for all, at least one thread."""
        each = max(1, self.count // max(1, bundles))
        return ThreadShare(each, _Turn(self, each))

    def take(self, count: int) -> None:
        """Wait until this many threads are free, and take them."""
        with self._lock:
            if self._free >= count and not self._waiting:
                self._free -= count
                return
            slot = Lock()
            slot.acquire()
            self._waiting.append((count, slot))
        slot.acquire()  # until they are handed over

    def give_back(self, count: int) -> None:
        """Give threads back."""
        with self._lock:
            self._free += count
            while self._waiting and self._waiting[0][0] <= self._free:
                wanted, slot = self._waiting.popleft()
                self._free -= wanted
                slot.release()


@dataclass(frozen=True, slots=True)
class _Turn:
    """Takes some of the threads while a block runs."""

    threads: Threads
    count: int

    def __enter__(self) -> None:
        self.threads.take(self.count)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.threads.give_back(self.count)


def release_free_memory() -> None:
    """Return memory that was freed to the system, where the C library has a call for it.

    Opening a graph needs several times its size for a moment, which glibc otherwise keeps: measured, a bundle of 10
    MiB then takes 38 MiB instead of 20.
    """
    if sys.platform == "linux":
        with suppress(AttributeError, OSError):
            ctypes.CDLL(None).malloc_trim(0)


def divide(threads: int, bundles: int) -> ThreadShare:
    """Return the share of each of some bundles that share all threads.

    If there are more bundles than threads, as many bundles run at once as there are threads, and the others wait.

    Args:
        threads: The threads of the process.
        bundles: The number of bundles.
    """
    return Threads(threads).share(bundles)
