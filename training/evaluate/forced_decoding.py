"""A bundle's graphs reading targets that are known: where the decoder looks meanwhile."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from app.bundle.tokenizers import BOS_ID, PAD_ID
from app.engine.model import Graphs


def forced_attention(
    graphs: Graphs, source_ids: Sequence[int], targets: Sequence[Sequence[int]]
) -> list[NDArray[np.float32]]:
    """For each target of one source its attention ``[target, source]``, all of them read side by side.

    :param source_ids: with its eos, as the targets have theirs.
    :raises ValueError: the model has no attention.
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
