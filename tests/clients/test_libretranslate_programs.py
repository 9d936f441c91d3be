"""Replayed requests of programs that speak to LibreTranslate, against the service on a real socket.

Headers and bodies are those that the sources of the programs make, as far as the service could tell them apart.
"""

import json
from typing import Any

import pytest

from tests.clients.conftest import KEY
from tests.support.service import RunningService

JSON = {"Content-Type": "application/json"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.mark.program("GNOME Dialect", "replay")
def test_dialect(keyed: RunningService) -> None:
    client = keyed.client
    assert client.get("/spec", headers={"User-Agent": "Dialect App"}).json()["info"]["title"] == "LibreTranslate"
    assert all(language["code"] and language["name"] for language in client.get("/languages").json())
    settings = client.get("/frontend/settings").json()
    assert settings["apiKeys"] is settings["keyRequired"] is True
    assert int(settings["charLimit"]) > 0
    # It tries a key, and shows a field for it as long as the answer is one of these words.
    assert "confidence" in client.post("/detect", data={"q": "hello", "api_key": KEY}).json()[0]
    assert client.post("/detect", data={"q": "hello", "api_key": "wrong"}).json() == {"error": "Invalid API key"}
    body = {"q": "The red house.\nTwo days.", "source": "auto", "target": "fr", "api_key": KEY}
    found = client.post("/translate", json=body).json()
    assert found["translatedText"] == "THE RED HOUSE.\nTWO DAYS."
    assert found["detectedLanguage"]["language"] == "en"
    refused = client.post("/translate", json={**body, "target": "xx"}).json()
    assert "is not supported" in refused["error"]


@pytest.mark.program("Crow Translate", "replay")
def test_crow(keyed: RunningService) -> None:
    # The forms begin with an ampersand.
    text = "The%20red%20house%20%26%20the%20church%2B."
    detected = keyed.client.post("/detect", content=f"&q={text}&api_key={KEY}", headers=FORM)
    assert detected.json()[0]["language"] == "en"
    form = f"&q={text}&source=en&target=fr&api_key={KEY}"
    answer = keyed.client.post("/translate", content=form, headers=FORM)
    assert answer.json()["translatedText"] == "THE RED HOUSE & THE CHURCH+."


@pytest.mark.program("Translate You (Android)", "replay")
def test_translate_you(keyed: RunningService) -> None:
    languages = keyed.client.get("/languages").json()
    assert all(isinstance(one["targets"], list) and one["code"] and one["name"] for one in languages)
    query = {
        "q": "The red house & the church.",
        "source": "auto",
        "target": "fr",
        "api_key": KEY,
        "format": "text",
        "alternatives": "3",
    }
    found = keyed.client.post("/translate", params=query).json()
    assert found["translatedText"] == "THE RED HOUSE & THE CHURCH."
    assert found["detectedLanguage"]["language"] == "en"
    assert all(isinstance(one, str) for one in found["alternatives"])


@pytest.mark.program("TWP (Translate Web Pages)", "replay")
def test_twp(keyed: RunningService) -> None:
    form = {"q": "The red house.", "source": "auto", "target": "fr", "format": "text", "api_key": KEY}
    origin = {"Origin": "moz-extension://3c0f4b1e-9a5c-4c58-8f0c-9f1f6b0f3a77"}
    found = keyed.client.post("/translate", data=form, headers=origin).json()
    assert found["translatedText"] == "THE RED HOUSE."
    assert found["detectedLanguage"]["language"] == "en"


@pytest.mark.program("Zotero PDF Translate", "replay")
def test_zotero(keyed: RunningService) -> None:
    libre = {"q": "A hyphen-\nated line.", "source": "en", "target": "fr", "format": "text", "api_key": KEY}
    found = keyed.client.post("/translate", content=json.dumps(libre), headers=JSON).json()
    assert found == {"translatedText": "A HYPHEN-\nATED LINE."}
    # Its service MTranServer sends the key alone.
    mtran = {"text": "One day.", "from": "en", "to": "fr"}
    answer = keyed.client.post("/translate", content=json.dumps(mtran), headers={**JSON, "authorization": KEY})
    assert answer.json() == {"result": "ONE DAY."}
    # Its service DeepLX has no field for a key, but takes a whole address.
    deeplx = json.dumps({"text": "One day.", "source_lang": "EN", "target_lang": "FR"})
    types = {"Content-Type": "application/json; charset=utf-8"}
    answer = keyed.client.post(f"/deeplx?token={KEY}", content=deeplx, headers=types)
    assert answer.json()["data"] == "ONE DAY."


@pytest.mark.program("Subtitle Edit", "replay")
def test_subtitle_edit(keyed: RunningService, service: RunningService) -> None:
    # Line breaks are sent as tags in a text.
    libre = f'{{"q": "- One day.<br />- \\"Two\\" days.", "source": "en", "target": "fr", "api_key": "{KEY}"}}'
    found = keyed.client.post("/translate", content=libre, headers=JSON).json()
    assert found == {"translatedText": '- ONE DAY.<br />- "TWO" DAYS.'}
    deepl = {"text": "One day.\r\nTwo days.", "target_lang": "fr", "source_lang": "en", "formality": "default"}
    key = {"Authorization": f"DeepL-Auth-Key {KEY}"}
    found = keyed.client.post("/v2/translate", data=deepl, headers=key).json()
    assert found["translations"][0]["text"] == "ONE DAY.\nTWO DAYS."
    # DeepLX has no key there, and its JSON is called plain text.
    deeplx = '{ "source_lang": "en", "target_lang": "fr", "text": "One day.\\nTwo days." }'
    plain = {"Content-Type": "text/plain; charset=utf-8"}
    found = service.client.post("/translate", content=deeplx, headers=plain).json()
    assert found["data"] == "ONE DAY.\nTWO DAYS."


@pytest.mark.program("Lingarr", "replay")
def test_lingarr(keyed: RunningService) -> None:
    languages = keyed.client.get("/languages", headers={"Accept": "application/json"}).json()
    assert {language["code"] for language in languages} == {"en", "fr"}
    body = {"q": "One day.\nTwo days.", "source": "en", "target": "fr", "format": "text", "api_key": KEY}
    answer = keyed.client.post("/translate", content=json.dumps(body), headers=JSON)
    assert answer.json() == {"translatedText": "ONE DAY.\nTWO DAYS."}


@pytest.mark.program("SillyTavern", "replay")
def test_silly_tavern(keyed: RunningService) -> None:
    text = '*She smiles.* "One day."\n\n{{user}} waits.'
    libre = {"q": text, "source": "auto", "target": "fr", "format": "text", "api_key": KEY}
    found = keyed.client.post("/translate", content=json.dumps(libre), headers=JSON).json()
    assert found["translatedText"] == text.upper().replace("{{USER}}", "{{user}}")
    deeplx = {"text": text, "source_lang": "auto", "target_lang": "fr"}
    address = f"/translate?token={KEY}"
    found = keyed.client.post(address, content=json.dumps(deeplx), headers={**JSON, "Accept": "application/json"})
    assert found.json()["data"] == text.upper().replace("{{USER}}", "{{user}}")


@pytest.mark.program("Akkoma", "replay")
def test_akkoma(keyed: RunningService) -> None:
    assert all(one["code"] and one["name"] for one in keyed.client.get("/languages").json())
    post = '<p>Hello <span class="h-card"><a href="https://a.example/@you">@<span>you</span></a></span>!<br/>Bye.</p>'
    body = {"q": post, "source": "auto", "target": "fr", "format": "html", "api_key": KEY}
    answer = keyed.client.post("/translate", content=json.dumps(body), headers={"content-type": "application/json"})
    found: dict[str, Any] = answer.json()
    assert found["detectedLanguage"]["language"]
    expected = post.replace("Hello", "HELLO").replace("Bye", "BYE")
    assert found["translatedText"] == expected


@pytest.mark.program("Nextcloud, LibreTranslate integration", "replay")
def test_nextcloud(keyed: RunningService) -> None:
    client = keyed.client
    # Its library looks whether anybody listens, and gives each request without fields the type of a form.
    empty = {**FORM, "Content-Length": "0"}
    client.post("/", content=b"", headers=empty)
    assert client.request("GET", "/frontend/settings", content=b"", headers=empty).status_code == 200
    languages = client.request("GET", "/languages", content=b"", headers=empty).json()
    assert {one["code"]: one["name"] for one in languages} == {"en": "English", "fr": "French"}
    detected = client.post(f"/detect?q=La+maison+rouge&api_key={KEY}", content=b"", headers=empty)
    assert detected.json()[0]["language"] == "fr"
    parts = {"q": "One & day\nTwo days", "format": "html", "source": "en", "target": "fr", "api_key": KEY}
    boundary = "------------------------82509c6630374c7d"
    body = "".join(
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in parts.items()
    )
    multipart = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
    answer = client.post("/translate", content=f"{body}--{boundary}--\r\n", headers=multipart)
    assert answer.json()["translatedText"] == "ONE &amp; DAY\nTWO DAYS"
