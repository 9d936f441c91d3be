"""Which language a text is in, among all that the models know."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.text.detection import SURE_CONFIDENCE, Detection, LanguageDetector
from app.text.scripts import find_script, is_traditional


@pytest.fixture(scope="module")
def detector() -> LanguageDetector:
    return LanguageDetector(["de", "en", "es", "fr", "qq"])


def first(detector: LanguageDetector, text: str) -> str:
    return detector.detect(text)[0].language


@pytest.mark.parametrize(
    ("language", "texts"),
    [
        ("en", ("Hello", "Hello World", "hello!", "Good morning", "Thanks a lot", "the house", "He sleeps.", "water")),
        ("fr", ("Bonjour", "Merci", "MERCI !", "Où est-il ?", "la maison", "Il dort.", "À bientôt", "aujourd'hui")),
        ("de", ("Hallo", "Guten Morgen", "Danke schön", "das Haus", "Er schläft.", "Ich weiß es nicht", "heute")),
        ("es", ("Hola", "Buenos días", "¡Hola!", "la casa grande", "Él duerme.", "No lo sé", "mañana")),
    ],
)
def test_short_texts_in_served_languages(detector: LanguageDetector, language: str, texts: tuple[str, ...]) -> None:
    assert {text: first(detector, text) for text in texts} == dict.fromkeys(texts, language)


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Dove si trova la stazione più vicina, per favore?", "it"),
        ("Onde fica a estação de comboios mais próxima?", "pt"),
        ("Waar is het dichtstbijzijnde treinstation?", "nl"),
        ("Gdzie jest najbliższy dworzec kolejowy?", "pl"),
        ("Где находится ближайший вокзал?", "ru"),
        ("Де знаходиться найближчий залізничний вокзал, будь ласка?", "uk"),
        ("Πού είναι ο σταθμός;", "el"),
        ("איפה התחנה?", "he"),
        ("أين تقع أقرب محطة قطار من فضلك؟", "ar"),
        ("एक स्टेशन कहाँ है, कृपया मुझे बताइए", "hi"),
        ("駅はどこですか", "ja"),
        ("车站在哪里？", "zh"),
        ("車站在哪裡？", "zh"),
        ("역이 어디예요?", "ko"),
        ("สถานีอยู่ที่ไหน", "th"),
        ("நிலையம் எங்கே?", "ta"),
        ("Merhaba dünya", "tr"),
    ],
)
def test_languages_that_are_not_served_are_named(detector: LanguageDetector, text: str, language: str) -> None:
    best = detector.detect(text)[0]
    assert best.language == language
    assert best.confidence >= SURE_CONFIDENCE


def test_the_served_spelling_is_answered() -> None:
    both = LanguageDetector(["en", "nb", "pt-br", "zh-hans", "zh-hant"])
    assert first(both, "Hvor er den nærmeste jernbanestasjonen?") == "nb"
    assert first(both, "Onde fica a estação de trem mais próxima?") == "pt-br"
    assert first(both, "车站在哪里？") == "zh-hans"
    assert first(both, "車站在哪裡？") == "zh-hant"
    assert first(LanguageDetector(["zh"]), "車站在哪裡？") == "zh"


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet=st.characters(), max_size=60))
def test_any_text_has_an_answer_or_no_letters(detector: LanguageDetector, text: str) -> None:
    found = detector.detect(text)
    assert all(0 <= one.confidence <= 100 for one in found)
    assert found == detector.detect(text)
    if not any(map(str.isalpha, text)):
        assert found == []


def test_languages_can_be_added(detector: LanguageDetector) -> None:
    late = LanguageDetector(["en"])
    late.add(["nb"])
    assert first(late, "Hvor er den nærmeste jernbanestasjonen?") == "nb"


def test_ranks_among_those_that_are_possible(detector: LanguageDetector) -> None:
    assert [one.language for one in detector.rank("Où est la gare ?", ["en", "fr"])] == ["fr", "en"]
    assert detector.rank("12 😀", ["en", "fr"]) == [Detection("en", 0), Detection("fr", 0)]
    assert detector.detect("12 😀") == []


def test_scripts() -> None:
    assert find_script("Привет, Tom!") == "Cyrillic"
    assert find_script("Tom said привет") == "Latin"
    assert find_script("東京へ行く") == "Hiragana"
    assert find_script("12 !") is None
    assert is_traditional("車站在哪裡")
    assert not is_traditional("车站在哪里")
