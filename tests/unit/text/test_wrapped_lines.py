"""Lines of a hard-wrapped paragraph are read as one text; lists, verses, addresses, dialogue and code are not."""

import textwrap

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.files.formats.registry import read_document
from app.text.wrapped_lines import find_soft_breaks
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


GERMAN = (
    "Hiermit bestätige ich den Empfang Ihres Schreibens vom letzten Montag. Der Vertrag wurde von meinem Vater "
    "unterschrieben, und wir haben das Geld an die Bank in Berlin überwiesen. Bitte teilen Sie uns mit, ob die neue "
    "Wohnung im Sommer frei ist, denn wir suchen eine neue Wohnung in der Stadt."
)


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("Dear Mary,\n" + textwrap.fill(PROSE, 70) + "\nYours, Tom", 3),  # between lines that are short
        ("\n".join("> " + line for line in textwrap.wrap(PROSE, 68)), 2 + 1),
        ("\n".join(">> " + line for line in textwrap.wrap(PROSE, 60)), 3),
        ("- " + textwrap.fill(PROSE, 70, subsequent_indent="  ") + "\n- milk and honey", 2 + 1),
        ("1. " + textwrap.fill(PROSE, 70, subsequent_indent="   ") + "\n2. milk and honey", 2 + 1),
        ("A: " + textwrap.fill(PROSE, 70, subsequent_indent="   ") + "\n\nQ: Where is the key?", 2 + 1),
        (textwrap.fill(PROSE, 70, initial_indent="   ") + "\n" + textwrap.fill(PROSE, 70, initial_indent="   "), 6),
        (textwrap.fill(GERMAN, 74), 4),
        (
            textwrap.fill(PROSE, 72)
            + "\n\n"
            + "We went with a few of our friends to see the old town near Great\nYarmouth.",
            4,
        ),
        (textwrap.fill(PROSE, 60) + "\n12\nCHAPTER TWO\n" + textwrap.fill(PROSE, 60), 6),
        ("In the spring of the year all of the people left the town, and in\n1204 it burned; nobody had seen it.", 0),
    ],
)
def test_paragraphs_among_other_lines(text: str, count: int) -> None:
    breaks = find_soft_breaks(text)
    assert len(breaks) == count
    assert all(text[start:end].strip("> \n") == "" for start, end in breaks)


@pytest.mark.parametrize("before", [textwrap.fill(PROSE, 60) + "\n\n", ""])
@pytest.mark.parametrize(
    "text",
    [
        "John Smith\nDepartment of Public Works\n12 Long Street, Second Floor\nLondon SW1A 2AA",
        "Name            Age    City\nJohn Smith      25     London\nMary Miller     31     New York",
        "| the name of the old man in the house | the age |\n| and the name of his wife who is here | 80 |",
        "200 g flour\n100 g butter\n3 eggs\na little salt",
        "2024-01-31 12:00:01 INFO  Server started on port 8080\n2024-01-31 12:00:05 WARN  the file could not be opened",
        "if name == other and the_door is not closed:\n    raise ValueError('the door is closed')\n    return True",
        "    raise ValueError('the door of the house is closed')\n    return True",
        "--port PORT     the port to listen on, which is 8000\n--models DIR    the folder with the models",
        "Best regards,\nJohn Smith\n\n-- \nJohn Smith\nTel. +1 555 123 4567",
        "1\n00:00:01,000 --> 00:00:04,000\n- Where are you going now?\n- I am going home to see my brother.",
        "The sun is going down behind the hill,\nThe birds are singing in the evening light,\n"
        "The children in the garden are so still,\nAnd soon the stars will fill the quiet night.",
        "Anna: I am tired, and now I have to go to work again.\nTom: oh no\nAnna: yes",
        "Title of the first part of the book\n===================================",
    ],
)
def test_other_lines_stay(text: str, before: str) -> None:
    breaks = find_soft_breaks(before + text)
    assert all(end <= len(before) for _, end in breaks)


def test_a_file_is_read_as_a_text_is() -> None:
    paragraphs = [textwrap.fill(PROSE, width) for width in (50, 60, 70)] * 20
    text = "\r\n\r\n".join(one.replace("\n", "\r\n") for one in paragraphs) + "\r\n"
    document = read_document("a.txt", text.encode(), 10**6)
    assert "".join(passage.text for passage in document.passages) == text
    assert sum(len(find_soft_breaks(one.text)) for one in document.passages) == len(find_soft_breaks(text))
    assert document.write(iter([one.text.upper() for one in document.passages]), "fr") == text.upper().encode()
    short = read_document("a.txt", b"one line\nanother line\n", 10**6)
    assert [one.text for one in short.passages] == ["one line\n", "another line\n"]


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
