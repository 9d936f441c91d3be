"""Terms of a glossary: found as words, and translated as given, whatever the model writes."""

from random import Random

import pytest
import regex
from hypothesis import given, settings
from hypothesis import strategies as st

from app.bundle.store import Bundle
from app.text.asides import find_asides
from app.text.masking import TextRules, hide_placeholders, mask
from app.text.placeholder_finder import Terms
from app.text.placeholder_kinds import TERM_CHARACTER
from app.translation.translator import TranslationOptions, Translator
from tests.support.fakes import fake_bundle
from tests.support.growth import assert_no_faster_than_length
from tests.unit.translation.test_unmasking import Hostile

TERMS = Terms(
    {"cottage cheese": "faisselle", "cheese": "fromage", "NASA": "ASN", "c++": "C plus plus", "Tom": "Thomas"}
)
RULES = TextRules(("en", "fr"), terms=TERMS)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("I like cottage cheese and cheese.", ["faisselle", "fromage"]),
        ("Cottage cheese! CHEESE?", ["Faisselle", "FROMAGE"]),
        ("cheesecake, nasa, NASAs, a-cheese", ["fromage"]),
        ("NASA's (NASA) Nasa", ["ASN", "ASN"]),
        ("C++ and c++11", ["C plus plus"]),
        ("Tom, tom", ["Thomas"]),
        ("{cheese} and https://x.org/cheese", []),
        ("a %s cheese {name}cheese", ["fromage"]),
    ],
)
def test_found_as_words_the_longest_first(text: str, found: list[str]) -> None:
    hidden, kept = hide_placeholders(text, RULES)
    masked = mask(text, hidden, kept, RULES)
    assert [RULES.translate_term(term) for stand_in in masked.stand_ins for term in stand_in.terms] == found
    assert masked.source == text


def test_no_space_is_needed_where_words_have_none() -> None:
    terms = Terms({"芝士": "cheese"})
    assert [text[start:end] for text in ["我爱芝士蛋糕"] for start, end in terms.find(text)] == ["芝士"]


def reference(translations: dict[str, str], text: str) -> list[str]:
    """The terms found by one regular expression of all terms, the longest first."""
    found = Terms(translations)
    variants = {
        variant
        for term in translations
        for variant in (term, term[:1].upper() + term[1:], term.upper())
        if found.translate(variant) is not None
    }
    letter, spaceless = r"[\p{L}\p{N}]", r"[\p{Han}\p{Thai}]"
    alternatives = [
        ("" if regex.match(spaceless, term[0]) else rf"(?<!{letter})")
        + regex.escape(term)
        + ("" if regex.match(spaceless, term[-1]) else rf"(?!{letter})")
        for term in sorted(variants, key=len, reverse=True)
    ]
    return [match.group() for match in regex.finditer("|".join(alternatives), text)]


PIECES = ["a", "b", "A", "1", " ", "-", "#", "芝", "士", "ก", "é", "\u0301", "ab"]


@given(
    st.lists(st.lists(st.sampled_from(PIECES), min_size=1, max_size=4).map("".join), min_size=1, max_size=6),
    st.lists(st.sampled_from(PIECES), max_size=25).map("".join),
)
@settings(max_examples=400, deadline=None)
def test_the_trie_finds_what_a_regular_expression_of_all_terms_finds(terms: list[str], text: str) -> None:
    translations = {term: f"<{term}>" for term in terms}
    found = [text[start:end] for start, end in Terms(translations).find(text)]
    assert found == reference(translations, text)


def test_many_long_terms_cost_no_more_than_their_length() -> None:
    def compile_and_find(letters: str) -> None:
        lines = [letters[start : start + 100] for start in range(0, len(letters), 100)]
        list(Terms(dict.fromkeys(lines, "x")).find(letters))

    draw = Random(1)
    assert_no_faster_than_length(compile_and_find, "".join(draw.choices("abcdefgh ", k=40_000)))


def test_terms_that_are_the_beginnings_of_others_cost_no_more_than_the_text() -> None:
    terms = Terms({" ".join("a" * length): "x" for length in range(1, 200)})
    assert_no_faster_than_length(lambda text: list(terms.find(text)), "a " * 2_000)


def test_no_terms() -> None:
    assert list(Terms({}).find("anything")) == []
    assert hide_placeholders("anything", TextRules(("en", "fr"), terms=Terms({}))) == ("anything", [])


WORDS = ["I", "like", "cottage cheese", "cheese", "Cheese", "{name}", "NASA", "and", "37", "wine,", "https://x.org/a"]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return fake_bundle(tmp_path_factory.mktemp("bundles"))


@given(st.lists(st.sampled_from(WORDS), min_size=1, max_size=8).map(" ".join), st.integers(0, 10_000))
@settings(max_examples=150, deadline=None)
def test_every_term_has_its_translation_whatever_the_model_writes(bundle: Bundle, text: str, seed: int) -> None:
    translation = Translator(bundle, Hostile(seed)).translate([text], TranslationOptions(terms=TERMS, beam_size=1))[0]
    _, kept = hide_placeholders(text, RULES)
    missing = [term for segment in translation.segments for term in segment.unaligned_terms]
    if any(segment.is_source for segment in translation.segments):
        assert missing or not any(TERMS.translate(one) for one in kept)
        return
    for term in kept:
        written = TERMS.translate(term) or term
        assert written in translation.text
    assert set(missing) <= set(kept)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("cheese", "fromage"),
        ("Cheese!", "Fromage!"),
        ("NASA", "ASN"),
        ("cheese, Tom", "fromage, Thomas"),
        ("Tom: {name}", "Thomas: {name}"),
        ("{count}", "{count}"),
    ],
)
def test_a_text_of_terms_alone_is_their_translation(bundle: Bundle, text: str, wanted: str) -> None:
    for seed in range(5):
        options = TranslationOptions(terms=TERMS, beam_size=1)
        (translation,) = Translator(bundle, Hostile(seed)).translate([text], options)
        assert translation.text == wanted


@pytest.mark.parametrize(
    "term",
    ["C++ (v2.0)", "#1 fan", "go to google.com", "release v2.0", "chapter (1)", "Fish & chips", "{n} files", "a → b"],
)
def test_a_term_that_holds_placeholders_or_signs_is_one(term: str) -> None:
    rules = TextRules(("en", "fr"), terms=Terms({term: "Wort"}))
    text = f"Now see {term} there."
    assert find_asides(text, rules) == []
    assert hide_placeholders(text, rules) == (f"Now see {TERM_CHARACTER} there.", [term])


def test_a_term_that_cuts_a_placeholder_is_none() -> None:
    rules = TextRules(("en", "fr"), terms=Terms({"see https": "voir", "com now": "x"}))
    assert hide_placeholders("Now see https://a.com now", rules)[1] == ["https://a.com"]
