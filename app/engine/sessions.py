"""The two graphs of a model as calls on numpy arrays. The only file that imports onnxruntime."""

from collections.abc import Mapping
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

Arrays = dict[str, NDArray[np.generic]]


class Encoded(NamedTuple):
    """``memory`` [rows, source, ...] by name (empty without attention) and the first ``states`` [rows, ...] by name."""

    memory: Arrays
    states: Arrays


class Stepped(NamedTuple):
    """``scores`` float32 [rows, best_k] and ``score_ids`` int64 [rows, best_k], best first; ``next_states`` by the
    name of the state (no ``next_``), only those that change; ``attention`` float32 [rows, source], None without memory.
    """

    scores: NDArray[np.float32]
    score_ids: NDArray[np.int64]
    next_states: Arrays
    attention: NDArray[np.float32] | None


class Graphs(Protocol):
    """What the engine knows of a model's graphs. Every array returned belongs to the caller, who may write into it."""

    def encode(self, source_ids: NDArray[np.int32], source_lengths: NDArray[np.int32]) -> Encoded:
        """``source_ids`` [rows, source], padded beyond ``source_lengths`` [rows]."""
        ...

    def decode_step(
        self,
        token_ids: NDArray[np.int32],
        states: Mapping[str, NDArray[np.generic]],
        memory: Mapping[str, NDArray[np.generic]],
        source_lengths: NDArray[np.int32],
        best_k: int,
    ) -> Stepped:
        """One token further for every row; ``token_ids`` [rows] are the tokens written last (bos at first)."""
        ...
