"""Passages are translated in batches: in order, within the deadline, without filling the queue."""

import threading
import time
from concurrent.futures import Future
from pathlib import Path

import pytest

from app.engine.loop import Engine, EngineLimits
from app.engine.sequence import Hypothesis, Priority
from app.errors import DeadlineExceeded, RequestCancelled, StepFailed
from app.files.batches import PassageTranslator
from app.files.document import Passage
from app.translation.translator import Translator
from tests.support.engines import PATIENCE, TOKENIZER, Start, held_machine, release, send, until
from tests.support.fakes import TextMachine, fake_bundle, text_machine

PASSAGES = [
    Passage(f"<b>Number</b> {number}", "html") if number % 3 == 0 else Passage(f"Number {number} here.")
    for number in range(200)
]
WANTED = [passage.text.upper().replace("<B>", "<b>").replace("</B>", "</b>") for passage in PASSAGES]


def translator(tmp_path: Path, engine: Engine) -> Translator:
    return Translator(fake_bundle(tmp_path), engine)


def in_time(
    translator: Translator, cancelled: threading.Event | None = None, seconds: float = PATIENCE
) -> PassageTranslator:
    return PassageTranslator(translator, time.monotonic() + seconds, cancelled or threading.Event())


def upper_machine(tmp_path: Path) -> TextMachine:
    return text_machine(fake_bundle(tmp_path / "machine"))


def bulk(engine: Engine, text: str) -> "Future[list[Hypothesis]]":
    (future,) = engine.submit_many([TOKENIZER.encode_source(text)], priority=Priority.BULK)
    return future


def test_everything_in_its_order(start: Start, tmp_path: Path) -> None:
    engine = start(upper_machine(tmp_path), EngineLimits(max_waiting=64))
    work = in_time(translator(tmp_path, engine))
    assert work.translate(PASSAGES) == WANTED
    assert work.translated_characters == sum(len(passage.text) for passage in PASSAGES)
    assert work.translate([]) == []


def test_the_queue_is_never_filled(start: Start, tmp_path: Path) -> None:
    machine = upper_machine(tmp_path)
    machine.hooks.gate = threading.Event()
    engine = start(machine, EngineLimits(max_rows=4, max_waiting=256))
    work = in_time(translator(tmp_path, engine))
    found: list[list[str]] = []
    thread = threading.Thread(target=lambda: found.append(work.translate(PASSAGES)))
    thread.start()
    until(lambda: engine.status().sequences_waiting > 0)
    assert engine.status().sequences_waiting + engine.status().sequences_running <= 64
    machine.hooks.gate.set()
    thread.join(PATIENCE)
    assert found == [WANTED]


def test_a_full_queue_is_waited_for(start: Start, tmp_path: Path) -> None:
    machine = held_machine()
    engine = start(machine, EngineLimits(max_rows=1, max_waiting=1))
    others = [bulk(engine, "One")]
    until(lambda: engine.status().sequences_running == 1)
    others.append(bulk(engine, "Two"))  # it waits, and so the queue is full
    found: list[list[str]] = []
    work = in_time(translator(tmp_path, engine))
    thread = threading.Thread(target=lambda: found.append(work.translate(PASSAGES[:3])))
    thread.start()
    release(machine)
    thread.join(PATIENCE)
    assert found == [[passage.text for passage in PASSAGES[:3]]]
    assert all(other.result(PATIENCE) for other in others)


def test_single_sentences_go_before(start: Start, tmp_path: Path) -> None:
    machine = held_machine()
    engine = start(machine, EngineLimits(max_rows=1, max_waiting=256))
    work = in_time(translator(tmp_path, engine))
    thread = threading.Thread(target=work.translate, args=(PASSAGES,))
    thread.start()
    until(lambda: engine.status().sequences_waiting > 10)
    other = send(engine, "Me first")
    release(machine)
    other.result(PATIENCE)
    assert work.translated_characters < sum(len(passage.text) for passage in PASSAGES) / 2
    thread.join(PATIENCE)


def test_a_deadline(start: Start, tmp_path: Path) -> None:
    machine = held_machine()
    engine = start(machine)
    began = time.monotonic()
    with pytest.raises(DeadlineExceeded):
        in_time(translator(tmp_path, engine), seconds=0.3).translate(PASSAGES)
    assert time.monotonic() - began < PATIENCE
    release(machine)
    with pytest.raises(DeadlineExceeded):
        in_time(translator(tmp_path, engine), seconds=-1).translate(PASSAGES)


def test_a_cancelled_file(start: Start, tmp_path: Path) -> None:
    machine = held_machine()
    engine = start(machine)
    cancelled = threading.Event()
    errors: list[Exception] = []

    def work() -> None:
        try:
            in_time(translator(tmp_path, engine), cancelled).translate(PASSAGES)
        except RequestCancelled as error:
            errors.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    until(lambda: engine.status().sequences_running > 0)
    cancelled.set()
    thread.join(PATIENCE)
    assert len(errors) == 1
    release(machine)
    until(lambda: engine.status().sequences_running + engine.status().sequences_waiting == 0)


def test_a_failing_step(start: Start, tmp_path: Path) -> None:
    machine = upper_machine(tmp_path)
    machine.hooks.fail_steps = {3}
    engine = start(machine)
    with pytest.raises(StepFailed):
        in_time(translator(tmp_path, engine)).translate(PASSAGES)
