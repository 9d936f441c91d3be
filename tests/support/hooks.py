"""Makes the graphs of tests late or faulty, and records how they were called."""

import threading
import time

import numpy as np
from numpy.typing import NDArray


class Hooks:
    """Makes graphs late or faulty, and remembers what they were asked.

    ``fail_steps``: numbers of the decode steps (from 0) that raise. ``fail_next``: raised once, by the next step.
    ``fail_encode``: raised by every encode while set. ``delay_seconds``: every step sleeps so long. ``gate``: every
    step waits until this event is set. ``step_rows``, ``step_best_k``, ``encode_shapes``: what the calls asked for.
    """

    def __init__(self) -> None:
        self.fail_steps: set[int] = set()
        self.fail_next: Exception | None = None
        self.fail_encode: Exception | None = None
        self.delay_seconds = 0.0
        self.gate: threading.Event | None = None
        self.step_rows: list[int] = []
        self.step_best_k: list[int] = []
        self.encode_shapes: list[tuple[int, int]] = []

    def on_encode(self, source_ids: NDArray[np.int32]) -> None:
        rows, source = source_ids.shape
        self.encode_shapes.append((rows, source))
        if self.fail_encode is not None:
            raise self.fail_encode

    def on_step(self, rows: int, best_k: int) -> None:
        number = len(self.step_rows)
        self.step_rows.append(rows)
        self.step_best_k.append(best_k)
        if self.gate is not None:
            self.gate.wait()
        if self.delay_seconds:
            time.sleep(self.delay_seconds)
        if self.fail_next is not None:
            error, self.fail_next = self.fail_next, None
            raise error
        if number in self.fail_steps:
            raise RuntimeError(f"step {number} was told to fail")
