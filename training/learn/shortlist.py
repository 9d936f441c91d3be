"""A part of the vocabulary that stands for the whole in a batch's loss: the scores of all tokens are what training
spends most of its time on.

Jean et al. 2015, "On using very large target vocabulary for neural machine translation" (arXiv:1412.2007): in the
denominator of the softmax stand the tokens that the batch writes, and of all others some, drawn anew for each batch,
each for as many as it was drawn from.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.bundle.tokenizers import PAD_ID


@dataclass(frozen=True)
class Shortlist:
    """``token_ids int32 [shortlist]``, padding first; ``offsets float32 [shortlist]`` are added to their logits;
    ``places int32 [rows, target]`` are the targets as places in the list."""

    token_ids: NDArray[np.int32]
    offsets: NDArray[np.float32]
    places: NDArray[np.int32]


def shortlist(
    target_ids: NDArray[np.int32], vocabulary_size: int, size: int, generator: np.random.Generator
) -> Shortlist | None:
    """All tokens of ``target_ids [rows, target]`` and others of the vocabulary, ``size`` together.

    A token that the batch writes counts once. One that was drawn stands for all that were not: its logit is raised by
    the logarithm of how many these are for each, so that the sum of the exponentials is right on average.

    :returns: None if the targets hold more different tokens than ``size``.
    """
    written = np.union1d(np.array([PAD_ID], np.int32), target_ids)
    if len(written) > size:
        return None
    size = min(size, vocabulary_size)
    others = np.setdiff1d(np.arange(vocabulary_size, dtype=np.int32), written, assume_unique=True)
    drawn = generator.choice(others, size - len(written), replace=False)
    offsets = np.zeros(size, np.float32)
    if len(drawn):
        offsets[len(written) :] = np.log(len(others) / len(drawn))
    places = np.searchsorted(written, target_ids).astype(np.int32)
    return Shortlist(np.concatenate((written, drawn)).astype(np.int32), offsets, places)
