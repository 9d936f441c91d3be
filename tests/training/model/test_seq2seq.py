"""The model: masks, the step against the whole, the loss."""

from pathlib import Path

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from app.bundle.tokenizers import BOS_ID
from training.data.dataset import Ids
from training.export.reference import ReferenceDecoder, log_softmax
from training.model.config import ModelConfig
from training.model.decoder import Source
from training.model.layers import to_numpy
from training.model.seq2seq import EncoderDecoder

VOCABULARY = 23
CONFIG = ModelConfig(embedding=8, encoder_units=6, encoder_layers=2, units=10, dropout=0.3)


@pytest.fixture(scope="module")
def model() -> EncoderDecoder:
    keras.mixed_precision.set_global_policy("float32")
    keras.utils.set_random_seed(7)
    built = EncoderDecoder(CONFIG, VOCABULARY, label_smoothing=0.1)
    built.build_weights()
    for variable in built.trainable_variables:  # larger than at the start, so that differences show
        variable.assign(np.random.default_rng(len(variable.path)).normal(0, 0.5, variable.shape))
    return built


def variables_of_the_default_model(former: bool) -> dict[str, tuple[int, ...]]:
    """Paths below the model and shapes; with the paths that files had before encoder and decoder owned their parts."""
    lstm = {"bias": (768,), "kernel": (384, 768), "recurrent_kernel": (192, 768)}
    layer_name = "encoder_" if former else "encoder/layer_"
    expected: dict[str, tuple[int, ...]] = {
        f"{layer_name}{layer}/{way}_lstm/lstm_cell/{name}": shape
        for layer in (0, 1)
        for way in ("forward", "backward")
        for name, shape in lstm.items()
    }
    bridge, decoder = ("bridge_state_", "") if former else ("bridge/", "decoder/")
    for state in ("h1", "c1", "h2", "c2"):
        expected |= {f"{bridge}{state}/kernel": (384, 384), f"{bridge}{state}/bias": (384,)}
    for layer, features in (("lower", 384), ("upper", 768)):
        cell = f"decoder_{layer}/lstm_cell" if former else f"decoder/{layer}/lstm_cell"
        expected |= {f"{cell}/kernel": (features, 1536), f"{cell}/recurrent_kernel": (384, 1536)}
        expected[f"{cell}/bias"] = (1536,)
    expected |= {"embedding/embeddings": (50, 384), f"{decoder}attention/project/kernel": (384, 384)}
    expected |= {f"{decoder}readout/kernel": (768, 384), f"{decoder}readout/bias": (384,), "output/bias": (50,)}
    return {f"encoder_decoder/{path}": shape for path, shape in expected.items()}


def test_the_variables_of_the_default_model_keep_their_names_and_shapes() -> None:
    """Trained weights are kept by name: what is renamed here needs a rule in ``weight_names``."""
    built = EncoderDecoder(ModelConfig(), 50)
    built.build_weights()
    found = {variable.path: tuple(variable.shape) for variable in built.trainable_variables}
    assert found == variables_of_the_default_model(former=False)
    assert built.state_names == ("state_h1", "state_c1", "state_h2", "state_c2")


def logits(model: EncoderDecoder, source: Ids, lengths: Ids, inputs: Ids) -> NDArray[np.float32]:
    return to_numpy(model((source, lengths, inputs))[0])


@given(
    st.lists(st.lists(st.integers(4, VOCABULARY - 1), min_size=1, max_size=6), min_size=2, max_size=5),
    st.integers(0, 4),
)
@settings(max_examples=25, deadline=None)
def test_padding_changes_nothing(model: EncoderDecoder, sentences: list[list[int]], garbage: int) -> None:
    width = max(map(len, sentences)) + 2
    lengths = np.array([len(sentence) for sentence in sentences], np.int32)
    source = np.full((len(sentences), width), garbage, np.int32)
    for row, sentence in enumerate(sentences):
        source[row, : len(sentence)] = sentence
    inputs = np.full((len(sentences), 4), BOS_ID, np.int32)
    together = logits(model, source, lengths, inputs)
    for row, sentence in enumerate(sentences):
        alone = logits(model, np.array([sentence], np.int32), lengths[row : row + 1], inputs[:1])
        np.testing.assert_allclose(together[row], alone[0], atol=2e-5)


def test_a_step_at_a_time_equals_teacher_forcing(model: EncoderDecoder) -> None:
    source, lengths = np.array([[5, 6, 7, 2], [8, 2, 0, 0]], np.int32), np.array([4, 2], np.int32)
    inputs = np.array([[BOS_ID, 9, 10, 11, 5], [BOS_ID, 12, 13, 14, 6]], np.int32)
    whole = logits(model, source, lengths, inputs)
    memory, states = model.encode(source, lengths)
    for position in range(inputs.shape[1]):
        stepped, states, attention = model.step(inputs[:, position], states, Source.of(memory, lengths))
        np.testing.assert_allclose(to_numpy(stepped), whole[:, position], atol=2e-5)
        assert attention is not None
        weights = to_numpy(attention)
        np.testing.assert_allclose(weights.sum(-1), 1, atol=1e-5)
        assert not weights[1, 2:].any()


@pytest.mark.parametrize("training", [True, False])
def test_the_loss_is_smoothed_cross_entropy_over_real_tokens(model: EncoderDecoder, training: bool) -> None:
    source, lengths = np.array([[5, 6, 2], [8, 2, 0]], np.int32), np.array([3, 2], np.int32)
    inputs, targets = np.array([[1, 9, 10], [1, 12, 0]], np.int32), np.array([[9, 10, 2], [12, 2, 0]], np.int32)
    outputs = model((source, lengths, inputs))
    found = float(model.compute_loss(None, targets, outputs, training=training))
    scores = log_softmax(to_numpy(outputs[0]))
    smoothing = 0.1 if training else 0.0
    chosen = np.take_along_axis(scores, targets[..., None], -1)[..., 0]
    losses = -(1 - smoothing) * chosen - smoothing * scores.mean(-1)
    expected = (losses * (targets != 0)).sum() / (targets != 0).sum()
    assert found == pytest.approx(expected, rel=1e-5)


def test_reference_beam_of_one_is_greedy_and_wider_beams_score_no_worse_on_average(model: EncoderDecoder) -> None:
    reference = ReferenceDecoder(model)
    gains = []
    for seed in range(6):
        source = [*np.random.default_rng(seed).integers(4, VOCABULARY, 4).tolist(), 2]
        greedy = reference.greedy(source, 8)
        one = reference.beam(source, 8, 1, 1.0)
        assert one.token_ids == greedy.token_ids
        gains.append(reference.beam(source, 8, 4, 1.0).normalised(1.0) - greedy.normalised(1.0))
    assert np.mean(gains) >= 0


def test_layers_and_model_use_no_backend_directly() -> None:
    folder = Path(__file__).parents[3] / "training"
    names = [f"model/{path.stem}" for path in (folder / "model").glob("*.py")]
    assert len(names) >= 8
    for name in (*names, "learn/train", "learn/checkpoint", "export/reference"):
        text = (folder / f"{name}.py").read_text(encoding="utf-8")
        assert "import tensorflow" not in text
        assert "tf." not in text


@pytest.mark.parametrize("cell", ["lstm", "peephole"])
def test_forget_gates_start_with_the_configured_bias(cell: str) -> None:
    for value in (1.0, 5.0):
        sizes = {"units": 10, "embedding": 8, "encoder_units": 6, "cell": cell, "forget_bias": value}
        built = EncoderDecoder(ModelConfig.model_validate(sizes), VOCABULARY)
        built.build_weights()
        biases = [v for v in built.trainable_variables if v.path.endswith("cell/bias")]
        assert len(biases) == 6
        for bias in biases:
            np.testing.assert_array_equal(to_numpy(bias).reshape(4, -1).T, [[0, value, 0, 0]] * (bias.shape[0] // 4))


@pytest.mark.parametrize("bridge", ["zero", "start"])
def test_a_decoder_alone_ignores_the_source(bridge: str) -> None:
    alone = {"encoder_layers": 0, "bridge": bridge, "attention": "none", "layers_above": 0, "units": 7, "embedding": 5}
    built = EncoderDecoder(ModelConfig.model_validate(alone), VOCABULARY)
    built.build_weights()
    learned = [v for v in built.trainable_variables if v.path.endswith("/start")]
    assert [v.path for v in learned] == [f"encoder_decoder/bridge/{kind}1/start" for kind in "hc" if learned]
    for variable in learned:
        variable.assign(np.arange(7) / 10)
    memories, states = built.encode(np.array([[5, 6, 2], [2, 0, 0]], np.int32), np.array([3, 1], np.int32))
    assert memories == {}
    for state in states:
        np.testing.assert_allclose(to_numpy(state), [np.arange(7) / 10 if learned else np.zeros(7)] * 2)


@pytest.mark.parametrize("precision", ["float32", "mixed_bfloat16"])
def test_predictions_are_fed_back_in_either_precision(precision: str) -> None:
    source, lengths = np.array([[5, 6, 2]], np.int32), np.array([3], np.int32)
    keras.mixed_precision.set_global_policy(precision)
    try:
        built = EncoderDecoder(CONFIG.model_copy(update={"dropout": 0.0}), VOCABULARY, samples=True)
        built.build_weights()
        given = [np.array([[BOS_ID, token, token]], np.int32) for token in (9, 12)]
        built.sampling_rate.assign(1.0)
        # Running free, what stands after bos is not read; with the true tokens it is.
        free = [to_numpy(built((source, lengths, ids), training=True)[0]) for ids in given]
        built.sampling_rate.assign(0.0)
        taught = [to_numpy(built((source, lengths, ids), training=True)[0]) for ids in given]
    finally:
        keras.mixed_precision.set_global_policy("float32")
    assert (free[0] == free[1]).all()
    assert (taught[0][:, 0] == taught[1][:, 0]).all()
    assert (taught[0][:, 1:] != taught[1][:, 1:]).any()
