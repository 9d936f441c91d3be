"""Sampling, and what search options refuse."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.bundle.tokenizers import EOS_ID
from app.engine.search.greedy import derive_seed, draw
from app.engine.sequence import (
    MAX_SEED,
    FinishReason,
    SearchOptions,
)
from app.errors import InvalidRequest
from tests.support.fakes import HashMachine
from tests.unit.engine.search.test_search import decode, token_scores


def test_draws_follow_the_probabilities() -> None:
    scores = np.log(np.array([0.5, 0.3, 0.2]))
    counts = np.bincount(
        [draw(scores, SearchOptions(temperature=1.0, top_k=3, seed=seed), 0) for seed in range(4000)], minlength=3
    )
    assert np.allclose(counts / 4000, [0.5, 0.3, 0.2], atol=0.03)
    cold = SearchOptions(temperature=0.01, seed=1)
    assert {draw(scores, cold, position) for position in range(50)} == {0}
    two = [draw(scores, SearchOptions(temperature=9.0, top_k=2, seed=1), position) for position in range(50)]
    assert set(two) == {0, 1}


@given(st.integers(0, 30), st.integers(0, 5))
@settings(max_examples=40, deadline=None)
def test_a_seed_draws_the_same(seed: int, drawing: int) -> None:
    machine = HashMachine(seed=seed)
    options = SearchOptions(temperature=1.5, top_k=6, seed=drawing)
    (found,) = decode(machine, options, 12)
    assert decode(machine, options, 12) == [found]
    ended = (EOS_ID,) if found.finish_reason is FinishReason.STOP else ()
    assert found.token_scores == token_scores(machine, (*found.token_ids, *ended))


def test_a_beam_never_draws() -> None:
    with pytest.raises(InvalidRequest, match=r"temperature is 1\.0 and beam_size 2"):
        SearchOptions(beam_size=2, temperature=1.0)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("beam_size", 0),
        ("hypotheses", 0),
        ("hypotheses", 2),
        ("length_penalty", -0.1),
        ("length_penalty", math.nan),
        ("no_repeat_ngram", -1),
        ("no_repeat_ngram", 17),
    ],
)
def test_options_name_what_is_wrong(name: str, value: float) -> None:
    with pytest.raises(InvalidRequest, match=f"{name} is {value}"):
        SearchOptions(**{name: value})  # type: ignore[arg-type]


def test_a_cap_below_one_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="max_target_tokens is 0"):
        SearchOptions(max_target_tokens=0)


@given(st.integers(0, MAX_SEED), st.integers(1, 1000))
@settings(deadline=None)
def test_derived_seeds(seed: int, number: int) -> None:
    found = derive_seed(seed, number)
    assert found == derive_seed(seed, number)
    assert 0 <= found <= MAX_SEED
    assert len({found, seed, derive_seed(seed, number + 1), derive_seed(seed ^ 1, number)}) == 4
