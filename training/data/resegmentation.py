"""Subword regularisation: each time that a pair is read, its words are segmented into other pieces.

Unigram vocabularies are sampled (Kudo 2018, arXiv:1804.10959); BPE vocabularies leave out merges (Provilkov et al.
2020, arXiv:1910.13267). The model learns how words are composed, and that segmentations of a text mean the same.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import sentencepiece
from numpy.typing import NDArray

from app.bundle.tokenizers import SentencePieceTokenizer, normalise_typography

Cut = Callable[[NDArray[np.uint16]], NDArray[np.uint16]]
# A sampled segmentation has more pieces than the best one: a bucket must hold this multiple of a sentence's length.
ROOM = 1.25


class Resegmentation:
    """Samples segmentations with SentencePiece.

    Args:
        tokenizer: The vocabulary.
        share: For a unigram vocabulary the temperature, from 0 (all segmentations are equally probable) to 1; for a
            BPE vocabulary the share of merges that are left out.
    """

    def __init__(self, tokenizer: SentencePieceTokenizer, share: float) -> None:
        self._processor = sentencepiece.SentencePieceProcessor()
        self._processor.LoadFromSerializedProto(tokenizer.to_bytes())
        self._share = share

    @contextmanager
    def drawn(self, *seed: int) -> Iterator[Cut]:
        """Returns a function that segments a sentence of ids anew; its draws depend on ``seed`` alone.

        It is a context because SentencePiece has one generator for the whole process: no other draw may come between.
        """
        sentencepiece.set_random_generator_seed(int(np.random.default_rng(seed).integers(2**31)))
        yield self._cut

    def _cut(self, sentence: NDArray[np.uint16]) -> NDArray[np.uint16]:
        ids = sentence.tolist()
        tags = next((index for index, token_id in enumerate(ids) if not self._processor.IsControl(token_id)), len(ids))
        text = normalise_typography(self._processor.DecodeIds(ids[tags:]))
        cut = self._processor.SampleEncodeAsIds(text, nbest_size=-1, alpha=self._share)
        return np.asarray([*ids[:tags], *cut], np.uint16)
