"""Arrows and other signs between words without spaces: they stay, with no space around them."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.engine.loop import Engine
from app.engine.model import DecodingModel
from app.text.inline import TagKind, TextFormat, extract_flows
from app.text.tag_roles import NO_RULES
from app.translation.translator import TranslationOptions, Translator
from tests.support.fakes import fake_bundle, text_machine
from tests.unit.translation.test_kept import BUNDLES, RULES, read

ARROWS = ("→", "←", "↔", "⇒", "⟶", "➔", "➡", "▸", "▶", ">", ">>", "->", "=>", "<->", "-->", "»", "›", "•", "|")
SENTENCES = ("Open the file", "Save it now", "Good night", "Settings")


@pytest.mark.parametrize("name", BUNDLES)
@pytest.mark.parametrize("arrow", ARROWS)
def test_steps_are_read_one_by_one(arrow: str, name: str) -> None:
    assert read(f"File{arrow}Open", name) == ["File", "Open"]
    assert read(f"Go to File{arrow}Open now.", name) == ["Go to File", "Open now."]
    assert read(f"Home{arrow}Shoes{arrow}Red shoes", name) == ["Home", "Shoes", "Red shoes"]


@pytest.mark.parametrize("arrow", ARROWS)
def test_steps_in_elements(arrow: str) -> None:
    escaped = arrow.replace("<", "&lt;").replace(">", "&gt;")
    assert read(f"<p>File{escaped}Open</p>", text_format="html") == ["File", "Open"]
    if arrow not in "»›•|":
        assert read(f"Go to <b>File</b>{escaped}<b>Open</b> now.", text_format="html") == ["Go to File", "Open now."]


@pytest.mark.parametrize("name", BUNDLES)
@pytest.mark.parametrize("arrow", ["→", "->", "=>", ">", ">>", "»", "*", "•"])
def test_spaced_steps_are_read_one_by_one(arrow: str, name: str) -> None:
    assert read(f"Go to Settings {arrow} Privacy {arrow} Cookies now.", name) == [
        "Go to Settings",
        "Privacy",
        "Cookies now.",
    ]


@pytest.mark.parametrize("arrow", ["→", "->", "=>", ">", "▸"])
def test_an_arrow_at_an_edge_stays_there(arrow: str) -> None:
    assert read(f"Next{arrow}") == ["Next"]
    assert read(f"{arrow}Next") == ["Next"]
    assert read(f"Back{arrow}\n{arrow}Next") == ["Back", "Next"]


@pytest.mark.parametrize("name", BUNDLES)
def test_two_joined_words_are_a_list(name: str) -> None:
    assert read("Enable/Disable", name) == ["Enable", "Disable"]
    assert read("red/green/blue", name) == ["red", "green", "blue"]


@pytest.mark.parametrize("joint", ["–", "/"])
def test_a_joint_within_a_sentence_replaces_a_space(joint: str) -> None:
    text = f"The red{joint}green door is open."
    (flow,) = extract_flows(text, "text", NO_RULES, None, RULES["en-de-es"])
    assert flow.text == "The red green door is open."
    assert [(tag.kind, tag.written) for tag in flow.tags] == [(TagKind.SPACE, joint)]
    (flow,) = extract_flows(f"<b>red</b>{joint}<b>green</b> doors", "html", NO_RULES, None, RULES["en-de-es"])
    assert flow.text == "red green doors"


def test_elements_with_a_sign_between_them_are_two_words() -> None:
    for sign in ("®", "€", "…"):
        (flow,) = extract_flows(f"<b>one</b>{sign}<b>two</b>", "html", NO_RULES, None, RULES["en-de-es"])
        assert flow.text == "one two"


@pytest.mark.parametrize(
    "text",
    ["He said »no« and left", "auf»Nein«zu", "I read «the book» now", "5 > 3 and 2 < 4", "Write to <max@example.de>"],
)
def test_what_is_no_step(text: str) -> None:
    assert len(read(text, "en-de-es")) == 1


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.sampled_from(SENTENCES), min_size=2, max_size=5),
    st.sampled_from(ARROWS),
    st.sampled_from(["text", "html"]),
)
def test_the_signs_keep_their_spacing(
    tmp_path_factory: pytest.TempPathFactory, steps: list[str], arrow: str, text_format: TextFormat
) -> None:
    bundle = fake_bundle(tmp_path_factory.mktemp("models"))
    engine = Engine(text_machine(bundle, "upper"), DecodingModel.of(bundle.manifest))
    engine.start()
    written = arrow.replace("<", "&lt;").replace(">", "&gt;") if text_format == "html" else arrow
    try:
        translator = Translator(bundle, engine)
        text = written.join(steps)
        options = TranslationOptions(text_format=text_format)
        assert translator.translate([text], options)[0].text == written.join(map(str.upper, steps))
    finally:
        engine.stop(drain=False)
