"""What other tests measure growth with sees the difference."""

import pytest

from tests.support.growth import assert_no_faster_than_length


def test_quadratic_work_is_seen() -> None:
    assert_no_faster_than_length(lambda text: [len(character) for character in text], "a" * 20_000)
    with pytest.raises(AssertionError, match="8 times the text was"):
        assert_no_faster_than_length(lambda text: [text.count("b") for _ in range(len(text))], "a" * 4_000)
