"""The output layer of a student's decoder step: scores of the whole vocabulary, or of candidates that the engine gives.

With candidates, ``If`` chooses between the two. One graph with both branches has the weights once, on disk and in
memory, where two graphs would each have them; a branch costs some ten microseconds a step.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto

from app.bundle.signature import (
    CANDIDATE_BIAS,
    CANDIDATE_IDS,
    CANDIDATE_SLOTS,
    CANDIDATE_WEIGHTS,
    OUTPUT_BIAS,
    OUTPUT_TABLE,
)
from training.convert.graph_builder import Axes, GraphBuilder
from training.convert.student import Matrix

_FORBIDDEN: Final = float("-inf")
_RESULTS: Final = ("scores", "score_ids")


def candidate_axes(dim: int) -> dict[str, tuple[int, Axes]]:
    """Returns the optional inputs; without them the whole vocabulary is searched.

    The weights are those of all candidates of all rows; each row has its own choices, which are slots of them.
    """
    return {
        CANDIDATE_WEIGHTS: (TensorProto.UINT8, ("candidates", dim)),
        CANDIDATE_SLOTS: (TensorProto.INT32, ("rows", "choices")),
        CANDIDATE_BIAS: (TensorProto.FLOAT, ("rows", "choices")),
        CANDIDATE_IDS: (TensorProto.INT32, ("rows", "choices")),
    }


def choose(build: GraphBuilder, output: Matrix, integers: str, unk_id: int, has_candidates: bool) -> None:
    """Computes the scores, with the embedding transposed, and chooses the best k by their logits.

    Args:
        build: Has the constants ``OUTPUT_TABLE`` and ``zero_point``.
        output: The product.
        integers: Name of the quantised hidden state ``[rows, dim]``.
        unk_id: Is never chosen, and neither is the start token, the last one.
        has_candidates: Whether the graph gets the inputs of ``candidate_axes``.
    """
    assert output.alpha is not None
    assert output.bias is not None
    bias: NDArray[np.float32] = np.append(output.bias, np.float32(_FORBIDDEN)).astype(np.float32)
    bias[unk_id] = _FORBIDDEN
    build.constant(OUTPUT_BIAS, bias)
    scales = (build.number(1.0 / output.alpha), build.number(1.0 / output.multiplier))

    def search_all(outputs: tuple[str, str] = _RESULTS) -> None:
        # Within the branch: onnxruntime finds the weights of a product that would saturate only in the product's own
        # graph, where it then has the result of this node as a constant.
        whole = build.node("Transpose", OUTPUT_TABLE, perm=[1, 0])
        weights = (whole, *scales, "zero_point", "", OUTPUT_BIAS)
        _take_best(build, build.node("MatMulIntegerToFloat", integers, *weights), outputs)

    def search_candidates() -> None:
        # The weights are the left factor: so the rows of the table are read as they are, and only the right one, which
        # has few columns, is transposed. Both are unsigned, which no x86 CPU adds inexactly.
        columns = build.node("Transpose", integers, perm=[1, 0])
        weights = (*scales, "zero_point", "zero_point")
        products = build.node("MatMulIntegerToFloat", CANDIDATE_WEIGHTS, columns, *weights)
        slots = build.node("Transpose", CANDIDATE_SLOTS, perm=[1, 0])
        own = build.node("Transpose", build.node("GatherElements", products, slots, axis=0), perm=[1, 0])
        # Here every row has its choices in their order, whatever the other rows have: sums over them, as the one in
        # LogSoftmax, are the same to the last bit in any batch.
        _take_best(build, build.node("Add", own, CANDIDATE_BIAS), ("limited_scores", "candidate_offsets"))
        ids = build.node("GatherElements", CANDIDATE_IDS, "candidate_offsets", axis=-1)
        build.node("Cast", ids, output="limited_score_ids", to=TensorProto.INT64)

    if not has_candidates:
        search_all()
        return
    empty = {CANDIDATE_WEIGHTS: np.empty((0, output.shape[0]), np.uint8)}
    empty |= {name: np.empty((0, 0), np.int32) for name in (CANDIDATE_SLOTS, CANDIDATE_IDS)}
    for name, value in {**empty, CANDIDATE_BIAS: np.empty((0, 0), np.float32)}.items():
        build.constant(name, value)
    count = build.node("Shape", CANDIDATE_WEIGHTS, start=0, end=1)
    build.nodes(
        "If",
        [build.node("Greater", count, build.sizes(0))],
        _RESULTS,
        then_branch=build.branch(("limited_scores", "limited_score_ids"), search_candidates),
        else_branch=build.branch(
            ("whole_scores", "whole_score_ids"), lambda: search_all(("whole_scores", "whole_score_ids"))
        ),
    )


def _take_best(build: GraphBuilder, logits: str, outputs: tuple[str, str]) -> None:
    _, offsets = build.nodes("TopK", [logits, "best_k"], [None, outputs[1]], axis=-1, largest=1, sorted=1)
    scores = build.node("LogSoftmax", logits, axis=-1)
    build.node("GatherElements", scores, offsets, output=outputs[0], axis=-1)
