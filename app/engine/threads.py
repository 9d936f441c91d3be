"""The threads of the process, divided among its bundles: together they never run on more than there are.

onnxruntime can also share one pool among all sessions, but its Python package offers no way to let that pool's idle
threads sleep: they spin, and a token costs about twice the processor time (0.86 ms instead of 0.46 ms with 2 threads).
"""

from collections import deque
from contextlib import AbstractContextManager
from dataclasses import dataclass
from threading import Lock
from types import TracebackType


@dataclass(frozen=True, slots=True)
class ThreadShare:
    """``threads``: how many one bundle's graphs use. ``turns``: held while one of them runs."""

    threads: int
    turns: AbstractContextManager[object]


class Turns:
    """So many at once, first come, first served.

    Who leaves hands its place to the one that has waited longest. A semaphore would let whoever comes first have it,
    and that is nearly always the engine that has just left: measured, 2,658 turns of a busy one against 1 of another.
    """

    def __init__(self, places: int) -> None:
        self._lock = Lock()
        self._free = places
        self._waiting: deque[Lock] = deque()

    def __enter__(self) -> None:
        with self._lock:
            if self._free:
                self._free -= 1
                return
            place = Lock()
            place.acquire()
            self._waiting.append(place)
        place.acquire()  # until it is handed over

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with self._lock:
            if self._waiting:
                self._waiting.popleft().release()
            else:
                self._free += 1


def divide(threads: int, bundles: int) -> ThreadShare:
    """The share of every bundle: the same for all, at least one thread.

    Where there are more bundles than threads, so many of them run at once and the others wait for their turn.
    """
    each = max(1, threads // max(1, bundles))
    return ThreadShare(each, Turns(max(1, threads // each)))
