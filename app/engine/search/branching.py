"""Branching search: each of the likeliest next tokens at one offset, and behind it the best token at every step."""

import math
from collections.abc import Sequence as SequenceOf

import numpy as np
from numpy.typing import NDArray

from app.engine.search.beam import BeamSearch, Candidate, Draft
from app.engine.sequence import FinishReason, LiveHypothesis


class BranchingSearch(BeamSearch):
    """A beam whose hypotheses branch only at the end of the prefix, and then each go their own way to their end.

    With ``SearchOptions.allowed`` they may go on branching until the tokens that it asks for are written.
    """

    def candidates(self) -> int:
        """One where no hypothesis may branch. Where only some tokens are allowed: the whole vocabulary."""
        live, options = self.beam.live, self._options
        if len(live[0].token_ids) < len(options.prefix) or not any(map(self._is_open, live)):
            return 1
        size = self._model.vocabulary_size
        return size if options.allowed is not None else min(options.beam_size, size)

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
        chosen: list[Candidate] = []
        branching: list[Candidate] = []
        for parent, hypothesis in enumerate(beam.live):
            if self._is_open(hypothesis):
                branching += self._branches(parent, scores[parent], score_ids[parent])
            else:
                chosen.append((parent, int(score_ids[parent, 0]), float(scores[parent, 0])))
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
        self.beam = self._merge(draft)
        return draft.parents

    def _branches(self, parent: int, scores: NDArray[np.float32], score_ids: NDArray[np.int64]) -> list[Candidate]:
        """The best candidates ``[candidates]`` of a live hypothesis that may branch, of the allowed tokens."""
        options = self._options
        free = self.beam.live[parent].token_ids[len(options.prefix) :]
        allowed = options.allowed(free) if options.allowed is not None else None
        if allowed is not None:
            is_allowed = np.isin(score_ids, list(allowed))
            scores, score_ids = scores[is_allowed], score_ids[is_allowed]
        count = options.beam_size
        return [
            (parent, token_id, score)
            for token_id, score in zip(score_ids[:count].tolist(), scores[:count].tolist(), strict=True)
        ]

    def is_settled(self) -> bool:
        """True when every hypothesis has gone its way to its end."""
        return not self.beam.live or (self._options.beam_size == 1 and bool(self.beam.kept))
