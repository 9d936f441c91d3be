"""A step that hangs: at the deadline everybody gets what is there all the same."""

import threading
import time
from pathlib import Path

import pytest

from app.engine.loop import EngineLimits
from app.engine.sequence import FinishReason, SearchOptions
from app.settings import Settings
from tests.support.engines import PATIENCE, TOKENIZER, Start, send, text_of, until
from tests.support.fakes import TextMachine
from tests.support.service import fake_models, running_service

HELLO = {"source": "en", "target": "fr"}


class Stalling(TextMachine):
    """Hangs in the step of this number (from 0) until it is released."""

    def __init__(self, step: int, machine: TextMachine | None = None) -> None:
        super().__init__(TOKENIZER)
        self.released = threading.Event()
        stall(self, step, self.released)


def stall(machine: TextMachine, step: int, released: threading.Event) -> None:
    hooks, on_step = machine.hooks, machine.hooks.on_step

    def hanging(rows: int, best_k: int) -> None:
        on_step(rows, best_k)
        if len(hooks.step_rows) > step:
            released.wait(PATIENCE)

    hooks.on_step = hanging  # type: ignore[method-assign]


@pytest.mark.parametrize("beam_size", [1, 3])
def test_what_is_there_at_the_deadline_is_told_while_the_step_still_hangs(start: Start, beam_size: int) -> None:
    machine = Stalling(step=4)
    engine = start(machine, EngineLimits(max_rows=2 * beam_size))
    options = SearchOptions(beam_size=beam_size, align=True)
    sources = [TOKENIZER.encode_source(text) for text in ("ab", "abcdefgh", "waits")]
    deadline = time.monotonic() + 2
    whole, cut, waiting = engine.submit_many(sources, options, deadline=deadline)
    until(lambda: len(machine.hooks.step_rows) == 5)
    in_time = send(engine, "in time")
    engine.answer_late()
    assert not cut.done()  # no request is late yet
    until(lambda: time.monotonic() > deadline)
    engine.answer_late()
    assert whole.result(0)[0].finish_reason is FinishReason.STOP
    assert text_of(whole) == "ab"
    (best,) = cut.result(0)
    assert TOKENIZER.decode(best.token_ids) == "abcd"
    assert best.finish_reason is FinishReason.DEADLINE
    assert len(best.token_scores) == 4
    assert best.alignment == (0, 1, 2, 3)
    assert waiting.result(0)[0].finish_reason is FinishReason.DEADLINE
    assert not in_time.done()
    machine.released.set()
    assert text_of(in_time) == "in time"
    until(lambda: engine.status().rows_running == 0)
    assert engine.status().healthy


def test_an_encoder_that_hangs_has_begun_nothing(start: Start) -> None:
    machine, released = TextMachine(TOKENIZER), threading.Event()
    machine.hooks.on_encode = lambda _: released.wait(PATIENCE)  # type: ignore[method-assign, assignment]
    engine = start(machine)
    future = send(engine, "abc", deadline=time.monotonic() + 0.05)
    time.sleep(0.1)
    engine.answer_late()
    (nothing,) = future.result(0)
    assert (nothing.token_ids, nothing.finish_reason) == ((), FinishReason.DEADLINE)
    released.set()
    until(lambda: engine.status().rows_running == 0)
    assert text_of(send(engine, "next")) == "next"


def test_a_request_whose_step_hangs(tmp_path: Path) -> None:
    models = fake_models(tmp_path, ("en", "fr"))
    with running_service(Settings(models_dir=models, shutdown_seconds=0.1)) as service:
        machine, released = service.graphs.opened["en-fr"], threading.Event()
        machine.hooks.step_rows.clear()
        stall(machine, 4, released)
        try:
            answer = service.client.post(
                "/translate",
                json={**HELLO, "q": ["Ab.", "Cdefgh ijk.", "42"]},
                headers={"X-Request-Timeout-Seconds": "2"},
            )
            assert answer.status_code == 200, answer.text
            assert answer.json() == {"translatedText": ["AB.", "CDEF", "42"]}
            assert answer.headers["x-finish-reason"] == "deadline"
        finally:
            released.set()
