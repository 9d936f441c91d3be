"""Batching never changes an answer: whichever sequences join or leave, each gets what it would get alone."""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from app.engine.batch import Batch
from app.engine.loop import Engine, EngineLimits
from app.engine.model import DecodingModel, Graphs, Stepped
from app.engine.prefetch import encode_sources
from app.engine.sequence import FinishReason, SearchOptions, Sequence
from app.engine.states import most_attended
from tests.support.engines import PATIENCE, TOKENIZER, Start, held_machine, release, send, text_of, until
from tests.support.fakes import HashMachine, Machine, TextMachine


def run_alone(graphs: Graphs, model: DecodingModel, sequence: Sequence) -> object:
    return run_together(graphs, model, [(0, sequence)])[0]


def run_together(graphs: Graphs, model: DecodingModel, arrivals: list[tuple[int, Sequence]]) -> list[object]:
    """Every sequence joins the running batch before the step of its arrival."""
    batch = Batch(graphs, model)
    outcomes: dict[Sequence, object] = {}
    step = 0
    while len(outcomes) < len(arrivals):
        newcomers = [sequence for arrival, sequence in arrivals if arrival == step]
        if newcomers:
            batch.join(newcomers, encode_sources(graphs, model.pad_id, newcomers))
        if batch.rows:
            ended = batch.advance(batch.decode_step())
            outcomes |= {end.sequence: end.outcome for end in ended}
            if ended:
                batch.leave([end.sequence for end in ended])
        step += 1
    assert batch.rows == 0
    return [outcomes[sequence] for _, sequence in arrivals]


def seven_then_odd(token_ids: tuple[int, ...]) -> frozenset[int] | None:
    """Which tokens may come first, of a hypothesis that branches."""
    return (frozenset({4, 7}), frozenset({5, 7}))[len(token_ids)] if len(token_ids) < 2 else None


@st.composite
def arrivals(draw: st.DrawFn, model: DecodingModel) -> list[tuple[int, Sequence]]:
    found = []
    for _ in range(draw(st.integers(1, 8))):
        ids = (*draw(st.lists(st.integers(4, model.vocabulary_size - 1), max_size=40)), model.eos_id)
        beam_size = draw(st.integers(1, 4))
        branching = draw(st.booleans())
        drawn = beam_size == 1 and not branching and draw(st.booleans())
        options = SearchOptions(
            beam_size=beam_size,
            hypotheses=beam_size if branching else draw(st.integers(1, beam_size)),
            length_penalty=draw(st.sampled_from([0.0, 0.6, 1.0])),
            align=draw(st.booleans()),
            no_repeat_ngram=0 if branching else draw(st.sampled_from([0, 0, 1, 2])),
            branching=branching,
            allowed=draw(st.sampled_from([None, seven_then_odd])) if branching else None,
            prefix=tuple(draw(st.lists(st.integers(4, model.vocabulary_size - 1), max_size=2))),
            temperature=draw(st.sampled_from([0.5, 2.0])) if drawn else 0.0,
            top_k=draw(st.integers(1, 12)),
            seed=draw(st.integers(0, 3)),
        )
        found.append((draw(st.integers(0, 12)), Sequence(ids, options, draw(st.integers(3, 16)), None)))
    return found


HASH_MACHINE = HashMachine(vocabulary_size=9, seed=3)


@given(arrivals(HASH_MACHINE.model))
@settings(max_examples=80, deadline=None)
def test_a_sequence_in_any_company_is_as_alone(arriving: list[tuple[int, Sequence]]) -> None:
    model = HASH_MACHINE.model
    together = run_together(HASH_MACHINE, model, arriving)
    assert together == [run_alone(HASH_MACHINE, model, sequence) for _, sequence in arriving]


class LookingMachine(HashMachine):
    """Attends to a source token that depends on every token so far: a row mixed up attends to another."""

    def decode_step(
        self,
        token_ids: NDArray[np.int32],
        states: Mapping[str, NDArray[np.generic]],
        memory: Mapping[str, NDArray[np.generic]],
        source_lengths: NDArray[np.int32],
        best_k: int,
    ) -> Stepped:
        stepped = super().decode_step(token_ids, states, memory, source_lengths, best_k)
        offsets = stepped.next_states["state_hash"][:, 0].astype(np.int64) % source_lengths
        attention = np.arange(memory["memory"].shape[1]) == offsets[:, None]
        return stepped._replace(attention=attention.astype(np.float32))


LOOKING_MACHINE = LookingMachine(vocabulary_size=9, seed=3)


def offsets_alone(sequence: Sequence, token_ids: tuple[int, ...]) -> tuple[int, ...]:
    """The source tokens that the machine attends to while the given tokens are forced, in a single row."""
    model, lengths = LOOKING_MACHINE.model, np.array([sequence.source_tokens], np.int32)
    memory, states = LOOKING_MACHINE.encode(np.array([sequence.source_ids], np.int32), lengths)
    offsets, last = [], model.bos_id
    for token_id in token_ids:
        stepped = LOOKING_MACHINE.decode_step(np.array([last], np.int32), states, memory, lengths, 1)
        assert stepped.attention is not None
        states = {**states, **stepped.next_states}
        offsets.append(most_attended(stepped.attention, 0, sequence.source_tokens))
        last = token_id
    return tuple(offsets)


@given(arrivals(LOOKING_MACHINE.model))
@settings(max_examples=60, deadline=None)
def test_attention_follows_its_hypothesis(arriving: list[tuple[int, Sequence]]) -> None:
    outcomes = run_together(LOOKING_MACHINE, LOOKING_MACHINE.model, arriving)
    for (_, sequence), outcome in zip(arriving, outcomes, strict=True):
        assert isinstance(outcome, list)
        for hypothesis in outcome:
            if not sequence.options.align:
                assert hypothesis.alignment is None
            else:
                assert hypothesis.alignment == offsets_alone(sequence, hypothesis.token_ids)


@pytest.mark.parametrize("memory", [True, False])
@pytest.mark.parametrize("machine", ["copy", "reverse", "upper"])
def test_many_threads_get_their_own_text(start: Start, machine: Machine, memory: bool) -> None:
    graphs = TextMachine(TOKENIZER, machine, memory)
    engine = start(graphs, EngineLimits(max_rows=7, max_waiting=1000))
    change: dict[str, Callable[[str], str]] = {"copy": str, "reverse": lambda text: text[::-1], "upper": str.upper}

    def ask(number: int) -> tuple[str, str]:
        text = f"{'abc xyz '[number % 8 :]} number {number} " * (number % 4)
        options = SearchOptions(beam_size=1 + number % 3)
        future = engine.submit(TOKENIZER.encode_source(text), options)
        return text_of(future), change[machine](text)

    with ThreadPoolExecutor(8) as pool:
        for found, expected in pool.map(ask, range(60)):
            assert found == expected
    assert max(graphs.hooks.step_rows) <= 7
    status = engine.status()
    assert (status.rows_running, status.sequences_waiting, status.sequences_done) == (0, 0, 60)


def test_a_document_comes_back_in_order(start: Start) -> None:
    engine = start(TextMachine(TOKENIZER), EngineLimits(max_rows=4, max_waiting=2, max_request_sequences=50))
    texts = [f"segment {number} " * (1 + number % 5) for number in range(50)]
    futures = engine.submit_many([TOKENIZER.encode_source(text) for text in texts])
    assert [text_of(future) for future in futures] == texts
    assert engine.submit_many([]) == []


def test_a_newcomer_joins_at_the_next_step_and_leaves_at_once(start: Start) -> None:
    machine = TextMachine(TOKENIZER)
    machine.hooks.delay_seconds = 0.002
    engine = start(machine)
    long = send(engine, "x" * 300)
    until(lambda: engine.status().steps_done >= 3)
    assert text_of(send(engine, "short")) == "short"
    assert text_of(long) == "x" * 300
    assert set(machine.hooks.step_rows) == {1, 2}
    assert machine.hooks.step_rows[-1] == 1  # the long one went on alone
    assert machine.hooks.step_rows.count(2) == 6  # five characters and the end


def test_greedy_and_beam_share_a_step(start: Start) -> None:
    machine = held_machine()
    engine = start(machine)
    futures = [
        engine.submit(TOKENIZER.encode_source("abc"), SearchOptions(beam_size=size, hypotheses=size)) for size in (1, 3)
    ]
    until(lambda: len(machine.hooks.step_rows) > 0)
    release(machine)
    assert [text_of(future) for future in futures] == ["abc", "abc"]
    assert len(futures[1].result()) == 3
    assert max(machine.hooks.step_rows) == 4
    assert set(machine.hooks.step_best_k) <= {1, 6}


def test_similar_lengths_are_encoded_together(start: Start) -> None:
    machine = TextMachine(TOKENIZER)
    engine = start(machine)
    wait(engine.submit_many([TOKENIZER.encode_source("a" * size) for size in (3, 200, 4, 210, 5)]), PATIENCE)
    assert machine.hooks.encode_shapes == [(3, 16), (2, 224)]


def test_waiting_sequences_are_encoded_with_a_lone_newcomer(start: Start) -> None:
    machine = held_machine()
    engine = start(machine, EngineLimits(max_rows=1))
    texts = ["first", "second", "t" * 300, "fourth", "fifth", "sixth", "seventh"]
    futures = engine.submit_many([TOKENIZER.encode_source(text) for text in texts])
    until(lambda: len(machine.hooks.step_rows) == 1)
    assert futures[3].cancel()
    release(machine)
    assert [text_of(future) for future in futures if not future.cancelled()] == texts[:3] + texts[4:]
    # The first with the second, fourth and fifth; the long one alone; the others two by two. One row ran at a time.
    assert machine.hooks.encode_shapes == [(4, 16), (1, 304), (2, 16)]
    assert set(machine.hooks.step_rows) == {1}
    assert engine._prefetch._encoded == {}


def test_no_sequence_is_encoded_before_its_turn_where_that_saves_nothing() -> None:
    machine = TextMachine(TOKENIZER)
    engine = Engine(machine, replace(machine.model, encoder_rows="one"), EngineLimits(max_rows=1))
    engine.start()
    futures = engine.submit_many([TOKENIZER.encode_source(text) for text in ("one", "two", "three")])
    assert [text_of(future) for future in futures] == ["one", "two", "three"]
    engine.stop()
    assert machine.hooks.encode_shapes == [(1, 16)] * 3


def test_an_output_at_the_cap_says_so(start: Start) -> None:
    engine = start(TextMachine(TOKENIZER))
    for cap, reason in [(3, FinishReason.LENGTH), (5, FinishReason.STOP), (6, FinishReason.STOP)]:
        for beam_size in (1, 2):
            options = SearchOptions(beam_size=beam_size, max_target_tokens=cap)
            hypothesis = engine.submit(TOKENIZER.encode_source("abcde"), options).result(PATIENCE)[0]
            assert TOKENIZER.decode(hypothesis.token_ids) == "abcde"[:cap]
            assert hypothesis.finish_reason is reason
            assert len(hypothesis.token_scores) == len(hypothesis.token_ids) + (reason is FinishReason.STOP)


def test_the_cap_grows_with_the_source_and_never_exceeds_the_models() -> None:
    model = TextMachine(TOKENIZER).model
    caps = [model.target_cap(tokens) for tokens in range(1, model.max_source_tokens + 1)]
    assert caps == sorted(caps)
    assert caps[0] == 12
    assert caps[-1] == model.max_target_tokens
    assert model.target_cap(5, 3) == 3
    assert model.target_cap(5, 10_000) == model.target_cap(5)
