"""Checks at every conversion that the graphs compute what the student's equations give.

Both compute in integers, so most values are equal to the last bit. Where a float differs in its last bit, it may round
to another integer; the tokens that then differ are those whose scores hardly differ. The least agreement accepted is
below that of two runs of one engine with random students (96.7 % of the tokens), whose scores differ far less than a
trained one's.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from app.bundle.store import Bundle, load_bundle
from app.engine.factory import decoding_model, run_engine
from app.engine.sequence import SearchOptions
from app.engine.sessions import OnnxGraphs
from app.engine.states import padded_width
from training.convert.reference import Reference, Rules, greedy, log_softmax, pad
from training.convert.student import Student
from training.errors import ParityError
from training.export.rows_alone import check_rows_alone

SENTENCES: Final = 48
MAX_STEPS: Final = 40
MAX_WORDS: Final = 30
LEAST_AGREEMENT: Final = 0.95
# Of the median, in nats.
LARGEST_DIFFERENCE: Final = 1e-3


@dataclass(frozen=True)
class StudentParity:
    """The result of a comparison.

    Attributes:
        sentences: Compared.
        tokens: Of the reference, in all sentences.
        forced: Share of the steps with the same best token, where both read the reference's tokens.
        free: Share of tokens that the engine writes too, up to the first other one of each sentence.
        median_difference: Of the best token's log probability, in nats.
    """

    sentences: int
    tokens: int
    forced: float
    free: float
    median_difference: float


def random_sources(bundle: Bundle, count: int = SENTENCES, seed: int = 0) -> list[list[int]]:
    """Returns sentences of random pieces of the source vocabulary, eos included, from short to long."""
    entry = bundle.manifest.source_tokenizer or bundle.manifest.tokenizer
    random = np.random.default_rng(seed)
    special = (entry.pad_id, entry.bos_id, entry.eos_id, entry.unk_id)
    usable = np.setdiff1d(np.arange(entry.vocabulary_size - 1), special)
    longest = min(MAX_WORDS, bundle.manifest.limits.max_source_tokens - 1)
    lengths = np.linspace(1, longest, count).astype(int)
    return [[*random.choice(usable, length).tolist(), entry.eos_id] for length in lengths]


def check_bundle(student: Student, folder: Path) -> StudentParity:
    """Compares a bundle with the student that it was converted from: searching the whole vocabulary, and its shortlist.

    Args:
        student: The weights.
        folder: The bundle.

    Returns:
        The comparison on the whole vocabulary.

    Raises:
        ParityError: They differ, or a sentence has another answer alone than together with others.
    """
    whole = load_bundle(folder, shortlist="off")
    limited = load_bundle(folder, shortlist="on")
    sources = random_sources(whole)
    found = []
    for bundle in (whole,) if limited.shortlist is None else (whole, limited):
        found.append(check_student(student, bundle, sources))
        some = sources[:: max(1, len(sources) // 8)]
        check_rows_alone(bundle, some, [SearchOptions(max_target_tokens=MAX_STEPS)] * len(some))
    return found[0]


def check_student(student: Student, bundle: Bundle, sources: Sequence[Sequence[int]]) -> StudentParity:
    """Compares a bundle with the student that it was converted from.

    Args:
        student: The weights.
        bundle: The converted bundle, with its shortlist or without.
        sources: Token ids of some sentences, eos included.

    Raises:
        ParityError: They agree on too few tokens, or their scores differ; the message names value and limit.
    """
    entry, reference = bundle.manifest.tokenizer, Reference(student)
    model = decoding_model(bundle)
    caps = [min(MAX_STEPS, model.target_cap(len(source))) for source in sources]
    candidates = None if bundle.shortlist is None else [bundle.shortlist.candidates(source) for source in sources]
    expected = greedy(reference, sources, entry.eos_id, caps, Rules(entry.unk_id, candidates, model.characters))
    graphs = OnnxGraphs(bundle, provider="cpu", threads=1)
    forced, differences = _force(reference, graphs, bundle, sources, expected)
    options = [SearchOptions(max_target_tokens=cap, loop_guard=False) for cap in caps]
    with run_engine(bundle, graphs) as engine:
        found = [list(future.result()[0].token_ids) for future in engine.submit_many(sources, options)]
    same = sum(_common(one, other) for one, other in zip(expected, found, strict=True))
    changed = sum(one != other for one, other in zip(expected, found, strict=True))
    parity = StudentParity(
        sentences=len(sources),
        tokens=sum(map(len, expected)),
        forced=forced,
        free=same / max(1, same + changed),
        median_difference=float(np.median(differences)),
    )
    for name, share in (("given the same tokens", parity.forced), ("decoding freely", parity.free)):
        if share < LEAST_AGREEMENT:
            raise ParityError(
                f"{bundle.folder}: {name}, the graphs agree with the equations on {share:.1%} of "
                f"{parity.tokens} tokens, at least {LEAST_AGREEMENT:.0%} is expected"
            )
    if not parity.median_difference <= LARGEST_DIFFERENCE:
        raise ParityError(
            f"{bundle.folder}: scores differ by {parity.median_difference:.2e} nats from the equations, "
            f"at most {LARGEST_DIFFERENCE:.0e} is expected"
        )
    return parity


def _force(
    reference: Reference,
    graphs: OnnxGraphs,
    bundle: Bundle,
    sources: Sequence[Sequence[int]],
    expected: Sequence[Sequence[int]],
) -> tuple[float, list[float]]:
    """Lets both read the expected tokens; returns how often their next token is the same, and the differences."""
    entry = bundle.manifest.tokenizer
    ids, lengths = pad(sources, entry.pad_id)
    ids = np.pad(ids, ((0, 0), (0, padded_width(ids.shape[1]) - ids.shape[1])), constant_values=entry.pad_id)
    given, target_lengths = pad([[entry.bos_id, *target] for target in expected], entry.pad_id)
    memory, carried = reference.encode(ids, lengths), reference.first_states(len(sources))
    encoded, states = graphs.encode(ids, lengths)
    same = steps = 0
    differences: list[float] = []
    for position in range(given.shape[1]):
        alive = position < target_lengths
        wanted = reference.step(given[:, position], position, carried, memory)
        carried = wanted.states
        wanted.logits[:, entry.unk_id] = -np.inf
        found = graphs.decode_step(given[:, position], states, encoded, lengths, 1)
        states = {**states, **found.next_states}
        best = wanted.logits.argmax(1)
        same += int((best == found.score_ids[:, 0])[alive].sum())
        steps += int(alive.sum())
        scores = np.take_along_axis(log_softmax(wanted.logits), best[:, None], 1)[:, 0]
        differences += np.abs(scores - found.scores[:, 0])[alive].tolist()
    return same / steps, differences


def _common(one: Sequence[int], other: Sequence[int]) -> int:
    """Returns how many tokens two sequences have in common at their beginnings."""
    length = min(len(one), len(other))
    return next((index for index in range(length) if one[index] != other[index]), length)
