"""``tune``: compares length and coverage penalties (Wu et al. 2016, arXiv:1609.08144) of a bundle on dev.

One search gives the n best hypotheses of each sentence. Each pair of penalties only ranks them again, so a whole table
costs one search.
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
# Lower bound of the attention, because 0 has no logarithm.
_LEAST = 1e-3


@dataclass(frozen=True)
class Candidate:
    """A hypothesis to be ranked.

    Attributes:
        text: Its detokenized text.
        total: Sum of log probabilities, in nats.
        length: Tokens, eos included.
        uncovered: Sum over the source of ``log(min(attention, 1))``: 0 if each source token received an attention of
            1 in total, negative otherwise.
    """

    text: str
    total: float
    length: int
    uncovered: float


def uncovered(attention: NDArray[np.float32]) -> float:
    """Returns the coverage penalty for a weight of 1; at most 0. The source's eos is not counted.

    Args:
        attention: ``[target, source]``, with eos on both sides.
    """
    return float(np.log(np.clip(attention.sum(axis=0)[:-1], _LEAST, 1.0)).sum())


def candidates(bundle_folder: Path, sources: Sequence[str], beam_size: int) -> Iterator[list[Candidate]]:
    """Yields, for each source, the ``beam_size`` best hypotheses of one search."""
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
    """Returns the BLEU of ``pairs`` for each length and coverage penalty, without the service's postediting.

    Args:
        bundle: Folder of the bundle.
        pairs: Dev pairs.
        beam_size: Hypotheses to choose from.
        lengths: Length penalties.
        coverages: Coverage penalties.

    Returns:
        BLEU by ``(length penalty, coverage penalty)``.
    """
    found = list(candidates(bundle, [source for source, _ in pairs], beam_size))
    references = [[target for _, target in pairs]]
    scores = {}
    for length in lengths:
        for coverage in coverages:
            best = choose(found, length, coverage)
            scores[length, coverage] = float(BLEU().corpus_score(best, references).score)
    return scores


def choose(found: Sequence[Sequence[Candidate]], length_penalty: float, coverage_penalty: float) -> list[str]:
    """Returns the text of the best candidate of each sentence."""
    return [max(some, key=lambda one: _score(one, length_penalty, coverage_penalty)).text for some in found]


def _score(candidate: Candidate, length_penalty: float, coverage_penalty: float) -> float:
    score = normalise_score(candidate.total, candidate.length, length_penalty)
    return score + coverage_penalty * candidate.uncovered
