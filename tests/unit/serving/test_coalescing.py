"""Coalescing: equal segments in flight are decoded once, and no caller depends on another."""

import time
from concurrent.futures import CancelledError

import pytest

from app.engine.loop import EngineLimits
from app.engine.sequence import FinishReason, Priority, SearchOptions
from app.errors import EngineOverloaded, EngineStopped, InvalidRequest, LimitExceeded, StepFailed
from app.serving.cache import key_of
from tests.support.engines import PATIENCE, TOKENIZER, Start, held_machine, release, text_of, until
from tests.support.fakes import TextMachine
from tests.unit.serving.test_cache import Submitter


def test_who_asks_meanwhile_waits_for_the_first(start: Start) -> None:
    machine = held_machine()
    ask = Submitter(start(machine))
    futures = [ask() for _ in range(5)]
    release(machine)
    assert {text_of(future) for future in futures} == {"hello"}
    assert ask.counts == (0, 4, 1)
    assert set(machine.hooks.step_rows) == {1}
    assert text_of(ask()) == "hello"
    assert ask.counts == (1, 4, 1)


def test_who_waits_is_not_cancelled_with_the_first(start: Start) -> None:
    machine = held_machine()
    ask = Submitter(start(machine))
    first, second, third = ask(), ask(), ask()
    assert first.cancel()
    assert third.cancel()
    release(machine)
    assert text_of(second) == "hello"
    with pytest.raises(CancelledError):
        first.result(PATIENCE)
    assert text_of(ask()) == "hello"
    assert ask.counts == (1, 2, 1)


def test_when_all_have_left_the_rows_are_freed(start: Start) -> None:
    machine = held_machine()
    engine = start(machine)
    ask = Submitter(engine)
    futures = [ask(), ask()]
    for future in futures:
        future.cancel()
    release(machine)
    until(lambda: engine.status().rows_running == 0)
    assert text_of(ask()) == "hello"
    assert ask.counts == (0, 1, 2)


def test_who_waits_does_not_fail_with_the_first_and_a_bad_segment_fails_few_steps(start: Start) -> None:
    machine = held_machine()
    machine.hooks.fail_next = RuntimeError("once")
    engine = start(machine)
    ask = Submitter(engine)
    futures = [ask() for _ in range(4)]
    release(machine)
    with pytest.raises(StepFailed):
        futures[0].result(PATIENCE)
    assert [text_of(future) for future in futures[1:]] == ["hello"] * 3
    machine.hooks.fail_encode = RuntimeError("always")
    futures = [ask("bad") for _ in range(8)]
    for future in futures:
        with pytest.raises(StepFailed):
            future.result(PATIENCE)
    assert engine.step_metrics.failed_turns == 1 + 2  # the first of the eight, and then the others all at once
    machine.hooks.fail_encode = None
    assert text_of(ask("bad")) == "bad"


def test_what_a_deadline_cut_is_not_kept_and_who_has_more_time_gets_it_whole(start: Start) -> None:
    machine = TextMachine(TOKENIZER)
    machine.hooks.delay_seconds = 0.02
    ask = Submitter(start(machine))
    text = "a text of some forty characters, or more"
    now = time.monotonic()
    hurried, patient, last = ask(text, deadline=now + 0.2), ask(text, deadline=now + 60), ask(text)
    cut = hurried.result(PATIENCE)[0]
    assert cut.finish_reason is FinishReason.DEADLINE
    assert len(cut.token_ids) < len(text)
    assert text_of(patient) == text_of(last) == text
    assert ask.counts == (0, 2, 1)


def test_who_has_less_time_or_more_right_does_not_wait(start: Start) -> None:
    machine = held_machine()
    ask = Submitter(start(machine))
    now = time.monotonic()
    slow = ask(deadline=now + 60, priority=Priority.BULK)
    hurried = ask(deadline=now + 30, priority=Priority.BULK)
    interactive = ask(deadline=now + 90)
    joined = ask(deadline=now + 90, priority=Priority.BULK)
    assert ask.counts == (0, 1, 3)
    release(machine)
    assert {text_of(one) for one in (slow, hurried, interactive, joined)} == {"hello"}


def test_what_is_drawn_is_never_kept(start: Start) -> None:
    ask = Submitter(start(TextMachine(TOKENIZER)))
    for seed in (1, 1, 2):
        ask(temperature=1.0, seed=seed).result(PATIENCE)
    assert ask.counts == (0, 0, 0)
    assert len(ask.cache) == 0
    assert key_of("1", (4, 2), SearchOptions(2, 2, branching=True, allowed=lambda _: None)) is None


def test_every_listener_is_called(start: Start) -> None:
    machine = held_machine()
    ask = Submitter(start(machine))
    reported: list[list[tuple[int, ...]]] = [[], []]
    futures = [ask(listener=reported[0].append), ask(listener=reported[1].append)]
    release(machine)
    tokens = [future.result(PATIENCE)[0].token_ids for future in futures]
    assert reported[0][-1] == reported[1][-1] == tokens[0] == tokens[1]


def test_refusals_are_as_without(start: Start) -> None:
    machine = held_machine()
    ask = Submitter(start(machine, EngineLimits(max_rows=2, max_waiting=1, max_request_sequences=2)))
    with pytest.raises(LimitExceeded, match="beam_size"):
        ask(beam_size=3)
    with pytest.raises(InvalidRequest):
        ask.cached.submit_many([()])
    release(machine)
    source = TOKENIZER.encode_source("hello")
    ask.cached.submit_many([source])[0].result(PATIENCE)
    with pytest.raises(LimitExceeded, match="segments"):
        ask.cached.submit_many([source] * 3)
    assert ask.cached.submit_many([]) == []


def test_a_full_queue_takes_all_of_a_request_or_nothing(start: Start) -> None:
    machine = held_machine()
    engine = start(machine, EngineLimits(max_rows=1, max_waiting=1))
    ask = Submitter(engine)
    running = ask("running")
    until(lambda: engine.status().sequences_running == 1 and engine.status().sequences_waiting == 0)
    waiting = ask("waiting")
    sources = [TOKENIZER.encode_source(text) for text in ("waiting", "new")]
    with pytest.raises(EngineOverloaded):
        ask.cached.submit_many(sources)
    assert not ask("running").done()  # no room is needed to wait with others
    assert waiting.cancel()
    release(machine)
    assert text_of(running) == "running"
    until(lambda: engine.status().sequences_waiting == 0)
    assert [text_of(future) for future in ask.cached.submit_many(sources)] == ["waiting", "new"]


def test_a_stopped_engine_leaves_no_caller_waiting(start: Start) -> None:
    machine = held_machine()
    engine = start(machine)
    ask = Submitter(engine)
    futures = [ask() for _ in range(3)]
    engine.stop(drain=False, timeout_seconds=0.01)
    for future in futures:
        with pytest.raises(EngineStopped):
            future.result(PATIENCE)
    release(machine)
