"""Words as they become final: they never change again, and together they are the text of the whole answer."""

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from app.engine.batch import Batch
from app.engine.prefetch import encode_sources
from app.engine.repetition import common_prefix
from app.engine.sequence import Hypothesis, SearchOptions, Sequence
from tests.support.engines import PATIENCE, TOKENIZER, Start
from tests.support.fakes import HashMachine, TextMachine


def decode(machine: HashMachine, options: SearchOptions, cap: int) -> tuple[list[tuple[int, ...]], list[Hypothesis]]:
    """Returns what a listener is called with, and the outcome."""
    reported: list[tuple[int, ...]] = []
    batch = Batch(machine, machine.model)
    sequence = Sequence((5, 4, 3, 2), options, cap, None, listener=reported.append)
    batch.join([sequence], encode_sources(machine, machine.model.pad_id, [sequence]))
    while True:
        ended = batch.advance(batch.decode_step())
        if ended:
            assert isinstance(ended[0].outcome, list)
            return reported, ended[0].outcome
        batch.report()


@given(st.integers(0, 200), st.integers(1, 5), st.data())
@settings(max_examples=150, deadline=None)
def test_what_was_reported_never_changes(seed: int, beam_size: int, data: st.DataObject) -> None:
    # Few tokens and few ends: loops come up and are cut.
    machine = HashMachine(vocabulary_size=data.draw(st.sampled_from([5, 6, 9])), seed=seed, end_bias=-2.0)
    options = SearchOptions(beam_size=beam_size, hypotheses=data.draw(st.integers(1, beam_size)))
    reported, outcome = decode(machine, options, 24)
    for one, other in pairwise(reported):
        assert len(one) < len(other)
        assert other[: len(one)] == one
    if reported:
        assert outcome[0].token_ids[: len(reported[-1])] == reported[-1]


@given(st.lists(st.lists(st.integers(4, 5), max_size=5).map(tuple), min_size=1, max_size=5))
def test_common_beginning(each: list[tuple[int, ...]]) -> None:
    found = common_prefix(each)
    assert all(one[: len(found)] == found for one in each)
    assert any(len(one) == len(found) for one in each) or len({one[len(found)] for one in each}) > 1


def test_a_loop_is_not_reported(start: Start) -> None:
    machine = TextMachine(TOKENIZER)
    machine._map[2] = TOKENIZER.encode("x")[0]
    reported: list[tuple[int, ...]] = []
    future = start(machine).submit_many([TOKENIZER.encode_source("abc")], listeners=[reported.append])[0]
    assert TOKENIZER.decode(future.result(PATIENCE)[0].token_ids) == "abcx"
    assert [TOKENIZER.decode(ids) for ids in reported] == ["a", "ab", "abc", "abcx"]
