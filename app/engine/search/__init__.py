"""Which token comes next: greedy, sampling, beam and branching search, one object for each running sequence."""

from typing import Protocol

from app.engine.model import DecodingModel
from app.engine.search.beam import BeamSearch
from app.engine.search.greedy import BranchingSearch, GreedySearch, SamplingSearch
from app.engine.sequence import FinishReason, Hypothesis, Outcome, Sequence
from app.engine.states import Step

__all__ = ["Search", "start_search"]


class Search(Protocol):
    """The search of one running sequence.

    A search reads only the candidates of its own rows, and no more of them than ``candidates`` says. So its outcome
    does not depend on the other rows of the batch.

    Attributes:
        rows: the rows of the batch that belong to the sequence; the batch changes them where it moves rows.
    """

    rows: list[int]

    def candidates(self) -> int:
        """How many candidates each of its rows must show in the next step."""
        ...

    def advance(self, step: Step) -> Outcome | None:
        """Take the next token of every hypothesis.

        Returns:
            The outcome if the sequence needs no further step, else None.
        """
        ...

    def settled(self) -> tuple[int, ...]:
        """The tokens that the best hypothesis begins with, whatever the next steps give."""
        ...

    def cut(self, reason: FinishReason) -> list[Hypothesis]:
        """End with what is written so far. Another thread may call this while the engine's thread advances."""
        ...


def start_search(sequence: Sequence, rows: list[int], model: DecodingModel, has_attention: bool) -> Search:
    """The search that the options of a sequence ask for.

    Args:
        sequence: to be decoded.
        rows: of the batch, ``sequence.rows`` of them.
        model: that decodes it.
        has_attention: whether steps give an attention, without which there is no alignment.
    """
    options = sequence.options
    if options.is_plain:
        return GreedySearch(sequence, rows, model, has_attention)
    if options.branching:
        return BranchingSearch(sequence, rows, model, has_attention)
    if options.temperature:
        return SamplingSearch(sequence, rows, model, has_attention)
    return BeamSearch(sequence, rows, model, has_attention)
