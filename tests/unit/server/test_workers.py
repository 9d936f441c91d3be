"""The supervisor of workers that serve nothing, and the number of workers that a machine has room for."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from app.server.resources import fitting_workers, usable_memory_mib
from tests.support.engines import PATIENCE
from tests.support.supervised import ENDING_SECONDS

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="processes cannot be forked")

ROOT = Path(__file__).parents[3]


class Trial:
    """A supervisor in a process of its own, whose workers write what they do into a file."""

    def __init__(self, folder: Path, process: "subprocess.Popen[bytes]") -> None:
        self.process = process
        self._folder = folder

    @property
    def lines(self) -> list[str]:
        diary = self._folder / "diary.txt"
        return diary.read_text().splitlines() if diary.exists() else []

    @property
    def errors(self) -> str:
        return (self._folder / "errors.txt").read_text()

    def until(self, condition: Callable[[], bool]) -> None:
        end = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < end, (self.lines, self.errors)
            time.sleep(0.01)

    def until_lines(self, *parts: str) -> None:
        """Wait until there is a line with each of these."""
        self.until(lambda: all(any(part in line for line in self.lines) for part in parts))

    def last_process_of(self, number: int) -> int:
        return int([line.split()[-1] for line in self.lines if line.startswith(f"{number} serves")][-1])


@contextmanager
def supervised(folder: Path, behaviour: str, count: int = 2) -> Iterator[Trial]:
    with (folder / "errors.txt").open("wb") as errors:
        command = [sys.executable, "-m", "tests.support.supervised", str(folder), str(count), behaviour]
        process = subprocess.Popen(command, cwd=ROOT, stderr=errors)
    try:
        yield Trial(folder, process)
    finally:
        process.kill()
        process.wait(PATIENCE)


def test_all_start_reload_and_end_together(tmp_path: Path) -> None:
    with supervised(tmp_path, "obedient", 3) as trial:
        trial.until(lambda: len(trial.lines) == 3)
        assert trial.lines[0].startswith("1 serves first"), "the others wait for the first"
        trial.process.send_signal(signal.SIGHUP)
        trial.until_lines("1 reloads", "2 reloads", "3 reloads")
        trial.process.send_signal(signal.SIGTERM)
        assert trial.process.wait(PATIENCE) == 0
        assert sorted(trial.lines[-4:]) == ["1 ends", "2 ends", "3 ends", "closed"]
    assert trial.errors == ""


def test_a_dead_worker_is_started_again(tmp_path: Path) -> None:
    with supervised(tmp_path, "obedient") as trial:
        trial.until_lines("1 serves", "2 serves")
        for count in (3, 4, 5):
            os.kill(trial.last_process_of(2), signal.SIGKILL)
            trial.until(lambda count=count: len(trial.lines) == count)  # type: ignore[misc]
        assert [line.split()[:3] for line in trial.lines[2:]] == [["2", "serves", "again"]] * 3
        trial.process.send_signal(signal.SIGINT)
        assert trial.process.wait(PATIENCE) == 0
    delays = [line.rsplit("another starts in ", 1)[1] for line in trial.errors.splitlines()]
    assert delays == ["0.05 s", "0.1 s", "0.2 s"]
    assert trial.errors.count("was ended by signal 9") == 3


def test_a_worker_with_unusable_settings_ends_all_at_once(tmp_path: Path) -> None:
    with supervised(tmp_path, "unusable") as trial:
        assert trial.process.wait(PATIENCE) == 2
    assert trial.lines == ["1", "closed"]
    assert trial.errors == "error: nothing can be used\n"


@pytest.mark.parametrize(("behaviour", "status"), [("failing", 3), ("killed", 128 + signal.SIGKILL), ("raising", 1)])
def test_a_worker_that_dies_at_the_start_again_and_again_ends_all(tmp_path: Path, behaviour: str, status: int) -> None:
    with supervised(tmp_path, behaviour) as trial:
        assert trial.process.wait(PATIENCE) == status
    assert trial.lines == ["1", "1", "1", "closed"]
    assert "before it served, 3 times one after another: the service ends" in trial.errors.splitlines()[-1]


def test_a_worker_that_cannot_start_does_not_end_those_that_serve(tmp_path: Path) -> None:
    with supervised(tmp_path, "half") as trial:
        trial.until(lambda: trial.lines.count("2") >= 5)
        trial.process.send_signal(signal.SIGTERM)
        assert trial.process.wait(PATIENCE) == 0


def test_a_worker_that_does_not_end_is_killed(tmp_path: Path) -> None:
    with supervised(tmp_path, "deaf") as trial:
        trial.until_lines("1 serves", "2 serves")
        trial.process.send_signal(signal.SIGTERM)
        trial.until_lines("closed")
        trial.process.send_signal(signal.SIGTERM)
        trial.until_lines("1 hurries", "2 hurries")
        trial.process.send_signal(signal.SIGINT)
        trial.until_lines("1 is forced", "2 is forced")
        assert trial.process.wait(PATIENCE) == 1
    assert f"worker 1 did not end within {ENDING_SECONDS:g} seconds and is killed" in trial.errors


def test_workers_end_when_the_supervisor_is_killed(tmp_path: Path) -> None:
    with supervised(tmp_path, "obedient") as trial:
        trial.until_lines("1 serves", "2 serves")
        trial.process.kill()
        trial.until_lines("1 ends", "2 ends")


@pytest.mark.parametrize(
    ("cpus", "memory_mib", "expected"),
    [(1, 10_000.0, 1), (8, 10_000.0, 8), (8, 1_000.0, 4), (8, 399.0, 1), (8, 10.0, 1), (64, None, 64)],
)
def test_as_many_workers_as_cpus_and_memory_allow(cpus: int, memory_mib: float | None, expected: int) -> None:
    assert fitting_workers(cpus, memory_mib, base_mib=200.0, worker_mib=200.0) == expected


def test_the_memory_is_that_of_machine_and_container(tmp_path: Path) -> None:
    meminfo = tmp_path / "meminfo"
    assert usable_memory_mib(tmp_path, meminfo) is None
    meminfo.write_text("MemTotal:       16000000 kB\nMemFree:   1 kB\nMemAvailable:    8192000 kB\n")
    assert usable_memory_mib(tmp_path, meminfo) == 8000
    (tmp_path / "memory.max").write_text("max\n")
    assert usable_memory_mib(tmp_path, meminfo) == 8000
    (tmp_path / "memory.max").write_text(f"{512 * 2**20}\n")
    assert usable_memory_mib(tmp_path, meminfo) == 512
    (tmp_path / "memory.max").unlink()
    (tmp_path / "memory").mkdir()
    (tmp_path / "memory" / "memory.limit_in_bytes").write_text("9223372036854771712\n")
    assert usable_memory_mib(tmp_path, meminfo) == 8000
    (tmp_path / "memory" / "memory.limit_in_bytes").write_text(f"{256 * 2**20}\n")
    assert usable_memory_mib(tmp_path, meminfo) == 256
