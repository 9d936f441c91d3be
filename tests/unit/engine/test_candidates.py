"""The candidates of the running rows, whichever rows join and leave, and the reading of the weights."""

from typing import Any

import numpy as np
import pytest

pytest.importorskip("onnx")

import onnx
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from app.bundle.safety import read_constants
from app.bundle.shortlist import Ids, Shortlist
from app.bundle.signature import CANDIDATE_BIAS, CANDIDATE_IDS, CANDIDATE_SLOTS, CANDIDATE_WEIGHTS
from app.engine.candidates import CandidateRows, OutputLayer
from app.engine.sequence import SearchOptions, Sequence
from app.errors import BundleGraphError

VOCABULARY, WIDTH = 300, 3
NO_LISTS = Shortlist(np.zeros(VOCABULARY + 1, np.int64), np.empty(0, np.uint16), 8, VOCABULARY, True, 0)


def output_layer() -> OutputLayer:
    random = np.random.default_rng(0)
    weights = random.integers(0, 256, (VOCABULARY, WIDTH), np.uint8)
    return OutputLayer(NO_LISTS, weights, random.normal(size=VOCABULARY).astype(np.float32))


def check(candidates: CandidateRows, layer: OutputLayer, expected: list[Ids]) -> None:
    """Each row finds the weights, biases and ids of its own tokens, and nothing behind them."""
    inputs = candidates.inputs
    assert candidates.rows == len(expected)
    assert all(array.flags.c_contiguous for array in inputs.values())
    for row, ids in enumerate(expected):
        count = len(ids)
        slots = inputs[CANDIDATE_SLOTS][row]
        assert np.array_equal(inputs[CANDIDATE_WEIGHTS][slots[:count]], layer.weights[ids])
        assert np.array_equal(inputs[CANDIDATE_IDS][row, :count], ids)
        assert np.array_equal(inputs[CANDIDATE_BIAS][row, :count], layer.bias[ids])
        assert np.all(inputs[CANDIDATE_BIAS][row, count:] == -np.inf)
        assert np.all(slots < len(inputs[CANDIDATE_WEIGHTS]))
    union = len(set(np.concatenate(expected).tolist()))
    assert len(inputs[CANDIDATE_WEIGHTS]) <= 2 * union + 16
    longest = max(map(len, expected))
    assert longest <= candidates.width < 2 * longest + 128


@given(st.data())
@settings(max_examples=100, deadline=None)
def test_rows_keep_their_candidates_whoever_joins_and_leaves(data: st.DataObject) -> None:
    layer = output_layer()
    candidates, expected = CandidateRows(layer), list[Ids]()
    for _ in range(data.draw(st.integers(1, 12))):
        if data.draw(st.booleans()) or not expected:
            given_ids, copies = [], []
            for _ in range(data.draw(st.integers(1, 3))):
                size = data.draw(st.sampled_from([1, 8, 60, 65, 200, VOCABULARY]))
                random = np.random.default_rng(data.draw(st.integers(0, 2**16)))
                given_ids.append(np.sort(random.permutation(VOCABULARY)[:size]).astype(np.int32))
                copies.append(data.draw(st.integers(1, 4)))
            candidates.admit(given_ids, copies)
            expected += [ids for ids, count in zip(given_ids, copies, strict=True) for _ in range(count)]
        else:
            gone = data.draw(st.lists(st.integers(0, len(expected) - 1), min_size=1, unique=True))
            remaining = len(expected) - len(gone)
            gaps = sorted(row for row in gone if row < remaining)
            moved = dict(zip([row for row in range(remaining, len(expected)) if row not in gone], gaps, strict=True))
            candidates.release(gone, moved)
            for mover, gap in moved.items():
                expected[gap] = expected[mover]
            del expected[remaining:]
        if expected:
            check(candidates, layer, expected)
        else:
            assert candidates.rows == candidates.width == 0


def test_a_search_with_allowed_tokens_may_write_every_token() -> None:
    candidates = CandidateRows(output_layer())
    plain = Sequence((5, 9, 0), SearchOptions(), 10, None)
    limited = Sequence((5, 9, 0), SearchOptions(branching=True, allowed=lambda _: None), 10, None)
    assert candidates.choose(plain).tolist() == [*range(10), *range(10, 16)]
    assert candidates.choose(limited).tolist() == list(range(VOCABULARY))


def graph(*tensors: onnx.TensorProto) -> bytes:
    return bytes(helper.make_model(helper.make_graph([], "graph", [], [], list(tensors))).SerializeToString())


def test_constants_of_a_graph_are_read() -> None:
    values: dict[str, NDArray[Any]] = {
        "embedding": np.arange(6, dtype=np.int8).reshape(2, 3),
        "bias": np.array([1.5, -np.inf], np.float32),
        "zero": np.array(128, np.uint8),
    }
    content = graph(*(numpy_helper.from_array(value, name) for name, value in values.items()))
    found = read_constants(content, ("embedding", "bias"), "step")
    assert found.keys() == {"embedding", "bias"}
    assert all(
        np.array_equal(value, values[name]) and value.dtype == values[name].dtype for name, value in found.items()
    )
    assert read_constants(content, ("zero",), "step")["zero"] == 128


@pytest.mark.parametrize(
    ("tensor", "reason"),
    [
        (numpy_helper.from_array(np.zeros(2, np.int64), "bias"), "no array of float32"),
        (onnx.TensorProto(name="bias", dims=[3], data_type=1, raw_data=bytes(8)), "of its size"),
        (onnx.TensorProto(name="bias", dims=[2**40], data_type=1, raw_data=bytes(8)), "of its size"),
        (onnx.TensorProto(name="bias", dims=[-1, -2], data_type=1, raw_data=bytes(8)), "of its size"),
        (onnx.TensorProto(name="bias", dims=[2], data_type=1, float_data=[1.0, 2.0]), "of its size"),
        (onnx.TensorProto(name="other", dims=[2], data_type=1, raw_data=bytes(8)), "has no constant bias"),
    ],
)
def test_other_constants_are_refused(tensor: onnx.TensorProto, reason: str) -> None:
    with pytest.raises(BundleGraphError, match=reason):
        read_constants(graph(tensor), ("bias",), "step")
