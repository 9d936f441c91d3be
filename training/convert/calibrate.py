"""Constant scales of the activations, measured on sentences: what Marian stores as ``_QuantMultA``."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np

from training.convert.reference import Reference, Rules, greedy
from training.convert.student import LARGEST, Float, Student, with_alphas

# Marian's: the scale covers the mean of the batches' largest values and this many of their standard deviations.
DEVIATIONS: Final = 1.1
BATCH: Final = 16


def calibrate(student: Student, sources: Sequence[Sequence[int]], eos_id: int, unk_id: int) -> Student:
    """Returns the student with the multipliers of its activations.

    The student translates the sources in float32. For each product, the largest absolute input of each step of each
    batch is noted; the multiplier is ``127 / (mean + 1.1 standard deviations)`` of these.

    Args:
        student: With any multipliers, which are ignored.
        sources: Token ids of some sentences, eos included; of similar lengths they take less time.
        eos_id: Of the vocabularies.
        unk_id: Of the target vocabulary.
    """
    largest: dict[str, list[float]] = defaultdict(list)

    def observe(name: str, inputs: Float) -> None:
        largest[name].append(float(np.abs(inputs).max(initial=0.0)))

    reference = Reference(student, in_integers=False, observe=observe)
    for batch in _batches(sources):
        greedy(reference, batch, eos_id, [2 * len(source) for source in batch], Rules(unk_id))
    return with_alphas(student, {name: _multiplier(found) for name, found in largest.items()})


def _batches(sources: Sequence[Sequence[int]]) -> Iterable[Sequence[Sequence[int]]]:
    by_length = sorted(sources, key=len)
    for start in range(0, len(by_length), BATCH):
        yield by_length[start : start + BATCH]


def _multiplier(largest: Sequence[float]) -> float:
    reach = float(np.mean(largest) + DEVIATIONS * np.std(largest))
    return float(np.float32(LARGEST / max(reach, 1e-6)))
