"""The arena of decoder states. The only file that knows its layout.

Row r of every array belongs to one hypothesis. Rows are dense: a newcomer is written behind the last row, and where one
leaves, the last row moves into the gap. So joining and leaving cost as much as the rows that join and leave.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from app.bundle.signature import StateSpec
from app.engine.sessions import Arrays, Encoded

# Sources are padded to a multiple of this many tokens, in the encoder and in the memory: a vectorised sum over the
# source then meets each real token in the same lane, whatever the longest source of the batch is. With odd widths
# onnxruntime's ReduceSum and Softmax gave a row other last bits in another company.
WIDTH_STEP: Final = 16


class Arena:
    """What the rows of the running batch carry from step to step.

    ``states`` are small and new after every step, so the graph's own outputs are kept as they come. The memory is large
    and stays: it lies in a buffer with room to spare, of which the graph sees the first ``rows``.
    """

    def __init__(self, states: tuple[StateSpec, ...]) -> None:
        self._moving = tuple(state.name for state in states if state.moves == "hypothesis")
        self._names = frozenset(state.name for state in states)
        self.clear()

    def clear(self) -> None:
        """Drop every row and the buffers."""
        self.rows = 0
        self.token_ids: NDArray[np.int32] = np.empty(0, np.int32)
        self.source_lengths: NDArray[np.int32] = np.empty(0, np.int32)
        self.states: Arrays = {}
        self._buffers: Arrays = {}
        self._memory: Arrays | None = None
        self._width = 0

    @property
    def memory(self) -> Arrays:
        """By name, the memory [rows, source, ...]; contiguous, as the rows are the first of the buffer.

        The same mapping until a row joins or leaves: so graphs can tell that nothing changed.
        """
        if self._memory is None:
            self._memory = {name: buffer[: self.rows] for name, buffer in self._buffers.items()}
        return self._memory

    def admit(
        self, encoded: Encoded, source_lengths: NDArray[np.int32], copies: list[int], first_token: int
    ) -> list[list[int]]:
        """Write newcomers behind the last row.

        :param encoded: of the newcomers, [newcomers, ...].
        :param copies: for each newcomer, how many rows (hypotheses) it gets.
        :returns: for each newcomer, its rows.
        """
        if encoded.states.keys() != self._names:
            raise ValueError(f"the encoder gave the states {sorted(encoded.states)}, expected {sorted(self._names)}")
        origins = np.repeat(np.arange(len(copies)), copies)
        self._memory = None
        self._write_memory(encoded.memory, source_lengths, origins)
        first = {name: state[origins] for name, state in encoded.states.items()}
        if self.rows:
            first = {name: np.concatenate((self.states[name], state)) for name, state in first.items()}
        self.states = first
        self.source_lengths = np.concatenate((self.source_lengths, source_lengths[origins]))
        self.token_ids = np.concatenate((self.token_ids, np.full(len(origins), first_token, np.int32)))
        ends = (self.rows + np.cumsum(copies)).tolist()
        self.rows += len(origins)
        return [list(range(end - count, end)) for end, count in zip(ends, copies, strict=True)]

    def advance(self, next_states: Arrays, token_ids: NDArray[np.int32]) -> None:
        """Take over what a step gave: the changed states and the tokens [rows] that the next step reads."""
        self.states = {**self.states, **next_states}
        self.token_ids = token_ids

    def reorder(self, rows: list[int], origins: list[int]) -> None:
        """Give each of ``rows`` the states of its origin, within one sequence: what moves with the source stays."""
        moves = [(row, origin) for row, origin in zip(rows, origins, strict=True) if row != origin]
        if not moves:
            return
        targets, sources = np.array(moves).T
        for name in self._moving:
            state = np.asarray(self.states[name])  # a state on a device comes to the host
            state[targets] = state[sources]
            self.states[name] = state

    def release(self, rows: list[int]) -> dict[int, int]:
        """Drop rows.

        :returns: where rows that stay were moved: old row -> new row.
        """
        remaining = self.rows - len(rows)
        if remaining == 0:
            self.clear()
            return {}
        gone = set(rows)
        gaps = sorted(row for row in gone if row < remaining)
        movers = [row for row in range(remaining, self.rows) if row not in gone]
        self._memory = None
        self.states = {name: np.asarray(state) for name, state in self.states.items()}
        for array in (self.token_ids, self.source_lengths, *self.states.values(), *self._buffers.values()):
            array[gaps] = array[movers]
        self.states = {name: state[:remaining] for name, state in self.states.items()}
        self.token_ids = self.token_ids[:remaining]
        self.source_lengths = self.source_lengths[:remaining]
        self.rows = remaining
        self._narrow()
        return dict(zip(movers, gaps, strict=True))

    def _write_memory(self, memory: Arrays, source_lengths: NDArray[np.int32], origins: NDArray[np.intp]) -> None:
        if not memory:
            return
        self._reserve(memory, self.rows + len(origins), padded_width(int(source_lengths.max())))
        lengths = source_lengths.tolist()
        for name, given in memory.items():
            buffer = self._buffers[name]
            for row, origin in enumerate(origins.tolist(), start=self.rows):
                length = lengths[origin]
                buffer[row, :length] = given[origin, :length]
                buffer[row, length:] = 0  # never leave a former row's numbers, let alone a NaN, behind the mask

    def _reserve(self, memory: Arrays, rows: int, width: int) -> None:
        """Make the buffers at least so large; grown twofold, so that growing costs little in the long run."""
        width = max(width, self._width)
        capacity = len(next(iter(self._buffers.values()))) if self._buffers else 0
        if rows <= capacity and width == self._width:
            return
        capacity = capacity if rows <= capacity else max(rows, 2 * capacity)
        for name, given in memory.items():
            fresh = np.zeros((capacity, width, *given.shape[2:]), given.dtype)
            if self._buffers and self.rows:
                fresh[: self.rows, : self._width] = self._buffers[name][: self.rows]
            self._buffers[name] = fresh
        self._width = width

    def _narrow(self) -> None:
        """After a long source left, do not go on attending over its padding. Copied only where it halves the width."""
        width = padded_width(int(self.source_lengths.max()))
        if self._buffers and 2 * width <= self._width:
            for name, buffer in self._buffers.items():
                self._buffers[name] = buffer[:, :width].copy()
            self._width = width


def padded_width(tokens: int) -> int:
    """The width of the source axis for a longest source of so many tokens."""
    return -(-tokens // WIDTH_STEP) * WIDTH_STEP
