"""Beam search: the ``beam_size`` best hypotheses of one length live on, ranked by the sums of their log probabilities.

A beam of one without conditions is decoded by ``app.engine.search.greedy``, whatever its length penalty.
"""

import math
from collections.abc import Sequence as SequenceOf
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Final

import numpy as np
from numpy.typing import NDArray

from app.engine.model import DecodingModel
from app.engine.repetition import LiveWords, LoopGuard, common_prefix, count_settled_tokens, find_blocked_tokens
from app.engine.sequence import FinishReason, Hypothesis, LiveHypothesis, Outcome, Sequence, keep_best, normalise_score
from app.engine.states import Step
from app.errors import StepFailed

# A single hypothesis must show more candidates than can be forbidden to it: phrases of two or three lengths may close
# at the same token, hardly ever more.
_MOST_CLOSING: Final = 4
_LOWEST: Final = float("-inf")
# One way on: the index of the live hypothesis, the token, and the token's score.
Candidate = tuple[int, int, float]
# ``[live, candidates]``
Scores = NDArray[np.float32]
TokenIds = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Beam:
    """All hypotheses of a sequence between two steps; immutable.

    Attributes:
        live: at most ``beam_size`` hypotheses of one length, best first.
        kept: the best finished ones, unique, best first.
        looped: the best of those that began to repeat themselves, cut before the repetition.
    """

    live: tuple[LiveHypothesis, ...] = (LiveHypothesis((), (), 0.0),)
    kept: tuple[Hypothesis, ...] = ()
    looped: tuple[Hypothesis, ...] = ()


@dataclass(slots=True)
class Draft:
    """The parts of the next beam; ``parents``: which hypothesis each of ``live`` extends."""

    live: list[LiveHypothesis] = field(default_factory=list)
    parents: list[int] = field(default_factory=list)
    finished: list[Hypothesis] = field(default_factory=list)
    looped: list[Hypothesis] = field(default_factory=list)


class BeamSearch:
    """The beam search of one sequence; implements ``Search``. Live hypothesis i is in row i of ``rows``, the rows
    beyond are idle.

    Attributes:
        rows: of the batch.
        beam: the hypotheses so far.
    """

    def __init__(self, sequence: Sequence, rows: list[int], model: DecodingModel, has_attention: bool) -> None:
        self.rows = rows
        self._sequence = sequence
        self._options = sequence.options
        self._most = self._options.beam_size if self._options.spares else self._options.hypotheses  # to return
        self._model = model
        self._is_aligned = sequence.options.align and has_attention
        source_ids = sequence.source_ids[:-1]
        self._guard = LoopGuard(source_ids, model.words, model.source_words) if sequence.options.loop_guard else None
        self.beam = Beam(live=(LiveHypothesis((), (), 0.0, () if self._is_aligned else None),))
        self._words = LiveWords(self._guard)
        self._strays = frozenset[int]() if model.characters is None else model.characters.strays
        self._has_part = bool(self._options.prefix)  # whether a live hypothesis may end with a part of a character

    def candidates(self) -> int:
        """Twice the beam: at most ``beam_size`` are eos, so enough others remain. Where tokens may be blocked, one more
        for each that can be: no more than the tokens before.
        """
        return self._extra_candidates(2 * self._options.beam_size)

    def _extra_candidates(self, count: int) -> int:
        if self._is_within_character():
            return self._model.vocabulary_size
        if self._options.beam_size == 1 and self._options.loop_guard:
            count += _MOST_CLOSING
        if self._options.no_repeat_ngram:
            count += self._sequence.cap
        return min(count, self._model.vocabulary_size)

    def advance(self, step: Step) -> Outcome | None:
        """One token further; see ``extend``."""
        live_rows = self.rows[: len(self.beam.live)]
        offsets = None
        if self._is_aligned:
            offsets = [step.attended_offset(row, self._sequence.source_tokens) for row in live_rows]
        parents = self.extend(step.scores[live_rows], step.score_ids[live_rows], offsets)
        if self.is_settled():
            # What still lives has lost to what is kept: only hypotheses that looped may fill up behind.
            outcome = [*self.beam.kept, *self.beam.looped[: self._count_lacking(self.beam.kept)]]
            return outcome or fail_without_numbers(float(step.scores[live_rows[0], 0]))
        step.continue_rows(self.rows, parents, [live.token_ids[-1] for live in self.beam.live])
        return None

    def extend(self, scores: Scores, score_ids: TokenIds, offsets: SequenceOf[int] | None = None) -> list[int]:
        """Extend the beam by one token. Within the prefix a single hypothesis lives, and its next token costs nothing.

        Args:
            scores: ``[live, candidates]``, row i belongs to live hypothesis i, best first.
            score_ids: ``[live, candidates]``, the tokens of ``scores``.
            offsets: ``[live]``, the source token that each live hypothesis attends to most; None without alignment.

        Returns:
            For each hypothesis that lives on, the index of the live hypothesis that it extends.
        """
        first, prefix = self.beam.live[0], self._options.prefix
        written = len(first.token_ids)
        if written < len(prefix):
            self.beam = Beam((first.extend(prefix[written], 0.0, offsets[0] if offsets else 0),))
            return [0]
        return self._extend_freely(scores, score_ids, offsets)

    def _extend_freely(self, scores: Scores, score_ids: TokenIds, offsets: SequenceOf[int] | None) -> list[int]:
        """The candidates of all live hypotheses are ranked by their sums; equal sums by the rank of the hypothesis and
        then of the token. An eos among the first ``beam_size`` ends its hypothesis, an eos behind is ignored; the best
        ``beam_size`` others live on. At the cap only an eos may follow, and what is not finished then is cut. A
        hypothesis that closes a loop does not live on: the next one takes its row, and it is the outcome only where
        there is no other.
        """
        beam_size, beam, draft = self._options.beam_size, self.beam, Draft()
        at_cap = len(beam.live[0].token_ids) == self._sequence.cap
        ended: set[int] = set()
        for rank, (parent, token_id, score) in enumerate(self._rank(scores, score_ids)):
            if not math.isfinite(score):  # a token that is forbidden, or scores that are no numbers
                continue
            if rank >= beam_size and len(draft.live) == beam_size:
                break
            if token_id == self._model.eos_id:
                if rank < beam_size:
                    draft.finished.append(beam.live[parent].stop(score, self._options.length_penalty))
                    ended.add(parent)
            elif not at_cap and len(draft.live) < beam_size:
                self._grow(draft, (parent, token_id, score), offsets)
        if at_cap:
            self._cut_at_cap(draft, [one for parent, one in enumerate(beam.live) if parent not in ended])
            return []
        forbids = self._options.no_repeat_ngram or self._guard is not None or self._model.characters is not None
        if forbids and not (draft.live or draft.finished) and math.isfinite(scores[0][0]):
            # Every token is forbidden.
            draft.looped += self._finish_all(beam.live, FinishReason.REPETITION)
        self._set_beam(draft)
        return draft.parents

    def _set_beam(self, draft: Draft) -> None:
        before, self.beam = self.beam, self._merge(draft)
        self._words.follow(before.live, self.beam.live, draft.parents)
        if self._model.characters is not None:
            parts = self._model.characters.parts
            self._has_part = any(one.token_ids[-1] in parts for one in draft.live)

    def _grow(self, draft: Draft, candidate: Candidate, offsets: SequenceOf[int] | None) -> None:
        """Add a live hypothesis with one more token to the draft; if that closes a loop, add it as looped."""
        parent, token_id, score = candidate
        longer = self.beam.live[parent].extend(token_id, score, offsets[parent] if offsets else 0)
        # Most tokens are none of the last four, so this costs next to nothing.
        may_loop = self._guard is not None and token_id in longer.token_ids[-5:-1]
        excess = self._guard.excess(longer.token_ids) if may_loop and self._guard is not None else 0
        if excess:
            draft.looped += self._finish_all([longer.shorten(excess)], FinishReason.REPETITION)
        else:
            draft.live.append(longer)
            draft.parents.append(parent)

    def _merge(self, draft: Draft) -> Beam:
        kept, looped = self.beam.kept, self.beam.looped
        if draft.finished:
            kept = keep_best((*kept, *draft.finished), self._most)
        if draft.looped:
            looped = keep_best((*looped, *draft.looped), self._options.hypotheses)
        return Beam(tuple(draft.live), kept, looped)

    def _cut_at_cap(self, draft: Draft, unfinished: list[LiveHypothesis]) -> None:
        """What ran up to the cap beside a loop is seldom more than the same loop with a flaw, so it comes last."""
        merged = self._merge(draft)
        kept = (*merged.kept, *merged.looped[: self._count_lacking(merged.kept)])
        self.beam = Beam((), self._fill(kept, unfinished, FinishReason.LENGTH))

    def _rank(self, scores: Scores, score_ids: TokenIds) -> list[Candidate]:
        """The candidates of all live hypotheses, best sum first."""
        live = self.beam.live
        if not (self._has_part or self._options.no_repeat_ngram):
            return self._rank_few(scores, score_ids)
        allowed = self._block(scores, score_ids)
        count = allowed.shape[1]
        totals = (np.array([hypothesis.total for hypothesis in live])[:, None] + allowed).ravel()
        order = np.argsort(-totals, kind="stable")[: 2 * self._options.beam_size]
        tokens = score_ids[: len(live), :count].ravel()[order].tolist()
        return list(zip((order // count).tolist(), tokens, allowed.ravel()[order].tolist(), strict=True))

    def _rank_few(self, scores: Scores, score_ids: TokenIds) -> list[Candidate]:
        """The same in lists: for twice the beam of candidates a call of numpy takes as long as all of this."""
        count, strays, found = self.candidates(), self._strays, list[tuple[float, Candidate]]()
        each = zip(self.beam.live, scores.tolist(), score_ids.tolist(), strict=False)
        for parent, (hypothesis, row_scores, row_ids) in enumerate(each):
            closing, total = self._words.closing_tokens(self.beam.live, parent), hypothesis.total
            for token_id, score in zip(row_ids[:count], row_scores, strict=False):
                if score > _LOWEST and token_id not in strays and token_id not in closing:  # NaN is left out too
                    found.append((-(total + score), (parent, token_id, score)))
        found.sort(key=itemgetter(0))
        return [candidate for _, candidate in found[: 2 * self._options.beam_size]]

    def _block(self, scores: NDArray[np.float32], score_ids: NDArray[np.int64]) -> NDArray[np.float64]:
        """The scores ``[live, candidates]``, no more candidates than this search needs, -inf where one is blocked."""
        live, count = self.beam.live, min(scores.shape[1], self.candidates())
        allowed = self._mask_parts(scores[: len(live), :count], score_ids[: len(live), :count]).astype(np.float64)
        for row, hypothesis in enumerate(live):
            blocked: set[int] | frozenset[int] = self._words.closing_tokens(live, row)
            if self._options.no_repeat_ngram:
                repeated = find_blocked_tokens(hypothesis.token_ids, self._options.no_repeat_ngram)
                blocked |= repeated - {self._model.eos_id}
            if blocked:
                allowed[row, np.isin(score_ids[row, :count], list(blocked))] = -np.inf
        return allowed

    def _is_within_character(self) -> bool:
        """True if a live hypothesis ends with bytes that make up no character yet."""
        characters = self._model.characters if self._has_part else None
        return characters is not None and any(characters.is_pending(one.token_ids) for one in self.beam.live)

    def _mask_parts(self, scores: NDArray[np.float32], score_ids: NDArray[np.int64]) -> NDArray[np.float32]:
        """The scores ``[live, candidates]``, -inf for what would not make up whole characters."""
        characters = self._model.characters
        if characters is None:
            return scores
        forbidden = characters.mark_strays(score_ids)
        options = self._options
        for row, one in enumerate(self.beam.live if self._has_part or options.allowed is not None else ()):
            if options.allowed is not None and options.allowed(one.token_ids[len(options.prefix) :]) is not None:
                forbidden[row] = False  # the caller says which tokens write its text
            elif characters.is_pending(one.token_ids):
                forbidden[row] = ~np.isin(
                    score_ids[row], list(characters.find_following(characters.read(one.token_ids)))
                )
                if not np.any(scores[row][~forbidden[row]] > -np.inf):
                    forbidden[row] = False  # no candidate of the shortlist completes what a prefix began
        return np.where(forbidden, np.float32(-np.inf), scores) if np.count_nonzero(forbidden) else scores

    def is_settled(self) -> bool:
        """True if no live hypothesis can beat the worst one kept.

        A sum only falls, so the best that a live hypothesis can reach is to end at once, with a certain eos. With a
        length penalty it might still win by growing much longer at nearly no cost; the search does not wait for that,
        which in practice would decode up to the cap.
        """
        beam, options = self.beam, self._options
        if not beam.live or (options.beam_size == 1 and beam.kept):
            return True
        if len(beam.kept) < options.hypotheses:
            return False
        best = beam.live[0]
        hope = normalise_score(best.total, len(best.token_ids) + 1, options.length_penalty)
        return hope <= beam.kept[options.hypotheses - 1].score

    def settled(self) -> tuple[int, ...]:
        """The tokens that all hypotheses which can still win have in common."""
        live = [one.token_ids[: count_settled_tokens(one.token_ids)] for one in self.beam.live]
        kept = self.beam.kept[: self._options.hypotheses]
        ended = [hypothesis.token_ids for hypothesis in (*kept, *self.beam.looped)]
        return common_prefix([*live, *ended])

    def cut(self, reason: FinishReason) -> list[Hypothesis]:
        """The finished hypotheses, then the live ones cut, then those that looped. Empty only where no candidate had
        a score that is a number.
        """
        beam = self.beam
        found = self._fill(beam.kept, list(beam.live), reason)
        return [*found, *beam.looped[: self._count_lacking(found)]]

    def _fill(
        self, kept: tuple[Hypothesis, ...], live: list[LiveHypothesis], reason: FinishReason
    ) -> tuple[Hypothesis, ...]:
        """Live hypotheses, cut, behind finished ones, where these are too few: a cut one did not pay for its end."""
        cut = tuple(self._finish_all(live, reason))
        return (*kept, *keep_best(cut, self._count_lacking(kept)))

    def _count_lacking(self, found: SequenceOf[Hypothesis]) -> int:
        """How many hypotheses are to be returned beyond those that were found."""
        return max(0, self._options.hypotheses - len(found))

    def _finish_all(self, live: SequenceOf[LiveHypothesis], reason: FinishReason) -> list[Hypothesis]:
        return [one.finish(reason, self._options.length_penalty) for one in live]


def fail_without_numbers(score: float) -> StepFailed:
    """The error of a sequence whose scores are no numbers."""
    return StepFailed(f"the decoder step gave the score {score} for the best token; no translation can be found")
