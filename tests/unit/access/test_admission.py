"""Counting characters: what was not translated is not counted, and nothing goes over the limit."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.access.admission import CharacterQuota
from app.errors import LimitExceeded, QuotaExceeded


def test_the_error_names_the_limit_and_the_values() -> None:
    quota = CharacterQuota(10)
    with quota.counted(7):
        pass
    with pytest.raises(LimitExceeded, match=r"7 .* 4 .*deepl_character_limit \(10\)") as caught, quota.counted(4):
        pytest.fail("it was let through")
    assert (caught.value.limit, caught.value.value) == (10, 11)
    assert quota.count == 7


def test_what_is_on_its_way_counts_already() -> None:
    quota = CharacterQuota(10)
    with quota.counted(6):
        with pytest.raises(QuotaExceeded), quota.counted(6):
            pytest.fail("both were let through")
        with quota.counted(4):
            assert quota.count == 10


@given(st.integers(0, 50), st.lists(st.tuples(st.integers(0, 20), st.booleans())))
def test_the_count_is_of_what_was_done(limit: int, requests: list[tuple[int, bool]]) -> None:
    quota = CharacterQuota(limit)
    done = 0
    for characters, works in requests:
        try:
            with quota.counted(characters):
                if not works:
                    raise KeyError
        except QuotaExceeded:
            assert limit
            assert done + characters > limit
            continue
        except KeyError:
            continue
        done += characters
        assert quota.count == done
    assert quota.count == done
    assert not limit or done <= limit
