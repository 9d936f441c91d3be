"""The dialects of extensions: each request as its client sends it, against bundles that write capitals."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.access.keys import digest_of
from app.settings import Settings
from app.text.codes import find_served
from tests.support.service import FakeGraphs, RunningService, fake_models, running_service

GOOGLE = "/language/translate/v2"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    models = fake_models(tmp_path_factory.mktemp("models"), ("en", "fr"), ("fr", "en"))
    with running_service(Settings(models_dir=models)) as running:
        yield running


@pytest.fixture
def client(service: RunningService) -> httpx.Client:
    return service.client


def test_immersive_translate(client: httpx.Client) -> None:
    body = {"source_lang": "en", "target_lang": "FR", "text_list": ["Good <b0>day</b0>!", "", "Two."]}
    assert client.post("/imme?token=any", json=body).json() == {
        "translations": [
            {"detected_source_lang": "en", "text": "GOOD <b0>DAY</b0>!"},
            {"detected_source_lang": "en", "text": ""},
            {"detected_source_lang": "en", "text": "TWO."},
        ]
    }
    assert client.post("/imme", json={**body, "text_list": []}).json() == {"translations": []}


def test_a_text_that_cannot_be_translated_does_not_fail_the_others(client: httpx.Client) -> None:
    texts = [
        "The red house stands behind the old church.",
        "Wo ist der nächste Bahnhof, bitte? Ich möchte nach Hause fahren.",
        "La maison rouge se trouve derrière la vieille église.",
    ]
    body = {"source_lang": "auto", "target_lang": "fr", "text_list": texts}
    found = client.post("/imme", json=body).json()["translations"]
    assert [one["text"] for one in found] == [texts[0].upper(), texts[1], texts[2]]
    assert [one["detected_source_lang"] for one in found] == ["en", "", "fr"]


def test_kiss_translator(client: httpx.Client) -> None:
    one = client.post("/kiss", json={"from": "en", "to": "fr", "text": "One day."}, headers={"KEY": "any"})
    assert one.json() == {"text": "ONE DAY.", "src": "en"}
    two = client.post("/kiss", json={"from": "en", "to": "fr-FR", "texts": ["One day.", "Two days."]}).json()
    assert two == {"translations": [{"text": "ONE DAY.", "src": "en"}, {"text": "TWO DAYS.", "src": "en"}]}
    assert client.post("/kiss", json={"from": "en", "to": "fr"}).status_code == 400


def test_hcfy(client: httpx.Client) -> None:
    body = {"name": "any", "text": "The red house.\nTwo old men.", "destination": ["法语", "英语"], "source": "英语"}
    expected = {
        "text": body["text"],
        "from": "英语",
        "to": "法语",
        "result": ["THE RED HOUSE.", "TWO OLD MEN."],
    }
    assert client.post("/hcfy", json=body).json() == expected
    french = "La maison rouge se trouve derrière la vieille église."
    found = client.post("/hcfy", json={**body, "text": french, "source": None}).json()
    assert found == {"text": french, "from": "法语", "to": "英语", "result": [french.upper()]}
    refused = client.post("/hcfy", json={**body, "destination": ["火星语"]})
    assert (refused.status_code, refused.json()) == (400, {"error": "火星语 is not supported"})


@pytest.mark.parametrize("path", ["/deeplx", "/translate"])
def test_deeplx(client: httpx.Client, path: str) -> None:
    found = client.post(path, json={"text": "One day.", "source_lang": "EN", "target_lang": "FR"}).json()
    assert isinstance(found.pop("id"), int)
    assert isinstance(found.pop("alternatives"), list)
    assert found == {"code": 200, "data": "ONE DAY.", "source_lang": "EN", "target_lang": "FR", "method": "Free"}
    refused = client.post(path, json={"text": "One day.", "source_lang": "EN", "target_lang": "XX"})
    assert (refused.status_code, refused.json()) == (400, {"code": 400, "message": "XX is not supported"})
    html = {"text": "<b>One</b> day.", "target_lang": "FR", "source_lang": "en", "tag_handling": "html"}
    assert client.post(path, json=html).json()["data"] == "<b>ONE</b> DAY."


@pytest.mark.parametrize("content_type", ["text/plain; charset=utf-8", "text/plain;charset=UTF-8", ""])
def test_json_without_its_content_type(client: httpx.Client, content_type: str) -> None:
    """As clients send it whose HTTP library calls every string plain text; DeepLX reads it."""
    body = '{ "source_lang": "en", "target_lang": "fr", "text": "One day." }'
    found = client.post("/translate", content=body, headers={"Content-Type": content_type})
    assert (found.status_code, found.json()["data"]) == (200, "ONE DAY.")
    refused = client.post("/translate", content="One day.", headers={"Content-Type": content_type})
    assert refused.status_code == 415


def test_mtran_server(client: httpx.Client) -> None:
    batch = {"from": "en", "to": "fr", "texts": ["One & day.", "Two <b>days</b>."], "html": False}
    assert client.post("/translate/batch", json=batch).json() == {"results": ["ONE & DAY.", "TWO <b>DAYS</b>."]}
    one = {"from": "en", "to": "fr", "text": "<p>One &amp; day.</p>", "html": True}
    assert client.post("/translate", json=one).json() == {"result": "<p>ONE &amp; DAY.</p>"}


def test_google(client: httpx.Client) -> None:
    fields = {"q": ["One day.", "Two &amp; <i>days</i>."], "source": "en", "target": "fr"}
    expected = {
        "data": {"translations": [{"translatedText": "ONE DAY."}, {"translatedText": "TWO &amp; <i>DAYS</i>."}]}
    }
    assert client.post(f"{GOOGLE}?key=any", json=fields).json() == expected
    assert client.post(GOOGLE, data=fields).json() == expected
    assert client.get(GOOGLE, params=fields).json() == expected
    text = {"q": "The red house stands here & there.", "target": "fr", "format": "text"}
    assert client.post(GOOGLE, json=text).json() == {
        "data": {"translations": [{"translatedText": text["q"].upper(), "detectedSourceLanguage": "en"}]}
    }
    assert client.get(f"{GOOGLE}/languages").json() == {"data": {"languages": [{"language": "en"}, {"language": "fr"}]}}
    named = client.get(f"{GOOGLE}/languages", params={"target": "de"}).json()["data"]["languages"]
    assert named == [{"language": "en", "name": "Englisch"}, {"language": "fr", "name": "Französisch"}]
    detected = client.post(f"{GOOGLE}/detect", json={"q": [text["q"], "La maison rouge est ici."]}).json()
    assert [one[0]["language"] for one in detected["data"]["detections"]] == ["en", "fr"]
    refused = client.post(GOOGLE, json={"q": "One day.", "target": "xx"})
    assert refused.status_code == 400
    assert refused.json()["error"]["errors"][0] == {
        "message": "xx is not supported",
        "domain": "global",
        "reason": "invalid",
    }


def test_googles_page(client: httpx.Client) -> None:
    text = "  One day.  Two days.\n\nThree days. "
    found = client.get("/translate_a/single", params={"client": "gtx", "sl": "en", "tl": "fr", "dt": "t", "q": text})
    sentences, _, source = found.json()
    assert source == "en"
    assert "".join(one[0] for one in sentences) == text.upper()
    assert "".join(one[1] for one in sentences) == text
    assert len(sentences) == 3
    named = client.get("/translate_a/single", params={"client": "gtx", "tl": "fr", "dt": "t", "dj": "1", "q": text})
    assert named.json() == {
        "sentences": [{"trans": one[0], "orig": one[1]} for one in sentences],
        "src": "en",
    }


def test_spec_names_the_dialect_and_its_paths(client: httpx.Client) -> None:
    found = client.get("/spec").json()
    assert (found["swagger"], found["info"]["title"]) == ("2.0", "LibreTranslate")
    assert {"/translate", "/detect", "/languages", "/translate_file", "/frontend/settings"} <= found["paths"].keys()
    assert "q" in [one["name"] for one in found["paths"]["/translate"]["post"]["parameters"]]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/imme", {"target_lang": "fr", "text_list": [3]}),
        ("/imme", {"target_lang": "", "text_list": ["a"]}),
        ("/imme", {"source_lang": "xx", "target_lang": "fr", "text_list": ["a"]}),
        ("/kiss", {"to": "fr", "texts": {"a": 1}}),
        ("/hcfy", {"text": "a"}),
        ("/hcfy", {"text": "a", "destination": ["\n"]}),
        ("/deeplx", {"target_lang": "FR"}),
        ("/deeplx", {"text": "a", "target_lang": "FR", "tag_handling": "pdf"}),
        ("/translate/batch", {"to": "fr", "texts": [None]}),
        (GOOGLE, {"target": "fr"}),
        (GOOGLE, {"q": "a", "target": "fr", "format": "pdf"}),
        (GOOGLE, {"q": "\ud800", "target": "fr"}),
    ],
)
def test_bad_requests_are_refused_in_words(client: httpx.Client, path: str, body: dict[str, object]) -> None:
    import json

    refused = client.post(path, content=json.dumps(body), headers={"Content-Type": "application/json"})
    assert refused.status_code == 400, refused.text
    assert refused.json()


def test_keys_as_extensions_send_them(tmp_path_factory: pytest.TempPathFactory) -> None:
    models = fake_models(tmp_path_factory.mktemp("models"), ("en", "fr"))
    keys = f"one sha256:{digest_of('secret').hex()}"
    body = {"from": "en", "to": "fr", "text": "One day."}
    with running_service(Settings(models_dir=models, api_keys=keys)) as service:
        client = service.client
        assert client.post("/kiss", json=body).status_code == 400
        assert client.post("/kiss", json=body, params={"key": "wrong"}).status_code == 403
        for parameters, headers in (
            ({"token": "secret"}, {}),
            ({"key": "secret"}, {}),
            ({}, {"KEY": "secret"}),
            ({}, {"Authorization": "Bearer secret"}),
            ({}, {"Authorization": "secret"}),
            ({"key": "secret"}, {"Authorization": "Bearer"}),
            ({"key": "secret"}, {"Authorization": "Basic bmFtZTp3b3Jk"}),
        ):
            assert client.post("/kiss", json=body, params=parameters, headers=headers).status_code == 200
        preflight = client.options("/kiss", headers={"Origin": "https://a.example"})
        assert "key" in preflight.headers["Access-Control-Allow-Headers"].lower()


def test_a_page_of_400_paragraphs_is_answered_in_full(tmp_path_factory: pytest.TempPathFactory) -> None:
    """100 requests of 4 texts, 20 at a time, with the default settings."""
    models = fake_models(tmp_path_factory.mktemp("models"), ("en", "fr"))
    paragraph = "One. Two. Three. Four. Five."
    with running_service(Settings(models_dir=models), FakeGraphs()) as service, ThreadPoolExecutor(20) as threads:

        def send(number: int) -> list[str]:
            texts = [f"{paragraph} Page {number}, part {part}." for part in range(4)]
            body = {"source_lang": "en", "target_lang": "fr", "text_list": texts}
            with httpx.Client(base_url=service.url, trust_env=False, timeout=60) as client:
                answer = client.post("/imme", json=body)
            assert answer.status_code == 200, answer.text
            found = [one["text"] for one in answer.json()["translations"]]
            assert found == [text.upper() for text in texts]
            return found

        assert sum(len(found) for found in threads.map(send, range(100))) == 400


@pytest.mark.parametrize(
    ("code", "served", "expected"),
    [
        ("FR", {"fr"}, "fr"),
        ("fr_CA", {"fr"}, "fr"),
        ("zh-CN", {"zh"}, "zh"),
        ("zh_Hans_CN", {"zh"}, "zh"),
        ("zh", {"zh-hans", "zh-hant"}, "zh-hans"),
        ("zh-TW", {"zh", "zh-hant"}, "zh-hant"),
        ("zt", {"zh-hant"}, "zh-hant"),
        ("pb", {"pt"}, "pt"),
        ("pt-BR", {"pt-br", "pt"}, "pt-br"),
        ("nb", {"no"}, "no"),
        ("no", {"nb"}, "nb"),
        ("xx", {"fr"}, None),
        ("", {"fr"}, None),
        ("-", {"fr"}, None),
    ],
)
def test_codes_in_any_spelling(code: str, served: set[str], expected: str | None) -> None:
    assert find_served(code, served) == expected


@given(st.text(max_size=20))
def test_any_code_has_an_answer(code: str) -> None:
    assert find_served(code, {"en", "fr"}) in ("en", "fr", None)
