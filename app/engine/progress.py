"""How far the search of one running sequence has come, and which of its rows belong to what."""

from dataclasses import dataclass, field

from app.engine.search import Beam, LiveHypothesis, cut_beam
from app.engine.sequence import FinishReason, Hypothesis, Sequence


@dataclass(eq=False, slots=True)
class GreedyProgress:
    """A sequence with a single hypothesis: one row."""

    sequence: Sequence
    rows: list[int]
    token_ids: list[int] = field(default_factory=list)
    token_scores: list[float] = field(default_factory=list)

    def cut(self, reason: FinishReason) -> list[Hypothesis]:
        """What is there so far, as the outcome."""
        whole = LiveHypothesis(tuple(self.token_ids), tuple(self.token_scores), sum(self.token_scores))
        return [whole.ended(reason, self.sequence.options.length_penalty)]


@dataclass(eq=False, slots=True)
class BeamProgress:
    """A sequence with ``beam_size`` rows; live hypothesis i is in row i of these, the rows beyond idle."""

    sequence: Sequence
    rows: list[int]
    beam: Beam = field(default_factory=Beam)

    def cut(self, reason: FinishReason) -> list[Hypothesis]:
        """What is there so far, as the outcome."""
        return list(cut_beam(self.beam, self.sequence.options, reason))


Progress = GreedyProgress | BeamProgress
