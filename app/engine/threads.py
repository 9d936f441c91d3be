"""The threads of the process, divided among its bundles: together they never run on more than there are.

onnxruntime can also share one pool among all sessions, but its Python package offers no way to let that pool's idle
threads sleep: they spin, and a token costs about twice the processor time (0.86 ms instead of 0.46 ms with 2 threads).
"""

from contextlib import AbstractContextManager
from dataclasses import dataclass
from threading import BoundedSemaphore


@dataclass(frozen=True, slots=True)
class ThreadShare:
    """``threads``: how many one bundle's graphs use. ``turns``: held while one of them runs."""

    threads: int
    turns: AbstractContextManager[object]


def divide(threads: int, bundles: int) -> ThreadShare:
    """The share of every bundle: the same for all, at least one thread.

    Where there are more bundles than threads, so many of them run at once and the others wait for their turn.
    """
    each = max(1, threads // max(1, bundles))
    return ThreadShare(each, BoundedSemaphore(max(1, threads // each)))
