"""How many CPUs this process may use: the container's quota where there is one, else the CPUs it may run on."""

import math
import os
from pathlib import Path
from typing import Final

CGROUP_ROOT: Final = Path("/sys/fs/cgroup")


def usable_cpus(cgroup_root: Path = CGROUP_ROOT) -> int:
    """At least 1. A library that counts the machine's CPUs instead starts too many threads in a small container."""
    quota = _quota_cpus(cgroup_root)
    allowed = _allowed_cpus()
    # Half a CPU more is no thread more: threads beyond the quota are throttled together.
    return max(1, min(allowed, math.floor(quota)) if quota is not None else allowed)


def _allowed_cpus() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _quota_cpus(cgroup_root: Path) -> float | None:
    """CPUs that the control group grants, None where it grants all. Within a container its own group is the root."""
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
