"""The graphs in onnxruntime: signatures are checked, providers chosen, and a row's bits are the same in any company."""

import logging
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnx")

import onnxruntime

from app.bundle.manifest import EncoderRows
from app.engine import sessions
from app.engine.loop import Engine, EngineLimits
from app.engine.model import Arrays, DecodingModel, Graphs
from app.engine.sequence import SearchOptions
from app.engine.sessions import OnDevice, OnnxGraphs
from app.engine.states import WIDTH_STEP
from app.errors import BundleGraphError, BundleSignatureError, ConfigurationError
from tests.support.onnx_graphs import UNITS, VOCABULARY, decoder_step_content, encoder_content, onnx_bundle


@pytest.fixture(scope="module")
def graphs(tmp_path_factory: pytest.TempPathFactory) -> Graphs:
    return OnnxGraphs(onnx_bundle(tmp_path_factory.mktemp("models") / "en-fr"), provider="cpu")


def random_sources(count: int, longest: int, seed: int = 0) -> list[list[int]]:
    random = np.random.default_rng(seed)
    return [[*random.integers(4, VOCABULARY, random.integers(0, longest)).tolist(), 2] for _ in range(count)]


def padded(sources: list[list[int]], width: int) -> tuple[np.ndarray, np.ndarray]:
    """``source_ids`` [rows, width] and ``source_lengths`` [rows]."""
    ids = np.zeros((len(sources), width), np.int32)
    for row, source in enumerate(sources):
        ids[row, : len(source)] = source
    return ids, np.array([len(source) for source in sources], np.int32)


def test_shapes(graphs: Graphs) -> None:
    ids, lengths = padded(random_sources(3, 9), 16)
    encoded = graphs.encode(ids, lengths)
    assert encoded.memory["memory"].shape == (3, 16, UNITS)
    assert {name: state.shape for name, state in encoded.states.items()} == {
        "state_hidden": (3, UNITS),
        "state_summary": (3, UNITS),
    }
    stepped = graphs.decode_step(np.ones(3, np.int32), encoded.states, encoded.memory, lengths, 5)
    assert stepped.scores.shape == stepped.score_ids.shape == (3, 5)
    assert (np.diff(stepped.scores, axis=1) <= 0).all()
    assert stepped.next_states.keys() == {"state_hidden"}
    assert stepped.attention is not None
    assert np.allclose(stepped.attention.sum(axis=1), 1.0)
    assert (stepped.attention[np.arange(16) >= lengths[:, None]] == 0).all()


def test_arrays_belong_to_the_caller(graphs: Graphs) -> None:
    ids, lengths = padded(random_sources(1, 9), 16)
    encoded = graphs.encode(ids, lengths)
    stepped = graphs.decode_step(np.ones(1, np.int32), encoded.states, encoded.memory, lengths, 2)
    for array in (*encoded.states.values(), *encoded.memory.values(), *stepped.next_states.values()):
        assert array.flags.writeable


@pytest.mark.parametrize("rows", [1, 2, 3, 5, 8, 31])
def test_a_row_has_the_same_bits_in_any_company_and_width(graphs: Graphs, rows: int) -> None:
    sources = random_sources(32, 30, seed=rows)
    tokens = np.random.default_rng(rows).integers(4, VOCABULARY, 32).astype(np.int32)
    ids, lengths = padded(sources, 3 * WIDTH_STEP)
    whole = graphs.encode(ids, lengths)
    whole_step = graphs.decode_step(tokens, whole.states, whole.memory, lengths, 4)
    few_ids, few_lengths = padded(sources[:rows], 2 * WIDTH_STEP)
    few = graphs.encode(few_ids, few_lengths)
    few_step = graphs.decode_step(tokens[:rows], few.states, few.memory, few_lengths, 4)
    for name, state in few.states.items():
        assert np.array_equal(state, whole.states[name][:rows]), name
    assert np.array_equal(few_step.next_states["state_hidden"], whole_step.next_states["state_hidden"][:rows])
    assert np.array_equal(few_step.scores, whole_step.scores[:rows])
    assert np.array_equal(few_step.score_ids, whole_step.score_ids[:rows])


@pytest.mark.parametrize("encoder_rows", ["any", "one"])
def test_an_encoder_with_scales_of_the_call_gets_one_row_without_padding(
    tmp_path: Path, encoder_rows: EncoderRows
) -> None:
    """Given as many rows as there are, it would let them change each other: that is what the manifest is for."""
    content = encoder_content(encoder_rows="one")
    scaling = OnnxGraphs(onnx_bundle(tmp_path / "en-fr", encoder=content, encoder_rows=encoder_rows), provider="cpu")
    sources = random_sources(6, 30, seed=4)
    ids, lengths = padded(sources, 3 * WIDTH_STEP)
    together = scaling.encode(ids, lengths)
    assert together.memory["memory"].shape == (6, 3 * WIDTH_STEP, UNITS)
    same = True
    for row, source in enumerate(sources):
        alone = scaling.encode(*padded([source], len(source)))
        same &= np.array_equal(alone.memory["memory"][0], together.memory["memory"][row, : len(source)])
        same &= all(np.array_equal(state[0], together.states[name][row]) for name, state in alone.states.items())
        if encoder_rows == "one":
            assert (together.memory["memory"][row, len(source) :] == 0).all()
    assert same == (encoder_rows == "one")


@pytest.mark.parametrize("encoder_rows", ["any", "one"])
@pytest.mark.parametrize("beam_size", [1, 4])
def test_translations_alone_and_together(tmp_path: Path, beam_size: int, encoder_rows: EncoderRows) -> None:
    bundle = onnx_bundle(tmp_path / "en-fr", encoder_content(encoder_rows=encoder_rows), encoder_rows=encoder_rows)
    graphs, model = OnnxGraphs(bundle, provider="cpu"), DecodingModel.of(bundle.manifest)
    options = SearchOptions(beam_size=beam_size, hypotheses=beam_size, max_target_tokens=20)
    sources = random_sources(24, 40, seed=9)
    engine = Engine(graphs, model, EngineLimits(max_rows=32))
    engine.start()
    together = [future.result(30) for future in engine.submit_many(sources, options)]
    alone = [engine.submit(source, options).result(30) for source in sources]
    engine.stop()
    assert together == alone
    assert len({hypotheses[0].token_ids for hypotheses in alone}) > 12  # the model does look at its source


def test_all_kinds_of_search_side_by_side(graphs: Graphs, tmp_path: Path) -> None:
    """Greedy, beam, drawn, prefixed, blocked and aligned rows: each as alone; what was reported is never taken back."""
    model = DecodingModel.of(onnx_bundle(tmp_path / "en-fr").manifest)
    random = np.random.default_rng(3)
    options = []
    for number in range(30):
        size = (1, 1, 2, 4)[number % 4]
        options.append(
            SearchOptions(
                beam_size=size,
                hypotheses=size,
                max_target_tokens=20,
                align=number % 2 == 0,
                no_repeat_ngram=number % 3,
                prefix=tuple(random.integers(4, VOCABULARY, number % 5).tolist()),
                temperature=1.0 if number % 4 == 1 else 0.0,
                seed=number,
            )
        )
    sources = random_sources(30, 40, seed=9)
    reports: list[list[tuple[int, ...]]] = [[] for _ in sources]
    engine = Engine(graphs, model, EngineLimits(max_rows=32))
    engine.start()
    futures = engine.submit_many(sources, options, listeners=[reported.append for reported in reports])
    together = [future.result(30) for future in futures]
    alone = [engine.submit(source, its).result(30) for source, its in zip(sources, options, strict=True)]
    engine.stop()
    assert together == alone
    for reported, (best, *_) in zip(reports, together, strict=True):
        assert not reported or best.token_ids[: len(reported[-1])] == reported[-1]


def test_a_file_that_is_no_graph_is_named(tmp_path: Path) -> None:
    with pytest.raises(BundleGraphError, match=r"encoder\.onnx: is no ONNX file"):
        OnnxGraphs(onnx_bundle(tmp_path / "en-fr", encoder=b"nonsense"))
    with pytest.raises(BundleSignatureError, match=r"encoder\.onnx: onnxruntime cannot open it"):
        OnnxGraphs(onnx_bundle(tmp_path / "en-fr", encoder=b""))


def test_a_graph_in_the_wrong_place(tmp_path: Path) -> None:
    with pytest.raises(BundleSignatureError, match=r"decoder_step\.onnx: inputs missing .*token_ids"):
        OnnxGraphs(onnx_bundle(tmp_path / "en-fr", decoder_step=encoder_content()))


@pytest.mark.parametrize("which", ["encoder", "decoder_step"])
def test_a_graph_of_another_vocabulary(tmp_path: Path, which: str) -> None:
    content = {"encoder": encoder_content, "decoder_step": decoder_step_content}[which](7)
    bundle = onnx_bundle(
        tmp_path / "en-fr",
        encoder=content if which == "encoder" else None,
        decoder_step=content if which == "decoder_step" else None,
    )
    with pytest.raises(BundleSignatureError, match=rf"{which}\.onnx: .*vocabulary_size = 7, the tokenizer has"):
        OnnxGraphs(bundle)


def test_providers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    bundle = onnx_bundle(tmp_path / "en-fr")
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"])
    assert OnnxGraphs(bundle, provider="auto").provider == "cpu"
    assert OnnxGraphs(bundle, provider="cpu").provider == "cpu"
    with pytest.raises(
        ConfigurationError, match="provider is cuda, but this onnxruntime has only CPUExecutionProvider"
    ):
        OnnxGraphs(bundle, provider="cuda")
    assert not caplog.records
    with caplog.at_level(logging.WARNING):
        assert OnnxGraphs(bundle, provider="cuda", provider_fallback=True).provider == "cpu"
    assert "running on the CPU" in caplog.text


class PretendedCuda(onnxruntime.InferenceSession):  # type: ignore[misc]
    """Says that it runs on CUDA, and runs on the CPU."""

    def __init__(self, path: str, options: onnxruntime.SessionOptions, providers: list[str]) -> None:
        assert providers == ["CUDAExecutionProvider", "CPUExecutionProvider"]
        super().__init__(path, options, providers=["CPUExecutionProvider"])

    def get_providers(self) -> list[str]:
        return ["CUDAExecutionProvider", "CPUExecutionProvider"]


@pytest.fixture
def cuda(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, ...]]:
    """Pretends that there is a GPU, with the CPU's memory for its own; the shapes of all that is sent to it."""
    sent: list[tuple[int, ...]] = []
    upload = onnxruntime.OrtValue.ortvalue_from_numpy

    def counted(array: np.ndarray, device: str, number: int) -> object:
        sent.append(array.shape)
        return upload(array, device, number)

    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: PretendedCuda.get_providers(None))  # type: ignore[arg-type]
    monkeypatch.setattr(onnxruntime, "InferenceSession", PretendedCuda)
    monkeypatch.setattr(onnxruntime.OrtValue, "ortvalue_from_numpy", counted)
    monkeypatch.setattr(sessions, "_DEVICE", "cpu")
    return sent


def test_cuda_is_taken_where_it_is(tmp_path: Path, cuda: list[tuple[int, ...]]) -> None:
    bundle = onnx_bundle(tmp_path / "en-fr")
    assert OnnxGraphs(bundle, provider="auto").provider == "cuda"
    assert OnnxGraphs(bundle, provider="cuda").provider == "cuda"


@pytest.mark.parametrize("rows", [1, 2, 5])
def test_states_and_memory_stay_on_the_device(
    tmp_path: Path, graphs: Graphs, cuda: list[tuple[int, ...]], rows: int
) -> None:
    device = OnnxGraphs(onnx_bundle(tmp_path / "en-fr"), provider="cuda")
    ids, lengths = padded(random_sources(rows, 9), 16)
    memory, states = graphs.encode(ids, lengths)
    host_states: Arrays = dict(states)
    tokens = np.ones(rows, np.int32)
    for _ in range(4):
        host = graphs.decode_step(tokens, host_states, memory, lengths, 2)
        found = device.decode_step(tokens, states, memory, lengths, 2)
        assert np.array_equal(found.scores, host.scores)
        assert np.array_equal(found.score_ids, host.score_ids)
        assert np.array_equal(found.attention, host.attention)  # type: ignore[arg-type]
        assert isinstance(found.next_states["state_hidden"], OnDevice)
        assert np.array_equal(np.asarray(found.next_states["state_hidden"]), host.next_states["state_hidden"])
        states, host_states = {**states, **found.next_states}, {**host_states, **host.next_states}
        tokens = host.score_ids[:, 0].astype(np.int32)
    # The memory and the two states at first; then nothing more, but for the tokens.
    assert len(cuda) == 3


def test_translations_with_bound_states(tmp_path: Path, graphs: Graphs, cuda: list[tuple[int, ...]]) -> None:
    bundle = onnx_bundle(tmp_path / "en-fr")
    model, sources = DecodingModel.of(bundle.manifest), random_sources(24, 40, seed=9)
    options = [
        SearchOptions(beam_size=size, hypotheses=size, max_target_tokens=20, align=True) for size in (1, 3, 4) * 8
    ]
    found = []
    for one in (graphs, OnnxGraphs(bundle, provider="cuda")):
        engine = Engine(one, model, EngineLimits(max_rows=16))
        engine.start()
        found.append([future.result(30) for future in engine.submit_many(sources, options)])
        engine.stop()
    assert found[0] == found[1]
