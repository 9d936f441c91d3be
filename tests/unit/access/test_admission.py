"""Admission by key and rate, and the count of characters: failed work is not counted, no count exceeds its limit."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.access.admission import Admission, CharacterQuota
from app.access.keys import ApiKey, KeyRing, digest_of
from app.errors import KeyMissing, KeyUnknown, LimitExceeded, QuotaExceeded, RateExceeded
from app.settings import Settings

RING = KeyRing([ApiKey("small", digest_of("key"), characters=10, requests_per_minute=2)])


def admit(admission: Admission, *keys: str, address: str = "192.0.2.1") -> list[CharacterQuota]:
    async def admit_each() -> list[CharacterQuota]:
        return [await admission.admit(key, address) for key in keys]

    return asyncio.run(admit_each())


def check(admission: Admission, *keys: str, address: str = "192.0.2.1") -> None:
    async def check_each() -> None:
        for key in keys:
            await admission.check(key, address)

    asyncio.run(check_each())


def test_without_keys_every_request_is_admitted() -> None:
    admission = Admission(KeyRing(), Settings())
    assert [quota.limit for quota in admit(admission, "", "any")] == [0, 0]
    assert not admission.requires_key
    check(admission, "any")


@pytest.mark.parametrize(("key", "error"), [("", KeyMissing), ("wrong", KeyUnknown)])
def test_a_key_is_required_where_there_are_keys(key: str, error: type[Exception]) -> None:
    admission = Admission(RING, Settings())
    with pytest.raises(error):
        admit(admission, key)
    with pytest.raises(error):
        check(admission, key)


def test_only_wrong_keys_are_counted_where_an_answer_costs_nothing() -> None:
    admission = Admission(RING, Settings(requests_per_minute=2))
    check(admission, *["key"] * 10)
    for _ in range(2):
        with pytest.raises(KeyUnknown):
            check(admission, "wrong")
    with pytest.raises(RateExceeded, match="2 per 1 minute"):
        check(admission, "another")
    check(admission, "key")
    with pytest.raises(KeyUnknown):
        check(admission, "another", address="192.0.2.2")


def test_the_rate_of_a_key_and_of_an_address() -> None:
    admission = Admission(RING, Settings(requests_per_minute=1))
    (first, second) = admit(admission, "key", "key")
    assert first is second
    with pytest.raises(RateExceeded, match="2 per 1 minute"):
        admit(admission, "key")
    with pytest.raises(KeyUnknown):
        admit(admission, "wrong")
    with pytest.raises(RateExceeded, match="1 per 1 minute"):  # guessing keys is limited too
        admit(admission, "another")
    with pytest.raises(KeyUnknown):
        admit(admission, "another", address="192.0.2.2")


def test_new_keys_keep_the_count_of_their_names() -> None:
    admission = Admission(RING, Settings())
    (quota,) = admit(admission, "key")
    with quota.reserve(8):
        pass
    admission.use(KeyRing([ApiKey("small", digest_of("new key"), characters=20), ApiKey("other", digest_of("k"))]))
    (kept,) = admit(admission, "new key")
    assert (kept.count, kept.limit) == (8, 20)
    assert [one.count for one in admission.quotas] == [8, 0]
    with pytest.raises(KeyUnknown):
        admit(admission, "key")


def test_the_admin_key() -> None:
    admission = Admission(KeyRing(), Settings(admin_key_hash=f"sha256:{digest_of('admin').hex()}"))
    assert admission.is_admin("admin")
    assert not admission.is_admin("any")
    assert not Admission(KeyRing(), Settings()).is_admin("")


def test_the_error_names_the_limit_and_the_values() -> None:
    quota = CharacterQuota(10)
    with quota.reserve(7):
        pass
    with pytest.raises(LimitExceeded, match=r"7 .* 4 .*deepl_character_limit \(10\)") as caught, quota.reserve(4):
        pytest.fail("it was let through")
    assert (caught.value.limit, caught.value.value) == (10, 11)
    assert quota.count == 7


def test_what_is_on_its_way_counts_already() -> None:
    quota = CharacterQuota(10)
    with quota.reserve(6):
        with pytest.raises(QuotaExceeded), quota.reserve(6):
            pytest.fail("both were let through")
        with quota.reserve(4):
            assert quota.count == 10


@given(st.integers(0, 50), st.lists(st.tuples(st.integers(0, 20), st.booleans())))
def test_the_count_is_of_what_was_done(limit: int, requests: list[tuple[int, bool]]) -> None:
    quota = CharacterQuota(limit)
    done = 0
    for characters, works in requests:
        try:
            with quota.reserve(characters):
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
