"""DeepL's dialect: the shapes, statuses and sentences that its clients know."""

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from app.settings import Settings
from app.translation.pending import Pending
from app.translation.translator import Plan, Translation, Translator
from tests.support.deepl_requests import HELLO, KEY, checked
from tests.support.service import RunningService, fake_models, running_service

MISSING: Any = object()
Send = Callable[[httpx.Client, dict[str, Any]], httpx.Response]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    pairs = (("en", "fr"), ("fr", "en"), ("de", "en"), ("en", "pt"))
    models = fake_models(tmp_path_factory.mktemp("models"), *pairs)
    chosen = Settings(models_dir=models, max_characters=2000, max_items=10, max_body_bytes=100_000)
    with running_service(chosen) as running:
        yield running


def ask(service: RunningService, **fields: Any) -> Any:
    answer = service.client.post("/v2/translate", json={**HELLO, **fields}, headers=KEY)
    found = checked(answer)
    assert list(found) == ["translations"]
    return found["translations"]


def _json(client: httpx.Client, fields: dict[str, Any]) -> httpx.Response:
    return client.post("/v2/translate", json=fields, headers=KEY)


def _form(client: httpx.Client, fields: dict[str, Any]) -> httpx.Response:
    return client.post("/v2/translate", data=fields, headers=KEY)


def _brackets(client: httpx.Client, fields: dict[str, Any]) -> httpx.Response:
    others = {name: value for name, value in fields.items() if name != "text"}
    return client.post("/v2/translate", data={**others, "text[]": fields["text"]}, headers=KEY)


def _query(client: httpx.Client, fields: dict[str, Any]) -> httpx.Response:
    return client.post("/v2/translate", params=fields, headers=KEY)


def _get(client: httpx.Client, fields: dict[str, Any]) -> httpx.Response:
    return client.get("/v2/translate", params=fields, headers=KEY)


@pytest.mark.parametrize("send", [_json, _form, _brackets, _query, _get])
@pytest.mark.parametrize("texts", [["Ça va ? 100%+1 €"], ["one", "", "two"], "one"])
def test_encodings(service: RunningService, send: Send, texts: Any) -> None:
    found = checked(send(service.client, {"text": texts, "source_lang": "en", "target_lang": "fr"}))
    wanted = [texts] if isinstance(texts, str) else texts
    assert found["translations"] == [
        {"detected_source_language": "EN", "text": text.upper(), "billed_characters": len(text)} for text in wanted
    ]


@pytest.mark.parametrize("source", [None, "", MISSING])
def test_detection_of_each_text(service: RunningService, source: Any) -> None:
    fields = {"text": ["The weather is nice today.", "Où est la gare, s'il vous plaît ?"], "target_lang": "FR"}
    if source is not MISSING:
        fields["source_lang"] = source
    found = checked(service.client.post("/v2/translate", json=fields, headers=KEY))["translations"]
    assert [one["detected_source_language"] for one in found] == ["EN", "FR"]
    assert found[1]["text"] == fields["text"][1]  # it is French already


@pytest.mark.parametrize("target", ["EN-US", "EN-GB", "en-gb", "EN", "En-us "])
def test_regional_english(service: RunningService, target: str) -> None:
    assert ask(service, text="Salut", source_lang="FR", target_lang=target)[0]["text"] == "SALUT"


@pytest.mark.parametrize("formality", ["more", "less", "prefer_more", "prefer_less"])
def test_a_register_that_the_model_has_not_is_said(service: RunningService, formality: str) -> None:
    body = {"text": "Hello", "source_lang": "EN", "target_lang": "FR", "formality": formality}
    answer = service.client.post("/v2/translate", json=body, headers=KEY)
    assert checked(answer)["translations"][0]["text"] == "HELLO"
    assert answer.headers["X-Formality"] == "default"


@pytest.mark.parametrize("target", ["PT-BR", "pt-pt", "PT"])
def test_regional_portuguese(service: RunningService, target: str) -> None:
    assert ask(service, target_lang=target)[0]["text"] == "HELLO"


@pytest.mark.parametrize(
    "fields",
    [
        {"formality": "default"},
        {"formality": "prefer_more"},
        {"formality": "prefer_less"},
        {"formality": None},
        {"split_sentences": "0"},
        {"split_sentences": "nonewlines"},
        {"split_sentences": 1},
        {"preserve_formatting": "0"},
        {"outline_detection": False, "splitting_tags": "p,h1", "non_splitting_tags": ["b"], "ignore_tags": []},
        {"context": "A greeting.", "show_billed_characters": True, "unknown": {"a": [1]}},
        {"glossary_id": "", "glossary_ids": []},
        {"tag_handling_version": "v2", "custom_instructions": [], "style_id": None},
    ],
)
def test_fields_that_change_nothing(service: RunningService, fields: dict[str, Any]) -> None:
    assert ask(service, **fields) == [{"detected_source_language": "EN", "text": "HELLO", "billed_characters": 5}]


@pytest.mark.parametrize(
    ("fields", "text", "answer"),
    [
        ({}, "One. Two\nthree", ["ONE.", "TWO", "THREE"]),
        ({"split_sentences": "1"}, "One. Two\nthree", ["ONE.", "TWO", "THREE"]),
        ({"split_sentences": "nonewlines"}, "One. Two\nthree\n\nfour", ["ONE.", "TWO THREE", "FOUR"]),
        ({"split_sentences": "0"}, "One. Two\nthree\n\nfour", ["ONE. TWO THREE FOUR"]),
        ({"tag_handling": "html"}, "<p>One. Two\n<b>three</b><br>four", ["ONE.", "TWO THREE", "FOUR"]),
        ({"tag_handling": "html", "split_sentences": "1"}, "<p>One. Two\n<b>three", ["ONE.", "TWO", "THREE"]),
        ({"tag_handling": "html", "split_sentences": 0}, "<p>One. Two\n<b>three", ["ONE. TWO THREE"]),
        ({"tag_handling": "html", "splitting_tags": "B,i"}, "One <b>two</b> <i>three</i>", ["ONE", "TWO", "THREE"]),
        ({"tag_handling": "html", "non_splitting_tags": ["p"]}, "<p>One</p> <p>two</p>", ["ONE TWO"]),
        ({"tag_handling": "html", "ignore_tags": ["p"]}, "<p>one</p> <p>two</p>", []),
        ({"tag_handling": "xml"}, "<p>One</p> <p>two <q>three</q></p>", ["ONE", "TWO THREE"]),
        ({"tag_handling": "xml"}, "One <p>two</p>, <Q>three <br/> four</Q>", ["ONE TWO, THREE FOUR"]),
        ({"tag_handling": "xml", "outline_detection": False}, "<p>One</p> <p>two</p>", ["ONE TWO"]),
        (
            {"tag_handling": "xml", "outline_detection": "0", "splitting_tags": "p"},
            "<p>One</p><p>two</p><P>3a</P>",
            ["ONE", "TWO", "3A"],
        ),
        ({"tag_handling": "xml", "non_splitting_tags": "p"}, "<p>One</p> <p>two</p>", ["ONE TWO"]),
        ({"tag_handling": "xml"}, "A <code>bb</code> <pre>cc</pre> &lt;dd&gt;", ["A BB CC <dd>"]),
    ],
)
def test_where_sentences_end(
    service: RunningService, monkeypatch: pytest.MonkeyPatch, fields: dict[str, Any], text: str, answer: list[str]
) -> None:
    found: list[Translation] = []
    finish = Translator.finish

    def finished(translator: Translator, plan: Plan, pending: Pending) -> list[Translation]:
        found.extend(finish(translator, plan, pending))
        return found

    monkeypatch.setattr(Translator, "finish", finished)
    (translated,) = ask(service, text=[text], **fields)
    assert [segment.text for segment in found[0].segments] == answer
    assert translated["text"].casefold() == text.casefold()


def test_ignored_tags(service: RunningService) -> None:
    text = 'Hello <x id="12"/> <X>you</X>, <x>my <b>dear</b></x> friend'
    (found,) = ask(service, text=text, tag_handling="xml", ignore_tags="x")
    assert found["text"] == 'HELLO <x id="12"/> <X>YOU</X>, <x>my <b>dear</b></x> FRIEND'
    (found,) = ask(service, text="Hello <X>you</X>, <b>friend</b>", tag_handling="html", ignore_tags=["x", "i"])
    assert found["text"] == "HELLO <X>you</X>, <b>FRIEND</b>"


def test_the_form_of_a_sentence(service: RunningService) -> None:
    (found,) = ask(service, text="a dog. Good morning!", preserve_formatting=True)
    assert found["text"] == "a DOG. GOOD MORNING!"
    (found,) = ask(service, text="a dog. Good morning!", preserve_formatting="0")
    assert found["text"] == "A DOG. GOOD MORNING!"


@pytest.mark.parametrize("handling", ["xml", "html", "HTML"])
def test_tags_stay(service: RunningService, handling: str) -> None:
    text = '<p id="a">Hello <x id="12"></x> &amp; <b>you</b></p>'
    (found,) = ask(service, text=text, tag_handling=handling, ignore_tags=["x"])
    assert found["text"] == '<p id="a">HELLO <x id="12"></x> &amp; <b>YOU</b></p>'
    assert found["billed_characters"] == len(text)


def test_white_space_stays(service: RunningService) -> None:
    text = " Hello\r\n\r\n\tyou \n"
    assert ask(service, text=[text])[0]["text"] == text.upper()


@pytest.mark.parametrize(
    ("given", "used"),
    [
        ("quality_optimized", "quality_optimized"),
        ("prefer_quality_optimized", "quality_optimized"),
        ("latency_optimized", "latency_optimized"),
    ],
)
def test_model_type(service: RunningService, given: str, used: str) -> None:
    assert ask(service, model_type=given)[0]["model_type_used"] == used
