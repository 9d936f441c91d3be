"""The lexical shortlist of a bundle: which tokens it chooses, and that a damaged file is refused."""

import struct
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.bundle.shortlist import MAGIC, Shortlist, parse_shortlist, write_shortlist

EOS = 0


def shortlist(lists: list[list[int]], tokens: int, first: int, adds_source_ids: bool) -> Shortlist:
    content = write_shortlist([np.array(one, np.int64) for one in lists], tokens)
    return Shortlist(*parse_shortlist(content, len(lists), tokens), first, tokens, adds_source_ids, EOS)


def by_the_rule(lists: list[list[int]], tokens: int, first: int, adds: bool, source: list[int]) -> list[int]:
    """The rule as it is told, one token after the other."""
    found = {EOS, *range(min(first, tokens))}
    for one in source:
        found |= {*lists[one], *([one] if adds and one < tokens else [])}
    following = iter(range(first, tokens))
    while len(found) % 8 and len(found) < tokens:
        found.add(next(following))
    return sorted(found)


@given(st.data())
@settings(max_examples=200, deadline=None)
def test_candidates_follow_the_rule(data: st.DataObject) -> None:
    tokens, sources = data.draw(st.integers(1, 90)), data.draw(st.integers(1, 20))
    ids = st.lists(st.integers(0, tokens - 1), max_size=12, unique=True).map(sorted)
    lists = data.draw(st.lists(ids, min_size=sources, max_size=sources))
    first, adds = data.draw(st.integers(0, 100)), data.draw(st.booleans())
    source = data.draw(st.lists(st.integers(0, sources - 1), max_size=30))
    found = shortlist(lists, tokens, first, adds)
    assert found.candidates(source).tolist() == by_the_rule(lists, tokens, first, adds, source)
    assert found.everything().tolist() == list(range(tokens))


@pytest.mark.parametrize(("tokens", "width"), [(65_536, 2), (65_537, 4)])
def test_ids_are_as_wide_as_the_vocabulary_needs(tokens: int, width: int) -> None:
    content = write_shortlist([np.array([0, tokens - 1])], tokens)
    assert len(content) == 8 + 8 + 2 + 2 * width
    _, ids = parse_shortlist(content, 1, tokens)
    assert ids.tolist() == [0, tokens - 1]


def test_a_damaged_file_is_refused_with_its_reason() -> None:
    whole = write_shortlist([np.array([1, 5]), np.array([], np.int64), np.array([0, 2, 7])], 8)
    for content, reason in (
        (b"", "is no shortlist"),
        (whole[:12], "is no shortlist"),
        (b"x" + whole[1:], "is no shortlist"),
        (whole[:-1], "has 31 bytes, its header says 32"),
        (whole + b"\0", "has 33 bytes, its header says 32"),
        (MAGIC + struct.pack("<II", 3, 2**32 - 1) + whole[16:], "its header says 8589934612"),
        (MAGIC + struct.pack("<II", 4, 5) + whole[16:], "has lists of 4 source tokens, the vocabulary has 3"),
        (whole[:16] + struct.pack("<3H", 2, 1, 3) + whole[22:], "has 5 ids, its counts sum up to 6"),
        (whole[:22] + struct.pack("<5H", 1, 8, 0, 2, 7), "has the id 8, the target vocabulary has 8 tokens"),
        (whole[:22] + struct.pack("<5H", 5, 1, 0, 2, 7), "ids that do not ascend, at number 0"),
        (whole[:22] + struct.pack("<5H", 1, 5, 0, 2, 2), "ids that do not ascend, at number 3"),
    ):
        with pytest.raises(ValueError, match=reason):
            parse_shortlist(content, 3, 8)
    starts, ids = parse_shortlist(whole, 3, 8)
    assert (starts.tolist(), ids.tolist()) == ([0, 2, 2, 5], [1, 5, 0, 2, 7])


def test_a_changed_byte_never_gives_ids_out_of_range() -> None:
    random = Random(1)
    whole = write_shortlist([np.array(sorted(random.sample(range(40), 6))) for _ in range(30)], 40)
    reasons = []
    for _ in range(2000):
        data = bytearray(whole)
        for _ in range(random.choice((1, 1, 3))):
            data[random.randrange(len(data))] = random.randrange(256)
        try:
            starts, ids = parse_shortlist(bytes(data), 30, 40)
        except ValueError as error:
            reasons.append(str(error))
        else:
            assert ids.max() < 40
            assert starts[-1] == len(ids)
    assert len(reasons) > 1000
    assert max(map(len, reasons)) < 200
