"""The queues: who is let in, when, and in which order."""

import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.engine.scheduler import LONG_REQUEST, EngineLimits, Scheduler, bucket
from app.engine.sequence import Priority, SearchOptions, Sequence
from app.errors import ConfigurationError, EngineOverloaded, LimitExceeded


def sequence(
    tokens: int = 5, beam_size: int = 1, deadline: float | None = None, priority: Priority = Priority.INTERACTIVE
) -> Sequence:
    return Sequence((7,) * tokens, SearchOptions(beam_size=beam_size), 10, deadline, priority=priority)


def limits(rows: int = 4, padded: int = 1000, waiting: int = 3, request: int = 10) -> EngineLimits:
    return EngineLimits(rows, padded, waiting, request)


def test_first_come_first_served_up_to_the_rows() -> None:
    scheduler = Scheduler(limits(rows=3))
    request = [sequence() for _ in range(5)]
    scheduler.enqueue(request, 1.0)
    assert scheduler.admit() == request[:3]
    assert scheduler.admit() == []
    assert (scheduler.waiting_count, scheduler.rows_running) == (2, 3)
    scheduler.release(request[1])
    assert scheduler.admit() == [request[3]]


def test_requests_take_turns() -> None:
    scheduler = Scheduler(limits(rows=4, waiting=20))
    document = [sequence() for _ in range(8)]
    sentence = [sequence()]
    scheduler.enqueue(document, 1.0)
    scheduler.enqueue(sentence, 1.0)
    assert scheduler.admit() == [document[0], sentence[0], document[1], document[2]]


def test_interactive_goes_first_and_bulk_gets_a_share() -> None:
    scheduler = Scheduler(limits(rows=7, waiting=20))
    bulk = [sequence(priority=Priority.BULK) for _ in range(3)]
    interactive = [sequence() for _ in range(7)]
    scheduler.enqueue(bulk, 1.0)
    scheduler.enqueue(interactive, 1.0)
    assert scheduler.admit() == [*interactive[:4], bulk[0], *interactive[4:6]]
    for one in list(scheduler.running):
        scheduler.release(one)
    assert scheduler.admit() == [interactive[6], bulk[1]]  # the other rows are kept for interactive requests
    scheduler.release(bulk[1])
    assert scheduler.admit() == [bulk[2]]
    assert scheduler.waiting_count == 0


def test_a_long_request_is_bulk_and_refuses_no_short_one() -> None:
    scheduler = Scheduler(limits(rows=16, waiting=256, request=4096))
    document = [sequence() for _ in range(4000)]
    scheduler.enqueue(document, 1.0)
    assert {one.priority for one in document} == {Priority.BULK}
    for _ in range(300):
        short = [sequence()]
        scheduler.enqueue(short, 1.0)
        assert short[0] in scheduler.admit()
        scheduler.release(short[0])
    other = [sequence() for _ in range(LONG_REQUEST + 1)]
    scheduler.enqueue(other, 1.0)  # nor another long one
    assert scheduler.waiting_count > 4000 - 4


def test_bulk_leaves_rows_to_interactive_requests_until_none_come() -> None:
    scheduler = Scheduler(limits(rows=8, waiting=256, request=4096))
    scheduler.enqueue([sequence(priority=Priority.BULK) for _ in range(100)], 1.0)
    assert len(scheduler.admit()) == 8  # nothing else came yet
    short = [sequence()]
    scheduler.enqueue(short, 1.0)
    assert scheduler.admit() == []  # no row is free
    for one in list(scheduler.running):
        scheduler.release(one)
    newcomers = scheduler.admit()
    assert newcomers[0] is short[0]
    assert len(newcomers) == 1 + 8 // 4
    steps = 0
    while scheduler.rows_running < 8:
        scheduler.admit()
        steps += 1
        assert steps < 1000
    assert steps > 300


@given(st.lists(st.tuples(st.sampled_from(list(Priority)), st.integers(1, 6)), max_size=12), st.integers(1, 5))
def test_no_sequence_starves(arriving: list[tuple[Priority, int]], rows: int) -> None:
    """Each waiting sequence is admitted after at most as many others as the shares allow, though new ones come all the
    time.
    """
    scheduler = Scheduler(limits(rows=rows, waiting=1000))
    for priority, count in arriving:
        scheduler.enqueue([sequence(priority=priority) for _ in range(count)], 1.0)
    everyone = set(scheduler.all_sequences())
    bulk_count = sum(one.priority is Priority.BULK for one in everyone)
    admitted: list[Sequence] = []
    for _ in range(6 * (len(everyone) + 2)):
        scheduler.enqueue([sequence()], 1.0)  # interactive work that never ends
        newcomers = scheduler.admit()
        admitted += newcomers
        for one in newcomers:
            scheduler.release(one)
    assert everyone <= set(admitted)
    last_bulk = max((index for index, one in enumerate(admitted) if one.priority is Priority.BULK), default=0)
    assert last_bulk < 5 * (bulk_count + 1)
    assert scheduler.waiting_count == len(scheduler.all_sequences())


def test_a_long_bulk_queue_refuses_no_interactive_request() -> None:
    scheduler = Scheduler(limits(waiting=3, request=100))
    scheduler.enqueue([sequence(priority=Priority.BULK) for _ in range(50)], 1.0)
    for _ in range(2):  # of a long request a part of the limit counts, here one sequence
        scheduler.enqueue([sequence(priority=Priority.BULK)], 1.0)
    with pytest.raises(EngineOverloaded, match="52 sequences wait, the limit is 3"):
        scheduler.enqueue([sequence(priority=Priority.BULK)], 1.0)
    scheduler.enqueue([sequence()], 1.0)
    assert scheduler.waiting_before(Priority.INTERACTIVE) == 1
    assert scheduler.waiting_before(Priority.BULK) == scheduler.waiting_count == 53


def test_rows_are_hypotheses_and_no_sequence_overtakes() -> None:
    scheduler = Scheduler(limits(rows=4))
    wide, wider, narrow = sequence(beam_size=3), sequence(beam_size=2), sequence()
    for one in (wide, wider, narrow):
        scheduler.enqueue([one], 1.0)
    assert scheduler.admit() == [wide]
    assert scheduler.admit() == []
    scheduler.release(wide)
    assert scheduler.admit() == [wider, narrow]
    assert scheduler.rows_running == 3


def test_padded_tokens() -> None:
    scheduler = Scheduler(limits(rows=10, padded=40))
    short, long, other = sequence(5), sequence(20), sequence(5)
    for one in (short, long, other):
        scheduler.enqueue([one], 1.0)
    assert scheduler.admit() == [short, long]  # 2 rows of 20
    assert scheduler.admit() == []  # 3 rows of 20 are too many
    scheduler.release(long)
    assert scheduler.admit() == [other]


def test_one_alone_may_exceed_the_padded_tokens() -> None:
    scheduler = Scheduler(limits(padded=40))
    giant = sequence(100)
    scheduler.enqueue([giant, sequence()], 1.0)
    assert scheduler.admit() == [giant]


def test_the_queue_is_bounded() -> None:
    scheduler = Scheduler(limits(waiting=2))
    scheduler.enqueue([sequence()], 1.0)
    scheduler.enqueue([sequence()], 1.0)
    with pytest.raises(EngineOverloaded, match="2 sequences wait, the limit is 2") as caught:
        scheduler.enqueue([sequence()], 7.5)
    assert caught.value.retry_after_seconds == 7.5
    assert scheduler.waiting_count == 2


def test_a_document_may_be_longer_than_the_queue_but_not_endless() -> None:
    scheduler = Scheduler(limits(waiting=2, request=10))
    scheduler.enqueue([sequence()], 1.0)
    scheduler.enqueue([sequence() for _ in range(10)], 1.0)
    assert scheduler.waiting_count == 11
    with pytest.raises(LimitExceeded) as caught:
        scheduler.enqueue([sequence() for _ in range(11)], 1.0)
    assert (caught.value.limit, caught.value.value) == (10, 11)


def test_a_beam_that_never_fits() -> None:
    with pytest.raises(LimitExceeded, match=r"beam_size \(5\) exceeds the limit \(4\)"):
        Scheduler(limits(rows=4)).enqueue([sequence(beam_size=5)], 1.0)


@pytest.mark.parametrize("name", ["max_rows", "max_padded_tokens", "max_waiting", "max_request_sequences"])
def test_limits_are_positive(name: str) -> None:
    with pytest.raises(ConfigurationError, match=f"{name} is 0"):
        EngineLimits(**{name: 0})


def test_withdraw_takes_from_both_queues() -> None:
    scheduler = Scheduler(limits(rows=2, waiting=20))
    request = [sequence() for _ in range(5)]
    scheduler.enqueue(request, 1.0)
    scheduler.admit()
    leaving = {request[0], request[3]}
    waited, ran = scheduler.withdraw(lambda one: one in leaving)
    assert (waited, ran) == ([request[3]], [request[0]])
    assert (scheduler.waiting_count, scheduler.rows_running) == (2, 1)
    assert set(scheduler.all_sequences()) == set(request) - leaving
    assert scheduler.admit() == [request[2]]


def test_deadlines_are_noticed_once() -> None:
    scheduler = Scheduler(limits(waiting=20))
    now = time.monotonic()
    scheduler.enqueue([sequence(), sequence(deadline=now + 5), sequence(deadline=now + 9)], 1.0)
    assert not scheduler.is_deadline_due(now)
    assert scheduler.is_deadline_due(now + 5)
    scheduler.withdraw(lambda one: one.is_late(now + 5))
    assert not scheduler.is_deadline_due(now + 5)
    assert scheduler.is_deadline_due(now + 9)


@given(st.lists(st.integers(1, 300), max_size=40), st.integers(1, 2000))
def test_buckets_hold_each_once_with_little_padding(lengths: list[int], max_padded: int) -> None:
    newcomers = [sequence(length) for length in lengths]
    buckets = bucket(newcomers, max_padded)
    assert sorted(map(id, (one for group in buckets for one in group))) == sorted(map(id, newcomers))
    for group in buckets:
        sizes = [one.source_tokens for one in group]
        assert sizes == sorted(sizes)
        for count, (shorter, longer) in enumerate(pairwise(sizes), start=1):
            assert count * (longer - shorter) <= 8 + (shorter if count == 1 else 0)
        assert len(group) == 1 or len(group) * max(sizes) <= max_padded


def test_upcoming() -> None:
    scheduler = Scheduler(limits(rows=1, waiting=9))
    one, other = [sequence() for _ in range(4)], [sequence() for _ in range(2)]
    bulk = [sequence(priority=Priority.BULK)]
    assert scheduler.upcoming(3) == []
    for request in (bulk, one, other):
        scheduler.enqueue(request, 1.0)
    assert scheduler.upcoming(4) == [one[0], other[0], one[1], other[1]]
    assert scheduler.upcoming(9) == [one[0], other[0], one[1], other[1], one[2], one[3]]
    assert scheduler.waiting_count == 7
