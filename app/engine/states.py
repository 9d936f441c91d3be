"""The rows of the running batch: the arena of decoder states, and what one step offers and moves.

Row r of every array belongs to one hypothesis. Rows are dense: a newcomer is written behind the last row, and where a
row leaves, the last row moves into the gap. So joining and leaving cost as much as the rows that join and leave. Only
this file depends on the layout.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from app.bundle.signature import MASKED_SCORE, SOURCE_MASK, StateSpec
from app.engine.model import Arrays, Encoded, Stepped

# Sources are padded to a multiple of this many tokens, in the encoder and in the memory: a vectorised sum over the
# source then meets each real token in the same lane, whatever the longest source of the batch is. With odd widths
# onnxruntime's ReduceSum and Softmax gave a row other last bits in another batch.
WIDTH_STEP: Final = 16


class Step:
    """One decoder step of all rows: the candidates that it offers, and what the searches take of them.

    Each search reads the candidates of its own rows. By default a row continues with its best token and its own new
    state; a search that decides otherwise calls ``choose`` or ``continue_rows``.

    Attributes:
        scores: float32 ``[rows, candidates]``, best first.
        score_ids: int64 ``[rows, candidates]``, the tokens of ``scores``.
        attention: float32 ``[rows, source]``, None without memory.
        best_ids: the best token of each row, as a list: reading one costs less than reading an array.
        best_scores: their scores.
        next_ids: int32 ``[rows]``, the tokens that the next step reads.
    """

    __slots__ = (
        *("_origins", "_targets", "_tokens", "attention", "best_ids", "best_scores", "next_ids", "score_ids"),
        "scores",
    )

    def __init__(self, stepped: Stepped) -> None:
        self.scores = stepped.scores
        self.score_ids = stepped.score_ids
        self.attention = stepped.attention
        self.next_ids: NDArray[np.int32] = stepped.score_ids[:, 0].astype(np.int32)
        self.best_ids: list[int] = self.next_ids.tolist()
        self.best_scores: list[float] = stepped.scores[:, 0].tolist()
        self._targets: list[int] = []
        self._origins: list[int] = []
        self._tokens: list[int] = []

    def choose(self, row: int, token_id: int) -> None:
        """Let a row continue with another token than its best one."""
        self.next_ids[row] = token_id

    def continue_rows(self, rows: list[int], parents: list[int], token_ids: Sequence[int]) -> None:
        """Let the first of a sequence's rows continue hypotheses of the same sequence.

        Args:
            rows: of the sequence, at least as many as there are parents.
            parents: for each hypothesis that goes on, the index in ``rows`` of the hypothesis it extends.
            token_ids: the last token of each.
        """
        self._targets += rows[: len(parents)]
        self._origins += [rows[parent] for parent in parents]
        self._tokens += token_ids

    def finish(self) -> None:
        """Write the tokens of ``continue_rows`` into ``next_ids``, after all searches have advanced."""
        if self._targets:
            self.next_ids[self._targets] = self._tokens

    @property
    def moves(self) -> list[tuple[int, int]]:
        """Pairs of a row and the other row whose state it continues with."""
        pairs = zip(self._targets, self._origins, strict=True)
        return [(target, origin) for target, origin in pairs if target != origin]

    def attended_offset(self, row: int, source_tokens: int) -> int:
        """The offset of the source token with the most attention, 0 without attention; see ``most_attended``."""
        return 0 if self.attention is None else most_attended(self.attention, row, source_tokens)


def most_attended(attention: NDArray[np.float32], row: int, source_tokens: int) -> int:
    """The offset of the source token that a row attends to most.

    The padding is left out, and so is eos, to which a decoder often attends where no word is needed.

    Args:
        attention: ``[rows, source]``.
        row: the row.
        source_tokens: its length, eos included.
    """
    return int(attention[row, : max(1, source_tokens - 1)].argmax())


class Arena:
    """The arrays that the rows of the running batch carry from step to step.

    States are small and new after every step, so the arena keeps the graph's own outputs. The memory is large and
    stays: it lies in a buffer with spare capacity, of which the graph sees the first ``rows``.

    Attributes:
        rows: number of rows.
        token_ids: int32 ``[rows]``, the tokens written last.
        source_lengths: int32 ``[rows]``.
        states: by name, ``[rows, ...]``.
    """

    def __init__(
        self, states: tuple[StateSpec, ...], source_axes: Mapping[str, int] | None = None, has_mask: bool = False
    ) -> None:
        """Make an empty arena.

        Args:
            states: How the states move.
            source_axes: By memory, which of its axes is ``source``; 1 where there is no entry.
            has_mask: Keep the mask of each row's padding beside its memory, for a graph that reads one.
        """
        self._source_axes = {**(source_axes or {}), SOURCE_MASK: 2}
        self._has_mask = has_mask
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
        """By name, the memory ``[rows, source, ...]`` and the mask ``[rows, 1, source]`` if the graph reads one.

        Each is contiguous, as the rows are the first of the buffer. The mapping stays the same object until a row joins
        or leaves, so graphs can tell that nothing changed.
        """
        if self._memory is None:
            self._memory = {name: buffer[: self.rows] for name, buffer in self._buffers.items()}
        return self._memory

    def admit(
        self, encoded: Encoded, source_lengths: NDArray[np.int32], copies: list[int], first_token: int
    ) -> list[list[int]]:
        """Write newcomers behind the last row.

        Args:
            encoded: of the newcomers, ``[newcomers, ...]``.
            source_lengths: int32 ``[newcomers]``.
            copies: for each newcomer, its number of rows (hypotheses).
            first_token: bos.

        Returns:
            The rows of each newcomer.
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
        """Take over what a step gave: the changed states, and the tokens ``[rows]`` that the next step reads."""
        self.states = {**self.states, **next_states}
        self.token_ids = token_ids

    def reorder(self, moves: list[tuple[int, int]]) -> None:
        """Give rows the states of other rows of the same sequence. States that move with the source stay.

        Args:
            moves: pairs of a row and the row that it takes its states from.
        """
        if not moves:
            return
        targets, origins = np.array(moves).T
        for name in self._moving:
            state = np.asarray(self.states[name])  # a state on a device comes to the host
            state[targets] = state[origins]
            self.states[name] = state

    def release(self, rows: list[int]) -> dict[int, int]:
        """Drop rows.

        Returns:
            The new row of each row that was moved, by its old row.
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
        width = padded_width(int(source_lengths.max()))
        if self._has_mask:
            memory = {**memory, SOURCE_MASK: np.zeros((len(source_lengths), 1, width), np.float32)}
        self._reserve(memory, self.rows + len(origins), width)
        lengths = source_lengths.tolist()
        for name in memory:
            buffer, given = self._by_source(name, self._buffers[name]), self._by_source(name, memory[name])
            behind = _behind_the_length(name)
            for row, origin in enumerate(origins.tolist(), start=self.rows):
                length = lengths[origin]
                buffer[row, :length] = given[origin, :length]
                buffer[row, length:] = behind  # a former row's numbers, perhaps a NaN, must not stay there

    def _reserve(self, memory: Arrays, rows: int, width: int) -> None:
        """Make the buffers at least this large. They grow twofold, so that the copies stay rare."""
        width = max(width, self._width)
        capacity = len(next(iter(self._buffers.values()))) if self._buffers else 0
        if rows <= capacity and width == self._width:
            return
        capacity = capacity if rows <= capacity else max(rows, 2 * capacity)
        for name, given in memory.items():
            shape = [capacity, *given.shape[1:]]
            shape[self._source_axes.get(name, 1)] = width
            fresh = np.full(shape, _behind_the_length(name), given.dtype)
            if self._buffers and self.rows:
                kept = self._by_source(name, self._buffers[name][: self.rows])
                self._by_source(name, fresh)[: self.rows, : self._width] = kept
            self._buffers[name] = fresh
        self._width = width

    def _by_source(self, name: str, memory: NDArray[np.generic]) -> NDArray[np.generic]:
        """A view of a memory as ``[rows, source, ...]``."""
        return np.moveaxis(memory, self._source_axes.get(name, 1), 1)

    def _narrow(self) -> None:
        """Drop the padding of a long source that left. The buffers are copied only where that halves the width."""
        width = padded_width(int(self.source_lengths.max()))
        if self._buffers and 2 * width <= self._width:
            for name, buffer in self._buffers.items():
                axis = self._source_axes.get(name, 1)
                self._buffers[name] = buffer[(slice(None),) * axis + (slice(width),)].copy()
            self._width = width


def mask_of(source_lengths: NDArray[np.int32], width: int) -> NDArray[np.float32]:
    """The mask float32 ``[rows, 1, source]`` of the padding behind lengths ``[rows]``."""
    hidden = np.arange(width) >= source_lengths[:, np.newaxis]
    return np.where(hidden, np.float32(MASKED_SCORE), np.float32(0))[:, np.newaxis]


def _behind_the_length(name: str) -> float:
    return MASKED_SCORE if name == SOURCE_MASK else 0.0


def padded_width(tokens: int) -> int:
    """The width of the source axis for a longest source of ``tokens`` tokens."""
    return -(-tokens // WIDTH_STEP) * WIDTH_STEP
