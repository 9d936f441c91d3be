"""Word alignment by IBM Model 1.

Brown, Della Pietra, Della Pietra, Mercer 1993, "The Mathematics of Statistical Machine Translation". A *cell* is a
source word and a target word of the same pair; all cells of a corpus lie in one array, so that an iteration of EM is a
few passes of ``numpy.bincount``.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Ids = npt.NDArray[np.int32]
Floats = npt.NDArray[np.float64]
NULL = 0  # the id of the source word that target words without a counterpart are aligned with


@dataclass(frozen=True, slots=True)
class _Cells:
    """The cells of a corpus.

    Attributes:
        source_positions: ``[cells]``, where each cell's source word stands in the corpus.
        target_positions: ``[cells]``, the same of its target word.
        words: ``[cells]``, the number of the cell's pair of words.
        sources: ``[pairs of words]``, the id of the source word.
    """

    source_positions: Ids
    target_positions: Ids
    words: Ids
    sources: Ids


def align_words(sources: Sequence[Ids], targets: Sequence[Ids], iterations: int = 5) -> list[Ids]:
    """Aligns each target word with a source word.

    Args:
        sources: ``[words]`` for each pair, without ``NULL``.
        targets: ``[words]`` for each pair.
        iterations: Of EM.

    Returns:
        For each pair ``[target words]``: the offset in its source of the word that each target word is most probable
        with, -1 for ``NULL``.
    """
    if not sources:
        return []
    with_null = [np.concatenate(([NULL], source)).astype(np.int32) for source in sources]
    cells = _make_cells(with_null, targets)
    probabilities = _estimate(cells, iterations)
    best = np.empty(int(cells.target_positions[-1]) + 1, np.int32)
    order = np.lexsort((probabilities[cells.words], cells.target_positions))
    positions = cells.target_positions[order]
    last = np.flatnonzero(np.append(positions[1:] != positions[:-1], True))
    best[positions[last]] = cells.source_positions[order[last]]
    source_starts = np.cumsum([0, *(len(source) for source in with_null)])
    target_ends = np.cumsum([len(target) for target in targets])
    return [
        (links - start - 1).astype(np.int32)
        for links, start in zip(np.split(best, target_ends[:-1]), source_starts[:-1], strict=True)
    ]


def _make_cells(sources: Sequence[Ids], targets: Sequence[Ids]) -> _Cells:
    source_lengths = np.array([len(source) for source in sources])
    target_lengths = np.array([len(target) for target in targets])
    counts = source_lengths * target_lengths
    pair = np.repeat(np.arange(len(sources)), counts)
    within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    source_starts, target_starts = (
        np.cumsum(source_lengths) - source_lengths,
        np.cumsum(target_lengths) - target_lengths,
    )
    source_positions = (source_starts[pair] + within % source_lengths[pair]).astype(np.int32)
    target_positions = (target_starts[pair] + within // source_lengths[pair]).astype(np.int32)
    del pair, within
    source_words, target_words = np.concatenate(sources), np.concatenate(targets)
    size = int(target_words.max()) + 1
    keys = source_words[source_positions].astype(np.int64) * size + target_words[target_positions]
    unique, words = np.unique(keys, return_inverse=True)
    return _Cells(
        source_positions,
        target_positions,
        words.astype(np.int32),
        (unique // size).astype(np.int32),
    )


def _estimate(cells: _Cells, iterations: int) -> Floats:
    """Estimates, ``[pairs of words]``, how probable each target word is with its source word given."""
    positions = cells.target_positions
    probabilities = np.ones(len(cells.sources))
    for _ in range(iterations):
        expected = probabilities[cells.words]
        expected /= np.bincount(positions, expected)[positions]
        counts = np.bincount(cells.words, expected, minlength=len(probabilities))
        probabilities = counts / np.bincount(cells.sources, counts)[cells.sources]
    return probabilities
