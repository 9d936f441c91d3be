"""Driving engines in tests: sending text, holding a step, waiting for something to happen."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future

from app.engine.loop import Engine
from app.engine.sequence import Hypothesis
from tests.support.fakes import TextMachine, english_to_french_tokenizer

PATIENCE = 60.0  # seconds that nothing here ever takes, also on a machine with a load of ten
TOKENIZER = english_to_french_tokenizer()
Start = Callable[..., Engine]


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
