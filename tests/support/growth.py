"""How work grows with its input, whatever else the machine does."""

import time
from collections.abc import Callable
from typing import Final

_TIMES: Final = 8
_ATTEMPTS: Final = 5


def assert_no_faster_than_length(work: Callable[[str], object], text: str) -> None:
    """Eight times the text must be far from 64 times the work, which is what quadratic work would be.

    Counted is the processor's time of this thread: what other programs do is not in it. One attempt of several has to
    do, for what is slow by nature is slow in each.

    :param text: repeated eight times for the longer one.
    """
    growths = []
    for _ in range(_ATTEMPTS):
        short, long = _seconds(work, text), _seconds(work, text * _TIMES)
        growths.append(long / max(short, 1e-4))
        if growths[-1] < 3 * _TIMES:
            return
    raise AssertionError(f"{_TIMES} times the text was {min(growths):.0f} times the work")


def _seconds(work: Callable[[str], object], text: str) -> float:
    began = time.thread_time()
    work(text)
    return time.thread_time() - began
