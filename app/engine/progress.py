"""How far the search of one running sequence has come, and which of its rows belong to what."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from app.engine.search import Beam, LiveHypothesis, cut_beam
from app.engine.sequence import FinishReason, Hypothesis, Sequence


@dataclass(eq=False, slots=True)
class GreedyProgress:
    """A sequence with a single hypothesis: one row. ``alignment`` is None if nobody asked for it."""

    sequence: Sequence
    rows: list[int]
    alignment: list[int] | None
    token_ids: list[int] = field(default_factory=list)
    token_scores: list[float] = field(default_factory=list)

    def cut(self, reason: FinishReason) -> list[Hypothesis]:
        """What is there so far, as the outcome."""
        alignment = None if self.alignment is None else tuple(self.alignment)
        whole = LiveHypothesis(tuple(self.token_ids), tuple(self.token_scores), sum(self.token_scores), alignment)
        return [whole.ended(reason, self.sequence.options.length_penalty)]


@dataclass(eq=False, slots=True)
class BeamProgress:
    """A sequence with ``beam_size`` rows; live hypothesis i is in row i of these, the rows beyond idle."""

    sequence: Sequence
    rows: list[int]
    beam: Beam

    def cut(self, reason: FinishReason) -> list[Hypothesis]:
        """What is there so far, as the outcome."""
        return list(cut_beam(self.beam, self.sequence.options, reason))


Progress = GreedyProgress | BeamProgress


def begin(sequence: Sequence, rows: list[int], has_attention: bool) -> Progress:
    """A sequence that just got its rows."""
    is_aligned = sequence.options.align and has_attention
    if sequence.options.beam_size == 1:
        return GreedyProgress(sequence, rows, [] if is_aligned else None)
    return BeamProgress(sequence, rows, Beam(live=(LiveHypothesis((), (), 0.0, () if is_aligned else None),)))


def place_of(attention: NDArray[np.float32], row: int, source_tokens: int) -> int:
    """Where a row looks most.

    Its padding is left out, and its eos too, on which a decoder often rests when no word is needed.

    :param attention: [rows, source]
    """
    return int(attention[row, : max(1, source_tokens - 1)].argmax())
