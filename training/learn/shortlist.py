"""A sampled softmax: the loss of a batch is computed over a part of the vocabulary.

Training spends most of its time on the scores of all tokens. After Jean et al. 2015, "On using very large target
vocabulary for neural machine translation" (arXiv:1412.2007), the denominator of the softmax holds the tokens that the
batch writes and a sample of the others, drawn for each batch and weighted by the inverse of the sampled share.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.bundle.tokenizers import PAD_ID


@dataclass(frozen=True)
class Shortlist:
    """The tokens that a batch's loss is computed over.

    Attributes:
        token_ids: ``int32 [shortlist]``, padding first.
        offsets: ``float32 [shortlist]``, added to the logits of the tokens.
        indices: Index in ``token_ids`` of each target token, ``int32 [rows, target]``.
    """

    token_ids: NDArray[np.int32]
    offsets: NDArray[np.float32]
    indices: NDArray[np.int32]


def draw_shortlist(
    target_ids: NDArray[np.int32], vocabulary_size: int, size: int, generator: np.random.Generator
) -> Shortlist | None:
    """Returns all tokens of the targets and a sample of the other tokens of the vocabulary.

    A token of the targets counts once. The logit of a sampled token is raised by the logarithm of the number of tokens
    that it represents, so that the expected sum of the exponentials equals that of the whole vocabulary.

    Args:
        target_ids: ``int32 [rows, target]``.
        vocabulary_size: Number of tokens.
        size: Tokens of the shortlist.
        generator: Draws the sample.

    Returns:
        The shortlist; None if the targets hold more different tokens than ``size``.
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
    indices = np.searchsorted(written, target_ids).astype(np.int32)
    return Shortlist(np.concatenate((written, drawn)).astype(np.int32), offsets, indices)
