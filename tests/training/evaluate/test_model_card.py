"""The model card describes the model."""

from pathlib import Path

import pytest

from training.config import load_config
from training.evaluate.model_card import describe_model

CONFIGS = Path(__file__).parents[3] / "training" / "configs"


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        (
            "en-fr",
            (
                "embedding 384, tied with the output",
                "encoder of 2 bidirectional LSTM layers of 192 units each way",
                "decoder of 1 LSTM layer, general attention, 1 LSTM layer of 384 units",
                "started by the encoder's last state through a layer",
            ),
        ),
        (
            "char-gru",
            (
                "tokens as unit vectors",
                "encoder of 1 GRU layer of 256 units",
                "decoder of 1 GRU layer of 256 units",
                "started by the encoder's last states as they are",
            ),
        ),
        (
            "repeat-vector",
            (
                "embedding 256",
                "encoder of 1 LSTM layer of 256 units",
                "decoder of 1 LSTM layer of 256 units",
                "started at zero",
                "the encoder's last state at every step",
                "no token read by the decoder",
            ),
        ),
    ],
)
def test_a_model_in_words(name: str, parts: tuple[str, ...]) -> None:
    assert describe_model(load_config(CONFIGS / f"{name}.toml").model) == "; ".join(parts)
