"""Lines of a hard-wrapped paragraph are read as one text; lists, verses, addresses, dialogue and code are not."""

import textwrap

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.text.segmentation import find_soft_breaks
from tests.support.growth import assert_no_faster_than_length
from tests.unit.translation.test_kept import read

PROSE = (
    "The old man went to the market with his brother, because he wanted to buy a new coat for the winter. It was very "
    "cold that day, and the children played in the garden with their new friends until the evening came."
)


def count_breaks(text: str) -> int:
    found = find_soft_breaks(text)
    assert all(text[start:end].strip("-\u00ad\r\n ") == "" for start, end in found)
    return len(found)


@pytest.mark.parametrize("width", [45, 60, 72, 80])
@pytest.mark.parametrize("line_end", ["\n", "\r\n", " \n"])
def test_a_wrapped_paragraph(width: int, line_end: str) -> None:
    lines = textwrap.wrap(PROSE, width)
    text = line_end.join(lines)
    assert count_breaks(text) == len(lines) - 1
    assert count_breaks(f"{text}\n\n{text}\n\nEnd.") == 2 * (len(lines) - 1)
    first, second = PROSE.split(". ")
    assert read(text) == [first + ".", second]


def test_a_divided_word_is_joined() -> None:
    text = (
        "The old man went to the market with his younger bro-\nther, because he wanted to buy a new coat for the win-\n"
        "ter and some bread."
    )
    assert count_breaks(text) == 2
    assert read(text) == [text.replace("-\n", "")]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "one line",
        "Dear Tom,\nI am here.\nYours,\nMary",
        "Mr. John Smith, Manager of a Department\n12 Long Street, Second Floor, Back Door\nSpringfield, Ohio",
        "- Where are you going now, my dear old friend?\n- I am going home to see my brother and sister.",
        "- bread and butter for the guests of this evening\n- milk and honey for the children of the house",
        "1. bread and butter for the guests of this evening\n2. milk and honey for the children of the house",
        "Shall I compare thee to a summer's day, my dear?\nThou art more lovely and more temperate today:\n"
        "Rough winds do shake the darling buds of May here",
        "    if x == 1 and y == 2 or z == 3: return foo(x)\n    else: return bar(y) + baz(z) * qux(x, y, z)",
        'for (int i = 0; i < 10; i++) { total += values[i]; }\nprintf("%d", total); return total * 2 + 1;',
        "The first label of the window that is open\nthe second label\nThe third label of the window that is open",
        "A title of the chapter\nthe text of the chapter begins here and goes on to the end of the line",
        PROSE.split(". ")[0] + ".\n" + PROSE.split(". ")[1],
        "The old man went to the market with his brother.\n\nand it was very cold",
    ],
)
def test_what_is_no_wrapped_paragraph(text: str) -> None:
    assert count_breaks(text) == 0


@given(
    st.lists(st.sampled_from(["The old man went ", "to the market", "\n", "\r\n", "-", "a", ". ", "\n\n"]), max_size=60)
)
def test_breaks_are_in_order_and_hold_a_line_end(parts: list[str]) -> None:
    text = "".join(parts)
    done = 0
    for start, end in find_soft_breaks(text):
        assert done <= start < end
        assert text[start:end].count("\n") == 1
        done = end


@pytest.mark.parametrize("unit", ["a\n", "\n", PROSE + "\n", " \n", "a-\n"])
def test_work_grows_with_the_length_and_no_faster(unit: str) -> None:
    assert_no_faster_than_length(find_soft_breaks, unit * (20_000 // len(unit)))
