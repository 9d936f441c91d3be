"""Replayed requests of browser extensions and of programs that speak DeepLX, MTranServer or Google's dialects.

Headers and bodies are those that the sources of the programs make, as far as the service could tell them apart.
"""

import json
from urllib.parse import quote

import pytest

from tests.clients.conftest import KEY
from tests.support.service import RunningService

JSON = {"Content-Type": "application/json"}


def post(
    service: RunningService, address: str, body: dict[str, object], headers: dict[str, str] | None = None
) -> object:
    """Post JSON as browsers write it."""
    content = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
    answer = service.client.post(address, content=content, headers={**JSON, **(headers or {})})
    assert answer.status_code == 200, answer.text
    found: object = answer.json()
    return found


@pytest.mark.program("Immersive Translate", "replay")
def test_immersive_translate(keyed: RunningService) -> None:
    texts = ["The <b0>red</b0> house.", "La maison rouge est là."]
    body: dict[str, object] = {"source_lang": "auto", "target_lang": "fr", "text_list": texts}
    assert post(keyed, f"/imme?token={KEY}", body) == {
        "translations": [
            {"detected_source_lang": "en", "text": "THE <b0>RED</b0> HOUSE."},
            {"detected_source_lang": "fr", "text": texts[1]},
        ]
    }


@pytest.mark.program("KISS Translator", "replay")
def test_kiss_translator(keyed: RunningService) -> None:
    bearer = {"Authorization": f"Bearer {KEY}"}
    text = "The <b i=0>red</b> house."
    translated = "THE <b i=0>RED</b> HOUSE."
    one = post(keyed, "/kiss", {"text": text, "from": "auto", "to": "fr"}, bearer)
    assert one == {"text": translated, "src": "en"}
    several = post(keyed, "/kiss", {"texts": [text, "One day."], "from": "en", "to": "fr"}, bearer)
    assert several == {"translations": [{"text": translated, "src": "en"}, {"text": "ONE DAY.", "src": "en"}]}
    deeplx = post(keyed, "/deeplx", {"text": "One day.", "target_lang": "FR", "source_lang": "auto"}, bearer)
    assert isinstance(deeplx, dict)
    assert (deeplx["data"], bool(deeplx["source_lang"])) == ("ONE DAY.", True)
    deepl_key = {"Authorization": f"DeepL-Auth-Key {KEY}"}
    deepl = post(
        keyed, "/v2/translate", {"text": ["The red house."], "target_lang": "FR", "source_lang": ""}, deepl_key
    )
    assert isinstance(deepl, dict)
    assert (deepl["translations"][0]["text"], deepl["translations"][0]["detected_source_language"]) == (
        "THE RED HOUSE.",
        "EN",
    )
    query = f"client=gtx&dj=1&dt=t&ie=UTF-8&q={quote('The red house. Two days.')}&sl=auto&tl=fr"
    google = keyed.client.get(f"/translate_a/single?{query}", headers={**JSON, **bearer}).json()
    assert " ".join(one["trans"].strip() for one in google["sentences"]) == "THE RED HOUSE. TWO DAYS."
    assert google["src"] == "en"


def test_kiss_translator_without_a_key(service: RunningService) -> None:
    found = post(service, "/kiss", {"text": "One day.", "from": "en", "to": "fr"}, {"Authorization": "Bearer"})
    assert found == {"text": "ONE DAY.", "src": "en"}


@pytest.mark.program("hcfy (划词翻译)", "replay")
def test_hcfy(keyed: RunningService) -> None:
    body: dict[str, object] = {"name": "Passerelle", "text": "One day.\nTwo days.", "destination": ["法语", "英语"]}
    assert post(keyed, f"/hcfy?token={KEY}", {**body, "source": "英语"}) == {
        "text": "One day.\nTwo days.",
        "from": "英语",
        "to": "法语",
        "result": ["ONE DAY.", "TWO DAYS."],
    }


@pytest.mark.program("FluentRead (流畅阅读)", "replay")
def test_fluent_read(keyed: RunningService) -> None:
    body: dict[str, object] = {"text": "The red house.", "source_lang": "AUTO", "target_lang": "FR"}
    found = post(keyed, "/deeplx", body, {"Authorization": f"Bearer {KEY}"})
    assert isinstance(found, dict)
    assert (found["code"], found["data"]) == (200, "THE RED HOUSE.")


@pytest.mark.program("Pot", "replay")
def test_pot(keyed: RunningService) -> None:
    body: dict[str, object] = {"source_lang": "auto", "target_lang": "FR", "text": "The red house.\nTwo days."}
    found = post(keyed, f"/deeplx?token={KEY}", body)
    assert isinstance(found, dict)
    assert found["data"] == "THE RED HOUSE.\nTWO DAYS."


@pytest.mark.program("LunaTranslator", "replay")
def test_luna_translator(keyed: RunningService) -> None:
    body: dict[str, object] = {"text": "「One day.」", "source_lang": "EN", "target_lang": "FR"}
    found = post(keyed, f"/deeplx?token={KEY}", body)
    assert isinstance(found, dict)
    assert found["data"] == "「ONE DAY.」"


@pytest.mark.program("STranslate", "replay")
def test_stranslate(keyed: RunningService) -> None:
    types = {"Content-Type": "application/json; charset=utf-8"}
    deeplx: dict[str, object] = {"text": "The red house.", "source_lang": "auto", "target_lang": "FR"}
    found = post(keyed, "/translate", deeplx, {**types, "Authorization": f"Bearer {KEY}"})
    assert isinstance(found, dict)
    assert found["data"] == "THE RED HOUSE."
    mtran: dict[str, object] = {"from": "en", "to": "fr", "text": "The red house."}
    assert post(keyed, f"/translate?token={KEY}", mtran, types) == {"result": "THE RED HOUSE."}


@pytest.mark.program("XUnity.AutoTranslator", "replay")
def test_xunity_auto_translator(service: RunningService) -> None:
    """Lines of a game come together; each answered sentence that ends without white space is a line of its own."""
    lines = ["One day. Two days.", "  Three & four?", "Five"]
    query = f"client=webapp&sl=en&tl=fr&dt=t&tk=427761.1179739010&q={quote(chr(10).join(lines), safe='')}"
    headers = {"Referer": f"{service.url}/", "Accept-Charset": "utf-8", "Accept-Language": "en-US"}
    sentences = service.client.get(f"/translate_a/single?{query}", headers=headers).json()[0]
    answer = ""
    for sentence in sentences:
        if answer and not answer[-1].isspace():
            answer += "\n"
        answer += sentence[0]
    assert answer.split("\n") == [line.upper() for line in lines]
