"""Input that no model learned from: the shipped bundle gives a sensible answer in bounded time."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.bundle.store import load_bundle
from app.engine.loop import Engine
from app.engine.model import DecodingModel
from app.engine.sessions import OnnxGraphs
from app.translation.translator import TranslationOptions, Translator

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def translator() -> Iterator[Translator]:
    bundle = load_bundle(ROOT / "models" / "en-fr")
    engine = Engine(OnnxGraphs(bundle, provider="cpu", threads=1), DecodingModel.of(bundle.manifest))
    engine.start()
    yield Translator(bundle, engine)
    engine.stop(drain=False)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "?!?",
        "...",
        "12345",
        "3.14 2.71",
        "😀😀 👍🏽",
        "-",
        "(((",
        "\u200b",
        "我爱你。",
        "Привет, как дела?",
        "α β",
    ],
)
def test_what_cannot_be_translated_comes_back(translator: Translator, text: str) -> None:
    for options in (TranslationOptions(), TranslationOptions(text_format="html")):
        assert translator.translate([text], options)[0].text == text


@pytest.mark.parametrize("text", ["bread", "OK", "NO", "asdf qwer", "Das ist ein schöner Tag.", "the the the the"])
def test_single_words_and_other_languages_are_no_longer_than_a_sentence(translator: Translator, text: str) -> None:
    (translation,) = translator.translate([text])
    assert 0 < len(translation.text) < 3 * len(text) + 20
    assert translation.is_complete


@pytest.mark.parametrize("text", ["dog " * 500, "ha" * 250, "dog, " * 500, "No. " * 500, "😀 dog " * 500])
def test_five_hundred_repeats(translator: Translator, text: str) -> None:
    (translation,) = translator.translate([text], timeout_seconds=30)
    assert 0 < len(translation.text) < 3 * len(text)
    assert translation.text.count("😀") == text.count("😀")


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("I love you 😀 very much.", "😀"),
        ("Good morning! 🌙 Good night 👨‍👩‍👧.", "👨‍👩‍👧"),
        ("I have a red car ❤️", "❤️"),
        ("Thank you 🇫🇷🇫🇷, my friend 👍🏽!", "🇫🇷🇫🇷"),
    ],
)
def test_emoji_come_back(translator: Translator, text: str, wanted: str) -> None:
    (translation,) = translator.translate([text])
    assert wanted in translation.text
    assert [one for one in translation.text if ord(one) > 0x2600] == [one for one in text if ord(one) > 0x2600]


EMOJI = ["😀", "❤️", "👨‍👩‍👧", "👍🏽", "🇫🇷", "1️⃣", "☀", "✅"]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from([*EMOJI, "I", "am", "happy", ".", ",", "\n"]), max_size=8).map(" ".join))
def test_as_many_emoji_as_went_in(translator: Translator, text: str) -> None:
    (translation,) = translator.translate([text], TranslationOptions(beam_size=1))
    for emoji in EMOJI:
        assert translation.text.count(emoji) == text.count(emoji)
