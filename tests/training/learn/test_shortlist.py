"""The shortlist: it holds every target, and its expected sum equals that of the whole vocabulary."""

from pathlib import Path

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import ops

from app.bundle.tokenizers import PAD_ID
from tests.training.learn.test_train import assert_same, prepared, small, weights
from training.learn.shortlist import draw_shortlist
from training.learn.train import Trainer
from training.model.config import ModelConfig
from training.model.layers import to_numpy
from training.model.seq2seq import EncoderDecoder

pytestmark = pytest.mark.slow

VOCABULARY = 40


@given(
    st.lists(st.lists(st.integers(0, VOCABULARY - 1), min_size=3, max_size=3), min_size=1, max_size=4),
    st.integers(1, 60),
    st.integers(0, 9),
)
@settings(max_examples=80, deadline=None)
def test_every_target_has_its_index_and_no_token_occurs_twice(rows: list[list[int]], size: int, seed: int) -> None:
    targets = np.array(rows, np.int32)
    listed = draw_shortlist(targets, VOCABULARY, size, np.random.default_rng(seed))
    written = set(targets.ravel().tolist()) | {PAD_ID}
    if listed is None:
        assert len(written) > size
        return
    assert len(listed.token_ids) == len(set(listed.token_ids.tolist())) == min(size, VOCABULARY)
    np.testing.assert_array_equal(listed.token_ids[listed.indices], targets)
    np.testing.assert_array_equal(listed.indices == PAD_ID, targets == PAD_ID)
    drawn = [token for token in listed.token_ids.tolist() if token not in written]
    # Those that were drawn stand for all that the batch does not write.
    assert np.exp(listed.offsets)[len(written) :].sum() == pytest.approx(
        VOCABULARY - len(written) if drawn else 0, rel=1e-5
    )
    assert not listed.offsets[: len(written)].any()


def test_on_average_the_denominator_is_that_of_the_whole_vocabulary() -> None:
    generator = np.random.default_rng(3)
    scores = generator.normal(size=VOCABULARY)
    targets = np.array([[5, 6, PAD_ID]], np.int32)
    sums = []
    for seed in range(3000):
        listed = draw_shortlist(targets, VOCABULARY, 12, np.random.default_rng(seed))
        assert listed is not None
        sums.append(np.exp(scores[listed.token_ids] + listed.offsets).sum())
    assert np.mean(sums) == pytest.approx(np.exp(scores).sum(), rel=0.02)


@pytest.mark.parametrize("tied", [True, False])
def test_with_the_whole_vocabulary_listed_the_loss_is_the_same(tied: bool) -> None:
    keras.mixed_precision.set_global_policy("float32")
    keras.utils.set_random_seed(1)
    config = ModelConfig(
        embedding=8, encoder_units=4, encoder_layers=1, units=8, layers_above=0, tied=tied, readout=tied, dropout=0.0
    )
    model = EncoderDecoder(config, VOCABULARY, label_smoothing=0.1)
    model.build_weights()
    model.output_scores.bias.assign(np.random.default_rng(2).normal(size=VOCABULARY))
    read = (
        np.array([[7, 8, 2], [9, 2, 0]], np.int32),
        np.array([3, 2], np.int32),
        np.array([[1, 4], [1, 5]], np.int32),
    )
    targets = np.array([[4, 2], [5, PAD_ID]], np.int32)
    whole = model.compute_loss(read, ops.convert_to_tensor(targets), model(read))
    listed = draw_shortlist(targets, VOCABULARY, VOCABULARY, np.random.default_rng(1))
    assert listed is not None
    given = (*read, listed.token_ids, listed.offsets)
    part = model.compute_loss(given, ops.convert_to_tensor(listed.indices), model(given))
    assert float(to_numpy(part)) == pytest.approx(float(to_numpy(whole)), rel=1e-5)


def test_a_continued_run_with_a_shortlist_equals_an_uninterrupted_one(tmp_path: Path) -> None:
    config = small(tmp_path, shortlist=14, shortlist_until=0.5)
    whole, broken = (prepared(tmp_path, config, name) for name in ("whole", "broken"))
    Trainer(config, whole).fit()
    for steps in (5, None):
        Trainer(config, broken).fit(steps)
    assert_same(weights(whole), weights(broken))
