"""``tune``: which length and coverage penalties rank a bundle's hypotheses best on dev.

Both are those of Wu et al. 2016 (arXiv:1609.08144). One search gives each sentence's n best hypotheses; every pair of
penalties then only ranks them anew, so a whole table costs one search.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sacrebleu.metrics.bleu import BLEU

from app.bundle.store import load_bundle
from app.bundle.tokenizers import EOS_ID
from app.engine.factory import run_engine
from app.engine.model import Graphs
from app.engine.sequence import Hypothesis, SearchOptions, normalise_score
from app.engine.sessions import OnnxGraphs
from training.data.corpus import Pair
from training.evaluate.forced_decoding import forced_attention

SENTENCES_AT_ONCE = 200
# An attention of 0 has no logarithm.
_LEAST = 1e-3


@dataclass(frozen=True)
class Candidate:
    """``total``: sum of log probabilities in nats; ``length`` in tokens with eos; ``uncovered``: the sum over the
    source of ``log(min(attention, 1))``, 0 where each token was looked at once and below where one was not."""

    text: str
    total: float
    length: int
    uncovered: float


def uncovered(attention: NDArray[np.float32]) -> float:
    """``[target, source]``, eos on both sides -> the coverage penalty for a weight of 1, at most 0. The source's eos
    need not be looked at."""
    return float(np.log(np.clip(attention.sum(axis=0)[:-1], _LEAST, 1.0)).sum())


def candidates(bundle_folder: Path, sources: Sequence[str], beam_size: int) -> Iterator[list[Candidate]]:
    """For each source its hypotheses, as many as the beam is wide, from one search."""
    bundle = load_bundle(bundle_folder)
    graphs = OnnxGraphs(bundle, provider="cpu", threads=1)
    options = SearchOptions(beam_size, beam_size, bundle.manifest.search.length_penalty)
    with run_engine(bundle, graphs) as engine:
        for start in range(0, len(sources), SENTENCES_AT_ONCE):
            ids = [bundle.tokenizer.encode_source(source) for source in sources[start : start + SENTENCES_AT_ONCE]]
            for source_ids, future in zip(ids, engine.submit_many(ids, options), strict=True):
                found = future.result()
                texts = [bundle.tokenizer.decode(hypothesis.token_ids) for hypothesis in found]
                yield _candidates(graphs, source_ids, found, texts)


def _candidates(
    graphs: Graphs, source_ids: Sequence[int], found: Sequence[Hypothesis], texts: Sequence[str]
) -> list[Candidate]:
    targets = [[*hypothesis.token_ids, EOS_ID] for hypothesis in found]
    attentions = forced_attention(graphs, source_ids, targets)
    return [
        Candidate(text, sum(one.token_scores), len(one.token_scores), uncovered(attention))
        for one, text, attention in zip(found, texts, attentions, strict=True)
    ]


def tune(
    bundle: Path, pairs: Sequence[Pair], beam_size: int, lengths: Sequence[float], coverages: Sequence[float]
) -> dict[tuple[float, float], float]:
    """BLEU of ``pairs`` for each pair of length and coverage penalty, without the service's own repairs."""
    found = list(candidates(bundle, [source for source, _ in pairs], beam_size))
    references = [[target for _, target in pairs]]
    scores = {}
    for length in lengths:
        for coverage in coverages:
            best = choose(found, length, coverage)
            scores[length, coverage] = float(BLEU().corpus_score(best, references).score)
    return scores


def choose(found: Sequence[Sequence[Candidate]], length_penalty: float, coverage_penalty: float) -> list[str]:
    """For each sentence the text of its best candidate."""
    return [max(some, key=lambda one: _score(one, length_penalty, coverage_penalty)).text for some in found]


def _score(candidate: Candidate, length_penalty: float, coverage_penalty: float) -> float:
    score = normalise_score(candidate.total, candidate.length, length_penalty)
    return score + coverage_penalty * candidate.uncovered
