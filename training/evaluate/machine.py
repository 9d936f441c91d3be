"""What the numbers of a page were measured on."""

import os
import platform
from pathlib import Path


def machine() -> str:
    """The processor and how many of its cores there are."""
    model = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return f"{names[0] if names else model}, {len(os.sched_getaffinity(0))} cores"
