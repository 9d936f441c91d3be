"""The engine as a whole: batching never changes an answer, and no future ever hangs."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor, wait

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from app.engine.batch import Batch
from app.engine.facts import ModelFacts
from app.engine.loop import Engine, EngineLimits
from app.engine.sequence import FinishReason, Hypothesis, SearchOptions, Sequence
from app.engine.sessions import Graphs, Stepped
from app.errors import (
    DeadlineExceeded,
    EngineOverloaded,
    EngineStopped,
    InvalidRequest,
    LimitExceeded,
    StepFailed,
)
from tests.fakes import HashMachine, Machine, TextMachine, english_to_french_tokenizer

PATIENCE = 20.0  # seconds that nothing here ever takes
TOKENIZER = english_to_french_tokenizer()
Start = Callable[..., Engine]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts engines, and stops them after the test."""
    engines: list[Engine] = []

    def begin(graphs: TextMachine | HashMachine, limits: EngineLimits | None = None) -> Engine:
        engine = Engine(graphs, graphs.facts, limits)
        engine.start()
        engines.append(engine)
        return engine

    yield begin
    for engine in engines:
        engine.stop(drain=False, timeout_seconds=PATIENCE)


def held_machine() -> TextMachine:
    """A machine whose every step waits until its gate is opened."""
    machine = TextMachine(TOKENIZER)
    machine.hooks.gate = threading.Event()
    return machine


def release(machine: TextMachine) -> None:
    assert machine.hooks.gate is not None
    machine.hooks.gate.set()


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.001)


def text_of(future: "Future[list[Hypothesis]]") -> str:
    return TOKENIZER.decode(future.result(PATIENCE)[0].token_ids)


def send(engine: Engine, text: str, **limits: float) -> "Future[list[Hypothesis]]":
    return engine.submit(TOKENIZER.encode_source(text), deadline=limits.get("deadline"))


# ---- Batching never changes an answer ----


def run_alone(graphs: Graphs, facts: ModelFacts, sequence: Sequence) -> object:
    return run_together(graphs, facts, [(0, sequence)])[0]


def run_together(graphs: Graphs, facts: ModelFacts, arrivals: list[tuple[int, Sequence]]) -> list[object]:
    """Every sequence joins the running batch before the step of its arrival."""
    batch = Batch(graphs, facts)
    outcomes: dict[Sequence, object] = {}
    step = 0
    while len(outcomes) < len(arrivals):
        newcomers = [sequence for arrival, sequence in arrivals if arrival == step]
        if newcomers:
            batch.join(newcomers)
        if batch.rows:
            ended = batch.advance(batch.decode_step())
            outcomes |= {end.sequence: end.outcome for end in ended}
            if ended:
                batch.leave([end.sequence for end in ended])
        step += 1
    assert batch.rows == 0
    return [outcomes[sequence] for _, sequence in arrivals]


@st.composite
def arrivals(draw: st.DrawFn, facts: ModelFacts) -> list[tuple[int, Sequence]]:
    found = []
    for _ in range(draw(st.integers(1, 8))):
        ids = (*draw(st.lists(st.integers(4, facts.vocabulary_size - 1), max_size=40)), facts.eos_id)
        beam_size = draw(st.integers(1, 4))
        options = SearchOptions(
            beam_size=beam_size,
            hypotheses=draw(st.integers(1, beam_size)),
            length_penalty=draw(st.sampled_from([0.0, 0.6, 1.0])),
        )
        found.append((draw(st.integers(0, 12)), Sequence(ids, options, draw(st.integers(1, 16)), None)))
    return found


HASH_MACHINE = HashMachine(vocabulary_size=9, seed=3)


@given(arrivals(HASH_MACHINE.facts))
@settings(max_examples=80, deadline=None)
def test_a_sequence_in_any_company_is_as_alone(arriving: list[tuple[int, Sequence]]) -> None:
    facts = HASH_MACHINE.facts
    together = run_together(HASH_MACHINE, facts, arriving)
    assert together == [run_alone(HASH_MACHINE, facts, sequence) for _, sequence in arriving]


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


# ---- Lengths ----


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
    facts = TextMachine(TOKENIZER).facts
    caps = [facts.target_cap(tokens) for tokens in range(1, facts.max_source_tokens + 1)]
    assert caps == sorted(caps)
    assert caps[0] == 12
    assert caps[-1] == facts.max_target_tokens
    assert facts.target_cap(5, 3) == 3
    assert facts.target_cap(5, 10_000) == facts.target_cap(5)


# ---- What is refused ----


def test_refusals_name_the_limit_and_the_value(start: Start) -> None:
    engine = start(TextMachine(TOKENIZER), EngineLimits(max_rows=4, max_request_sequences=2))
    with pytest.raises(InvalidRequest, match="no tokens"):
        engine.submit([])
    with pytest.raises(LimitExceeded, match=r"source tokens \(513\) exceeds the limit \(512\)"):
        engine.submit([5] * 513)
    for ids in ([5, TOKENIZER.vocabulary_size], [-1, 5]):
        with pytest.raises(InvalidRequest, match=f"the vocabulary from 0 to {TOKENIZER.vocabulary_size - 1}"):
            engine.submit(ids)
    with pytest.raises(LimitExceeded, match=r"beam_size \(5\)"):
        engine.submit([5, 2], SearchOptions(beam_size=5))
    with pytest.raises(LimitExceeded, match=r"segments in one request \(3\)"):
        engine.submit_many([[5, 2]] * 3)
    assert engine.status().sequences_waiting == 0


def test_all_or_nothing(start: Start) -> None:
    engine = start(TextMachine(TOKENIZER))
    with pytest.raises(LimitExceeded):
        engine.submit_many([[5, 2], [5] * 600])
    assert engine.status().sequences_waiting == engine.status().sequences_running == 0


def test_a_full_queue(start: Start) -> None:
    machine = held_machine()
    engine = start(machine, EngineLimits(max_rows=1, max_waiting=2))
    first = send(engine, "first")
    until(lambda: engine.status().sequences_running == 1)
    others = [send(engine, "second"), send(engine, "third")]
    with pytest.raises(EngineOverloaded) as caught:
        send(engine, "fourth")
    assert 1.0 <= caught.value.retry_after_seconds <= 60.0
    release(machine)
    assert [text_of(future) for future in (first, *others)] == ["first", "second", "third"]
    assert text_of(send(engine, "fourth")) == "fourth"


# ---- Leaving early ----


def test_cancelling_frees_rows_and_places(start: Start) -> None:
    machine = held_machine()
    engine = start(machine, EngineLimits(max_rows=2))
    running = [send(engine, "a" * 400), send(engine, "b" * 400)]
    until(lambda: engine.status().sequences_running == 2)
    waiting = [send(engine, "c"), send(engine, "d")]
    assert running[0].cancel()
    assert waiting[0].cancel()
    release(machine)
    assert text_of(waiting[1]) == "d"
    assert text_of(running[1]) == "b" * 400
    # After the step that was held: the second and the fourth together, then the second alone to its end.
    assert machine.hooks.step_rows == [2, 2, 2] + [1] * 398
    with pytest.raises(CancelledError):
        running[0].result(PATIENCE)
    assert engine.status().rows_running == 0
    assert max(machine.hooks.step_rows) == 2


def test_deadlines_running_waiting_and_past(start: Start) -> None:
    machine = TextMachine(TOKENIZER)
    machine.hooks.delay_seconds = 0.005
    engine = start(machine, EngineLimits(max_rows=2))
    now = time.monotonic()
    late = [send(engine, "a" * 500, deadline=now + 0.1), send(engine, "b" * 20, deadline=now - 1)]
    in_time = send(engine, "c" * 30, deadline=now + PATIENCE)
    never_admitted = [send(engine, "d" * 500), send(engine, "e" * 10, deadline=now + 0.1)]
    for future in (*late, never_admitted[1]):
        with pytest.raises(DeadlineExceeded):
            future.result(PATIENCE)
    assert time.monotonic() - now < PATIENCE / 2
    assert text_of(in_time) == "c" * 30
    never_admitted[0].cancel()
    until(lambda: engine.status().rows_running == 0)
    assert engine.status().healthy


# ---- Failing steps ----


def test_a_failing_step_fails_everybody_at_once_and_the_engine_lives_on(start: Start) -> None:
    machine = held_machine()
    engine = start(machine, EngineLimits(max_rows=2))
    futures = [send(engine, "a" * 50) for _ in range(5)]
    until(lambda: engine.status().sequences_running == 2)
    machine.hooks.fail_next = RuntimeError("the disk of the GPU is on fire")
    release(machine)
    for future in futures:
        with pytest.raises(StepFailed, match="RuntimeError: the disk of the GPU is on fire") as caught:
            future.result(PATIENCE)
        assert isinstance(caught.value.__cause__, RuntimeError)
    assert len({id(future.exception()) for future in futures}) == 5
    status = engine.status()
    assert (status.healthy, status.rows_running, status.sequences_waiting) == (False, 0, 0)
    assert status.failure is not None
    assert "on fire" in status.failure
    assert text_of(send(engine, "again")) == "again"
    assert engine.status().healthy
    assert engine.status().failure is None


def test_a_failing_encoder(start: Start) -> None:
    machine = TextMachine(TOKENIZER)
    machine.hooks.fail_encode = ValueError("bad ids")
    engine = start(machine)
    with pytest.raises(StepFailed, match="ValueError: bad ids"):
        send(engine, "a").result(PATIENCE)
    assert not engine.status().healthy
    machine.hooks.fail_encode = None
    assert text_of(send(engine, "b")) == "b"


class SpoiltMachine(TextMachine):
    """Gives scores that are no numbers to sources that begin with a given token."""

    def __init__(self, spoilt: int) -> None:
        super().__init__(TOKENIZER)
        self.spoilt = spoilt

    def decode_step(
        self,
        token_ids: NDArray[np.int32],
        states: Mapping[str, NDArray[np.generic]],
        memory: Mapping[str, NDArray[np.generic]],
        source_lengths: NDArray[np.int32],
        best_k: int,
    ) -> Stepped:
        stepped = super().decode_step(token_ids, states, memory, source_lengths, best_k)
        stepped.scores[memory["memory"][:, 0, 0] == self.spoilt] = np.nan
        return stepped


@pytest.mark.parametrize("beam_size", [1, 3])
def test_scores_that_are_no_numbers_fail_only_their_own_sequence(start: Start, beam_size: int) -> None:
    engine = start(SpoiltMachine(TOKENIZER.encode("!")[0]))
    options = SearchOptions(beam_size=beam_size)
    spoilt, good = engine.submit_many([TOKENIZER.encode_source(text) for text in ("!bad", "good")], options)
    assert text_of(good) == "good"
    with pytest.raises(StepFailed, match="nan"):
        spoilt.result(PATIENCE)


def test_nothing_but_the_step_can_end_the_thread(start: Start) -> None:
    """A callback that raises is the caller's fault; concurrent.futures logs it."""
    engine = start(TextMachine(TOKENIZER))
    future = send(engine, "a" * 100)
    future.add_done_callback(lambda _: 1 / 0 and None)
    assert text_of(future) == "a" * 100
    assert text_of(send(engine, "b")) == "b"


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_even_a_dying_thread_leaves_nobody_waiting(start: Start) -> None:
    machine = TextMachine(TOKENIZER)
    machine.hooks.fail_next = SystemExit()  # type: ignore[assignment]
    engine = start(machine)
    futures = engine.submit_many([TOKENIZER.encode_source("a"), TOKENIZER.encode_source("b")])
    for future in futures:
        with pytest.raises(EngineStopped):
            future.result(PATIENCE)
    until(lambda: not engine.status().started)
    with pytest.raises(EngineStopped):
        send(engine, "c")
    assert not engine.status().healthy


# ---- Starting and stopping ----


def test_not_started_and_stopped() -> None:
    engine = Engine(TextMachine(TOKENIZER), TextMachine(TOKENIZER).facts, name="en-fr")
    assert not engine.status().healthy
    with pytest.raises(EngineStopped, match="en-fr is not running"):
        send(engine, "a")
    engine.start()
    engine.start()
    assert text_of(send(engine, "a")) == "a"
    engine.stop()
    engine.stop()
    with pytest.raises(EngineStopped):
        send(engine, "b")
    with pytest.raises(EngineStopped, match="does not start again"):
        engine.start()


def test_stop_before_start() -> None:
    engine = Engine(TextMachine(TOKENIZER), TextMachine(TOKENIZER).facts)
    engine.stop()
    with pytest.raises(EngineStopped):
        engine.start()


def test_draining_finishes_what_waits(start: Start) -> None:
    engine = start(TextMachine(TOKENIZER), EngineLimits(max_rows=2))
    futures = [send(engine, f"text {number}") for number in range(10)]
    engine.stop(drain=True, timeout_seconds=PATIENCE)
    assert [text_of(future) for future in futures] == [f"text {number}" for number in range(10)]


def test_stopping_without_draining(start: Start) -> None:
    machine = TextMachine(TOKENIZER)
    machine.hooks.delay_seconds = 0.005
    engine = start(machine, EngineLimits(max_rows=2))
    futures = [send(engine, "a" * 500) for _ in range(4)]
    engine.stop(drain=False, timeout_seconds=PATIENCE)
    for future in futures:
        with pytest.raises(EngineStopped):
            future.result(0)


def test_stopping_while_a_graph_hangs(start: Start) -> None:
    machine = held_machine()
    engine = start(machine, EngineLimits(max_rows=1))
    futures = [send(engine, "a"), send(engine, "b")]
    until(lambda: engine.status().step_age_seconds is not None)
    engine.stop(drain=True, timeout_seconds=0.05)
    for future in futures:
        with pytest.raises(EngineStopped):
            future.result(0)
    release(machine)
    until(lambda: engine.status().sequences_running == 0)
    assert engine.status().sequences_waiting == 0


def test_cancelling_and_submitting_from_many_threads_leaves_nothing_behind(start: Start) -> None:
    machine = TextMachine(TOKENIZER)
    engine = start(machine, EngineLimits(max_rows=5, max_waiting=1000))

    def ask(number: int) -> bool:
        future = send(engine, f"{number} " * (1 + number % 20))
        if number % 3 == 0:
            future.cancel()
        wait([future], PATIENCE)
        return future.cancelled() or text_of(future) == f"{number} " * (1 + number % 20)

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(ask, range(150)))
    until(lambda: engine.status().rows_running == 0)
    assert engine.status().sequences_waiting == 0
    assert engine.status().healthy
