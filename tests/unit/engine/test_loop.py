"""The engine's interface: what it refuses, and that no future ever hangs."""

import time
from collections.abc import Mapping
from concurrent.futures import CancelledError, ThreadPoolExecutor, wait

import numpy as np
import pytest
from numpy.typing import NDArray

from app.engine.loop import Engine, EngineLimits
from app.engine.model import Stepped
from app.engine.sequence import FinishReason, Hypothesis, SearchOptions
from app.errors import (
    EngineOverloaded,
    EngineStopped,
    InvalidRequest,
    LimitExceeded,
    StepFailed,
)
from tests.support.engines import PATIENCE, TOKENIZER, Start, held_machine, release, send, text_of, until
from tests.support.fakes import TextMachine

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


def test_a_prefix_that_cannot_be(start: Start) -> None:
    engine = start(TextMachine(TOKENIZER))
    with pytest.raises(LimitExceeded, match=r"tokens of the prefix \(5\) exceeds the limit \(4\)"):
        engine.submit([5, 2], SearchOptions(prefix=(5,) * 5, max_target_tokens=5))
    with pytest.raises(InvalidRequest, match="prefix ids go from -1 to 5"):
        engine.submit([5, 2], SearchOptions(prefix=(5, -1)))


def test_each_source_may_have_options_of_its_own(start: Start) -> None:
    engine = start(TextMachine(TOKENIZER))
    options = [SearchOptions(prefix=tuple(TOKENIZER.encode("AB"))), SearchOptions(max_target_tokens=2)]
    futures = engine.submit_many([TOKENIZER.encode_source("abcd")] * 2, options)
    assert [text_of(future) for future in futures] == ["ABcd", "ab"]


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


def test_cancelling_frees_rows_and_slots(start: Start) -> None:
    machine = held_machine()
    engine = start(machine, EngineLimits(max_rows=2))
    running = engine.submit_many([TOKENIZER.encode_source("a" * 400), TOKENIZER.encode_source("b" * 400)])
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
    (cut,) = late[0].result(PATIENCE)
    assert cut.finish_reason is FinishReason.DEADLINE
    assert 0 < len(cut.token_ids) < 500
    assert len(cut.token_scores) == len(cut.token_ids)
    assert set(TOKENIZER.decode(cut.token_ids)) == {"a"}
    for future in (late[1], never_admitted[1]):
        assert future.result(PATIENCE) == [Hypothesis((), 0.0, (), FinishReason.DEADLINE)]
    assert time.monotonic() - now < PATIENCE / 2
    assert text_of(in_time) == "c" * 30
    never_admitted[0].cancel()
    until(lambda: engine.status().rows_running == 0)
    assert engine.status().healthy


# ---- Failing steps ----


def test_a_failing_step_fails_every_sequence_at_once_and_the_engine_lives_on(start: Start) -> None:
    machine = held_machine()
    engine = start(machine, EngineLimits(max_rows=2))
    futures = engine.submit_many([TOKENIZER.encode_source("a" * 50)] * 5)
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
def test_even_a_dying_thread_leaves_no_future_waiting(start: Start) -> None:
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
    engine = Engine(TextMachine(TOKENIZER), TextMachine(TOKENIZER).model, name="en-fr")
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
    engine = Engine(TextMachine(TOKENIZER), TextMachine(TOKENIZER).model)
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
