"""What trained models think of pairs, so that the worst can be dropped: what is no translation cannot be foreseen."""

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from app.bundle.store import load_bundle
from app.bundle.tokenizers import BOS_ID, EOS_ID, PAD_ID, load_tokenizer
from training.data.corpus import Pair
from training.data.dataset import Side, TokenPairs
from training.data.prepare import source_tags
from training.errors import ConfigError
from training.learn.checkpoint import load_weights, save_arrays
from training.learn.starting_point import load_starting_point
from training.learn.train import build_model
from training.model.seq2seq import EncoderDecoder

TOKENS_PER_BATCH = 4000
# Of either side, eos counted. Each is a shape of its own, and what is wider is scored in multiples of the last.
WIDTHS = (8, 12, 16, 24, 32, 48, 64)

Costs = NDArray[np.float64]


@dataclass(frozen=True)
class PairScorer:
    """One bundle, or one each way.

    ``costs`` of one: the mean cross-entropy of the target, in nats per token, eos counted. Of two, dual conditional
    cross-entropy (Junczys-Dowmunt 2018, arXiv:1809.00197): how far both directions disagree, and half of their sum.
    """

    bundles: Sequence[Path]

    def best(self, pairs: Sequence[Pair], source: str, target: str, share: float) -> list[Pair]:
        """The ``share`` of the pairs that costs least, in their order; raises as ``costs``."""
        return [pairs[place] for place in best(self.costs(pairs, source, target), share)] if pairs else []

    def costs(self, pairs: Sequence[Pair], source: str, target: str) -> Costs:
        """``[pairs]``, the lower the better.

        :raises ConfigError: the bundles do not translate between these languages, or both the same way.
        :raises CheckpointError: nothing lies beside a bundle that training could go on from.
        """
        found: dict[bool, Costs] = {}
        for bundle in self.bundles:
            forward = _is_forward(bundle, source, target)
            if forward in found:
                raise ConfigError(f"{bundle}: two bundles must score {source}-{target} one each way, both go one way")
            there = pairs if forward else [(right, left) for left, right in pairs]
            found[forward] = cross_entropies(bundle, there, *((source, target) if forward else (target, source)))
        one, *others = found.values()
        return one if not others else dual(one, others[0])


def dual(forward: Costs, backward: Costs) -> Costs:
    """Both cross-entropies ``[pairs]`` as one cost: a pair is bad if both are high, or if only one is."""
    return np.abs(forward - backward) + (forward + backward) / 2


def best(costs: Costs, share: float) -> NDArray[np.int64]:
    """The places of the ``share`` with the lowest costs, in their order; of equals the first stay."""
    kept = np.argsort(costs, kind="stable")[: round(share * len(costs))]
    return np.sort(kept)


def cross_entropies(bundle: Path, pairs: Sequence[Pair], source: str, target: str) -> Costs:
    """``[pairs]``: nats per target token, eos counted, by the weights that lie beside the bundle."""
    start, manifest = load_starting_point(bundle), load_bundle(bundle).manifest
    tokenizer = load_tokenizer(bundle / manifest.tokenizer.file, manifest.tokenizer.kind)
    # In the precision of its training: bfloat16 is a quarter faster, and of the best 5,400 of 6,000 pairs 5,396 were
    # the same. Nothing trains, so nothing is dropped out.
    model = build_model(start.config, tokenizer.vocabulary_size, for_training=True)
    with tempfile.TemporaryDirectory() as folder:
        save_arrays(Path(folder) / "weights.npz", dict(start.weights))
        load_weights(Path(folder) / "weights.npz", model)
    tag = source_tags(start.config, tokenizer).get(target)
    ids = TokenPairs.encode(pairs, tokenizer, [tag] * len(pairs))
    losses = _TargetLosses(model)
    # Without XLA, which is slower here, and would compile each shape.
    losses.compile(optimizer=None, jit_compile=False)
    costs = np.zeros(len(pairs))
    for members, batch in _batches(ids):
        costs[members] = losses.predict_on_batch(batch)[: len(members)]
    return costs


class _TargetLosses(keras.Model):
    """The mean cross-entropy of each row's target, ``[rows]``."""

    def __init__(self, model: EncoderDecoder) -> None:
        super().__init__(name="target_losses")
        self.model = model

    def call(self, inputs: tuple[Any, ...]) -> Any:
        """``source_ids [rows, source]``, ``source_lengths [rows]``, ``input_ids`` and ``target_ids [rows, target]``."""
        *read, target_ids = inputs
        logits, _ = self.model(tuple(read), training=False)
        losses = keras.losses.sparse_categorical_crossentropy(target_ids, ops.cast(logits, "float32"), from_logits=True)
        weights = ops.cast(target_ids != PAD_ID, losses.dtype)
        return ops.sum(losses * weights, -1) / ops.maximum(ops.sum(weights, -1), 1.0)


def _batches(pairs: TokenPairs) -> Iterator[tuple[NDArray[np.int64], tuple[NDArray[np.int32], ...]]]:
    """All pairs, also the widest, once: which ones, and what ``_TargetLosses`` reads, padded to one shape a width.

    ``BatchPlan`` leaves out what is too wide, and does not say which pairs stand in a batch.
    """
    longest = np.maximum(pairs.source.lengths, pairs.target.lengths) + 1
    last = -(-int(longest.max(initial=0)) // WIDTHS[-1]) * WIDTHS[-1]
    widths = np.asarray((*WIDTHS, *range(2 * WIDTHS[-1], last + 1, WIDTHS[-1])))
    width_of = widths[np.searchsorted(widths, longest)]
    for width in widths:
        fitting, rows = np.flatnonzero(width_of == width), max(1, TOKENS_PER_BATCH // int(width))
        for start in range(0, len(fitting), rows):
            members = fitting[start : start + rows]
            source_ids, source_lengths = _padded(pairs.source, members, rows, int(width), begins=False)
            input_ids, _ = _padded(pairs.target, members, rows, int(width), begins=True)
            target_ids, _ = _padded(pairs.target, members, rows, int(width), begins=False)
            yield members, (source_ids, source_lengths, input_ids, target_ids)


def _padded(
    side: Side, members: NDArray[np.int64], rows: int, width: int, begins: bool
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """``[rows, width]`` and the lengths ``[rows]``: sentences behind bos, or before eos. A row of padding has one
    token."""
    ids, lengths = np.full((rows, width), PAD_ID, np.int32), np.ones(rows, np.int32)
    for row, member in enumerate(members):
        sentence = side.sentence(member)
        ids[row, : len(sentence) + 1] = [BOS_ID, *sentence] if begins else [*sentence, EOS_ID]
        lengths[row] = len(sentence) + 1
    return ids, lengths


def _is_forward(bundle: Path, source: str, target: str) -> bool:
    manifest = load_bundle(bundle).manifest
    if source in manifest.sources and target in manifest.targets:
        return True
    if target in manifest.sources and source in manifest.targets:
        return False
    raise ConfigError(
        f"{bundle} cannot score {source}-{target}: it translates from {', '.join(manifest.sources)} into "
        f"{', '.join(manifest.targets)}"
    )
