"""Which token comes next: greedy and beam, as pure functions over scores.

A score is a log probability. A hypothesis of ``length`` scored tokens (its eos counts) is ranked by its normalised
score. A beam of one is decoded greedily, whatever its length penalty.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from app.engine.sequence import FinishReason, Hypothesis, SearchOptions


def normalised(total: float, length: int, length_penalty: float) -> float:
    """``total / ((5 + length) / 6) ** length_penalty``: Wu et al. 2016, "Google's Neural Machine Translation System",
    equation 14, without its coverage term. 0 compares plain sums, which favours short translations.
    """
    return float(total / ((5.0 + length) / 6.0) ** length_penalty)


class LiveHypothesis(NamedTuple):
    """A translation begun: its tokens, the score of each, and their sum.

    ``alignment``: of each token the place attended to most in the source; None if nobody asked.
    """

    token_ids: tuple[int, ...]
    token_scores: tuple[float, ...]
    total: float
    alignment: tuple[int, ...] | None = None

    def ended(self, reason: FinishReason, length_penalty: float) -> Hypothesis:
        score = normalised(self.total, len(self.token_scores), length_penalty)
        return Hypothesis(self.token_ids, score, self.token_scores, reason, self.alignment)

    def extended(self, token_id: int, score: float, place: int) -> "LiveHypothesis":
        """One token longer. ``place``: where in the source the token was found; not kept if nobody asked."""
        alignment = None if self.alignment is None else (*self.alignment, place)
        return LiveHypothesis((*self.token_ids, token_id), (*self.token_scores, score), self.total + score, alignment)


@dataclass(frozen=True, slots=True)
class Beam:
    """``live``: at most beam_size, of one length, best first; ``kept``: the best finished ones, unique, best first."""

    live: tuple[LiveHypothesis, ...] = (LiveHypothesis((), (), 0.0),)
    kept: tuple[Hypothesis, ...] = ()


def pick_greedy(
    scores: NDArray[np.float32], score_ids: NDArray[np.int64]
) -> tuple[NDArray[np.int32], list[int], list[float]]:
    """The best token of every row: as the array [rows] that the next step reads, as a list, and the list of scores."""
    tokens = score_ids[:, 0].astype(np.int32)
    return tokens, tokens.tolist(), scores[:, 0].tolist()


def candidates_needed(beam_size: int, vocabulary_size: int) -> int:
    """How many candidates a row must show. Twice the beam: at most beam_size are eos, so enough others remain."""
    return min(1 if beam_size == 1 else 2 * beam_size, vocabulary_size)


def advance_beam(
    beam: Beam,
    scores: NDArray[np.float32],
    score_ids: NDArray[np.int64],
    options: SearchOptions,
    cap: int,
    eos_id: int,
    places: Sequence[int] | None = None,
) -> tuple[Beam, list[int]]:
    """One token further.

    The candidates of all live hypotheses are ranked by their sums, equal sums by the rank of the hypothesis and then of
    the token. An eos among the first beam_size ends its hypothesis, an eos behind is ignored; the best beam_size others
    live on. At the cap only an eos may follow, and what is not finished then is cut.

    :param scores: [rows, candidates], row i belongs to live hypothesis i, best first; rows beyond are not looked at.
    :param places: [rows], where in the source each live hypothesis looked in this step; only if that is to be kept.
    :returns: the beam after the step, and for each hypothesis living on, the live hypothesis it comes from.
    """
    count = min(scores.shape[1], 2 * options.beam_size)
    begun = np.array([live.total for live in beam.live])
    totals = (begun[:, None] + scores[: len(beam.live), :count].astype(np.float64)).ravel()
    order = np.argsort(-totals, kind="stable")[: 2 * options.beam_size]
    ranked = zip(order.tolist(), totals[order].tolist(), strict=True)
    ids, each = score_ids.tolist(), scores.tolist()
    at_cap = len(beam.live[0].token_ids) == cap
    live: list[LiveHypothesis] = []
    parents: list[int] = []
    finished: list[Hypothesis] = []
    ended: set[int] = set()
    for rank, (candidate, total) in enumerate(ranked):
        if not math.isfinite(total):  # a token that the graph forbids, or scores that are no numbers
            continue
        if rank >= options.beam_size and len(live) == options.beam_size:
            break
        parent, column = divmod(candidate, count)
        origin, token_id = beam.live[parent], ids[parent][column]
        if token_id == eos_id:
            if rank < options.beam_size:
                token_scores = (*origin.token_scores, each[parent][column])
                whole = LiveHypothesis(origin.token_ids, token_scores, total, origin.alignment)
                finished.append(whole.ended(FinishReason.STOP, options.length_penalty))
                ended.add(parent)
        elif not at_cap and len(live) < options.beam_size:
            live.append(origin.extended(token_id, each[parent][column], places[parent] if places else 0))
            parents.append(parent)
    kept = keep_best((*beam.kept, *finished), options.hypotheses)
    if at_cap:
        cut = [
            origin.ended(FinishReason.LENGTH, options.length_penalty)
            for parent, origin in enumerate(beam.live)
            if parent not in ended
        ]
        # A cut hypothesis did not pay for its end, so it only fills up where too few were finished.
        kept = (*kept, *keep_best(tuple(cut), options.hypotheses - len(kept)))
    return Beam(tuple(live), kept), parents


def cut_beam(beam: Beam, options: SearchOptions, reason: FinishReason) -> tuple[Hypothesis, ...]:
    """The outcome of a beam that cannot go on: what is finished, then, where that is too little, the live ones cut.

    Never empty. A cut hypothesis did not pay for its end, so its score is not compared with that of a finished one.
    """
    cut = tuple(live.ended(reason, options.length_penalty) for live in beam.live)
    return (*beam.kept, *keep_best(cut, options.hypotheses - len(beam.kept)))


def keep_best(finished: tuple[Hypothesis, ...], count: int) -> tuple[Hypothesis, ...]:
    """The ``count`` best of different tokens, best first; of equal ones the first found stays."""
    unique: dict[tuple[int, ...], Hypothesis] = {}
    for hypothesis in finished:
        unique.setdefault(hypothesis.token_ids, hypothesis)
    return tuple(sorted(unique.values(), key=lambda hypothesis: -hypothesis.score)[:count])


def is_settled(beam: Beam, options: SearchOptions, cap: int) -> bool:
    """Can no live hypothesis beat the worst one kept any more?

    A sum only falls, so the best that a live hypothesis can hope for is to end at once, with a certain eos. With a
    length penalty it might still win by growing much longer at nearly no cost; ``options.exhaustive`` waits for that
    too, which in practice decodes up to the cap.
    """
    if not beam.live:
        return True
    if len(beam.kept) < options.hypotheses:
        return False
    best = beam.live[0]
    length = (cap if options.exhaustive else len(best.token_ids)) + 1
    return normalised(best.total, length, options.length_penalty) <= beam.kept[-1].score
