"""Markup is split off without loss."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.text.markup import Kind, escape, tokenize_markup, unescape, unescape_offsets
from tests.support.growth import assert_no_faster_than_length

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
    for is_xml in (False, True):
        tokens = list(tokenize_markup(document, is_xml))
        assert "".join(document[token.start : token.end] for token in tokens) == document
        assert all(one.kind is not Kind.TEXT or other.kind is not Kind.TEXT for one, other in pairwise(tokens))


def test_what_is_markup() -> None:
    document = (
        '<p title="a > b">One <br/>two<!-- no <b> --></p><script>if (a < b) x()</script><style>p {}</style> 3 < 4'
    )
    texts = [document[token.start : token.end] for token in tokenize_markup(document) if token.kind is Kind.TEXT]
    assert texts == ["One ", "two", " 3 < 4"]


def test_references() -> None:
    assert unescape("a &amp; b &lt; &eacute;") == "a & b < é"
    assert escape("a & b < 'c'") == "a &amp; b &lt; 'c'"


@pytest.mark.parametrize("unit", ["<", "<a", "<a ", "<!--", "<script>", "<a '", '<a "x" '])
@pytest.mark.parametrize("end", ["", ">"])
def test_unclosed_markup_takes_no_long_time(unit: str, end: str) -> None:
    assert_no_faster_than_length(lambda text: list(tokenize_markup(text + end)), unit * 2000)


REFERENCES = st.lists(
    st.sampled_from(
        ["&amp;", "&lt", "&notit;", "&#233;", "&#x1F600;", "&nosuch;", "&", "&;", "a", "é", " ", ";", "&NotEqualTilde;"]
    )
).map("".join)


@given(REFERENCES)
def test_offsets_of_unescaped_characters(text: str) -> None:
    plain, offsets = unescape(text), unescape_offsets(text)
    assert len(offsets) == len(plain) + 1
    assert offsets[-1] == len(text)
    assert list(offsets) == sorted(offsets)
    for character, offset in zip(plain, offsets, strict=False):
        assert text[offset] == character or text[offset] == "&"
