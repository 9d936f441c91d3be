"""Markup is split off without loss."""

import time
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from app.text.markup import escape, escape_places, split_markup, unescape, unescape_places

HTML = st.lists(
    st.sampled_from(
        [
            "<p>",
            "</p>",
            "<b class='x>y'>",
            "<",
            ">",
            "&amp;",
            "&",
            "a",
            " ",
            "<!--",
            "-->",
            "<script>",
            "</script>",
            '"',
            "'",
        ]
    )
).map("".join)


@settings(deadline=None)
@given(HTML)
def test_joined_spans_equal_the_document(document: str) -> None:
    assert "".join(span.text for span in split_markup(document)) == document


def test_what_is_markup() -> None:
    document = (
        '<p title="a > b">One <br/>two<!-- no <b> --></p><script>if (a < b) x()</script><style>p {}</style> 3 < 4'
    )
    assert [span.text for span in split_markup(document) if span.is_text] == ["One ", "two", " 3 < 4"]


def test_references() -> None:
    assert unescape("a &amp; b &lt; &eacute;") == "a & b < é"
    assert escape("a & b < 'c'") == "a &amp; b &lt; 'c'"


def test_hopeless_markup_takes_no_long_time() -> None:
    began = time.perf_counter()
    for unit in ("<", "<a", "<a ", "<!--", "<script>", "<a '", '<a "x" '):
        list(split_markup(unit * 5000))
        list(split_markup(unit * 5000 + ">"))
    assert time.perf_counter() - began < 20


REFERENCES = st.lists(
    st.sampled_from(
        ["&amp;", "&lt", "&notit;", "&#233;", "&#x1F600;", "&nosuch;", "&", "&;", "a", "é", " ", ";", "&NotEqualTilde;"]
    )
).map("".join)


@given(REFERENCES)
def test_places_of_unescaped_characters(text: str) -> None:
    plain, places = unescape(text), unescape_places(text)
    assert len(places) == len(plain) + 1
    assert places[-1] == len(text)
    assert list(places) == sorted(places)
    for character, place in zip(plain, places, strict=False):
        assert text[place] == character or text[place] == "&"


@given(st.text(st.sampled_from('a<>&é"'), max_size=20), st.integers(0, 9))
def test_places_of_escaped_characters(text: str, start: int) -> None:
    places = escape_places(text, start)
    written = " " * start + escape(text)
    assert [unescape(written[one:other]) for one, other in pairwise(places)] == list(text)
    assert places[-1] == len(written)
