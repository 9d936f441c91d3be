"""How far the search of one running sequence has come, and which of its rows belong to what."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from app.engine.repetition import LoopGuard, TokenWords, tokens_before_repeats
from app.engine.search.beam import Beam, LiveHypothesis, candidates_needed, cut_beam
from app.engine.search.branching import branch_candidates
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
    text: str = " "
    closing: frozenset[int] = frozenset()

    def looped(self) -> list[Hypothesis] | None:
        """The outcome if the last token closed a loop; to be asked after every token. ``closing`` are then those that
        must not come next.
        """
        if self.guard is None:
            return None
        if self.guard.words is not None:
            self.text = self.guard.words.longer(self.text, self.token_ids[-1])
            self.closing = self.guard.closing(self.text)
        # Most tokens are none of the last four, so this costs next to nothing.
        if self.token_ids[-1] not in self.token_ids[-5:-1]:
            return None
        excess = self.guard.excess(self.token_ids)
        return (
            [self._whole().shortened(excess).ended(FinishReason.REPETITION, self._length_penalty)] if excess else None
        )

    def ended(self, reason: FinishReason) -> list[Hypothesis]:
        """What was written, as the outcome."""
        return [self._whole().ended(reason, self._length_penalty)]

    def cut(self, reason: FinishReason) -> list[Hypothesis]:
        """What is there so far, as the outcome. May be asked from another thread."""
        return [self._so_far().ended(reason, self._length_penalty)]

    def settled(self) -> tuple[int, ...]:
        """The tokens that the outcome begins with, whatever comes."""
        return tuple(self.token_ids[: tokens_before_repeats(self.token_ids)])

    @property
    def _length_penalty(self) -> float:
        return self.sequence.options.length_penalty

    def _whole(self) -> LiveHypothesis:
        alignment = None if self.alignment is None else tuple(self.alignment)
        return LiveHypothesis(tuple(self.token_ids), tuple(self.token_scores), sum(self.token_scores), alignment)

    def _so_far(self) -> LiveHypothesis:
        """The tokens of which everything is written down: the engine's thread may be about to write more."""
        scores, alignment = tuple(self.token_scores), None if self.alignment is None else tuple(self.alignment)
        length = min(len(self.token_ids), len(scores), len(self.token_ids if alignment is None else alignment))
        places = None if alignment is None else alignment[:length]
        return LiveHypothesis(tuple(self.token_ids[:length]), scores[:length], sum(scores[:length]), places)


@dataclass(eq=False, slots=True)
class BeamProgress:
    """A sequence with ``beam_size`` rows; live hypothesis i is in row i of these, the rows beyond idle."""

    sequence: Sequence
    rows: list[int]
    beam: Beam
    guard: LoopGuard | None

    def candidates(self, vocabulary_size: int) -> int:
        """How many candidates its rows must show in the next step."""
        options = self.sequence.options
        if options.branching:
            return branch_candidates(self.beam, options, vocabulary_size)
        return candidates_needed(options, self.sequence.cap, vocabulary_size)

    def cut(self, reason: FinishReason) -> list[Hypothesis]:
        """What is there so far, as the outcome. May be asked from another thread: a beam never changes in place."""
        return list(cut_beam(self.beam, self.sequence.options, reason))

    def settled(self) -> tuple[int, ...]:
        """The tokens that the outcome begins with, whatever comes: those that all that can still win have in common."""
        begun = [live.token_ids[: tokens_before_repeats(live.token_ids)] for live in self.beam.live]
        ended = [hypothesis.token_ids for hypothesis in (*self.beam.kept, *self.beam.looped)]
        return common_beginning([*begun, *ended])


Progress = GreedyProgress | BeamProgress


def begin(sequence: Sequence, rows: list[int], has_attention: bool, words: TokenWords | None = None) -> Progress:
    """A sequence that just got its rows."""
    is_aligned = sequence.options.align and has_attention
    guard = LoopGuard(sequence.source_ids[:-1], words) if sequence.options.loop_guard else None
    if sequence.options.is_plain:
        return GreedyProgress(sequence, rows, [] if is_aligned else None, guard)
    return BeamProgress(sequence, rows, Beam(live=(LiveHypothesis((), (), 0.0, () if is_aligned else None),)), guard)


def common_beginning(each: list[tuple[int, ...]]) -> tuple[int, ...]:
    """The tokens that all begin with; ``each`` is not empty."""
    first, last = min(each), max(each)  # in the order of a dictionary: what these share, all share
    for length, (one, other) in enumerate(zip(first, last, strict=False)):
        if one != other:
            return first[:length]
    return first[: len(last)]


def place_of(attention: NDArray[np.float32], row: int, source_tokens: int) -> int:
    """Where a row looks most.

    Its padding is left out, and its eos too, on which a decoder often rests when no word is needed.

    :param attention: [rows, source]
    """
    return int(attention[row, : max(1, source_tokens - 1)].argmax())
