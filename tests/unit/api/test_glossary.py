"""Terms that a request brings along, and glossaries that it names: honoured, and said where they could not be."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from app.settings import Settings
from tests.support.deepl_requests import HELLO, KEY, checked
from tests.support.service import RunningService, fake_models, running_service

CHEESE = {"cottage cheese": "faisselle"}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    folder = tmp_path_factory.mktemp("glossary")
    settings = Settings(
        models_dir=fake_models(folder / "models", ("en", "fr"), ("fr", "en")),
        data_dir=folder / "data",
        max_glossary_entries=3,
    )
    with running_service(settings) as running:
        yield running


def ask(service: RunningService, status: int = 200, **fields: Any) -> Any:
    answer = service.client.post("/translate", json={"source": "en", "target": "fr", **fields})
    assert answer.status_code == status, answer.text
    return answer.json()


def test_terms_in_the_request(service: RunningService) -> None:
    found = ask(service, q=["I like cottage cheese.", "cottage cheese", "Cottage cheese!", "none"], glossary=CHEESE)
    assert found == {"translatedText": ["I LIKE faisselle.", "faisselle", "Faisselle!", "NONE"]}
    # Without the glossary the translation is what it was: no term stays.
    assert ask(service, q="I like cottage cheese.")["translatedText"] == "I LIKE COTTAGE CHEESE."


def test_in_a_form_and_in_html(service: RunningService) -> None:
    form = {"q": "some <b>cottage cheese</b> here", "source": "en", "target": "fr", "format": "html"}
    answer = service.client.post("/translate", data={**form, "glossary": json.dumps(CHEESE)})
    assert answer.json() == {"translatedText": "SOME <b>faisselle</b> HERE"}


@pytest.mark.parametrize("nothing", [None, "", " ", {}, "{}"])
def test_no_terms(service: RunningService, nothing: object) -> None:
    assert ask(service, q="hello", glossary=nothing) == {"translatedText": "HELLO"}


@pytest.mark.parametrize(
    ("glossary", "message"),
    [
        ([], "glossary parameter is"),
        ("{", "glossary parameter is no JSON"),
        ({"a": 1}, "it must hold strings"),
        ({"a": ""}, "Value with the index 0 is empty"),
        ({"a": "b", "": "c"}, "Key with the index 1 is empty"),
        ({"a": "b\n"}, None),
        ({"a": "b\nc"}, "cannot be printed"),
        ({"a": "b", "c": "d", "e": "f", "g": "h"}, "max_glossary_entries (4) exceeds the limit (3)"),
    ],
)
def test_what_cannot_be_used(service: RunningService, glossary: object, message: str | None) -> None:
    if message is None:
        ask(service, q="a", glossary=glossary)
        return
    assert message in ask(service, 400, q="a", glossary=glossary)["error"]


def test_a_term_without_a_place_is_named(service: RunningService, monkeypatch: pytest.MonkeyPatch) -> None:
    """The model copies nothing of its source, so the offset of the term is unknown."""
    graphs = service.graphs.opened["en-fr"]
    monkeypatch.setattr(graphs, "machine", "reverse")
    answer = service.client.post(
        "/translate",
        json={"q": "like cottage cheese, you?", "source": "en", "target": "fr", "glossary": CHEESE, "beam_size": 1},
    )
    assert "faisselle" in answer.json()["translatedText"]
    assert answer.headers["x-glossary-unplaced"] == "cottage%20cheese"


def test_a_stream_names_a_term_without_a_place_at_its_end(
    service: RunningService, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = {"source": "en", "target": "fr", "glossary": CHEESE, "beam_size": 1, "stream": True}

    def ask_events(q: object) -> dict[str, Any]:
        answer = service.client.post("/translate", json={**body, "q": q})
        name, data = answer.text.strip().split("\n\n")[-1].split("\n")
        assert name == "event: done"
        found: dict[str, Any] = json.loads(data.removeprefix("data: "))
        return found

    assert "glossary_unplaced" not in ask_events("like it, you?")
    monkeypatch.setattr(service.graphs.opened["en-fr"], "machine", "reverse")
    done = ask_events("like cottage cheese, you?")
    assert "faisselle" in done["translatedText"]
    assert done["glossary_unplaced"] == ["cottage cheese"]
    assert ask_events(["like cottage cheese, you?", "eat cottage cheese, now?"])["glossary_unplaced"] == [
        "cottage cheese"
    ]


def test_a_glossary_by_its_name(service: RunningService) -> None:
    body = {"name": "x", "source_lang": "en", "target_lang": "fr", "entries": "hello\tsalut", "entries_format": "tsv"}
    made = checked(service.client.post("/v2/glossaries", json=body, headers=KEY), 201)

    def translated(status: int, **fields: Any) -> Any:
        return checked(service.client.post("/v2/translate", json={**HELLO, **fields}, headers=KEY), status)

    named = {"glossary_id": made["glossary_id"]}
    assert translated(200, **named)["translations"][0]["text"] == "Salut"
    assert translated(200)["translations"][0]["text"] == "HELLO"
    without = translated(400, **named, source_lang="")
    assert without["message"] == "Use of a glossary requires the source_lang parameter to be specified"
    other = translated(400, **named, source_lang="FR", target_lang="EN-GB")
    assert other["message"] == "No dictionary found for language pair"
    assert translated(400, glossary_id="nowhere") == {"message": "Glossary not found"}
    checked(service.client.delete(f"/v2/glossaries/{made['glossary_id']}", headers=KEY), 204)
    assert translated(400, **named) == {"message": "Glossary not found"}
