"""Checks that work grows no faster than its input, on a busy machine too."""

import time
from collections.abc import Callable
from typing import Final

_TIMES: Final = 8
_ATTEMPTS: Final = 5


def assert_no_faster_than_length(work: Callable[[str], object], text: str) -> None:
    """Checks that eight times the text takes far less than 64 times the work, which quadratic work would take.

    The check counts the processor time of this thread, so that other programs do not count. One attempt of several is
    enough, because quadratic work is slow in each.

    Args:
        work: What is measured.
        text: Its input, which is repeated eight times for the longer one.

    Raises:
        AssertionError: The work grew faster in every attempt.
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
