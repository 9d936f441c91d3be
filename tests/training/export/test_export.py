"""Export: fused nodes, parity with the model, refusal of differences, and int8 rows independent of each other."""

import shutil
from pathlib import Path
from typing import Any

import keras
import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import training.export.export as export_module
from app.bundle.store import load_bundle
from app.engine.loop import Engine
from app.engine.model import DecodingModel
from app.engine.sequence import SearchOptions
from app.engine.sessions import OnnxGraphs
from app.engine.states import padded_width
from tests.support.reversal import words
from tests.training.conftest import TrainedRun
from training.data.dataset import TokenPairs
from training.errors import CheckpointError, ParityError
from training.export.export import export, install
from training.export.graphs import convert_decoder_step, convert_encoder
from training.export.parity import check_parity, spread_pairs
from training.export.quantize import quantize_products, quantize_weights_only
from training.export.row_encoder import can_take_rows, quantize_for_rows
from training.learn.checkpoint import read_weights, save_arrays
from training.learn.starting_point import START_FILE
from training.learn.train import BEST_WEIGHTS_FILE
from training.model.config import CellKind, ModelConfig
from training.model.layers import to_numpy
from training.model.seq2seq import EncoderDecoder

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def exported(trained_run: TrainedRun) -> dict[str, Path]:
    folders, parity = export(trained_run.config, trained_run.run)
    assert parity.sentences == trained_run.config.export.parity_sentences
    assert parity.max_score_difference < trained_run.config.export.parity_tolerance
    return folders


@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_recurrent_layers_are_fused_and_fed_with_lengths(exported: dict[str, Path], precision: str) -> None:
    encoder = onnx.load(exported[precision] / "encoder.onnx").graph
    recurrent = [node for node in encoder.node if node.op_type.endswith("LSTM")]
    assert {node.op_type for node in recurrent} == {"LSTM" if precision == "float32" else "DynamicQuantizeLSTM"}
    assert all(node.input[4] == "source_lengths" for node in recurrent)
    step = onnx.load(exported[precision] / "decoder_step.onnx").graph
    assert not {"Loop", "Scan", "If", "DynamicQuantizeLinear"} & {node.op_type for node in (*encoder.node, *step.node)}


def test_a_step_has_no_superfluous_node(exported: dict[str, Path]) -> None:
    step = onnx.load(exported["float32"] / "decoder_step.onnx").graph
    kinds = [node.op_type for node in step.node]
    assert not {"Reshape", "Shape", "Transpose", "Cast", "Range", "Slice"} & set(kinds)
    assert kinds.count("Sigmoid") == 2  # one for each cell
    assert len(kinds) == 40
    assert next(node for node in step.node if node.op_type == "TopK").input[1] == "best_k"
    integer = onnx.load(exported["int8"] / "decoder_step.onnx").graph
    products = [node for node in integer.node if node.op_type == "MatMulIntegerToFloat"]
    # Two layers and the readout have a bias, and a product adds it; the scores are too small here to be in int8.
    assert sum(len(node.input) == 7 for node in products) == 3


def test_an_encoder_in_int8_takes_one_row_per_call(exported: dict[str, Path]) -> None:
    """Its products add their biases themselves; no weight is beyond 64, where CPUs without VNNI could saturate."""
    manifests = {precision: load_bundle(folder).manifest for precision, folder in exported.items()}
    assert {precision: manifest.encoder_rows for precision, manifest in manifests.items()} == {
        "float32": "any",
        "int8": "one",
    }
    encoder = onnx.load(exported["int8"] / "encoder.onnx").graph
    constants = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in encoder.initializer}
    (recurrent,) = [node for node in encoder.node if node.op_type == "DynamicQuantizeLSTM"]
    products = [node for node in encoder.node if node.op_type == "DynamicQuantizeMatMul"]
    # What begins each of four states has a bias; the keys of the attention have none.
    assert sorted(len(node.input) for node in products) == [3, 5, 5, 5, 5]
    assert all(name in constants for node in products for name in node.input[4:])
    assert "Add" not in {node.op_type for node in encoder.node}
    weights = [constants[name] for name in (*recurrent.input[1:3], *(node.input[1] for node in products))]
    assert {weight.dtype for weight in weights} == {np.dtype(np.int8)}
    assert max(int(np.abs(weight.astype(np.int32)).max()) for weight in weights) == 64


@pytest.mark.parametrize("cell", ["lstm", "peephole", "coupled", "gru"])
def test_every_kind_of_cell_in_int8_stays_close(cell: CellKind) -> None:
    """A GRU has no node of its own in int8, so only its weights are."""
    config = ModelConfig(cell=cell, embedding=32, encoder_units=48, units=96)
    keras.utils.set_random_seed(2)
    model = EncoderDecoder(config, 40)
    model.build_weights()
    for layer in model.encoder.layers:
        for weight in layer.trainable_variables:  # larger than at the start, so that differences show
            weight.assign(2.0 * weight)
    exact = convert_encoder(model)
    assert can_take_rows(exact) == (cell != "gru")
    rough = quantize_for_rows(exact) if can_take_rows(exact) else quantize_weights_only(exact)
    feed = {"source_ids": np.array([[5, 6, 30, 8, 39, 2]], np.int32), "source_lengths": np.array([6], np.int32)}
    found = [
        onnxruntime.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"]).run(None, feed)
        for graph in (exact, rough)
    ]
    differences = [np.abs(one - other) for one, other in zip(*found, strict=True)]
    largest = max(float(np.abs(output).max()) for output in found[0])
    assert 0 < max(float(difference.max()) for difference in differences) < 0.04 * largest


def test_int8_is_much_smaller_and_computes_in_int8(trained_run: TrainedRun, exported: dict[str, Path]) -> None:
    sizes = {
        p: sum((folder / f"{g}.onnx").stat().st_size for g in ("encoder", "decoder_step"))
        for p, folder in exported.items()
    }
    assert sizes["int8"] < 0.45 * sizes["float32"]
    step = onnx.load(exported["int8"] / "decoder_step.onnx").graph
    products = [node for node in step.node if node.op_type == "MatMulIntegerToFloat"]
    assert len(products) == 3  # two cells and the readout
    # Beyond 64 a CPU without VNNI could saturate and so give another result than one with it.
    constants = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in step.initializer}
    weights = [constants[node.input[1]] for node in products]
    assert max(int(np.abs(weight.astype(np.int32)).max()) for weight in weights) == 64


@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_the_exported_model_reverses_unseen_words(exported: dict[str, Path], precision: str) -> None:
    bundle = load_bundle(exported[precision])
    engine = Engine(OnnxGraphs(bundle, provider="cpu", threads=1), DecodingModel.of(bundle.manifest))
    engine.start()
    unseen = words(100, seed=5)
    futures = engine.submit_many([bundle.tokenizer.encode_source(word) for word in unseen], SearchOptions(beam_size=2))
    answers = [bundle.tokenizer.decode(future.result(30)[0].token_ids) for future in futures]
    engine.stop()
    right = sum(answer == word[::-1] for word, answer in zip(unseen, answers, strict=True))
    assert right >= 98


@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_a_row_is_bitwise_independent_of_other_rows(exported: dict[str, Path], precision: str) -> None:
    graphs = OnnxGraphs(load_bundle(exported[precision]), provider="cpu", threads=1)
    rows = st.lists(st.lists(st.integers(4, 13), min_size=1, max_size=9), min_size=1, max_size=12)

    @given(rows, st.data())
    @settings(max_examples=30, deadline=None)
    def check(sources: list[list[int]], data: st.DataObject) -> None:
        lengths = np.array([len(source) for source in sources], np.int32)
        ids = np.zeros((len(sources), padded_width(int(lengths.max()))), np.int32)
        for row, source in enumerate(sources):
            ids[row, : len(source)] = source
        memory, states = graphs.encode(ids, lengths)
        tokens = np.array(
            data.draw(st.lists(st.integers(1, 13), min_size=len(sources), max_size=len(sources))), np.int32
        )
        together = graphs.decode_step(tokens, states, memory, lengths, 3)
        row = data.draw(st.integers(0, len(sources) - 1))
        one = slice(row, row + 1)
        width = padded_width(int(lengths[row]))
        memory_alone, states_alone = graphs.encode(ids[one, :width], lengths[one])
        alone = graphs.decode_step(tokens[one], states_alone, memory_alone, lengths[one], 3)
        np.testing.assert_array_equal(alone.scores[0], together.scores[row])
        np.testing.assert_array_equal(alone.score_ids[0], together.score_ids[row])
        for name, state in alone.next_states.items():
            np.testing.assert_array_equal(state[0], together.next_states[name][row])
        assert alone.attention is not None
        assert together.attention is not None
        np.testing.assert_array_equal(alone.attention[0], together.attention[row, :width])

    check()


def test_export_is_refused_where_the_graphs_differ_from_the_model(
    trained_run: TrainedRun, exported: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {file.name: file.read_bytes() for file in exported["float32"].iterdir()}
    convert = convert_decoder_step

    def slightly_wrong(model: EncoderDecoder) -> onnx.ModelProto:
        graph = convert(model)
        bias = next(tensor for tensor in graph.graph.initializer if list(tensor.dims) == [model.vocabulary_size])
        bias.CopyFrom(
            onnx.numpy_helper.from_array(
                onnx.numpy_helper.to_array(bias) + np.linspace(0, 0.1, model.vocabulary_size, dtype=np.float32),
                bias.name,
            )
        )
        return graph

    monkeypatch.setattr(export_module, "convert_decoder_step", slightly_wrong)
    with pytest.raises(ParityError, match=r"scores differ by .* tolerance 2e-04"):
        export(trained_run.config, trained_run.run)
    assert {file.name: file.read_bytes() for file in exported["float32"].iterdir()} == before


def test_parity_notices_other_tokens(trained_run: TrainedRun, exported: dict[str, Path]) -> None:
    bundle = load_bundle(exported["float32"])
    model = export_module.load_best_model(trained_run.config, trained_run.run, bundle.tokenizer.vocabulary_size)
    bias = model.bridge.by_state["state_h1"].bias
    bias.assign(np.full(bias.shape, 3.0))
    pairs = spread_pairs(TokenPairs.load(trained_run.run / "dev.npz"), 20, 20)
    with pytest.raises(ParityError, match="the engine gives"):
        check_parity(model, bundle, pairs, tolerance=1e9, beam_size=4, length_penalty=1.0)


def test_install_stores_and_replaces_a_bundle(exported: dict[str, Path], tmp_path: Path) -> None:
    for precision in ("float32", "int8"):
        install(exported[precision], tmp_path / "en-fr")
        assert load_bundle(tmp_path / "en-fr").manifest.precision == precision
    assert [entry.name for entry in tmp_path.iterdir()] == ["en-fr"]


def test_quantised_graphs_stay_close_to_float32(exported: dict[str, Path]) -> None:
    encoder = onnx.load(exported["float32"] / "encoder.onnx")
    names = {tensor.name for tensor in quantize_weights_only(encoder).graph.initializer}
    assert any(name.endswith("_int8") for name in names)
    bundles = {
        precision: OnnxGraphs(load_bundle(folder), provider="cpu", threads=1) for precision, folder in exported.items()
    }
    ids, lengths = np.array([[5, 6, 7, 8, 2]], np.int32), np.array([5], np.int32)
    exact, rough = (bundles[precision].encode(ids, lengths) for precision in ("float32", "int8"))
    assert np.allclose(exact.memory["memory"].astype(float), rough.memory["memory"].astype(float), atol=0.1)
    tokens = np.array([1], np.int32)
    left = bundles["float32"].decode_step(tokens, exact.states, exact.memory, lengths, 1)
    right = bundles["int8"].decode_step(tokens, rough.states, rough.memory, lengths, 1)
    assert left.score_ids.tolist() == right.score_ids.tolist()
    assert abs(float(left.scores[0, 0] - right.scores[0, 0])) < 0.2


def test_products_that_share_an_input_quantise_it_once(exported: dict[str, Path]) -> None:
    step = onnx.load(exported["float32"] / "decoder_step.onnx")
    feeds: list[dict[str, NDArray[Any]]] = [
        {
            "token_ids": np.array([1, 5], np.int32),
            "source_mask": np.zeros((2, 1, 3), np.float32),
            "memory": np.zeros((2, 3, 96), np.float32),
            "memory_keys": np.zeros((2, 3, 96), np.float32),
            "best_k": np.array([1], np.int64),
            **{f"state_{name}": np.zeros((2, 96), np.float32) for name in ("h1", "c1", "h2", "c2")},
        }
    ]
    quantised = quantize_products(step, feeds)
    inputs = [node.input[0] for node in quantised.graph.node if node.op_type == "QuantizeLinear"]
    assert len(inputs) == len(set(inputs))
    onnx.checker.check_model(quantised)


def test_weights_are_mixed_with_those_that_the_run_began_with(
    trained_run: TrainedRun, exported: dict[str, Path], tmp_path: Path
) -> None:
    config, run = trained_run.config, tmp_path / "run"
    shutil.copytree(trained_run.run, run)
    mixed = config.model_copy(update={"export": config.export.model_copy(update={"start_share": 0.25})})
    size = load_bundle(exported["float32"]).tokenizer.vocabulary_size
    with pytest.raises(CheckpointError, match=START_FILE):
        export_module.load_best_model(mixed, run, size)
    best = read_weights(run / BEST_WEIGHTS_FILE)
    save_arrays(run / START_FILE, {name: np.ones_like(array) for name, array in best.items()})
    model = export_module.load_best_model(mixed, run, size)
    for variable in model.trainable_variables:
        expected = 0.25 + 0.75 * best[variable.path]
        np.testing.assert_allclose(to_numpy(variable), expected, rtol=1e-6, atol=1e-7)
