"""Empty elements that stand for white space part words; raised numbers and punctuation stay where they stand."""

import pytest

from app.text.inline import TextFormat, extract_flows
from app.text.tag_roles import TagRules
from tests.unit.translation.test_kept import RULES, read


def texts(document: str) -> list[str]:
    return [flow.text for flow in extract_flows(document, "xml", TagRules(), None, RULES["en-fr"])]


@pytest.mark.parametrize("tag", ["<s/>", "<tab/>", "<space n='3'/>", "<nbsp></nbsp>", "<lb/>", "<br/>", "<lb></lb>"])
def test_a_space(tag: str) -> None:
    assert texts(f"The old{tag}bridge") == ["The old bridge"]
    assert texts(f"Hello,{tag}my friend.") == ["Hello, my friend."]


def test_other_elements_are_no_white_space() -> None:
    assert texts("The river<fn/> is long") == ["The river is long"]
    assert texts("a<s>b c</s>d") == ["ab cd"]
    assert texts("three <br/> four") == ["three four"]


@pytest.mark.parametrize("text_format", ["html", "xml"])
def test_raised_numbers(text_format: TextFormat) -> None:
    assert read("<p>The river is long<sup>1</sup> and wide.</p>", text_format=text_format)[0].startswith(
        "The river is long and"
    )


@pytest.mark.parametrize("text", [", the river is long.", "; the river is long.", "... the river is long."])
def test_punctuation_before_the_words_stays(text: str) -> None:
    assert read(f"<img>{text}", text_format="html") == ["the river is long."]
