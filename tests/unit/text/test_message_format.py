"""ICU MessageFormat: what is syntax, and which texts are translated."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.text.markup import find_message_syntax
from tests.support.growth import assert_no_faster_than_length


@pytest.mark.parametrize(
    ("text", "branches"),
    [
        ("{n, plural, one {# apple} other {# apples}}", ["# apple", "# apples"]),
        ("{n,plural,offset:1 =0{none}other{# {x}}}", ["none", "# {x}"]),
        ("You {n, select, a {go} other {stop}} now", ["You ", "go", "stop", " now"]),
        ("{g, select, a {{n, selectordinal, two {#nd} other {#th}}!} other {-}}", ["#nd", "#th", "!", "-"]),
        ("{n, plural, one {It's '{'x} other {y}}", ["It's '{'x", "y"]),
        ("{a} {n, plural, one {x} other {y}} {b", ["{a} ", "x", "y", " {b"]),
        ("{n, plural, one {a {m, plural, one {x} other {y}}", ["{n, plural, one {a ", "x", "y"]),
        ("{n, plural} and {n, plural, x", ["{n, plural} and {n, plural, x"]),
        ("{n, plural, }", ["{n, plural, }"]),
        ("no message", ["no message"]),
    ],
)
def test_branches(text: str, branches: list[str]) -> None:
    found, done = [], 0
    for start, end in [*find_message_syntax(text), (len(text), len(text))]:
        if start > done:
            found.append(text[done:start])
        done = end
    assert found == branches


@given(
    st.lists(st.sampled_from(["{n, plural, ", "one {", "}", "{", "other {", "x", "'", "''", " ", "=1 {"]), max_size=30)
)
def test_any_text(parts: list[str]) -> None:
    text = "".join(parts)
    done = 0
    for start, end in find_message_syntax(text):
        assert done <= start < end <= len(text)
        done = end


@pytest.mark.parametrize(
    "unit", ["{n, plural, one {", "{n, plural, ", "{", "}", "'{", "{n, plural, one {a} ", "{n, plural, one {a}}"]
)
def test_work_grows_with_the_length_and_no_faster(unit: str) -> None:
    assert_no_faster_than_length(find_message_syntax, unit * (4000 // len(unit)))
