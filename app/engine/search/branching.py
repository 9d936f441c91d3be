"""Other ways on from one place: each next token that could stand there, and after it the best one at every step."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from app.engine.repetition import LoopGuard
from app.engine.search.beam import Beam, LiveHypothesis, keep_best, within_prefix
from app.engine.sequence import FinishReason, SearchOptions


def is_open(hypothesis: LiveHypothesis, options: SearchOptions) -> bool:
    """May it still go several ways? At the end of the prefix, and behind it until what is asked for is written."""
    free = hypothesis.token_ids[len(options.prefix) :]
    return not free or (options.allowed is not None and options.allowed(free) is not None)


def branch_candidates(beam: Beam, options: SearchOptions, vocabulary_size: int) -> int:
    """How many candidates a row must show in the next step. Where only some tokens are allowed: all."""
    if len(beam.live[0].token_ids) < len(options.prefix) or not any(is_open(one, options) for one in beam.live):
        return 1
    return vocabulary_size if options.allowed is not None else min(options.beam_size, vocabulary_size)


def advance_branches(
    beam: Beam,
    scores: NDArray[np.float32],
    score_ids: NDArray[np.int64],
    options: SearchOptions,
    cap: int,
    eos_id: int,
    places: Sequence[int] | None = None,
    guard: LoopGuard | None = None,
) -> tuple[Beam, list[int]]:
    """One token further; parameters and result are those of ``advance_beam``.

    A hypothesis that went its way takes its best token. The places that are left go to the best candidates of those
    that are still open, by their sums. An eos ends a hypothesis, and takes its place too.
    """
    begun = within_prefix(beam, options, places)
    if begun is not None:
        return begun, [0]
    written = len(beam.live[0].token_ids)
    chosen: list[tuple[int, int, float]] = []
    opened: list[tuple[int, int, float]] = []
    for parent, hypothesis in enumerate(beam.live):
        if is_open(hypothesis, options):
            opened += _allowed(parent, hypothesis, scores[parent], score_ids[parent], options)
        else:
            chosen.append((parent, int(score_ids[parent, 0]), float(scores[parent, 0])))
    places_left = options.beam_size - len(chosen) - len(beam.kept) - len(beam.looped)
    opened.sort(key=lambda candidate: -(beam.live[candidate[0]].total + candidate[2]))
    live, parents = [], []
    kept, looped = list(beam.kept), list(beam.looped)
    for parent, token_id, score in [*chosen, *opened[:places_left]]:
        origin = beam.live[parent]
        if not math.isfinite(score):
            continue
        if token_id == eos_id:
            kept.append(origin.stopped(score, options.length_penalty))
        elif written == cap:
            kept.append(origin.ended(FinishReason.LENGTH, options.length_penalty))
        else:
            longer = origin.extended(token_id, score, places[parent] if places else 0)
            excess = guard.excess(longer.token_ids) if guard is not None else 0
            if excess:
                looped.append(longer.shortened(excess).ended(FinishReason.REPETITION, options.length_penalty))
            else:
                live.append(longer)
                parents.append(parent)
    count = options.hypotheses
    return Beam(tuple(live), keep_best(tuple(kept), count), keep_best(tuple(looped), count)), parents


def _allowed(
    parent: int,
    hypothesis: LiveHypothesis,
    scores: NDArray[np.float32],
    score_ids: NDArray[np.int64],
    options: SearchOptions,
) -> list[tuple[int, int, float]]:
    """The best candidates of an open hypothesis, as (live hypothesis, token, its score)."""
    allowed = options.allowed(hypothesis.token_ids[len(options.prefix) :]) if options.allowed is not None else None
    if allowed is not None:
        is_allowed = np.isin(score_ids, list(allowed))
        scores, score_ids = scores[is_allowed], score_ids[is_allowed]
    count = options.beam_size
    return [
        (parent, token_id, score)
        for token_id, score in zip(score_ids[:count].tolist(), scores[:count].tolist(), strict=True)
    ]
