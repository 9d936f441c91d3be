"""How far the search of one running sequence has come, and which of its rows belong to what."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from app.engine.repetition import LoopGuard
from app.engine.search import Beam, LiveHypothesis, cut_beam
from app.engine.sequence import FinishReason, Hypothesis, Sequence


@dataclass(eq=False, slots=True)
class GreedyProgress:
    """A sequence with a single hypothesis: one row. ``alignment`` is None if nobody asked for it."""

    sequence: Sequence
    rows: list[int]
    alignment: list[int] | None
    guard: LoopGuard | None
    token_ids: list[int] = field(default_factory=list)
    token_scores: list[float] = field(default_factory=list)

    def looped(self) -> list[Hypothesis] | None:
        """The outcome if the last token closed a loop; to be asked after every token."""
        # Most tokens are none of the last four, so this costs next to nothing.
        if self.guard is None or self.token_ids[-1] not in self.token_ids[-5:-1]:
            return None
        excess = self.guard.excess(self.token_ids)
        return (
            [self._whole().shortened(excess).ended(FinishReason.REPETITION, self._length_penalty)] if excess else None
        )

    def cut(self, reason: FinishReason) -> list[Hypothesis]:
        """What is there so far, as the outcome."""
        return [self._whole().ended(reason, self._length_penalty)]

    @property
    def _length_penalty(self) -> float:
        return self.sequence.options.length_penalty

    def _whole(self) -> LiveHypothesis:
        alignment = None if self.alignment is None else tuple(self.alignment)
        return LiveHypothesis(tuple(self.token_ids), tuple(self.token_scores), sum(self.token_scores), alignment)


@dataclass(eq=False, slots=True)
class BeamProgress:
    """A sequence with ``beam_size`` rows; live hypothesis i is in row i of these, the rows beyond idle."""

    sequence: Sequence
    rows: list[int]
    beam: Beam
    guard: LoopGuard | None

    def cut(self, reason: FinishReason) -> list[Hypothesis]:
        """What is there so far, as the outcome."""
        return list(cut_beam(self.beam, self.sequence.options, reason))


Progress = GreedyProgress | BeamProgress


def begin(sequence: Sequence, rows: list[int], has_attention: bool) -> Progress:
    """A sequence that just got its rows."""
    is_aligned = sequence.options.align and has_attention
    guard = LoopGuard(sequence.source_ids[:-1]) if sequence.options.loop_guard else None
    if sequence.options.is_plain:
        return GreedyProgress(sequence, rows, [] if is_aligned else None, guard)
    return BeamProgress(sequence, rows, Beam(live=(LiveHypothesis((), (), 0.0, () if is_aligned else None),)), guard)


def place_of(attention: NDArray[np.float32], row: int, source_tokens: int) -> int:
    """Where a row looks most.

    Its padding is left out, and its eos too, on which a decoder often rests when no word is needed.

    :param attention: [rows, source]
    """
    return int(attention[row, : max(1, source_tokens - 1)].argmax())
