"""Memory that forked processes share: numbers under a lock, and what workers tell each other."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from app.access.admission import Admission, CharacterQuota
from app.access.keys import ApiKey, KeyRing, digest_of
from app.access.rate import RateLimiter
from app.errors import QuotaExceeded, RateExceeded, StorageError
from app.server.shared_memory import SharedCounts, SharedNumbers, WorkerBoard
from app.settings import Settings
from tests.support.engines import PATIENCE

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="processes cannot be forked")

ROOT = Path(__file__).parents[3]


def fork(work: Callable[[], int]) -> int:
    """Run work in a child process, whose exit status is its result; return the process id."""
    child = os.fork()
    if child == 0:
        status = 255
        try:
            status = work()
        finally:
            os._exit(status)
    return child


def statuses(children: list[int]) -> list[int]:
    return [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]


def alone(test: Callable[[], None]) -> Callable[[], None]:
    """Run a test in a process of its own: a fork copies no threads, and those of other tests may hold locks."""

    def run() -> None:
        script = f"from {test.__module__} import {test.__name__} as test; test.__wrapped__()"
        done = subprocess.run(
            [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False, timeout=PATIENCE
        )
        assert done.returncode == 0, done.stderr

    run.__name__ = test.__name__
    run.__wrapped__ = test  # type: ignore[attr-defined]
    return run


def test_numbers_are_found_again_under_their_names() -> None:
    numbers = SharedNumbers(64, 64, evicts=False)
    for index in range(64):
        assert numbers.get(f"name {index}") is None
        numbers.set(f"name {index}", index / 4)
    assert [numbers.get(f"name {index}") for index in range(64)] == [index / 4 for index in range(64)]
    numbers.set("name 7", 10.0**15)
    assert numbers.get("name 7") == 10**15
    with pytest.raises(StorageError, match="64"):
        numbers.set("one more", 1.0)
    assert numbers.get("name 63") == 63 / 4


def test_the_smallest_number_in_reach_makes_room() -> None:
    numbers = SharedNumbers(8, 8, evicts=True)
    for index in range(8):
        numbers.set(f"name {index}", 100.0 - index)
    numbers.set("one more", 50.0)
    assert numbers.get("name 7") is None, "its number was the smallest"
    assert numbers.get("one more") == 50.0
    assert [numbers.get(f"name {index}") for index in range(7)] == [100.0 - index for index in range(7)]


@alone
def test_processes_that_add_at_the_same_time_lose_nothing() -> None:
    numbers = SharedNumbers(64, 64, evicts=False)

    def add() -> int:
        for _ in range(500):
            with numbers.locked():
                numbers.set("sum", (numbers.get("sum") or 0) + 1)
        return 0

    assert statuses([fork(add) for _ in range(4)]) == [0] * 4
    assert numbers.get("sum") == 2000


@alone
def test_a_process_that_ends_or_stops_with_the_lock_holds_nobody_up() -> None:
    numbers = SharedNumbers(64, 64, evicts=False)
    read, write = os.pipe()

    def hold() -> int:
        with numbers.locked():
            os.write(write, b"!")
            time.sleep(600)
        return 0

    child = fork(hold)
    os.read(read, 1)
    with numbers.locked():  # after a moment, without the lock
        numbers.set("sum", 1.0)
    os.kill(child, 9)
    os.waitpid(child, 0)
    began = time.monotonic()
    for _ in range(100):
        with numbers.locked():
            pass
    assert time.monotonic() - began < 100 * 0.05, "the lock of a dead process is free"
    os.close(read)
    os.close(write)


@alone
def test_a_rate_is_one_for_all_processes() -> None:
    counts = SharedCounts.make()

    def ask() -> int:
        async def count() -> int:
            rate, admitted = RateLimiter(numbers=counts.rates), 0
            for _ in range(10):
                try:
                    await rate.take("address 10.0.0.1", 12)
                    admitted += 1
                except RateExceeded:
                    pass
            await rate.take("address 10.0.0.2", 12)
            return admitted

        return asyncio.run(count())

    began = time.monotonic()
    admitted = sum(statuses([fork(ask) for _ in range(3)]))
    assert 12 <= admitted <= 12 + (time.monotonic() - began) / 5


@alone
def test_a_quota_is_one_for_all_processes_and_outlives_them() -> None:
    counts = SharedCounts.make()
    ring = KeyRing([ApiKey("one", digest_of("one"), characters=100)])

    def translate() -> int:
        async def count() -> int:
            quota = await Admission(ring, Settings(), counts).admit("one", "")
            done = 0
            for number in range(20):
                try:
                    with quota.reserve(7):
                        if number % 2:
                            raise KeyError  # not translated, so not counted
                        done += 1
                except KeyError:
                    pass
                except QuotaExceeded:
                    pass
            return done

        return asyncio.run(count())

    assert sum(statuses([fork(translate) for _ in range(3)])) == 14
    assert CharacterQuota(100, "characters of one", counts.quotas).count == 98
    assert CharacterQuota(0, shared=counts.quotas).count == 0


@alone
def test_the_board_tells_who_serves_and_who_has_least_to_do() -> None:
    board = WorkerBoard(3)
    assert board.serving == board.starting == []
    for number in (1, 2, 3):
        board.begin(number)
    assert board.starting == [1, 2, 3]
    assert not board.has_served(2)

    def publish() -> int:
        board.publish(2)
        return 0

    (child,) = children = [fork(publish)]
    assert statuses(children) == [0]
    assert board.process_of(2) == child
    board.publish(1)
    assert board.serving == [1, 2]
    board.publish(1, running=2, connections=5)
    board.publish(2, running=1, connections=9)
    assert [board.has_least_load(number) for number in (1, 2, 3)] == [False, True, True]
    board.publish(2, running=2, connections=9)
    assert [board.has_least_load(number) for number in (1, 2)] == [True, False]
    board.leave(1)
    assert board.has_served(1)
    assert board.has_least_load(2)
    board.clear(2)
    assert board.serving == []
    assert board.starting == [3]
