"""Greedy and beam over scores, against plain enumeration and by their invariants."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from app.bundle.tokenizers import EOS_ID
from app.engine.batch import Batch
from app.engine.model import Graphs, Stepped
from app.engine.prefetch import encode_sources
from app.engine.search import Search, start_search
from app.engine.search.beam import Beam, BeamSearch
from app.engine.sequence import (
    FinishReason,
    Hypothesis,
    LiveHypothesis,
    SearchOptions,
    Sequence,
    keep_best,
    normalise_score,
)
from app.engine.states import Step
from tests.support.fakes import HashMachine

SOURCE = (5, 4, 3, 2)


def decode(
    machine: HashMachine, options: SearchOptions, cap: int, source: tuple[int, ...] = SOURCE
) -> list[Hypothesis]:
    batch = Batch(machine, machine.model)
    sequence = Sequence(source, options, cap, None)
    batch.join([sequence], encode_sources(machine, machine.model.pad_id, [sequence]))
    while True:
        ended = batch.advance(batch.decode_step())
        if ended:
            assert isinstance(ended[0].outcome, list)
            return ended[0].outcome


@pytest.fixture
def exhaustive(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beams that go on until nothing lives, instead of until no live hypothesis can win by ending at once."""
    monkeypatch.setattr(BeamSearch, "is_settled", lambda self: not self.beam.live)


def search_of(options: SearchOptions, cap: int = 10, vocabulary_size: int = 12) -> Search:
    """The search of a sequence that holds the first rows, without attention."""
    model = HashMachine(vocabulary_size).model
    return start_search(Sequence(SOURCE, options, cap, None), list(range(options.beam_size)), model, False)


def advance_beam(
    beam: Beam, scores: NDArray[np.float32], score_ids: NDArray[np.int64], options: SearchOptions, cap: int
) -> tuple[BeamSearch, list[int]]:
    """A search with this beam after a step, and the parents of its live hypotheses."""
    search = search_of(options, cap)
    assert isinstance(search, BeamSearch)
    search.beam = beam
    return search, search.extend(scores, score_ids)


def all_hypotheses(machine: HashMachine, cap: int, length_penalty: float) -> list[Hypothesis]:
    """Every token sequence of up to ``cap`` tokens and an eos, each scored by running the graph, best first."""
    found = []
    for length in range(cap + 1):
        for tokens in itertools.product([t for t in range(machine.vocabulary_size) if t != EOS_ID], repeat=length):
            scores = token_scores(machine, (*tokens, EOS_ID))
            score = normalise_score(sum(scores), len(scores), length_penalty)
            found.append(Hypothesis(tokens, score, scores, FinishReason.STOP))
    return sorted(found, key=lambda hypothesis: -hypothesis.score)


def token_scores(graphs: Graphs, tokens: tuple[int, ...]) -> tuple[float, ...]:
    """The score of each token, with the tokens before it given (forced decoding)."""
    assert isinstance(graphs, HashMachine)
    lengths = np.array([len(SOURCE)], np.int32)
    memory, states = graphs.encode(np.array([SOURCE], np.int32), lengths)
    scores, last = [], graphs.model.bos_id
    for token in tokens:
        stepped = graphs.decode_step(np.array([last], np.int32), states, memory, lengths, graphs.vocabulary_size)
        states = {**states, **stepped.next_states}
        scores.append(float(stepped.scores[0, stepped.score_ids[0].tolist().index(token)]))
        last = token
    return tuple(scores)


def test_normalised_is_the_formula_of_the_paper() -> None:
    assert normalise_score(-3.0, 7, 0.0) == -3.0
    assert normalise_score(-3.0, 7, 1.0) == -1.5
    assert normalise_score(-3.0, 1, 0.6) == -3.0
    assert math.isclose(normalise_score(-3.0, 19, 0.5), -1.5)


@pytest.mark.parametrize("length_penalty", [0.0, 0.6, 1.0, 2.0])
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.usefixtures("exhaustive")
def test_a_wide_exhaustive_beam_finds_the_best_of_all(seed: int, length_penalty: float) -> None:
    machine = HashMachine(vocabulary_size=5, seed=seed, end_bias=-1.0)
    options = SearchOptions(beam_size=4**3, hypotheses=6, length_penalty=length_penalty)
    best = all_hypotheses(machine, 3, length_penalty)[:6]
    found = decode(machine, options, cap=3)
    assert [hypothesis.token_ids for hypothesis in found] == [hypothesis.token_ids for hypothesis in best]
    for one, other in zip(found, best, strict=True):
        assert one.token_scores == other.token_scores
        assert math.isclose(one.score, other.score)


@given(
    seed=st.integers(0, 50),
    beam_size=st.integers(2, 6),
    length_penalty=st.sampled_from([0.0, 0.6, 1.0]),
    cap=st.integers(1, 12),
    data=st.data(),
)
@settings(max_examples=60, deadline=None)
def test_what_a_beam_returns(seed: int, beam_size: int, length_penalty: float, cap: int, data: st.DataObject) -> None:
    machine = HashMachine(seed=seed)
    count = data.draw(st.integers(1, beam_size))
    options = SearchOptions(beam_size=beam_size, hypotheses=count, length_penalty=length_penalty)
    found = decode(machine, options, cap)
    assert 1 <= len(found) <= count
    assert len({hypothesis.token_ids for hypothesis in found}) == len(found)
    by_reason = {reason: [h.score for h in found if h.finish_reason is reason] for reason in FinishReason}
    for scores in by_reason.values():
        assert scores == sorted(scores, reverse=True)
    for hypothesis in found:
        stop = hypothesis.finish_reason is FinishReason.STOP
        assert EOS_ID not in hypothesis.token_ids
        assert len(hypothesis.token_ids) <= cap
        assert stop or len(hypothesis.token_ids) == cap
        written = (*hypothesis.token_ids, EOS_ID) if stop else hypothesis.token_ids
        assert hypothesis.token_scores == token_scores(machine, written)
        total = normalise_score(sum(hypothesis.token_scores), len(written), length_penalty)
        assert math.isclose(hypothesis.score, total)


@given(seed=st.integers(0, 200), cap=st.integers(1, 12))
@settings(max_examples=60, deadline=None)
def test_a_beam_of_one_is_greedy(seed: int, cap: int) -> None:
    """Also by a beam search, which the engine does not use for a beam of one."""
    machine = HashMachine(seed=seed)
    options = SearchOptions(beam_size=1, length_penalty=0.0)
    greedy = decode(machine, options, cap)
    lengths = np.array([len(SOURCE)], np.int32)
    memory, states = machine.encode(np.array([SOURCE], np.int32), lengths)
    beam = BeamSearch(Sequence(SOURCE, options, cap, None), [0], machine.model, has_attention=False)
    last, found = np.array([machine.model.bos_id], np.int32), None
    while found is None:
        stepped = machine.decode_step(last, states, memory, lengths, 2)
        states = {**states, **stepped.next_states}
        step = Step(stepped)
        found = beam.advance(step)
        last = step.next_ids
    assert isinstance(found, list)
    assert [h.token_ids for h in found] == [h.token_ids for h in greedy]
    assert [h.finish_reason for h in found] == [h.finish_reason for h in greedy]


@given(seed=st.integers(0, 40), length_penalty=st.sampled_from([0.0, 1.0]))
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@pytest.mark.usefixtures("exhaustive")
def test_more_hypotheses_do_not_change_the_best_when_nothing_is_left_open(seed: int, length_penalty: float) -> None:
    machine = HashMachine(seed=seed)
    one = SearchOptions(beam_size=4, hypotheses=1, length_penalty=length_penalty)
    four = SearchOptions(beam_size=4, hypotheses=4, length_penalty=length_penalty)
    assert decode(machine, one, 10)[0] == decode(machine, four, 10)[0]


def rows(*scores: list[float]) -> NDArray[np.float32]:
    return np.array(scores, np.float32)


def test_an_end_counts_only_among_the_best() -> None:
    live = (LiveHypothesis((7,), (-0.1,), -0.1), LiveHypothesis((8,), (-0.2,), -0.2))
    options = SearchOptions(beam_size=2, hypotheses=2, length_penalty=0.0)
    ids = np.array([[5, 6, EOS_ID, 9], [EOS_ID, 5, 6, 9]])
    scores = rows([-1.0, -2.0, -3.0, -9.0], [-1.0, -2.5, -3.0, -9.0])
    search, parents = advance_beam(Beam(live), scores, ids, options, 10)
    # Ranked: (7,5) -1.1, (8,eos) -1.2, (7,6) -2.1, (8,5) -2.7; the eos of the first hypothesis comes fifth.
    assert [hypothesis.token_ids for hypothesis in search.beam.kept] == [(8,)]
    assert [hypothesis.token_ids for hypothesis in search.beam.live] == [(7, 5), (7, 6)]
    assert parents == [0, 0]


def test_equal_scores_keep_their_order() -> None:
    live = (LiveHypothesis((7,), (-1.0,), -1.0), LiveHypothesis((8,), (-1.0,), -1.0))
    options = SearchOptions(beam_size=2, length_penalty=0.0)
    ids = np.array([[5, 6, 9, 10], [5, 6, 9, 10]])
    search, parents = advance_beam(Beam(live), rows([-1.0] * 4, [-1.0] * 4), ids, options, 10)
    assert [hypothesis.token_ids for hypothesis in search.beam.live] == [(7, 5), (7, 6)]
    assert parents == [0, 0]


def test_at_the_cap_finished_ones_come_before_cut_ones() -> None:
    live = (LiveHypothesis((7,), (-0.1,), -0.1), LiveHypothesis((8,), (-3.0,), -3.0))
    options = SearchOptions(beam_size=2, hypotheses=2, length_penalty=0.0)
    ids = np.array([[5, 6], [EOS_ID, 5]])
    search, parents = advance_beam(Beam(live), rows([-0.1, -9.0], [-0.1, -9.0]), ids, options, 1)
    assert [(h.token_ids, h.finish_reason) for h in search.beam.kept] == [
        ((8,), FinishReason.STOP),
        ((7,), FinishReason.LENGTH),
    ]
    assert search.beam.live == ()
    assert parents == []
    assert search.is_settled()


@given(st.integers(0, 40), st.integers(1, 4), st.lists(st.integers(3, 11), max_size=4))
@settings(max_examples=60, deadline=None)
def test_every_hypothesis_begins_with_the_prefix(seed: int, beam_size: int, prefix: list[int]) -> None:
    machine = HashMachine(seed=seed)
    options = SearchOptions(beam_size=beam_size, hypotheses=beam_size, prefix=tuple(prefix))
    for hypothesis in decode(machine, options, 12):
        count = len(prefix)
        assert hypothesis.token_ids[:count] == tuple(prefix)
        assert hypothesis.token_scores[:count] == (0.0,) * count
        ended = (EOS_ID,) if hypothesis.finish_reason is FinishReason.STOP else ()
        assert hypothesis.token_scores[count:] == token_scores(machine, (*hypothesis.token_ids, *ended))[count:]


@pytest.mark.parametrize("beam_size", [1, 4])
@pytest.mark.parametrize("seed", range(8))
def test_the_beginning_of_its_own_answer_changes_nothing(seed: int, beam_size: int) -> None:
    machine = HashMachine(seed=seed)
    free = decode(machine, SearchOptions(beam_size=1), 12)[0]
    for count in range(len(free.token_ids)):
        forced = SearchOptions(beam_size=1, prefix=free.token_ids[:count])
        assert decode(machine, forced, 12)[0].token_ids == free.token_ids


def test_forbidden_tokens_and_no_numbers_are_never_taken() -> None:
    options = SearchOptions(beam_size=2)
    ids = np.array([[5, 6, 7, 8]])
    search, _ = advance_beam(Beam(), rows([-1.0, -np.inf, np.nan, -np.inf]), ids, options, 10)
    assert [hypothesis.token_ids for hypothesis in search.beam.live] == [(5,)]
    search, _ = advance_beam(Beam(), rows([np.nan] * 4), ids, options, 10)
    assert search.beam == Beam(live=(), kept=())


def test_kept_ones_are_unique() -> None:
    first = Hypothesis((5,), -1.0, (-1.0,), FinishReason.STOP)
    assert keep_best((first, first, Hypothesis((6,), -0.5, (-0.5,), FinishReason.STOP)), 5)[1:] == (first,)


def test_greedy_takes_the_first() -> None:
    step = Step(Stepped(rows([-1.0, -2.0], [-0.5, -3.0]), np.array([[4, 5], [6, 7]]), {}, None))
    assert step.next_ids.dtype == np.int32
    assert step.best_ids == [4, 6] == step.next_ids.tolist()
    assert step.best_scores == [-1.0, -0.5]
    search = search_of(SearchOptions())
    assert search.advance(step) is None
    assert search.cut(FinishReason.DEADLINE)[0].token_ids == (4,)


def test_how_many_candidates_a_search_needs() -> None:
    def candidates(options: SearchOptions, vocabulary_size: int = 8000) -> int:
        return search_of(options, 50, vocabulary_size).candidates()

    assert [candidates(SearchOptions(beam_size=size)) for size in (1, 2, 5)] == [1, 4, 10]
    assert candidates(SearchOptions(beam_size=5), 7) == 7
    assert candidates(SearchOptions(no_repeat_ngram=3)) == 56


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("hypotheses", [1, 2])
def test_spares_change_nothing_before_them(seed: int, hypotheses: int) -> None:
    machine = HashMachine(vocabulary_size=9, seed=seed, end_bias=-1.0)
    steps = machine.hooks.step_rows
    found = decode(machine, SearchOptions(beam_size=4, hypotheses=hypotheses), cap=12)
    without, steps[:] = list(steps), []
    with_spares = decode(machine, SearchOptions(beam_size=4, hypotheses=hypotheses, spares=True), cap=12)
    assert steps == without
    assert with_spares[: len(found)] == found
    assert len(found) == hypotheses
    assert len(with_spares) <= 4
