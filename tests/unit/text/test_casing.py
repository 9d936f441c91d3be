"""Texts in capitals."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.text.casing import in_ordinary_letters, is_in_capitals


@pytest.mark.parametrize("text", ["CLOSE THE DOOR.", "¡ES TARDE!", "ÉTÉ À PARIS", "12 THINGS TO DO"])
def test_in_capitals(text: str) -> None:
    assert is_in_capitals(text)


@pytest.mark.parametrize("text", ["", "NASA", "A B C", "The UN", "I", "他走了", "12 %", "USA.", "iPHONE SALES"])
def test_not_in_capitals(text: str) -> None:
    assert not is_in_capitals(text)


def test_ordinary_letters() -> None:
    assert in_ordinary_letters("WHAT DO I SAY? “I'M HERE”", "en") == "What do I say? “I'm here”"
    assert in_ordinary_letters("« IL EST ICI »", "fr") == "« Il est ici »"
    assert in_ordinary_letters("I", "it") == "I"


@given(st.text(), st.sampled_from(["en", "fr"]))
def test_as_long_as_it_was(text: str, language: str) -> None:
    assert len(in_ordinary_letters(text, language)) == len(text)
