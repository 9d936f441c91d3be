"""POST /detect, GET /frontend/settings and POST /suggest: the shapes that LibreTranslate's clients read."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.files.formats.registry import SUFFIXES
from app.settings import Settings
from tests.support.service import RunningService, fake_models, running_service

ENGLISH = "Where is the nearest station, please?"
FRENCH = "Où est la gare la plus proche, s'il vous plaît ?"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    # French is a target alone, and yet it must be recognised.
    models = fake_models(tmp_path_factory.mktemp("models"), ("en", "fr"), ("de", "en"))
    settings = Settings(models_dir=models, max_characters=2000, max_items=4, forbidden_pivots="*")
    with running_service(settings) as running:
        yield running


def check(found: Any) -> None:
    assert found
    for one in found:
        assert list(one) == ["confidence", "language"]
        assert type(one["confidence"]) is int
        assert 0 <= one["confidence"] <= 100
        assert one["language"]
    assert [one["confidence"] for one in found] == sorted((one["confidence"] for one in found), reverse=True)
    assert len({one["language"] for one in found}) == len(found)


@pytest.mark.parametrize(("text", "language"), [(ENGLISH, "en"), (FRENCH, "fr"), ("Wo ist der Bahnhof, bitte?", "de")])
def test_every_encoding(service: RunningService, text: str, language: str) -> None:
    for answer in (
        service.client.post("/detect", json={"q": text, "api_key": None}),
        service.client.post("/detect", data={"q": text, "api_key": ""}),
        service.client.post("/detect", files={"q": (None, text)}),
        service.client.post("/detect", params={"q": text}),
    ):
        assert answer.status_code == 200
        check(answer.json())
        assert answer.json()[0]["language"] == language


def test_a_list_gives_one_answer_for_all(service: RunningService) -> None:
    """One flat list, as LibreTranslate answers: longer texts weigh more."""

    def detect(*texts: str) -> dict[str, int]:
        answer = service.client.post("/detect", json={"q": list(texts)})
        assert answer.status_code == 200, answer.text
        found = answer.json()
        check(found)
        return {one["language"]: one["confidence"] for one in found}

    assert detect(ENGLISH) == {"en": 100}
    both = detect(ENGLISH, FRENCH)
    assert set(both) == {"en", "fr"}
    assert 99 <= sum(both.values()) <= 101
    assert next(iter(detect(ENGLISH, FRENCH, FRENCH, FRENCH))) == "fr"
    assert next(iter(detect(ENGLISH, ENGLISH, FRENCH, ""))) == "en"


@pytest.mark.parametrize("text", ["12.5", "😀", " \n", "..."])
def test_no_letters(service: RunningService, text: str) -> None:
    answer = service.client.post("/detect", json={"q": text})
    check(answer.json())
    assert [one["confidence"] for one in answer.json()] == [0]


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({}, "Invalid request: missing q parameter"),
        ({"q": ""}, "Invalid request: missing q parameter"),
        ({"q": None}, "Invalid request: missing q parameter"),
        ({"q": []}, "Invalid request: missing q parameter"),
        ({"q": 7}, "Invalid request: q parameter is a number, it must be a string or a list of strings"),
        ({"q": "x" * 2001}, "Invalid request: request (2001) exceeds text limit (2000)"),
        ({"q": ["x"] * 5}, "Invalid request: request (5) exceeds text limit (4)"),
    ],
)
def test_bad_requests(service: RunningService, fields: dict[str, Any], said: str) -> None:
    answer = service.client.post("/detect", json=fields)
    assert answer.status_code == 400
    assert answer.json() == {"error": said}


def test_get_is_not_allowed(service: RunningService) -> None:
    assert service.client.get("/detect", params={"q": "Hello"}).status_code == 405


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(alphabet=st.characters(exclude_categories=["Cs"]), min_size=1, max_size=60))
def test_any_text_has_a_language(service: RunningService, text: str) -> None:
    answer = service.client.post("/detect", json={"q": text})
    assert answer.status_code == 200
    check(answer.json())


def test_settings_for_a_page(service: RunningService) -> None:
    answer = service.client.get("/frontend/settings")
    assert answer.json() == {
        "apiKeys": False,
        "charLimit": 2000,
        "filesTranslation": True,
        "frontendTimeout": 500,
        "keyRequired": False,
        "language": {"source": {"code": "auto", "name": "Auto Detect"}, "target": {"code": "en", "name": "English"}},
        "suggestions": False,
        "supportedFilesFormat": list(SUFFIXES),
    }


def test_suggestions_are_refused(service: RunningService) -> None:
    answer = service.client.post("/suggest", data={"q": "Hello", "s": "Salut", "source": "en", "target": "fr"})
    assert answer.status_code == 403
    assert answer.json() == {"error": "Suggestions are disabled on this server."}


def test_nothing_to_serve(tmp_path: Path) -> None:
    with running_service(Settings(models_dir=tmp_path)) as service:
        answer = service.client.post("/detect", json={"q": "Hello"})
        assert answer.status_code == 503
        assert str(tmp_path) in answer.json()["error"]
        found = service.client.get("/frontend/settings").json()
        assert found["language"]["target"] == {"code": "", "name": ""}


def test_a_text_in_a_language_without_a_route_is_refused_by_name(service: RunningService) -> None:
    """The service here translates English to French and German to English, and nothing through English."""
    german, italian = "Wo ist der nächste Bahnhof, bitte?", "Dove si trova la stazione più vicina, per favore?"

    def translate(path: str, **fields: object) -> httpx.Response:
        return service.client.post(path, json=fields, headers={"Authorization": "DeepL-Auth-Key any"})

    for text, language in ((german, "German (de)"), (italian, "Italian (it)")):
        refused = translate("/translate", q=text, source="auto", target="fr")
        assert refused.status_code == 400
        message = f"The text is in {language}: French (fr) is not available as a target language from it"
        assert refused.json() == {"error": message}
        assert translate("/translate", q=[ENGLISH, text], source="auto", target="fr").status_code == 400
        assert message in translate("/v2/translate", text=[text], target_lang="FR").text
        files = {"file": ("a.txt", text.encode(), "text/plain")}
        answer = service.client.post("/translate_file", data={"source": "auto", "target": "fr"}, files=files)
        assert (answer.status_code, answer.json()) == (400, {"error": message})
    assert translate("/translate", q=german, source="auto", target="en").status_code == 200
    # A text in the target language comes back, though no bundle reads French here.
    same = translate("/translate", q=FRENCH, source="auto", target="fr").json()
    assert same == {"translatedText": FRENCH, "detectedLanguage": {"confidence": 100, "language": "fr"}}
    assert translate("/translate", q="Hallo", source="auto", target="fr").status_code == 400
    # Of a name the detector is not sure: it is taken for a language that has a route.
    assert translate("/translate", q="Martin", source="auto", target="fr").status_code == 200
