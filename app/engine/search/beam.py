"""Which token comes next: greedy and beam, as pure functions over scores.

A score is a log probability. A hypothesis of ``length`` scored tokens (its eos counts) is ranked by its normalised
score. A beam of one is decoded greedily, whatever its length penalty.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from app.engine.repetition import LoopGuard, blocked_tokens
from app.engine.sequence import MAX_SEED, FinishReason, Hypothesis, SearchOptions

# A single hypothesis must show more candidates than it can be forbidden: phrases of two or three lengths may close at
# the same token, hardly ever more.
_MOST_CLOSING: Final = 4


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

    def stopped(self, score: float, length_penalty: float) -> Hypothesis:
        """Ended by an eos of this score."""
        whole = LiveHypothesis(self.token_ids, (*self.token_scores, score), self.total + score, self.alignment)
        return whole.ended(FinishReason.STOP, length_penalty)

    def extended(self, token_id: int, score: float, place: int) -> "LiveHypothesis":
        """One token longer. ``place``: where in the source the token was found; not kept if nobody asked."""
        alignment = None if self.alignment is None else (*self.alignment, place)
        return LiveHypothesis((*self.token_ids, token_id), (*self.token_scores, score), self.total + score, alignment)

    def shortened(self, tokens: int) -> "LiveHypothesis":
        """So many tokens shorter."""
        left, scores = len(self.token_ids) - tokens, self.token_scores[: len(self.token_scores) - tokens]
        alignment = None if self.alignment is None else self.alignment[:left]
        return LiveHypothesis(self.token_ids[:left], scores, sum(scores), alignment)


@dataclass(frozen=True, slots=True)
class Beam:
    """``live``: at most beam_size, of one length, best first; ``kept``: the best finished ones, unique, best first.

    ``looped``: the best of those that began to repeat themselves, cut before that.
    """

    live: tuple[LiveHypothesis, ...] = (LiveHypothesis((), (), 0.0),)
    kept: tuple[Hypothesis, ...] = ()
    looped: tuple[Hypothesis, ...] = ()


def pick_greedy(
    scores: NDArray[np.float32], score_ids: NDArray[np.int64]
) -> tuple[NDArray[np.int32], list[int], list[float]]:
    """The best token of every row: as the array [rows] that the next step reads, as a list, and the list of scores."""
    tokens = score_ids[:, 0].astype(np.int32)
    return tokens, tokens.tolist(), scores[:, 0].tolist()


def candidates_needed(options: SearchOptions, cap: int, vocabulary_size: int) -> int:
    """How many candidates a row must show.

    Twice the beam: at most beam_size are eos, so enough others remain. Where tokens may be blocked, one more for each
    that can be: no more than the tokens before.
    """
    if options.is_plain:
        return 1
    chosen_from = options.top_k if options.temperature else 2 * options.beam_size
    if options.beam_size == 1 and options.loop_guard:
        chosen_from += _MOST_CLOSING
    return min(chosen_from + (cap if options.no_repeat_ngram else 0), vocabulary_size)


def within_prefix(beam: Beam, options: SearchOptions, places: Sequence[int] | None) -> Beam | None:
    """The beam with the next token of its prefix, which costs nothing; None where the prefix is written."""
    written = len(beam.live[0].token_ids)
    if written >= len(options.prefix):
        return None
    return Beam((beam.live[0].extended(options.prefix[written], 0.0, places[0] if places else 0),))


def advance_beam(
    beam: Beam,
    scores: NDArray[np.float32],
    score_ids: NDArray[np.int64],
    options: SearchOptions,
    cap: int,
    eos_id: int,
    places: Sequence[int] | None = None,
    guard: LoopGuard | None = None,
) -> tuple[Beam, list[int]]:
    """One token further.

    The candidates of all live hypotheses are ranked by their sums, equal sums by the rank of the hypothesis and then of
    the token. An eos among the first beam_size ends its hypothesis, an eos behind is ignored; the best beam_size others
    live on; at first only the prefix does. At the cap only an eos may follow, and what is not finished then is cut. One
    that closes a loop does not live on: its place is for the next, and it is the outcome only where there is no other.

    :param scores: [rows, candidates], row i belongs to live hypothesis i, best first; rows beyond are not looked at.
    :param places: [rows], where in the source each live hypothesis looked in this step; only if that is to be kept.
    :param guard: of the source; None lets loops be.
    :returns: the beam after the step, and for each hypothesis living on, the live hypothesis it comes from.
    """
    begun = within_prefix(beam, options, places)
    if begun is not None:
        return begun, [0]
    written = len(beam.live[0].token_ids)
    at_cap = written == cap
    live: list[LiveHypothesis] = []
    parents: list[int] = []
    finished: list[Hypothesis] = []
    looped: list[Hypothesis] = []
    ended: set[int] = set()
    ranked = _ranked(beam.live, scores, score_ids, options, cap, eos_id, guard)
    for rank, (parent, token_id, score) in enumerate(ranked):
        if not math.isfinite(score):  # a token that is forbidden, or scores that are no numbers
            continue
        if rank >= options.beam_size and len(live) == options.beam_size:
            break
        origin = beam.live[parent]
        if token_id == eos_id:
            if rank < options.beam_size:
                finished.append(origin.stopped(score, options.length_penalty))
                ended.add(parent)
        elif not at_cap and len(live) < options.beam_size:
            longer = origin.extended(token_id, score, places[parent] if places else 0)
            excess = guard.excess(longer.token_ids) if guard is not None else 0
            if excess:
                looped.append(longer.shortened(excess).ended(FinishReason.REPETITION, options.length_penalty))
            else:
                live.append(longer)
                parents.append(parent)
    kept = keep_best((*beam.kept, *finished), options.hypotheses)
    forbids = options.no_repeat_ngram or guard is not None
    if forbids and not (live or finished or at_cap) and math.isfinite(scores[0, 0]):
        # Nothing is left that is not forbidden.
        looped += [one.ended(FinishReason.REPETITION, options.length_penalty) for one in beam.live]
    repeating = keep_best((*beam.looped, *looped), options.hypotheses)
    if not at_cap:
        return Beam(tuple(live), kept, repeating), parents
    # What ran up to the cap beside a loop is seldom more than the same loop with a flaw.
    kept = (*kept, *repeating[: options.hypotheses - len(kept)])
    cut = [one for parent, one in enumerate(beam.live) if parent not in ended]
    return Beam((), _fill(kept, cut, options, FinishReason.LENGTH)), []


def _ranked(
    live: tuple[LiveHypothesis, ...],
    scores: NDArray[np.float32],
    score_ids: NDArray[np.int64],
    options: SearchOptions,
    cap: int,
    eos_id: int,
    guard: LoopGuard | None,
) -> list[tuple[int, int, float]]:
    """The best candidates of all live hypotheses as (live hypothesis, token, its score), best sum first.

    With a temperature a single one, drawn.
    """
    count = min(scores.shape[1], candidates_needed(options, cap, scores.shape[1]))
    chosen = scores[: len(live), :count].astype(np.float64)
    for row, hypothesis in enumerate(live):
        blocked: set[int] | frozenset[int] = (
            guard.closing_after(hypothesis.token_ids) if guard is not None else frozenset()
        )
        if options.no_repeat_ngram:
            blocked |= blocked_tokens(hypothesis.token_ids, options.no_repeat_ngram) - {eos_id}
        if blocked:
            chosen[row, np.isin(score_ids[row, :count], list(blocked))] = -np.inf
    if options.temperature:
        drawn = draw(chosen[0], options, len(live[0].token_ids))
        return [(0, int(score_ids[0, drawn]), float(chosen[0, drawn]))]
    totals = (np.array([hypothesis.total for hypothesis in live])[:, None] + chosen).ravel()
    order = np.argsort(-totals, kind="stable")[: 2 * options.beam_size]
    tokens = score_ids[: len(live), :count].ravel()[order].tolist()
    return list(zip((order // count).tolist(), tokens, chosen.ravel()[order].tolist(), strict=True))


def draw(scores: NDArray[np.float64], options: SearchOptions, position: int) -> int:
    """Which of the candidates comes next: drawn with the probabilities of their scores divided by the temperature.

    By the largest of the sums of each and a number of Gumbel's distribution (Gumbel 1954, "Statistical Theory of
    Extreme Values"). The numbers depend on the seed and the position alone, so on no other row.

    :param scores: [candidates] log probabilities, best first; -inf where forbidden. Only the first ``top_k`` possible
        ones are drawn from.
    """
    possible = np.flatnonzero(np.isfinite(scores))[: options.top_k]
    if not len(possible):
        return 0
    numbers = np.random.Generator(np.random.Philox(key=options.seed, counter=position)).gumbel(size=options.top_k)
    return int(possible[np.argmax(scores[possible] / options.temperature + numbers[: len(possible)])])


def derived_seed(seed: int, number: int) -> int:
    """The seed of the so manieth further draw: another for each, and none that a caller is likely to choose."""
    (derived,) = np.random.SeedSequence([seed, number]).generate_state(1, np.uint64)
    return int(derived) & MAX_SEED


def _fill(
    kept: tuple[Hypothesis, ...],
    live: list[LiveHypothesis],
    options: SearchOptions,
    reason: FinishReason,
) -> tuple[Hypothesis, ...]:
    """Live hypotheses, cut, behind those that are finished, where these are too few.

    A cut hypothesis did not pay for its end, so its score is not compared with that of a finished one.
    """
    cut = tuple(one.ended(reason, options.length_penalty) for one in live)
    return (*kept, *keep_best(cut, options.hypotheses - len(kept)))


def cut_beam(beam: Beam, options: SearchOptions, reason: FinishReason) -> tuple[Hypothesis, ...]:
    """The outcome of a beam that goes on no further: what is finished, then the live ones cut, then those that looped.

    Empty only where no candidate had a score that is a number.
    """
    found = _fill(beam.kept, list(beam.live), options, reason)
    return (*found, *beam.looped[: options.hypotheses - len(found)])


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
    if not beam.live or (options.beam_size == 1 and beam.kept):
        return True
    if options.branching:
        return False  # each goes its way to its end
    if len(beam.kept) < options.hypotheses:
        return False
    best = beam.live[0]
    length = (cap if options.exhaustive else len(best.token_ids)) + 1
    return normalised(best.total, length, options.length_penalty) <= beam.kept[-1].score
