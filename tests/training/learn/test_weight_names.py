"""Files of weights written before encoder and decoder owned their parts load into today's model."""

from pathlib import Path

import keras
import numpy as np
import pytest

from training.config import load_config
from training.learn.build import build_model
from training.learn.checkpoint import TrainingState as State
from training.learn.checkpoint import load_checkpoint, load_weights, read_weights, save_arrays, save_checkpoint
from training.learn.starting_point import load_starting_point
from training.learn.weight_names import previous_path, rename_weights
from training.model.config import ModelConfig
from training.model.layers import to_numpy
from training.model.seq2seq import EncoderDecoder

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[3]
CONFIGS = sorted(path for path in (ROOT / "training" / "configs").glob("*.toml"))
BUNDLES = sorted((ROOT / "models").glob("*.training.npz"))
VARIANTS = {
    "residual": {"residual": True, "layer_norm": True, "layers_below": 3, "attention": "bahdanau"},
    "self-attention": {"encoder": "self-attention", "bidirectional": False, "encoder_heads": 2},
    "start": {"encoder_layers": 0, "bridge": "start", "attention": "none", "layers_above": 0},
    "context": {"attention": "none", "context": "mean", "input_feeding": True, "tied": False, "cell": "gru"},
}
SMALL = {"embedding": 6, "encoder_units": 4, "units": 8}


def former_name(name: str) -> str:
    """Today's name in a checkpoint -> that of a file written before."""
    prefix, separator, rest = name.partition("encoder_decoder/")
    return prefix + previous_path(separator + rest) if separator else name


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_variable_has_a_former_path_of_its_own(variant: str) -> None:
    model = EncoderDecoder(ModelConfig.model_validate({**SMALL, **VARIANTS[variant]}), 11)
    model.build_weights()
    paths = [variable.path for variable in model.trainable_variables]
    assert len({previous_path(path) for path in paths}) == len(paths) == len(set(paths))
    assert all(path.startswith("encoder_decoder/") for path in paths)
    arrays = {f"model/{previous_path(path)}": path for path in paths}
    assert rename_weights(arrays, paths) == {f"model/{path}": path for path in paths}


@pytest.mark.parametrize("bundle", BUNDLES, ids=lambda path: path.name)
def test_the_shipped_training_files_load(bundle: Path, tmp_path: Path) -> None:
    start = load_starting_point(bundle.parent / bundle.name.removesuffix(".training.npz"))
    vocabulary = len(start.weights["encoder_decoder/output/bias"])
    model = build_model(start.config, vocabulary, for_training=False)
    save_arrays(tmp_path / "weights.npz", dict(start.weights))
    load_weights(tmp_path / "weights.npz", model)
    assert len(model.trainable_variables) == len(start.weights)
    for variable in model.trainable_variables:
        name = variable.path if variable.path in start.weights else previous_path(variable.path)
        np.testing.assert_array_equal(to_numpy(variable), start.weights[name])


@pytest.mark.parametrize("optimizer", ["adam", "rmsprop"])
def test_a_run_continues_from_a_checkpoint_with_former_names(optimizer: str, tmp_path: Path) -> None:
    config = load_config(CONFIGS[0])
    config = config.model_copy(
        update={
            "model": ModelConfig.model_validate({**SMALL, "dropout": 0.1, "layer_norm": True}),
            "training": config.training.model_copy(update={"optimizer": optimizer}),
        }
    )
    model = build_model(config, 11, for_training=True)
    ids = np.array([[5, 6, 2]], np.int32)
    model.train_on_batch((ids, np.array([3], np.int32), ids), ids)
    save_checkpoint(tmp_path / "today.npz", model, State(step=1))
    arrays = read_weights(tmp_path / "today.npz")
    optimizer_names = {
        variable.path.replace("/", "_"): previous_path(variable.path).replace("/", "_")
        for variable in model.trainable_variables
    }
    former = {}
    for name, array in arrays.items():
        old = former_name(name)
        for today in sorted(optimizer_names, key=len, reverse=True):
            if f"/{today}_" in old:
                old = old.replace(today, optimizer_names[today])
                break
        former[old] = array
    assert former.keys() != arrays.keys()
    cell = "lstm_cell/kernel"
    assert former.keys() >= {
        f"model/encoder_decoder/decoder_lower/{cell}",
        f"model/encoder_decoder/encoder_0/forward_lstm/{cell}",
    }
    assert any(name.startswith(f"optimizer/{optimizer}/encoder_decoder_decoder_lower_lstm") for name in former)
    save_arrays(tmp_path / "former.npz", former)
    keras.utils.set_random_seed(9)
    other = build_model(config.model_copy(update={"seed": 9}), 11, for_training=True)
    assert load_checkpoint(tmp_path / "former.npz", other).step == 1
    save_checkpoint(tmp_path / "again.npz", other, State(step=1))
    again = read_weights(tmp_path / "again.npz")
    assert again.keys() == arrays.keys()
    for name, array in arrays.items():
        np.testing.assert_array_equal(again[name], array, err_msg=name)
