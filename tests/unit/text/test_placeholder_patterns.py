"""Own placeholders: a setting adds patterns, and what they match comes back as built-in placeholders do."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
import regex
from hypothesis import given, settings
from hypothesis import strategies as st

from app.bundle.store import Bundle
from app.errors import ConfigurationError
from app.serving.registry import Registry
from app.settings import Settings
from app.text import placeholder_finder
from app.text.masking import TextRules, hide_placeholders
from app.text.placeholder_finder import BUILT_IN, MAX_PATTERNS, PlaceholderFinder, split_patterns
from app.translation.translator import TextFormat, TranslationOptions, Translator
from tests.support.fakes import fake_bundle
from tests.support.growth import assert_no_faster_than_length
from tests.support.kept_texts import KEPT_WORDS
from tests.support.placeholder_texts import PLACEHOLDERS, TEXTS
from tests.support.service import RunningService, fake_models, running_service
from tests.unit.translation.test_unmasking import Hostile

PATTERNS = (r"ACME [0-9]{1,6}", r"\{\|[^{}|]{1,80}\|", r"(?i:press any key)", r"rule ?\d{1,4}")
FINDER = PlaceholderFinder(PATTERNS)
OWN = ["ACME 1", "ACME 123456", "{|the main page|", "Press any key", "rule 12"]


@pytest.mark.parametrize("placeholder", OWN)
def test_found_only_with_the_pattern(placeholder: str) -> None:
    text = f"See {placeholder}, please."
    assert hide_placeholders(text, TextRules(("en", "fr"), FINDER))[1] == [placeholder]
    assert hide_placeholders(text, TextRules(("en", "fr")))[1] == []


@pytest.mark.parametrize("placeholder", PLACEHOLDERS)
def test_the_built_in_ones_are_found_as_before(placeholder: str) -> None:
    text = f"one {placeholder}, two"
    assert FINDER.count(text) == BUILT_IN.count(text)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("Version 2.0 is out.", ["2.0"]),
        ("It needs version 3.12 now.", ["3.12"]),
        ("It starts at 5:30.", []),
        ("From 10:15 on, or 23:59.", []),
        ("It weighs 2.5 all in all.", []),
        ("Call 555-0199-2.", []),
        ("The score was 4:3.", ["4:3"]),
    ],
)
def test_numbers_that_are_kept_whole(text: str, kept: list[str]) -> None:
    assert hide_placeholders(text, TextRules(("en", "fr")))[1] == kept


def test_ones_own_come_first() -> None:
    assert PlaceholderFinder([r"\{[a-z]{1,9}\} days"]).count("In {n} days") == Counter(["{n} days"])


_OWN_TEXTS = st.lists(
    st.one_of(st.sampled_from(OWN), TEXTS, st.sampled_from(["one", "<b>two</b>", "3"])), max_size=6
).map(" ".join)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return fake_bundle(tmp_path_factory.mktemp("models"))


@settings(max_examples=300, deadline=None)
@given(_OWN_TEXTS, st.integers(0, 2**32), st.sampled_from([1, 3]), st.sampled_from(["text", "html"]))
def test_whatever_the_model_does(bundle: Bundle, text: str, seed: int, beam_size: int, text_format: TextFormat) -> None:
    options = TranslationOptions(beam_size=beam_size, text_format=text_format)
    (translation,) = Translator(bundle, Hostile(seed), FINDER).translate([text], options)
    for placeholder in OWN:
        assert translation.text.count(placeholder) >= text.count(placeholder)


def test_no_tag_comes_into_one(bundle: Bundle) -> None:
    options = TranslationOptions(text_format="html")
    for seed in range(40):
        source = "<i>one</i> two <b>press any key</b> three <u>four</u>"
        (translation,) = Translator(bundle, Hostile(seed), FINDER).translate([source], options)
        assert "press any key" in translation.text


def test_numbers_in_one_are_not_numbers() -> None:
    assert FINDER.find("ACME 12 and 12") == [(0, 7)]


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ("(", "missing"),
        ("(a)", "captures"),
        ("(?P<name>a)", "captures"),
        ("a*", "empty text"),
        (r"\b", "empty text"),
        ("(?V1)[a-z--b]", "flags"),
        ("x" * 501, "501 characters"),
        ("(?:(?:a|aa)+)+!", "makes? it possessive|give every repetition an end"),
    ],
)
def test_refused_at_the_start(pattern: str, reason: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=reason):
        Registry.load(Settings(models_dir=tmp_path, placeholder_patterns=f"ACME\n{pattern}"))


def test_a_flag_is_that_patterns_own() -> None:
    assert PlaceholderFinder(["(?i)acme", "beta"]).count("ACME BETA beta") == Counter(["ACME", "beta"])


def test_not_too_many() -> None:
    with pytest.raises(ConfigurationError, match="101 placeholder patterns, at most 100"):
        PlaceholderFinder(["a"] * (MAX_PATTERNS + 1))


def test_one_a_line() -> None:
    assert split_patterns("\n ACME-[0-9]+ \n\n[;,]x\n") == ("ACME-[0-9]+", "[;,]x")
    assert split_patterns("") == ()


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    models = fake_models(tmp_path_factory.mktemp("models"), ("en", "fr"))
    with running_service(Settings(models_dir=models, placeholder_patterns="\n".join(PATTERNS))) as running:
        yield running


def test_the_setting_reaches_the_answer(service: RunningService) -> None:
    fields = {"q": "Look at {|the main page| of ACME 77.", "source": "en", "target": "fr"}
    answer = service.client.post("/translate", json=fields).json()["translatedText"]
    assert "{|the main page|" in answer
    assert "ACME 77" in answer
    streamed = service.client.post("/translate", json={**fields, "stream": True}).text
    assert "ACME 77" in streamed


@pytest.mark.parametrize("unit", ["ACME ", "[[", "rule ", "press any "])
def test_a_long_hostile_text_takes_linear_time(unit: str) -> None:
    assert_no_faster_than_length(FINDER.find_groups, unit * (6000 // len(unit)))


@pytest.mark.parametrize(
    "amount",
    [
        "€5.00",
        "5,00 €",
        "US$ 12",
        "US$12.50",
        "$1,250.75",
        "£20",
        "-5 °C",
        "−5°C",
        "1.5k",
        "3x",
        "$5m",
        "€1.2bn",
        "10–20 kg",
        "5kg",
        "500 mg",
        "2.4 GB",
        "120 km/h",
        "100m",
        "9.58s",
        "6 ft 2 in",
        "20 m²",
        "2.5 m",
        "0.5 l",
        "3000 mAh",
        "5 min",
        "12/05/1990",
        "2½",
        "5'10\"",
        "+33 6 12 34 56 78",
        "DE89 3704 0044 0532 0130 00",
        "¥300",
        "5¢",
        "±3 mm",
        "1920 px",
    ],
)
def test_an_amount_is_kept_with_its_unit(amount: str) -> None:
    text = f"It is {amount} here."
    assert [text[start:end] for start, end in BUILT_IN.find(text)] == [amount]


@pytest.mark.parametrize(
    "text",
    [
        "In the 1990s",
        "It is 5 in the morning",
        "Two of 3 are 4.",
        "Tengo 5 mesas.",
        "5 mi casa",
        "I am 5.",
        "20 % of 300",
    ],
)
def test_a_number_before_a_word_is_no_amount(text: str) -> None:
    assert BUILT_IN.find(text) == []


def test_thousands_are_no_version() -> None:
    assert BUILT_IN.find("Son 1.204.718 personas.") == []
    assert BUILT_IN.find("It is 1.20.718 now.") != []


_KEPT = [one for examples in KEPT_WORDS.values() for one in examples]
_WORDS = [
    "open",
    "the",
    "Door.",
    "now,",
    "etc.",
    "Version",
    "build",
    "über",
    "x",
    "5",
    "=",
    "(",
    "VII",
    "foo()",
    "mailto:",
]
_JOINTS = [" ", " ", "", ", ", ". ", "\n", ": ", "/", "-", "_", ".", "!"]


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(st.sampled_from([*_KEPT, *_WORDS]), st.sampled_from(_JOINTS)), max_size=6))
def test_the_quick_look_at_ordinary_words_loses_nothing(parts: list[tuple[str, str]]) -> None:
    text = "".join(map("".join, parts))
    quick = placeholder_finder._compile((), "")
    whole = regex.compile(quick.pattern.replace(f"(?!{placeholder_finder._ORDINARY})", "", 1))
    assert whole.pattern != quick.pattern
    found, wanted = ([(one.span(), one.lastgroup) for one in pattern.finditer(text)] for pattern in (quick, whole))
    assert found == wanted
