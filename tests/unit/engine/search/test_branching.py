"""Branching search, against plain decoding and by its invariants."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.bundle.tokenizers import EOS_ID
from app.engine.batch import Batch
from app.engine.prefetch import encode_sources
from app.engine.sequence import FinishReason, Hypothesis, SearchOptions, Sequence
from app.errors import InvalidRequest
from tests.support.fakes import HashMachine

SOURCE, CAP = (5, 4, 3, 2), 12


def decode(machine: HashMachine, options: SearchOptions) -> list[Hypothesis]:
    batch = Batch(machine, machine.model)
    sequence = Sequence(SOURCE, options, CAP, None)
    batch.join([sequence], encode_sources(machine, machine.model.pad_id, [sequence]))
    while True:
        ended = batch.advance(batch.decode_step())
        if ended:
            assert isinstance(ended[0].outcome, list)
            return ended[0].outcome


def branches(machine: HashMachine, count: int, prefix: tuple[int, ...]) -> list[Hypothesis]:
    return decode(machine, SearchOptions(beam_size=count, hypotheses=count, prefix=prefix, branching=True))


@given(st.integers(0, 50), st.integers(1, 6), st.lists(st.integers(4, 11), max_size=4).map(tuple))
@settings(max_examples=100, deadline=None)
def test_each_way_is_the_greedy_one_behind_its_first_token(seed: int, count: int, prefix: tuple[int, ...]) -> None:
    machine = HashMachine(seed=seed, end_bias=0.0)
    found = branches(machine, count, prefix)
    firsts = [(*one.token_ids, EOS_ID)[len(prefix)] for one in found]
    # A repetition is cut, perhaps before the first token.
    whole = [one for one in found if one.finish_reason is not FinishReason.REPETITION]
    assert len(set(firsts)) == len(firsts) or len(whole) < len(found)
    for one in whole:
        assert one.token_ids[: len(prefix)] == prefix
        first = one.token_ids[: len(prefix) + 1]
        if len(first) > len(prefix):
            alone = decode(machine, SearchOptions(prefix=first))[0]
            assert (one.token_ids, one.finish_reason) == (alone.token_ids, alone.finish_reason)
            assert one.token_scores[len(first) :] == alone.token_scores[len(first) :]
    # More ways are the same ways, and others that are no better.
    more = branches(machine, count + 1, prefix)
    assert {one.token_ids for one in whole} <= {one.token_ids for one in more}


@given(st.integers(0, 50), st.integers(1, 4), st.data())
@settings(max_examples=60, deadline=None)
def test_only_what_is_allowed_is_written_and_the_best_of_it(seed: int, count: int, data: st.DataObject) -> None:
    length = data.draw(st.integers(1, 3))
    sets = [frozenset(data.draw(st.sets(st.integers(4, 11), min_size=1))) for _ in range(length)]
    machine = HashMachine(seed=seed, end_bias=-3.0)

    def allowed(token_ids: tuple[int, ...]) -> frozenset[int] | None:
        return sets[len(token_ids)] if len(token_ids) < length else None

    options = SearchOptions(beam_size=count, hypotheses=count, branching=True, allowed=allowed)
    found = decode(machine, options)
    assert 1 <= len(found) <= count
    for one in found:
        assert all(token_id in its for token_id, its in zip(one.token_ids, sets, strict=False))
        assert len(one.token_ids) >= length or one.finish_reason is FinishReason.REPETITION
    if length == 1:
        best = decode(machine, SearchOptions(beam_size=12, hypotheses=12, branching=True))
        firsts = [one.token_ids[0] for one in sorted(best, key=lambda one: -one.token_scores[0]) if one.token_ids]
        expected = [first for first in firsts if first in sets[0]][:count]
        assert {one.token_ids[0] for one in found} == set(expected)


def test_only_the_step_that_chooses_asks_for_many_candidates() -> None:
    machine = HashMachine(seed=1, end_bias=-9.0)
    branches(machine, 3, (5, 6))
    assert machine.hooks.step_best_k[:4] == [1, 1, 3, 1]
    machine.hooks.step_best_k.clear()
    options = SearchOptions(beam_size=2, hypotheses=2, branching=True, allowed=lambda ids: None if ids else {5})  # type: ignore[arg-type, return-value]
    decode(machine, options)
    assert machine.hooks.step_best_k[:2] == [12, 1]


def test_what_excludes_branching() -> None:
    for more in ({"temperature": 1.0}, {"no_repeat_ngram": 2}, {"beam_size": 3}):
        with pytest.raises(InvalidRequest, match="branching has neither"):
            SearchOptions(branching=True, **more)
    with pytest.raises(InvalidRequest, match="allowed goes with branching"):
        SearchOptions(allowed=lambda _: None)
