"""Forced decoding: a bundle's graphs read given targets, to obtain the attention of each target token."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from app.bundle.tokenizers import BOS_ID, PAD_ID
from app.engine.model import Graphs


def forced_attention(
    graphs: Graphs, source_ids: Sequence[int], targets: Sequence[Sequence[int]]
) -> list[NDArray[np.float32]]:
    """Returns the attention ``[target, source]`` of each target of one source; the targets are read as one batch.

    Args:
        graphs: Of the bundle.
        source_ids: The source with its eos.
        targets: Targets with their eos.

    Raises:
        ValueError: The model has no attention.
    """
    rows, width = len(targets), max(map(len, targets))
    lengths = np.full(rows, len(source_ids), np.int32)
    memory, states = graphs.encode(np.array([source_ids] * rows, np.int32), lengths)
    read = np.full((rows, width), PAD_ID, np.int32)
    for row, target in enumerate(targets):
        read[row, : len(target)] = [BOS_ID, *target[:-1]]
    steps = []
    for position in range(width):
        stepped = graphs.decode_step(read[:, position], states, memory, lengths, 1)
        states = {**states, **stepped.next_states}
        if stepped.attention is None:
            raise ValueError("a model without memory has no attention")
        steps.append(stepped.attention)
    whole = np.stack(steps, axis=1)
    return [whole[row, : len(target)] for row, target in enumerate(targets)]
