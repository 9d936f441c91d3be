"""The same words in other pieces each time that a pair is met (Kudo 2018, arXiv:1804.10959; for BPE Provilkov et al.
2020, arXiv:1910.13267): a model so learns how words are built, and that one segmentation is as good as another."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import sentencepiece
from numpy.typing import NDArray

from app.bundle.tokenizers import SentencePieceTokenizer, normalise_typography

Cut = Callable[[NDArray[np.uint16]], NDArray[np.uint16]]
# A sentence in other pieces has more of them: so much room is left for it.
ROOM = 1.25


class Resegmentation:
    """:param share: a unigram vocabulary's temperature, from 0, where all segmentations are as likely, to 1; of a BPE
    vocabulary, the share of merges that are left out.
    """

    def __init__(self, tokenizer: SentencePieceTokenizer, share: float) -> None:
        self._processor = sentencepiece.SentencePieceProcessor()
        self._processor.LoadFromSerializedProto(tokenizer.to_bytes())
        self._share = share

    @contextmanager
    def drawn(self, *seed: int) -> Iterator[Cut]:
        """Cuts sentences of ids anew, the same for the same seed."""
        # SentencePiece has one generator for the whole process.
        sentencepiece.set_random_generator_seed(int(np.random.default_rng(seed).integers(2**31)))
        yield self._cut

    def _cut(self, sentence: NDArray[np.uint16]) -> NDArray[np.uint16]:
        ids = sentence.tolist()
        tags = next((index for index, token_id in enumerate(ids) if not self._processor.IsControl(token_id)), len(ids))
        text = normalise_typography(self._processor.DecodeIds(ids[tags:]))
        cut = self._processor.SampleEncodeAsIds(text, nbest_size=-1, alpha=self._share)
        return np.asarray([*ids[:tags], *cut], np.uint16)
