"""Checks at every export, on real sentences, that the graphs compute what the model computes."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from app.bundle.store import Bundle
from app.bundle.tokenizers import BOS_ID, EOS_ID, PAD_ID
from app.engine.factory import decoding_model
from app.engine.loop import Engine
from app.engine.model import DecodingModel, Graphs
from app.engine.repetition import LoopGuard
from app.engine.sequence import Hypothesis, SearchOptions
from app.engine.sessions import OnnxGraphs
from training.data.dataset import TokenPairs
from training.errors import ParityError
from training.export.reference import ReferenceDecoder, log_softmax
from training.model.layers import to_numpy
from training.model.seq2seq import EncoderDecoder

ROWS = 16

# Source ids with eos, target ids without.
Pair = tuple[list[int], list[int]]


@dataclass(frozen=True)
class Parity:
    """The result of a comparison.

    Attributes:
        sentences: Compared pairs.
        max_score_difference: Largest difference of log probabilities, in nats.
    """

    sentences: int
    max_score_difference: float


def check_parity(
    model: EncoderDecoder,
    bundle: Bundle,
    pairs: Sequence[Pair],
    tolerance: float,
    beam_size: int,
    length_penalty: float,
) -> Parity:
    """Compares a float32 bundle with its model.

    Teacher-forced log probabilities of *all* tokens at each position must agree within ``tolerance``. Greedy and beam
    search of the serving engine must give the same tokens as the reference decoder.

    Args:
        model: The Keras model.
        bundle: The exported bundle.
        pairs: Token ids of sources and targets.
        tolerance: Largest accepted difference, in nats.
        beam_size: Of the beam search.
        length_penalty: Of the beam search.

    Raises:
        ParityError: They differ; the message names the sentence, the value and the tolerance.
    """
    graphs = OnnxGraphs(bundle, provider="cpu", threads=1)
    difference = max(
        _score_difference(model, graphs, pairs[start : start + ROWS]) for start in range(0, len(pairs), ROWS)
    )
    if not difference <= tolerance:
        raise ParityError(
            f"{bundle.folder}: scores differ by {difference:.2e} from the model, tolerance {tolerance:.0e}"
        )
    for size in sorted({1, beam_size}):
        _check_tokens(model, bundle, graphs, pairs, size, length_penalty)
    return Parity(len(pairs), difference)


def _check_tokens(
    model: EncoderDecoder,
    bundle: Bundle,
    graphs: Graphs,
    pairs: Sequence[Pair],
    beam_size: int,
    length_penalty: float,
) -> None:
    """Checks that the engine decodes every source to the same tokens as the reference.

    The guard against repetitions is off, because the reference has none: a model that repeats itself must do so in
    both. Greedy search is checked with the guard too, as the service decodes: it changes only forbidden answers.
    """
    serving, reference = DecodingModel.of(bundle.manifest, bundle.tokenizer), ReferenceDecoder(model)
    options = SearchOptions(beam_size=beam_size, length_penalty=length_penalty, loop_guard=False)
    each = [replace(options, prefix=forced_prefix(pair)) for pair in pairs]
    sources = [source for source, _ in pairs]
    expected: list[tuple[int, ...]] = []
    for source, its in zip(sources, each, strict=True):
        cap = serving.target_cap(len(source), prefix_tokens=len(its.prefix))
        if beam_size == 1:
            expected.append(reference.greedy(source, cap, its.prefix).token_ids)
        else:
            expected.append(reference.beam(source, cap, beam_size, length_penalty, its.prefix).token_ids)
    found = _decode(bundle, graphs, sources, each)
    _compare_tokens(bundle, range(len(pairs)), pairs, expected, found, f"beam {beam_size}")
    if beam_size == 1:
        guarded = _decode(bundle, graphs, sources, [replace(its, loop_guard=True) for its in each])
        allowed = [
            index
            for index, (source, its, token_ids) in enumerate(zip(sources, each, expected, strict=True))
            if not _is_forbidden(
                LoopGuard(source[:-1], serving.words, serving.source_words), token_ids, len(its.prefix)
            )
        ]
        _compare_tokens(bundle, allowed, pairs, expected, guarded, "greedy with the guards")


def _compare_tokens(
    bundle: Bundle,
    indices: Iterable[int],
    pairs: Sequence[Pair],
    expected: Sequence[tuple[int, ...]],
    found: Sequence[Hypothesis],
    search: str,
) -> None:
    write = bundle.tokenizer.decode
    for index in indices:
        if found[index].token_ids != expected[index]:
            raise ParityError(
                f"{bundle.folder}: sentence {index} ({write(pairs[index][0] or forced_prefix(pairs[index]))!r}), "
                f"{search}: the engine gives {write(found[index].token_ids)!r}, the model {write(expected[index])!r}"
            )


def _is_forbidden(guard: LoopGuard, token_ids: tuple[int, ...], prefix_tokens: int) -> bool:
    """Whether the guard changes an answer: the answer closes a loop, or repeats a phrase three times in a row."""
    return any(
        token_ids[length - 1] in guard.closing_tokens_after(token_ids[: length - 1]) or guard.excess(token_ids[:length])
        for length in range(prefix_tokens + 1, len(token_ids) + 1)
    )


def forced_prefix(pair: Pair) -> tuple[int, ...]:
    """Returns the prefix that the decoder must start with.

    It is empty if there is a source. Otherwise it is the first half of the target, so that a model without an encoder
    has a different input for each pair.
    """
    source, target = pair
    return () if len(source) > 1 else tuple(target[: len(target) // 2])


def _decode(
    bundle: Bundle, graphs: Graphs, sources: Sequence[list[int]], options: Sequence[SearchOptions]
) -> list[Hypothesis]:
    """Returns the best hypothesis of every source; it may have parts of characters, as the reference's may."""
    engine = Engine(graphs, replace(decoding_model(bundle), characters=None), name=bundle.manifest.name)
    engine.start()
    try:
        return [future.result()[0] for future in engine.submit_many(sources, options)]
    finally:
        engine.stop(drain=False)


def _score_difference(model: EncoderDecoder, graphs: Graphs, pairs: Sequence[Pair]) -> float:
    """Returns the largest difference of a log probability over all tokens, positions and rows of one batch."""
    source_ids, source_lengths = pad_sentences([source for source, _ in pairs])
    inputs, target_lengths = pad_sentences([[BOS_ID, *target] for _, target in pairs])
    logits, _ = model((source_ids, source_lengths, inputs))
    expected = log_softmax(to_numpy(logits))
    memory, states = graphs.encode(source_ids, source_lengths)
    difference = 0.0
    for position in range(inputs.shape[1]):
        stepped = graphs.decode_step(inputs[:, position], states, memory, source_lengths, model.vocabulary_size)
        states = {**states, **stepped.next_states}
        found = np.empty_like(expected[:, position])
        np.put_along_axis(found, stepped.score_ids, stepped.scores.astype(np.float64), axis=1)
        alive = position < target_lengths
        difference = max(difference, float(np.abs(found - expected[:, position])[alive].max(initial=0.0)))
    return difference


def pad_sentences(sentences: Sequence[Sequence[int]]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Returns padded ids ``[rows, longest]`` and lengths ``[rows]``."""
    lengths = np.array([len(sentence) for sentence in sentences], np.int32)
    ids = np.full((len(sentences), int(lengths.max())), PAD_ID, np.int32)
    for row, sentence in enumerate(sentences):
        ids[row, : len(sentence)] = sentence
    return ids, lengths


def spread_pairs(pairs: TokenPairs, count: int, longest: int) -> list[Pair]:
    """Selects ``count`` pairs evenly from the whole set, with at most ``longest`` source tokens, eos included.

    Returns:
        Source ids with eos, and target ids without.
    """
    fitting = np.flatnonzero(pairs.source.lengths < longest)
    chosen = fitting[np.linspace(0, len(fitting) - 1, min(count, len(fitting))).astype(int)]
    return [([*pairs.source.sentence(i).tolist(), EOS_ID], pairs.target.sentence(i).tolist()) for i in chosen]
