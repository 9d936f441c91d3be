"""The rate of requests: never more than allowed, nothing for those that are refused, no more memory than said."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import RateExceeded
from app.rate import RateLimiter


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_so_many_at_once_then_one_after_the_other() -> None:
    clock = Clock()
    rate = RateLimiter(clock)
    for _ in range(4):
        rate.take("a", 4)
    for _ in range(10):  # refused requests use nothing up
        with pytest.raises(RateExceeded, match="Slowdown: 4 per 1 minute") as caught:
            rate.take("a", 4)
    assert caught.value.retry_after_seconds == pytest.approx(15)
    rate.take("b", 4)  # another caller
    clock.now += 14.9
    with pytest.raises(RateExceeded):
        rate.take("a", 4)
    clock.now += 0.2
    rate.take("a", 4)
    clock.now += 3600
    for _ in range(4):
        rate.take("a", 4)


def test_no_limit_remembers_nobody() -> None:
    rate = RateLimiter()
    for number in range(1000):
        rate.take(str(number), 0)
    assert len(rate) == 0


def test_memory_is_bounded_and_the_longest_absent_go_first() -> None:
    rate = RateLimiter(Clock(), max_callers=3)
    for caller in ("a", "b", "a", "c", "d"):
        rate.take(caller, 2)
    assert len(rate) == 3
    with pytest.raises(RateExceeded):
        rate.take("a", 2)
    for _ in range(2):
        rate.take("b", 2)  # was forgotten


@given(st.integers(1, 30), st.lists(st.floats(0, 40), max_size=120))
def test_never_more_than_allowed_and_who_waits_as_told_is_let_in(per_minute: int, pauses: list[float]) -> None:
    clock = Clock()
    rate = RateLimiter(clock)
    let_in: list[float] = []
    for pause in pauses:
        clock.now += pause
        try:
            rate.take("a", per_minute)
        except RateExceeded as error:
            clock.now += error.retry_after_seconds
            rate.take("a", per_minute)
        let_in.append(clock.now)
    for first, begin in enumerate(let_in):
        for count, end in enumerate(let_in[first:], start=1):
            assert count <= per_minute * (1 + (end - begin) / 60) + 1e-6
