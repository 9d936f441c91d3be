"""Scores of training pairs by trained models, to drop the pairs that are probably no translations."""

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
from training.learn.build import build_model
from training.learn.checkpoint import load_weights, save_arrays
from training.learn.starting_point import load_starting_point
from training.model.seq2seq import EncoderDecoder

TOKENS_PER_BATCH = 4000
# Widths of batches in tokens of the longer side, eos included. Wider pairs are scored in multiples of the last width.
WIDTHS = (8, 12, 16, 24, 32, 48, 64)

Costs = NDArray[np.float64]


@dataclass(frozen=True)
class PairScorer:
    """Scores pairs with one bundle, or with two of opposite directions.

    With one bundle the cost of a pair is the mean cross-entropy of the target, in nats per token, eos included. With
    two it is the dual conditional cross-entropy (Junczys-Dowmunt 2018, arXiv:1809.00197): the difference of the
    cross-entropies of both directions plus half of their sum.

    Attributes:
        bundles: Folders of one or two bundles.
    """

    bundles: Sequence[Path]

    def best(self, pairs: Sequence[Pair], source: str, target: str, share: float) -> list[Pair]:
        """Returns the ``share`` of the pairs with the lowest costs, in their order; raises as ``costs``."""
        return [pairs[index] for index in best(self.costs(pairs, source, target), share)] if pairs else []

    def costs(self, pairs: Sequence[Pair], source: str, target: str) -> Costs:
        """Returns the costs ``[pairs]``; a low cost is good.

        Args:
            pairs: Sources and targets.
            source: Language of the sources.
            target: Language of the targets.

        Raises:
            ConfigError: A bundle does not translate between these languages, or both translate in one direction.
            CheckpointError: A bundle has no ``.training.npz`` beside it.
        """
        found: dict[bool, Costs] = {}
        for bundle in self.bundles:
            forward = _is_forward(bundle, source, target)
            if forward in found:
                raise ConfigError(
                    f"{bundle}: two bundles that score {source}-{target} must translate one each way, both translate "
                    f"in the same direction"
                )
            directed = pairs if forward else [(right, left) for left, right in pairs]
            found[forward] = cross_entropies(bundle, directed, *((source, target) if forward else (target, source)))
        one, *others = found.values()
        return one if not others else dual(one, others[0])


def dual(forward: Costs, backward: Costs) -> Costs:
    """Combines the cross-entropies ``[pairs]`` of both directions: the cost is high if both are, or if only one is."""
    return np.abs(forward - backward) + (forward + backward) / 2


def best(costs: Costs, share: float) -> NDArray[np.int64]:
    """Returns the indices of the ``share`` with the lowest costs, ascending; of equal costs the first are kept."""
    kept = np.argsort(costs, kind="stable")[: round(share * len(costs))]
    return np.sort(kept)


def cross_entropies(bundle: Path, pairs: Sequence[Pair], source: str, target: str) -> Costs:
    """Returns the cross-entropies ``[pairs]`` in nats per target token, eos included.

    Args:
        bundle: Folder of the bundle; the weights are those of its ``.training.npz``.
        pairs: Sources and targets.
        source: Language of the sources.
        target: Language of the targets.
    """
    start, manifest = load_starting_point(bundle), load_bundle(bundle).manifest
    tokenizer = load_tokenizer(bundle / manifest.tokenizer.file, manifest.tokenizer.kind)
    # The model computes in the precision of its training: bfloat16 is a quarter faster than float32, and of the best
    # 5,400 of 6,000 pairs 5,396 were the same. Calls with training=False apply no dropout.
    model = build_model(start.config, tokenizer.vocabulary_size, for_training=True)
    with tempfile.TemporaryDirectory() as folder:
        save_arrays(Path(folder) / "weights.npz", dict(start.weights))
        load_weights(Path(folder) / "weights.npz", model)
    tag = source_tags(start.config, tokenizer).get(target)
    ids = TokenPairs.encode(pairs, tokenizer, [tag] * len(pairs))
    losses = _TargetLosses(model)
    # XLA is slower here and would compile each shape.
    losses.compile(optimizer=None, jit_compile=False)
    costs = np.zeros(len(pairs))
    for members, batch in _batches(ids):
        costs[members] = losses.predict_on_batch(batch)[: len(members)]
    return costs


class _TargetLosses(keras.Model):
    """Computes the mean cross-entropy of each row's target, ``[rows]``."""

    def __init__(self, model: EncoderDecoder) -> None:
        super().__init__(name="target_losses")
        self.model = model

    def call(self, inputs: tuple[Any, ...]) -> Any:
        """Takes ``source_ids [rows, source]``, ``source_lengths [rows]``, and ``input_ids`` and ``target_ids`` of
        ``[rows, target]``."""
        *model_inputs, target_ids = inputs
        logits, _ = self.model(tuple(model_inputs), training=False)
        losses = keras.losses.sparse_categorical_crossentropy(target_ids, ops.cast(logits, "float32"), from_logits=True)
        weights = ops.cast(target_ids != PAD_ID, losses.dtype)
        return ops.sum(losses * weights, -1) / ops.maximum(ops.sum(weights, -1), 1.0)


def _batches(pairs: TokenPairs) -> Iterator[tuple[NDArray[np.int64], tuple[NDArray[np.int32], ...]]]:
    """Yields each pair once, also the widest, in batches of one shape per width.

    ``BatchPlan`` is not used, because it leaves out wide pairs and does not tell which pairs a batch holds.

    Yields:
        Indices of the pairs of a batch, and the inputs of ``_TargetLosses``.
    """
    longest = np.maximum(pairs.source.lengths, pairs.target.lengths) + 1
    last = -(-int(longest.max(initial=0)) // WIDTHS[-1]) * WIDTHS[-1]
    widths = np.asarray((*WIDTHS, *range(2 * WIDTHS[-1], last + 1, WIDTHS[-1])))
    width_of = widths[np.searchsorted(widths, longest)]
    for width in widths:
        fitting, rows = np.flatnonzero(width_of == width), max(1, TOKENS_PER_BATCH // int(width))
        for start in range(0, len(fitting), rows):
            members = fitting[start : start + rows]
            shape = (rows, int(width))
            source_ids, source_lengths = _pad(pairs.source, members, shape, with_bos=False)
            input_ids, _ = _pad(pairs.target, members, shape, with_bos=True)
            target_ids, _ = _pad(pairs.target, members, shape, with_bos=False)
            yield members, (source_ids, source_lengths, input_ids, target_ids)


def _pad(
    side: Side, members: NDArray[np.int64], shape: tuple[int, int], with_bos: bool
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Pads sentences to one array, each after bos or before eos.

    Returns:
        Ids of ``shape [rows, width]``, and lengths ``[rows]``. A row without a sentence has length 1.
    """
    ids, lengths = np.full(shape, PAD_ID, np.int32), np.ones(shape[0], np.int32)
    for row, member in enumerate(members):
        sentence = side.sentence(member)
        ids[row, : len(sentence) + 1] = [BOS_ID, *sentence] if with_bos else [*sentence, EOS_ID]
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
