"""Writers killed with kill -9 at any moment: what they acknowledged is there, and nothing is ever half written."""

import multiprocessing
import os
import random
import signal
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from app.bundle import store
from app.bundle.folders import find_bundles
from app.bundle.store import load_bundle, save_bundle
from tests.support.engines import PATIENCE
from tests.support.fakes import fake_contents, fake_manifest
from training.files import write_atomically

KILLS = 10
SIZE = 300_000
Write = Callable[[Path, int], None]


def save_one(folder: Path, number: int) -> None:
    contents = fake_contents() | {"encoder.onnx": str(number).encode() + b"\n" + b"x" * SIZE}
    save_bundle(folder, fake_manifest().model_copy(update={"name": str(number)}), contents, verify=lambda _: None)


def save_one_in_two_renames(folder: Path, number: int) -> None:
    setattr(store, "_exchange", lambda first, second: False)  # noqa: B010  (a plain assignment would not type-check)
    save_one(folder, number)


def write_one(path: Path, number: int) -> None:
    """As a checkpoint is written."""
    write_atomically(path, str(number).encode() + b"\n" + b"x" * SIZE)


def write_on(write: Write, place: Path, first: int, told: Connection) -> None:
    """In a process of its own: one after the other, each acknowledged."""
    for number in range(first, first + 10_000):
        write(place, number)
        told.send(number)


def killed(write: Write, place: Path, first: int, delay_seconds: float) -> int:
    """Write until killed, some time after the first was acknowledged; the last one that was."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    reading, writing = context.Pipe(duplex=False)
    writer = context.Process(target=write_on, args=(write, place, first, writing))
    writer.start()
    writing.close()
    assert reading.poll(3 * PATIENCE), "nothing was written"
    acknowledged = reading.recv()
    time.sleep(delay_seconds)
    assert writer.pid is not None
    os.kill(writer.pid, signal.SIGKILL)
    writer.join(PATIENCE)
    assert writer.exitcode == -signal.SIGKILL
    with reading:
        try:
            while reading.poll():
                acknowledged = reading.recv()
        except EOFError:
            pass
    return int(acknowledged)


def number_of(content: bytes) -> int:
    number, _, rest = content.partition(b"\n")
    assert rest == b"x" * SIZE, "half a file"
    return int(number)


@pytest.mark.parametrize("write", [save_one, save_one_in_two_renames])
def test_a_bundle_is_whole_and_none_that_was_acknowledged_is_lost(tmp_path: Path, write: Write) -> None:
    folder, chance, last = tmp_path / "en-fr", random.Random(0), 0
    for _ in range(KILLS):
        acknowledged = killed(write, folder, last + 1, chance.uniform(0.0, 0.03))
        assert find_bundles(tmp_path) == [folder]
        bundle = load_bundle(folder)  # every checksum is right
        last = number_of(bundle.encoder_path.read_bytes())
        assert bundle.manifest.name == str(last)
        assert last in (acknowledged, acknowledged + 1)
    save_one(folder, last + 1)
    assert [entry.name for entry in tmp_path.iterdir()] == ["en-fr"]


def test_a_checkpoint_is_whole_and_none_that_was_acknowledged_is_lost(tmp_path: Path) -> None:
    path, chance, last = tmp_path / "checkpoint.npz", random.Random(0), 0
    for _ in range(KILLS):
        acknowledged = killed(write_one, path, last + 1, chance.uniform(0.0, 0.01))
        last = number_of(path.read_bytes())
        assert last in (acknowledged, acknowledged + 1)
