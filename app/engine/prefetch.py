"""Runs the encoder: over sequences that get rows now, and ahead of time over some that wait.

A lone row costs the encoder as much as two (see ``app.engine.sessions``). So where a lone newcomer is encoded, some of
the sequences whose turn is next are encoded with it, and join later without another call.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from app.engine.model import DecodingModel, Encoded, Graphs
from app.engine.scheduler import bucket, is_similar_length
from app.engine.sequence import Sequence
from app.engine.states import padded_width

LOOK_AHEAD: Final = 8
_ENCODED_TOGETHER: Final = 4


@dataclass(frozen=True, slots=True)
class EncoderCall:
    """Sequences for one call of the encoder.

    Attributes:
        newcomers: get rows at once. A single one may be encoded already; then no call is needed.
        ahead: are encoded with them and wait on.
    """

    newcomers: list[Sequence]
    ahead: list[Sequence]


class Prefetch:
    """Plans the encoder's calls and keeps the outputs of the sequences that were encoded ahead of their turn.

    Only the engine's thread uses it.
    """

    def __init__(self, graphs: Graphs, model: DecodingModel, max_padded_tokens: int) -> None:
        self._graphs = graphs
        self._model = model
        self._max_padded_tokens = max_padded_tokens
        self._encoded: dict[Sequence, Encoded] = {}

    def look_ahead(self, newcomers: list[Sequence]) -> int:
        """How many waiting sequences to consider: none without newcomers, or where it would save nothing."""
        return LOOK_AHEAD if newcomers and self._model.encoder_rows == "any" else 0

    def plan(self, newcomers: list[Sequence], upcoming: list[Sequence]) -> list[EncoderCall]:
        """The calls that give all newcomers their states: those encoded ahead first, then groups of similar length.

        Args:
            newcomers: get rows now.
            upcoming: wait, in the order of their turns.
        """
        calls = [EncoderCall([newcomer], []) for newcomer in newcomers if newcomer in self._encoded]
        fresh = [newcomer for newcomer in newcomers if newcomer not in self._encoded]
        waiting = [sequence for sequence in upcoming if sequence not in self._encoded]
        for similar in bucket(fresh, self._max_padded_tokens):
            ahead = [sequence for sequence in waiting if is_similar_length(sequence, similar)]
            ahead = ahead[: max(0, _ENCODED_TOGETHER - len(similar))]
            waiting = [sequence for sequence in waiting if sequence not in ahead]
            calls.append(EncoderCall(similar, ahead))
        return calls

    def encode(self, call: EncoderCall) -> Encoded:
        """The encoder's outputs for the newcomers of a call ``[newcomers, ...]``; those encoded ahead are kept."""
        if call.newcomers[0] in self._encoded:
            return self._encoded.pop(call.newcomers[0])
        encoded = encode_sources(self._graphs, self._model.pad_id, [*call.newcomers, *call.ahead])
        if not call.ahead:
            return encoded
        count = len(call.newcomers)
        for row, sequence in enumerate(call.ahead, start=count):
            self._encoded[sequence] = encoded.part(row, row + 1)
        return encoded.part(0, count)

    def forget(self, sequences: list[Sequence]) -> None:
        """Drop what is kept of sequences that will never get rows."""
        for sequence in sequences:
            self._encoded.pop(sequence, None)

    def clear(self) -> None:
        """Drop everything."""
        self._encoded.clear()


def encode_sources(graphs: Graphs, pad_id: int, sequences: list[Sequence]) -> Encoded:
    """Encode the sources of some sequences in one call, padded to one width."""
    lengths = np.array([sequence.source_tokens for sequence in sequences], np.int32)
    source_ids = np.full((len(sequences), padded_width(int(lengths.max()))), pad_id, np.int32)
    for row, sequence in enumerate(sequences):
        source_ids[row, : sequence.source_tokens] = sequence.source_ids
    return graphs.encode(source_ids, lengths)
