"""The candidates of the running rows: which part of the output layer a step computes, and what each row may choose.

The weights of all running rows' candidates lie together, each token once, in a slot. A row has its own candidates in
their own order, whatever the other rows have, so its scores do not depend on these. A newcomer writes only the weights
that are not there yet; a slot is free when the last row that may write its token leaves.
"""

from collections.abc import Sequence as SequenceOf
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from app.bundle.safety import read_constants
from app.bundle.shortlist import Ids, Shortlist
from app.bundle.signature import (
    CANDIDATE_BIAS,
    CANDIDATE_IDS,
    CANDIDATE_SLOTS,
    CANDIDATE_WEIGHTS,
    OUTPUT_BIAS,
    OUTPUT_TABLE,
)
from app.bundle.store import Bundle
from app.engine.sequence import Sequence
from app.errors import BundleGraphError

# Choices are padded to a multiple of this many: a sum over them then meets each in the same lane of a vector, in any
# batch. It is a multiple of the vectors of all CPUs, also where a loop adds several at once.
WIDTH_STEP: Final = 64
_SLOT_STEP: Final = 16
_UNSIGNED: Final = 0x80  # adds 128 to an int8
_FREE: Final = -1
_FORBIDDEN: Final = np.float32("-inf")


@dataclass(frozen=True, slots=True)
class OutputLayer:
    """The output layer of a model with a shortlist.

    Attributes:
        weights: uint8 ``[vocabulary, width]``, 128 added.
        bias: float32 ``[vocabulary]``.
    """

    shortlist: Shortlist
    weights: NDArray[np.uint8]
    bias: NDArray[np.float32]

    @classmethod
    def of(cls, bundle: Bundle) -> "OutputLayer | None":
        """The output layer of a bundle whose shortlist is in use, else None.

        Raises:
            BundleGraphError: the decoder step has no such constants.
        """
        if bundle.shortlist is None:
            return None
        path, size = bundle.decoder_step_path, bundle.manifest.tokenizer.vocabulary_size
        found: dict[str, Any] = read_constants(path.read_bytes(), (OUTPUT_TABLE, OUTPUT_BIAS), str(path))
        table, bias = found[OUTPUT_TABLE], found[OUTPUT_BIAS]
        if table.dtype != np.int8 or table.ndim != 2 or bias.dtype != np.float32 or bias.shape != table.shape[:1]:
            raise BundleGraphError(f"{path}: {OUTPUT_TABLE} and {OUTPUT_BIAS} are no int8 table with a float32 bias")
        if len(table) != size:
            raise BundleGraphError(f"{path}: {OUTPUT_TABLE} has {len(table)} rows, the tokenizer {size} tokens")
        return cls(bundle.shortlist, table.view(np.uint8) ^ np.uint8(_UNSIGNED), bias)


class CandidateRows:
    """The candidates of rows, which join and leave as those of the arena do.

    Attributes:
        rows: number of rows.
        width: the number of choices of each row, padding included.
    """

    def __init__(self, layer: OutputLayer) -> None:
        self._layer = layer
        self.clear()

    def clear(self) -> None:
        """Drop every row and the buffers."""
        vocabulary, width = self._layer.weights.shape
        self.rows = self.width = self._end = 0
        self._own: list[Ids] = []  # by row
        self._slot_of = np.full(vocabulary, _FREE, np.int32)
        self._uses = np.zeros(vocabulary, np.int32)  # by how many rows
        self._tokens = np.empty(0, np.int32)  # by slot
        self._weights = np.empty((0, width), np.uint8)
        self._slots: Ids = np.empty((0, 0), np.int32)
        self._ids: Ids = np.empty((0, 0), np.int32)
        self._bias = np.empty((0, 0), np.float32)

    @property
    def inputs(self) -> dict[str, NDArray[np.generic]]:
        """The inputs of the decoder step, by name. They are views, valid until a row joins or leaves."""
        end = -(-self._end // _SLOT_STEP) * _SLOT_STEP
        return {
            CANDIDATE_WEIGHTS: self._weights[:end],
            CANDIDATE_SLOTS: self._slots[: self.rows],
            CANDIDATE_BIAS: self._bias[: self.rows],
            CANDIDATE_IDS: self._ids[: self.rows],
        }

    def choose(self, sequence: Sequence) -> Ids:
        """The candidates of a sequence: all tokens where its options say which tokens may follow."""
        shortlist = self._layer.shortlist
        if sequence.options.allowed is not None:
            return shortlist.everything()
        return shortlist.candidates(sequence.source_ids)

    def admit(self, candidates: SequenceOf[Ids], copies: SequenceOf[int]) -> None:
        """Write newcomers behind the last row.

        Args:
            candidates: of each newcomer, ascending.
            copies: the number of rows of each.
        """
        self._reserve(self.rows + sum(copies), max(map(len, candidates)))
        for ids, count in zip(candidates, copies, strict=True):
            self._place(ids)
            self._uses[ids] += count
            rows, own = slice(self.rows, self.rows + count), slice(len(ids))
            for buffer, values, behind in (
                (self._slots, self._slot_of[ids], 0),
                (self._ids, ids, 0),
                (self._bias, self._layer.bias[ids], _FORBIDDEN),
            ):
                buffer[rows, own] = values
                buffer[rows, len(ids) :] = behind
            self._own += [ids] * count
            self.rows += count

    def release(self, rows: SequenceOf[int], moved: dict[int, int]) -> None:
        """Drop rows.

        Args:
            rows: the rows.
            moved: the new row of each row that moves, by its old row.
        """
        remaining = self.rows - len(rows)
        if remaining == 0:
            self.clear()
            return
        for row in rows:
            ids = self._own[row]
            self._uses[ids] -= 1
            unused = ids[self._uses[ids] == 0]
            self._tokens[self._slot_of[unused]] = _FREE
            self._slot_of[unused] = _FREE
        movers, gaps = list(moved), list(moved.values())
        for buffer in (self._slots, self._ids, self._bias):
            buffer[gaps] = buffer[movers]
        for mover, gap in moved.items():
            self._own[gap] = self._own[mover]
        del self._own[remaining:]
        self.rows = remaining
        self._tidy()

    def _place(self, ids: Ids) -> None:
        """Give a slot to each token that has none; the lowest free ones, so that few are free between others."""
        fresh = ids[self._slot_of[ids] == _FREE]
        if not len(fresh):
            return
        free = np.flatnonzero(self._tokens == _FREE)
        if len(free) < len(fresh):
            # Twofold, so that copies stay rare.
            more = max(len(fresh) - len(free), len(self._tokens), _SLOT_STEP)
            more += -(more + len(self._tokens)) % _SLOT_STEP
            free = np.concatenate((free, np.arange(more) + len(self._tokens)))
            self._tokens = np.concatenate((self._tokens, np.full(more, _FREE, np.int32)))
            self._weights = np.concatenate((self._weights, np.zeros((more, self._weights.shape[1]), np.uint8)))
        slots = free[: len(fresh)]
        self._tokens[slots] = fresh
        self._slot_of[fresh] = slots
        self._weights[slots] = self._layer.weights[fresh]
        self._end = max(self._end, int(slots[-1]) + 1)

    def _reserve(self, rows: int, choices: int) -> None:
        """Make the buffers of rows at least this large."""
        width, capacity = max(self.width, padded_width(choices)), len(self._slots)
        if rows <= capacity and width == self.width:
            return
        capacity = capacity if rows <= capacity else max(rows, 2 * capacity)
        self._resize(capacity, width)

    def _resize(self, capacity: int, width: int) -> None:
        kept = min(width, self.width)
        fresh: list[NDArray[np.generic]] = []
        for buffer, behind in ((self._slots, 0), (self._ids, 0), (self._bias, _FORBIDDEN)):
            larger = np.full((capacity, width), behind, buffer.dtype)
            larger[: self.rows, :kept] = buffer[: self.rows, :kept]
            fresh.append(larger)
        self._slots, self._ids, self._bias = fresh  # type: ignore[assignment]
        self.width = width

    def _tidy(self) -> None:
        """Give up padding, and slots that are free between others, where that halves what a step computes."""
        used = np.flatnonzero(self._tokens != _FREE)
        self._end = int(used[-1]) + 1
        if 2 * len(used) <= self._end:
            tokens = self._tokens[used]
            self._weights = np.concatenate((self._weights[used], self._weights[: -len(used) % _SLOT_STEP]))
            self._tokens = np.full(len(self._weights), _FREE, np.int32)
            self._tokens[: len(used)] = tokens
            self._slot_of[tokens] = np.arange(len(used))
            self._end = len(used)
            for row, ids in enumerate(self._own):
                self._slots[row, : len(ids)] = self._slot_of[ids]
        width = padded_width(max(map(len, self._own)))
        if 2 * width <= self.width:
            self._resize(len(self._slots), width)


def padded_width(choices: int) -> int:
    """The width of the rows for the longest list of choices."""
    return -(-choices // WIDTH_STEP) * WIDTH_STEP
