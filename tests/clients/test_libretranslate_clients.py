"""Existing client packages and replayed requests of existing programs, against the service on a real socket."""

from typing import Any

import httpx
import pytest
from deep_translator import LibreTranslator
from libretranslatepy import LibreTranslateAPI

from tests.support.file_samples import SAMPLES, translated
from tests.support.service import RunningService


@pytest.mark.program("libretranslatepy (PyPI)", "package")
@pytest.mark.parametrize("slash", ["", "/"])
def test_libretranslatepy(service: RunningService, slash: str) -> None:
    client = LibreTranslateAPI(service.url + slash)
    assert client.translate("Hello, how are you?", "en", "fr") == "HELLO, HOW ARE YOU?"
    assert client.translate("Ça & «là» 100%", "fr", "en") == "ÇA & «LÀ» 100%"
    assert client.detect("Ça va très bien, merci beaucoup.")[0]["language"] == "fr"
    # It sends a form body with this GET.
    assert [language["code"] for language in client.languages()] == ["en", "fr"]


@pytest.mark.program("deep-translator (PyPI)", "package")
def test_deep_translator(service: RunningService) -> None:
    # A query string, no body and no content type.
    client = LibreTranslator(source="en", target="fr", custom_url=f"{service.url}/", api_key="unused")
    assert client.translate("Hello & welcome, 100%!") == "HELLO & WELCOME, 100%!"
    assert client.translate_batch(["one", "two"]) == ["ONE", "TWO"]


@pytest.mark.program("Weblate", "replay")
def test_weblate(service: RunningService) -> None:
    languages = service.client.get("/languages", headers={"Accept": "application/json"})
    assert {language["code"]: language["targets"] for language in languages.json()}["en"] == ["en", "fr"]
    texts = [f"String number {number} with %s and {{name}}\n" for number in range(20)]
    answer = service.client.post("/translate", json={"api_key": "", "q": texts, "source": "en", "target": "fr"})
    assert answer.status_code == 200
    translated = answer.json()["translatedText"]
    assert len(translated) == 20
    assert all(text.endswith("\n") for text in translated)


@pytest.mark.program("Mastodon", "replay")
def test_mastodon(service: RunningService) -> None:
    body: dict[str, Any] = {
        "q": ['<p>Hello <a href="https://example.com">@you</a>!</p>', "A warning", ""],
        "source": "auto",
        "target": "fr",
        "format": "html",
        "api_key": None,
    }
    answer = service.client.post("/translate", json=body, timeout=10)
    assert answer.status_code == 200
    translated = answer.json()["translatedText"]
    assert translated == ['<p>HELLO <a href="https://example.com">@you</a>!</p>', "A WARNING", ""]
    assert [found["language"] for found in answer.json()["detectedLanguage"]]
    known = service.client.get("/languages").json()
    assert all(set(language) >= {"code", "targets"} for language in known)


@pytest.mark.program("Discourse, translator plugin", "replay")
def test_discourse(service: RunningService) -> None:
    detected = service.client.post("/detect", data={"q": "Hello, how are you today?"})
    assert detected.status_code == 200
    assert detected.json()[0]["language"] == "en"
    form = {"q": "<p>Hello</p>", "source": "en", "target": "fr", "format": "html"}
    answer = service.client.post("/translate", data=form)
    assert answer.status_code == 200
    assert answer.json() == {"translatedText": "<p>HELLO</p>"}


def test_a_browser_on_another_site(service: RunningService) -> None:
    origin = {"Origin": "https://example.com"}
    asked = service.client.options(
        "/translate",
        headers={**origin, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"},
    )
    assert asked.status_code == 200
    assert "Content-Type" in asked.headers["access-control-allow-headers"]
    answer = service.client.post("/translate", json={"q": "Hi", "source": "en", "target": "fr"}, headers=origin)
    assert answer.headers["access-control-allow-origin"] == "*"


def test_a_file_as_a_page_sends_it(service: RunningService) -> None:
    known = service.client.get("/frontend/settings").json()
    assert known["filesTranslation"]
    for suffix in (".docx", ".odt", ".pptx", ".epub", ".html", ".srt", ".txt"):
        assert suffix in known["supportedFilesFormat"]
    parts = {"file": ("a.srt", SAMPLES["a.srt"], "application/x-subrip")}
    form = {"source": "en", "target": "fr", "api_key": ""}
    answer = service.client.post("/translate_file", files=parts, data=form)
    file = service.client.get(answer.json()["translatedFileUrl"])
    assert file.content == translated("a.srt", SAMPLES["a.srt"])


def test_curl_style_bodies(service: RunningService) -> None:
    with httpx.Client(trust_env=False) as client:
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        answer = client.post(f"{service.url}/translate", content="q=Hello&source=en&target=fr", headers=form)
    assert answer.json() == {"translatedText": "HELLO"}
