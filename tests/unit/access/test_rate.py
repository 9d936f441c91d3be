"""The rate of requests: never more than allowed, nothing for those that are refused, no more memory than said; and the
same among replicas that share a server, or had one.
"""

import asyncio
import logging
import socket
import sys
import time
from collections.abc import Coroutine, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.access.rate import RateLimiter
from app.errors import ConfigurationError, RateExceeded
from tests.support.engines import PATIENCE
from tests.support.redis_server import RedisServer


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    server.start()
    yield server
    server.stop()


async def is_let_in(rate: RateLimiter, caller: str, per_minute: int) -> bool:
    try:
        await rate.take(caller, per_minute)
    except RateExceeded:
        return False
    return True


def run_with_clock(test: Coroutine[None, None, None], clock: Clock) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("throttled.utils.now_mono_f", clock)
        asyncio.run(test)


def test_a_burst_then_one_at_a_time() -> None:
    clock = Clock()

    async def test() -> None:
        rate = RateLimiter()
        for _ in range(4):
            await rate.take("a", 4)
        for _ in range(10):  # refused requests use nothing up
            with pytest.raises(RateExceeded, match="Slowdown: 4 per 1 minute") as caught:
                await rate.take("a", 4)
        assert caught.value.retry_after_seconds == pytest.approx(15)
        await rate.take("b", 4)  # another caller
        clock.now += 14.9
        assert not await is_let_in(rate, "a", 4)
        clock.now += 0.2
        await rate.take("a", 4)
        clock.now += 3600
        for _ in range(4):
            await rate.take("a", 4)

    run_with_clock(test(), clock)


def test_no_limit_counts_nothing() -> None:
    async def test() -> None:
        rate = RateLimiter()
        for _ in range(1000):
            await rate.take("a", 0)
        await rate.take("a", 1)

    asyncio.run(test())


def test_memory_is_bounded_and_the_longest_absent_go_first() -> None:
    async def test() -> None:
        rate = RateLimiter(max_callers=3)
        for caller in ("a", "b", "a", "c", "d"):
            await rate.take(caller, 2)
        assert not await is_let_in(rate, "a", 2)
        for _ in range(2):
            await rate.take("b", 2)  # was forgotten

    run_with_clock(test(), Clock())


@given(st.integers(1, 30), st.lists(st.floats(0, 40), max_size=120))
def test_never_more_than_allowed_and_who_waits_as_told_is_let_in(per_minute: int, pauses: list[float]) -> None:
    clock, let_in = Clock(), []

    async def test() -> None:
        rate = RateLimiter()
        for pause in pauses:
            clock.now += pause
            try:
                await rate.take("a", per_minute)
            except RateExceeded as error:
                clock.now += error.retry_after_seconds + 1e-9  # for the rounding of the sums
                await rate.take("a", per_minute)
            let_in.append(clock.now)

    run_with_clock(test(), clock)
    for first, begin in enumerate(let_in):
        for count, end in enumerate(let_in[first:], start=1):
            assert count <= per_minute * (1 + (end - begin) / 60) + 1e-6


def test_replicas_share_a_server(server: RedisServer) -> None:
    async def test() -> None:
        replicas = [RateLimiter(server.url) for _ in range(3)]
        outcomes = [await is_let_in(replicas[number % 3], "a", 5) for number in range(60)]
        assert outcomes[:5] == [True] * 5
        assert not all(outcomes[:15])  # alone, each would have let in five
        per_minute, told = 120, 0.0
        while not told:
            try:
                await replicas[0].take("b", per_minute)
            except RateExceeded as error:
                told = error.retry_after_seconds
        assert told <= 0.5
        await asyncio.sleep(told)
        await replicas[1].take("b", per_minute)
        await replicas[2].take("é\n:{x}", 1)  # whatever a caller is called
        for replica in replicas:
            await replica.close()

    asyncio.run(test())


def test_who_is_counted_on_a_server_is_forgotten_there(server: RedisServer) -> None:
    async def test() -> None:
        rate = RateLimiter(server.url)
        await rate.take("a", 60)
        end = time.monotonic() + PATIENCE
        while server.keys():
            assert time.monotonic() < end
            await asyncio.sleep(0.05)
        await rate.close()

    asyncio.run(test())


def test_without_its_server_a_replica_counts_for_itself(
    server: RedisServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "app.access.rate")
    monkeypatch.setattr("app.access.rate._AWAY_SECONDS", 0.02)

    async def test() -> None:
        replicas = [RateLimiter(server.url) for _ in range(2)]
        assert [await is_let_in(replica, "a", 1) for replica in replicas] == [True, False]
        server.stop()
        for replica in replicas:
            assert [await is_let_in(replica, "a", 1) for _ in range(50)] == [True] + [False] * 49
        assert caplog.text.count("rates are not shared") == 2
        server.start()
        end = time.monotonic() + PATIENCE
        while caplog.text.count("rates are shared again") < 2:
            assert time.monotonic() < end
            for replica in replicas:
                await is_let_in(replica, "b", 1000)
            await asyncio.sleep(0.01)
        assert [await is_let_in(replica, "c", 1) for replica in replicas] == [True, False]
        for replica in replicas:
            await replica.close()

    asyncio.run(test())


def test_a_server_that_says_nothing_holds_nobody_for_long(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("app.access.rate._ANSWER_SECONDS", 0.05)

    async def test(url: str) -> None:
        rate = RateLimiter(url)
        outcomes = await asyncio.gather(*(is_let_in(rate, "a", 3) for _ in range(40)))
        assert sum(outcomes) == 3
        assert not await is_let_in(rate, "a", 3)
        await rate.close()

    with socket.create_server(("127.0.0.1", 0)) as silent:
        asyncio.run(test(f"redis://127.0.0.1:{silent.getsockname()[1]}"))
    assert caplog.text.count("no answer within 0.05 seconds") == 1


@pytest.mark.parametrize("storage", ["", "redis", "memcached://host", "http://user:hunter2@host"])
def test_a_storage_that_there_is_not(storage: str) -> None:
    with pytest.raises(ConfigurationError, match="PASSERELLE_RATE_STORAGE must be memory or one of redis://") as caught:
        RateLimiter(storage)
    assert "hunter2" not in str(caught.value)


def test_a_server_without_a_client_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(sys.modules):
        if name == "redis" or name.startswith("redis."):
            monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ConfigurationError, match="pip install"):
        RateLimiter("redis://localhost")
