"""Texts in capitals and their ordinary letters, single quotation marks and their double ones."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.text.words import double_quotes, is_in_capitals, lower_capitals


@pytest.mark.parametrize("text", ["CLOSE THE DOOR.", "¡ES TARDE!", "ÉTÉ À PARIS", "12 THINGS TO DO"])
def test_in_capitals(text: str) -> None:
    assert is_in_capitals(text)


@pytest.mark.parametrize("text", ["", "NASA", "A B C", "The UN", "I", "他走了", "12 %", "USA.", "iPHONE SALES"])
def test_not_in_capitals(text: str) -> None:
    assert not is_in_capitals(text)


def test_ordinary_letters() -> None:
    assert lower_capitals("WHAT DO I SAY? “I'M HERE”", "en") == "What do I say? “I'm here”"
    assert lower_capitals("« IL EST ICI »", "fr") == "« Il est ici »"
    assert lower_capitals("I", "it") == "I"


@given(st.text(), st.sampled_from(["en", "fr"]))
def test_as_long_as_it_was(text: str, language: str) -> None:
    assert len(lower_capitals(text, language)) == len(text)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("He said ‘stop’.", 'He said "stop".'),
        ("He said 'stop'.", 'He said "stop".'),
        ("‚so‘ heißt es", '"so" heißt es'),
        ("'I can't', he said", '"I can\'t", he said'),
        ("He said, 'I am here.'", 'He said, "I am here."'),
        ("don't, l'eau, the boys' book", "don't, l'eau, the boys' book"),
        ("rock 'n' roll in the '90s, 'tis so", "rock 'n' roll in the '90s, 'tis so"),
        ("It’s Tom’s", "It’s Tom’s"),
        ("5' 10 and 6'", "5' 10 and 6'"),
        ("so‚ ja", "so, ja"),
        ("\"I say 'stop'\"", "\"I say 'stop'\""),
    ],
)
def test_single_quotation_marks_are_doubled(text: str, wanted: str) -> None:
    assert double_quotes(text) == wanted
    assert len(double_quotes(text)) == len(text)
