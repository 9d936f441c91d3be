"""Search without a beam: greedy takes the best token of each step, sampling draws it, branching forks once.

Branching takes each of the likeliest next tokens at one offset, and behind it the best token at every step.
"""

import math
from collections.abc import Sequence as SequenceOf
from typing import Final

import numpy as np
from numpy.typing import NDArray

from app.engine.model import DecodingModel
from app.engine.repetition import LoopGuard, count_settled_tokens
from app.engine.search.beam import BeamSearch, Candidate, Draft, fail_without_numbers
from app.engine.sequence import (
    MAX_SEED,
    FinishReason,
    Hypothesis,
    LiveHypothesis,
    Outcome,
    SearchOptions,
    Sequence,
)
from app.engine.states import Step

_LOWEST: Final = float("-inf")
_NO_TOKENS: Final[frozenset[int]] = frozenset()


class GreedySearch:
    """The greedy search of one sequence; implements ``Search``.

    Its ``advance`` is what the engine runs most: a few tenths of a microsecond for each row and step.
    """

    __slots__ = (
        *("_alignment", "_cap", "_characters", "_closing", "_eos_id", "_guard", "_length_penalty", "_pending"),
        *("_source_tokens", "_strays", "_text", "_token_ids", "_token_scores", "_vocabulary_size", "rows"),
    )

    def __init__(self, sequence: Sequence, rows: list[int], model: DecodingModel, has_attention: bool) -> None:
        options = sequence.options
        self.rows = rows
        self._cap = sequence.cap
        self._source_tokens = sequence.source_tokens
        self._length_penalty = options.length_penalty
        self._eos_id, self._vocabulary_size = model.eos_id, model.vocabulary_size
        source_ids = sequence.source_ids[:-1]
        self._guard = LoopGuard(source_ids, model.words, model.source_words) if options.loop_guard else None
        self._alignment: list[int] | None = [] if options.align and has_attention else None
        self._token_ids: list[int] = []
        self._token_scores: list[float] = []
        self._text = " "  # the words of the tokens so far
        self._closing = _NO_TOKENS  # the tokens that must not come next
        self._characters = model.characters
        self._strays = _NO_TOKENS if model.characters is None else model.characters.strays
        self._pending = b""  # bytes of a character that is not whole yet

    def candidates(self) -> int:
        """A second candidate is needed only where the best token may be one that must not come."""
        if self._pending:
            return self._vocabulary_size
        count = 1 + len(self._closing) + (self._characters.spare if self._characters else 0)
        return count if count < self._vocabulary_size else self._vocabulary_size

    def advance(self, step: Step) -> Outcome | None:
        """Append the best token."""
        row = self.rows[0]
        token_id, score = step.best_ids[row], step.best_scores[row]
        if token_id in self._closing or token_id in self._strays or self._pending:
            token_id, score = self._choose_other(row, step)
        if not score > _LOWEST:  # also catches NaN
            return fail_without_numbers(score)
        if token_id == self._eos_id:
            self._token_scores.append(score)
            return [self._whole().finish(FinishReason.STOP, self._length_penalty)]
        if len(self._token_ids) == self._cap:
            return [self._whole().finish(FinishReason.LENGTH, self._length_penalty)]
        self._token_scores.append(score)
        self._token_ids.append(token_id)
        if self._characters is not None and (self._pending or token_id in self._characters.parts):
            self._pending = self._characters.append(self._pending, token_id)
        if self._alignment is not None:
            self._alignment.append(step.attended_offset(row, self._source_tokens))
        return None if self._guard is None else self._check_repetition(self._guard)

    def _choose_other(self, row: int, step: Step) -> tuple[int, float]:
        """The best token that may come, and its score. The character that is pending is completed in any case."""
        allowed = self._characters.find_following(self._pending) if self._characters and self._pending else None
        count = self.candidates()
        scores = step.scores[row, :count].tolist()
        for token_id, score in zip(step.score_ids[row, :count].tolist(), scores, strict=True):
            if not score > _LOWEST:
                break  # no candidate of the shortlist, nor any behind it
            is_allowed = token_id not in self._closing and token_id not in self._strays
            if is_allowed if allowed is None else token_id in allowed:
                step.choose(row, token_id)
                return token_id, score
        # All of them are forbidden.
        return self._eos_id, min((score for score in scores if score > _LOWEST), default=_LOWEST)

    def _check_repetition(self, guard: LoopGuard) -> Outcome | None:
        """Update the tokens that must not come next; the outcome if the last token closed a loop."""
        token_ids = self._token_ids
        last = token_ids[-1]
        if guard.words is not None:
            self._text = guard.words.append(self._text, last)
            self._closing = guard.closing_tokens(self._text)
        # Most tokens are none of the last four, so this costs next to nothing.
        if last not in token_ids[-5:-1]:
            return None
        excess = guard.excess(token_ids)
        if not excess:
            return None
        return [self._whole().shorten(excess).finish(FinishReason.REPETITION, self._length_penalty)]

    def settled(self) -> tuple[int, ...]:
        """All tokens but those at the end that may turn out to be a repetition."""
        return tuple(self._token_ids[: count_settled_tokens(self._token_ids)])

    def cut(self, reason: FinishReason) -> list[Hypothesis]:
        """The tokens whose score and alignment are written too: the engine's thread may be writing the next one."""
        scores, alignment = tuple(self._token_scores), None if self._alignment is None else tuple(self._alignment)
        length = min(len(self._token_ids), len(scores), len(self._token_ids if alignment is None else alignment))
        offsets = None if alignment is None else alignment[:length]
        live = LiveHypothesis(tuple(self._token_ids[:length]), scores[:length], sum(scores[:length]), offsets)
        return [live.finish(reason, self._length_penalty)]

    def _whole(self) -> LiveHypothesis:
        alignment = None if self._alignment is None else tuple(self._alignment)
        return LiveHypothesis(tuple(self._token_ids), tuple(self._token_scores), sum(self._token_scores), alignment)


class SamplingSearch(BeamSearch):
    """A beam of one whose next token is drawn among the ``top_k`` best."""

    def candidates(self) -> int:
        """``top_k``, and as many more as may be blocked."""
        return self._extra_candidates(self._options.top_k)

    def _rank(self, scores: NDArray[np.float32], score_ids: NDArray[np.int64]) -> list[Candidate]:
        """The token that is drawn, alone."""
        (allowed,) = self._block(scores, score_ids)
        drawn = draw(allowed, self._options, len(self.beam.live[0].token_ids))
        return [(0, int(score_ids[0, drawn]), float(allowed[drawn]))]


def draw(scores: NDArray[np.float64], options: SearchOptions, position: int) -> int:
    """Draw the next candidate with the probabilities of the scores divided by the temperature.

    The candidate with the largest sum of its score and a number of Gumbel's distribution wins (Gumbel 1954,
    "Statistical Theory of Extreme Values"). The numbers depend on the seed and the position alone, so on no other row.

    Args:
        scores: ``[candidates]`` log probabilities, best first; -inf where forbidden. Only the first ``top_k`` possible
            ones are drawn from.
        options: ``temperature``, ``top_k`` and ``seed``.
        position: the number of tokens written.

    Returns:
        The index of the candidate.
    """
    possible = np.flatnonzero(np.isfinite(scores))[: options.top_k]
    if not len(possible):
        return 0
    numbers = np.random.Generator(np.random.Philox(key=options.seed, counter=position)).gumbel(size=options.top_k)
    return int(possible[np.argmax(scores[possible] / options.temperature + numbers[: len(possible)])])


def derive_seed(seed: int, number: int) -> int:
    """The seed of the further draw with this number: another for each, and none that a client is likely to choose."""
    (derived,) = np.random.SeedSequence([seed, number]).generate_state(1, np.uint64)
    return int(derived) & MAX_SEED


class BranchingSearch(BeamSearch):
    """A beam whose hypotheses branch only at the end of the prefix, and then each go their own way to their end.

    With ``SearchOptions.allowed`` they may go on branching until the tokens that it asks for are written.
    """

    def candidates(self) -> int:
        """One where no hypothesis may branch. Where only some tokens are allowed: the whole vocabulary."""
        live, options, size = self.beam.live, self._options, self._model.vocabulary_size
        spare = 0 if self._model.characters is None else self._model.characters.spare
        if self._is_within_character():
            return size
        if len(live[0].token_ids) < len(options.prefix) or not any(map(self._is_open, live)):
            return min(1 + spare, size)
        return size if options.allowed is not None else min(options.beam_size + spare, size)

    def _is_open(self, hypothesis: LiveHypothesis) -> bool:
        """Whether it may branch: at the end of the prefix, and behind it until the allowed tokens are written."""
        allowed, free = self._options.allowed, hypothesis.token_ids[len(self._options.prefix) :]
        return not free or (allowed is not None and allowed(free) is not None)

    def _extend_freely(
        self, scores: NDArray[np.float32], score_ids: NDArray[np.int64], offsets: SequenceOf[int] | None
    ) -> list[int]:
        """A hypothesis that does not branch takes its best token. The best candidates of those that branch, by their
        sums, take the rows that are left. An eos ends a hypothesis, and takes a row too.
        """
        beam, options, draft = self.beam, self._options, Draft()
        scores = self._mask_parts(scores[:, : self.candidates()], score_ids[:, : self.candidates()])
        chosen: list[Candidate] = []
        branching: list[Candidate] = []
        for parent, hypothesis in enumerate(beam.live):
            if self._is_open(hypothesis):
                branching += self._branches(parent, scores[parent], score_ids[parent])
            else:
                best = int(np.argmax(scores[parent]))
                chosen.append((parent, int(score_ids[parent, best]), float(scores[parent, best])))
        rows_left = options.beam_size - len(chosen) - len(beam.kept) - len(beam.looped)
        branching.sort(key=lambda candidate: -(beam.live[candidate[0]].total + candidate[2]))
        for parent, token_id, score in [*chosen, *branching[:rows_left]]:
            origin = beam.live[parent]
            if not math.isfinite(score):
                continue
            if token_id == self._model.eos_id:
                draft.finished.append(origin.stop(score, options.length_penalty))
            elif len(origin.token_ids) == self._sequence.cap:
                draft.finished.append(origin.finish(FinishReason.LENGTH, options.length_penalty))
            else:
                self._grow(draft, (parent, token_id, score), offsets)
        self._set_beam(draft)
        return draft.parents

    def _branches(self, parent: int, scores: NDArray[np.float32], score_ids: NDArray[np.int64]) -> list[Candidate]:
        """The best candidates ``[candidates]`` of a live hypothesis that may branch, of the allowed tokens."""
        options = self._options
        free = self.beam.live[parent].token_ids[len(options.prefix) :]
        allowed = options.allowed(free) if options.allowed is not None else None
        score_ids = score_ids[: len(scores)]
        is_allowed = scores > _LOWEST
        if allowed is not None:
            is_allowed &= np.isin(score_ids, list(allowed))
        scores, score_ids = scores[is_allowed], score_ids[is_allowed]
        count = options.beam_size
        return [
            (parent, token_id, score)
            for token_id, score in zip(score_ids[:count].tolist(), scores[:count].tolist(), strict=True)
        ]

    def is_settled(self) -> bool:
        """True when every hypothesis has gone its way to its end."""
        return not self.beam.live or (self._options.beam_size == 1 and bool(self.beam.kept))
