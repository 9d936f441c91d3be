"""Language detection among a few languages, their names and their scripts."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.text.detection import Detection, LanguageDetector
from app.text.languages import is_legible, language_name


@pytest.fixture(scope="module")
def detector() -> LanguageDetector:
    return LanguageDetector(["en", "fr", "de", "qq"])


@pytest.mark.parametrize(
    ("text", "language"),
    [("Where is the station, please?", "en"), ("Où est la gare ?", "fr"), ("Wo ist der Bahnhof, bitte?", "de")],
)
def test_detects(detector: LanguageDetector, text: str, language: str) -> None:
    assert detector.rank(text, ["en", "fr", "de"])[0].language == language


@settings(max_examples=100, deadline=None)
@given(st.text(alphabet=st.characters()), st.sets(st.sampled_from(["en", "fr", "de", "qq"]), min_size=1))
def test_only_possible_languages_with_whole_confidences(detector: LanguageDetector, text: str, among: set[str]) -> None:
    ranked = detector.rank(text, among)
    assert {found.language for found in ranked} == among
    assert all(type(found.confidence) is int and 0 <= found.confidence <= 100 for found in ranked)
    assert [found.confidence for found in ranked] == sorted((found.confidence for found in ranked), reverse=True)


def test_no_letters_no_confidence(detector: LanguageDetector) -> None:
    assert detector.rank("12 😀", ["en", "fr"])[0].confidence == 0


def test_a_single_language_is_certain_and_needs_no_model() -> None:
    single = LanguageDetector(["qq"])
    assert single.rank("anything", ["qq"]) == [Detection("qq", 100)]
    assert LanguageDetector([]).rank("anything", []) == []


def test_the_model_is_loaded_once_and_only_when_it_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    late = LanguageDetector(["en", "fr"])
    with monkeypatch.context() as patched:
        patched.setattr(late, "load", pytest.fail)
        assert late.rank("Hello", ["en"]) == [Detection("en", 100)]
        assert late.rank("12", ["en", "fr"])[0].confidence == 0
    assert late.rank("Où est la gare ?", ["en", "fr"])[0].language == "fr"
    assert late.load() is late.load()


@pytest.mark.parametrize(
    ("code", "name"),
    [
        ("fr", "French"),
        ("nb", "Norwegian Bokmål"),
        ("bn", "Bengali"),
        ("PT-BR", "Portuguese (Brazil)"),
        ("zh-Hant", "Chinese (traditional)"),
        ("zh", "Chinese"),
        ("qq", "qq"),
        ("QQ-x", "QQ-x"),
    ],
)
def test_names(code: str, name: str) -> None:
    assert language_name(code) == name


@pytest.mark.parametrize(
    ("text", "language", "wanted"),
    [
        ("été", "fr", True),
        ("été", "ru", False),
        ("爱", "en", False),
        ("爱", "zh-hant", True),
        ("爱あア", "ja", True),
        ("가", "ja", False),
        ("가", "ko", True),
        ("爱", "ko", True),
        ("12 !", "en", False),
        ("abc", "sr", True),  # written in two scripts
        ("ꙮ", "no language", True),
    ],
)
def test_legible(text: str, language: str, wanted: bool) -> None:
    assert is_legible(text, language) is wanted
