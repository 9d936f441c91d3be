"""Token ids of the pairs, and batches of fixed shapes: length buckets whose batches hold about equally many tokens."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from app.bundle.tokenizers import BOS_ID, EOS_ID, PAD_ID, Tokenizer
from training.data.corpus import Pair
from training.data.resegmentation import ROOM, Cut, Resegmentation

Ids = NDArray[np.int32]


@dataclass(frozen=True)
class Side:
    """All sentences of one side, concatenated.

    Attributes:
        ids: Token ids ``[tokens]``.
        offsets: Start of each sentence in ``ids``, and the end of the last one, ``[sentences + 1]``.
    """

    ids: NDArray[np.uint16]
    offsets: NDArray[np.int64]

    @classmethod
    def from_sentences(cls, sentences: Iterable[Sequence[int] | NDArray[np.uint16]]) -> "Side":
        """Concatenates sentences of token ids."""
        lengths, flat = [0], []
        for sentence in sentences:
            flat.append(np.asarray(sentence, dtype=np.uint16))
            lengths.append(len(sentence))
        ids = np.concatenate(flat) if flat else np.zeros(0, np.uint16)
        return cls(ids, np.cumsum(np.asarray(lengths, dtype=np.int64)))

    @property
    def lengths(self) -> NDArray[np.int64]:
        return np.diff(self.offsets)

    def sentence(self, index: int) -> NDArray[np.uint16]:
        return self.ids[self.offsets[index] : self.offsets[index + 1]]

    def some(self, indices: Iterable[int]) -> "Side":
        """Selects sentences, in the order of ``indices``."""
        return Side.from_sentences([self.sentence(index) for index in indices])


@dataclass(frozen=True)
class TokenPairs:
    """Parallel sentences as token ids, without bos, eos and padding."""

    source: Side
    target: Side

    @classmethod
    def encode(
        cls, pairs: Sequence[Pair], tokenizer: Tokenizer, tags: Sequence[int | None] | None = None
    ) -> "TokenPairs":
        """Encodes both sides of all pairs.

        Args:
            pairs: Sentences ``(source, target)``.
            tokenizer: Of both sides.
            tags: The token before each source; None for a source without a tag.
        """
        tagged = zip(pairs, tags or [None] * len(pairs), strict=True)
        return cls(
            Side.from_sentences(
                ([] if tag is None else [tag]) + tokenizer.encode(source) for (source, _), tag in tagged
            ),
            Side.from_sentences(tokenizer.encode(target) for _, target in pairs),
        )

    @classmethod
    def load(cls, path: Path) -> "TokenPairs":
        """Reads a file that ``save`` wrote."""
        with np.load(path) as arrays:
            return cls(
                Side(arrays["source_ids"], arrays["source_offsets"]),
                Side(arrays["target_ids"], arrays["target_offsets"]),
            )

    def save(self, path: Path) -> None:
        np.savez_compressed(path, **self.arrays())

    def arrays(self) -> dict[str, Any]:
        """Returns the arrays by name, as ``load`` reads them."""
        return {
            "source_ids": self.source.ids,
            "source_offsets": self.source.offsets,
            "target_ids": self.target.ids,
            "target_offsets": self.target.offsets,
        }

    def some(self, indices: Sequence[int] | NDArray[np.int64]) -> "TokenPairs":
        """Selects pairs, in the order of ``indices``."""
        return TokenPairs(self.source.some(indices), self.target.some(indices))

    def __add__(self, other: "TokenPairs") -> "TokenPairs":
        """Concatenates both sets of pairs."""
        every = range(len(self)), range(len(other))
        sides = [
            Side.from_sentences([one.sentence(i) for i in every[0]] + [more.sentence(i) for i in every[1]])
            for one, more in ((self.source, other.source), (self.target, other.target))
        ]
        return TokenPairs(*sides)

    def __len__(self) -> int:
        return len(self.source.offsets) - 1


@dataclass(frozen=True)
class Batch:
    """The arrays of one training step.

    Attributes:
        source_ids: Sources, each ending with eos, ``[rows, source]``.
        source_lengths: Tokens of each source, eos included, ``[rows]``.
        input_ids: What the decoder reads: bos and the target, ``[rows, target]``.
        target_ids: What the decoder is to predict: the target and eos, ``[rows, target]``. Positions that do not
            count in the loss hold the padding id.
        target_tokens: Positions that count in the loss.
    """

    source_ids: Ids
    source_lengths: Ids
    input_ids: Ids
    target_ids: Ids
    target_tokens: int


class BatchPlan:
    """Assigns pairs to batches. The assignment depends only on the seed and the epoch.

    A pair belongs to the narrowest bucket that holds both its sides. A bucket of width w has batches of ``tokens // w``
    rows, and each side is as wide as the longest sentence of the bucket. There are as many shapes as buckets, so a
    compiled step is not compiled again during the run.

    Args:
        pairs: Token ids of all pairs.
        widths: Widths of the buckets, in tokens, ascending. Longer pairs are left out.
        tokens_per_batch: Tokens of one side of a batch, padding included.
        loss_on: ``last`` counts only the last token of each target, without its eos.
        resegmentation: Segments both sides anew each time, if the result fits into the bucket.

    Attributes:
        left_out: Number of pairs that are longer than the widest bucket.
    """

    def __init__(
        self,
        pairs: TokenPairs,
        widths: Sequence[int],
        tokens_per_batch: int,
        loss_on: Literal["all", "last"] = "all",
        resegmentation: Resegmentation | None = None,
    ) -> None:
        self._pairs = pairs
        self._resegmentation = resegmentation
        self._loss_on = loss_on
        self._widths = tuple(widths)
        self._rows = tuple(max(1, tokens_per_batch // width) for width in widths)
        # Each side has one more token, eos.
        longest = np.maximum(pairs.source.lengths, pairs.target.lengths) + 1
        if resegmentation is not None:
            longest = np.minimum(np.ceil(longest * ROOM), np.maximum(longest, widths[-1]))
        bucket_of = np.searchsorted(np.asarray(widths), longest)
        self._members = [np.flatnonzero(bucket_of == bucket) for bucket in range(len(widths))]
        self._source_widths, self._target_widths = (
            [int(side.lengths[members].max(initial=0)) + 1 for members in self._members]
            for side in (pairs.source, pairs.target)
        )
        if resegmentation is not None:
            self._source_widths = self._target_widths = list(widths)
        self.left_out = int(np.count_nonzero(bucket_of == len(widths)))

    @property
    def batches_per_epoch(self) -> int:
        return sum(-(-len(members) // rows) for members, rows in zip(self._members, self._rows, strict=True))

    def batches(self, seed: int, epoch: int, skip: int = 0) -> Iterator[Batch]:
        """Yields the batches of one epoch, in the order of this epoch.

        Args:
            seed: Of the run.
            epoch: Number of the epoch.
            skip: Batches to leave out at the start, for a run that continues from a checkpoint.
        """
        generator = np.random.default_rng([seed, epoch])
        chunks: list[tuple[int, NDArray[np.int64]]] = []
        for bucket, (members, rows) in enumerate(zip(self._members, self._rows, strict=True)):
            order = generator.permutation(members)
            chunks.extend((bucket, order[start : start + rows]) for start in range(0, len(order), rows))
        for index in generator.permutation(len(chunks))[skip:]:
            bucket, members = chunks[index]
            if self._resegmentation is None:
                yield self._assemble(members, bucket)
            else:
                # The seed depends on the batch alone, so that a run that continues from a checkpoint draws the same.
                with self._resegmentation.drawn(seed, epoch, index) as cut:
                    batch = self._assemble(members, bucket, cut)
                yield batch

    def _assemble(self, members: NDArray[np.int64], bucket: int, cut: Cut | None = None) -> Batch:
        rows = self._rows[bucket]
        source_ids = np.full((rows, self._source_widths[bucket]), PAD_ID, np.int32)
        input_ids = np.full((rows, self._target_widths[bucket]), PAD_ID, np.int32)
        target_ids = np.full((rows, self._target_widths[bucket]), PAD_ID, np.int32)
        # The encoder reads at least one token, also of an empty row; the targets of that row have weight zero.
        lengths = np.ones(rows, np.int32)
        tokens = 0
        for row, member in enumerate(members):
            source, target = self._pairs.source.sentence(member), self._pairs.target.sentence(member)
            if cut is not None:
                source, target = (
                    other if len(other) < self._widths[bucket] else side
                    for side, other in ((source, cut(source)), (target, cut(target)))
                )
            lengths[row] = len(source) + 1
            source_ids[row, : len(source)] = source
            source_ids[row, len(source)] = EOS_ID
            input_ids[row, 0] = BOS_ID
            input_ids[row, 1 : len(target) + 1] = target
            first = max(0, len(target) - 1) if self._loss_on == "last" else 0
            target_ids[row, first : len(target)] = target[first:]
            if self._loss_on == "all":
                target_ids[row, len(target)] = EOS_ID
            tokens += int(np.count_nonzero(target_ids[row]))
        return Batch(source_ids, lengths, input_ids, target_ids, tokens)


def length_ratio(pairs: TokenPairs) -> tuple[float, float]:
    """Returns mean and standard deviation of target tokens per source token, counting eos on both sides."""
    ratios = (pairs.target.lengths + 1) / (pairs.source.lengths + 1)
    return float(ratios.mean()), float(ratios.std())
