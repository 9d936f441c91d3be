"""POST /translate as server-sent events."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.settings import Settings
from tests.support.engines import until
from tests.support.service import RunningService, fake_models, running_service

Events = list[tuple[str, dict[str, Any]]]


@pytest.fixture
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    models = fake_models(tmp_path_factory.mktemp("models"), ("en", "fr"))
    with running_service(Settings(models_dir=models)) as running:
        yield running


def events_of(service: RunningService, accept: str = "*/*", **fields: Any) -> Events:
    found: Events = []
    request = {"source": "en", "target": "fr", **fields}
    with service.client.stream("POST", "/translate", json=request, headers={"Accept": accept}) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert answer.headers["access-control-allow-origin"] == "*"
        for block in "".join(answer.iter_text()).split("\n\n")[:-1]:
            name, data = block.split("\n")
            found.append((name.removeprefix("event: "), json.loads(data.removeprefix("data: "))))
    return found


def text_of(events: Events) -> str:
    return "".join(data["text"] for name, data in events if name == "delta")


@pytest.mark.parametrize("beam_size", [1, 3])
@pytest.mark.parametrize(
    ("text", "text_format"),
    [
        ("  One two three four. \n\n Five six seven.\tno no no no no no no", "text"),
        ("<p>One &amp; <b>two</b> three</p> <i>four</i>", "html"),
        ("1234", "text"),
        ("É 😀", "text"),
    ],
)
def test_the_deltas_are_the_text(service: RunningService, text: str, text_format: str, beam_size: int) -> None:
    service.graphs.opened["en-fr"].hooks.delay_seconds = 0.005
    fields: dict[str, Any] = {"q": text, "format": text_format, "beam_size": beam_size}
    *deltas, (last, body) = events_of(service, stream=True, **fields)
    assert {name for name, _ in deltas} == {"delta"}
    assert last == "done"
    assert text_of(deltas) == body["translatedText"]
    plain = service.client.post("/translate", json={"source": "en", "target": "fr", **fields})
    assert body == plain.json()


def test_words_come_one_by_one(service: RunningService) -> None:
    service.graphs.opened["en-fr"].hooks.delay_seconds = 0.02
    events = events_of(service, accept="text/event-stream", q="One two three.")
    assert [data["text"] for name, data in events if name == "delta"] == ["ONE", " TWO", " THREE."]


def test_what_else_was_asked_for_comes_at_the_end(service: RunningService) -> None:
    events = events_of(service, stream="true", q="Hello", include="scores,timing", alternatives=1)
    assert set(events[-1][1]) == {"translatedText", "alternatives", "segments", "timing"}
    assert events_of(service, stream=True, q="Hello", source="auto")[-1][1]["detectedLanguage"]["language"] == "en"
    assert events_of(service, stream=True, q="Salut", source="fr") == [
        ("delta", {"text": "Salut"}),
        ("done", {"translatedText": "Salut"}),
    ]


def test_a_cut_and_an_error_are_told(service: RunningService) -> None:
    machine = service.graphs.opened["en-fr"]
    machine._map[2] = 10
    assert events_of(service, stream=True, q="Hello")[-1][1]["finish_reason"] == "repetition"
    machine.hooks.fail_next = RuntimeError("secret")
    ((name, data),) = events_of(service, stream=True, q="Hello")
    assert name == "error"
    assert "secret" not in data["error"]


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"q": ["a", 5], "stream": True}, "q[1] is a number"),
        ({"q": "a", "stream": "maybe"}, "true or false"),
        ({"q": "a", "stream": True, "target": "zz"}, "zz is not supported"),
    ],
)
def test_errors_before_the_beginning_have_a_status(service: RunningService, fields: Any, said: str) -> None:
    answer = service.client.post("/translate", json={"source": "en", "target": "fr", **fields})
    assert answer.status_code == 400
    assert said in answer.json()["error"]


def test_a_client_that_leaves_frees_its_rows(service: RunningService) -> None:
    service.graphs.opened["en-fr"].hooks.delay_seconds = 0.02
    service.graphs.opened["en-fr"].hooks.step_rows.clear()
    request = {"q": "word " * 100, "source": "en", "target": "fr", "stream": True}
    with service.client.stream("POST", "/translate", json=request) as answer:
        next(answer.iter_text())
    until(lambda: not service.client.get("/ready").json()["bundles"][0]["engine"]["rows_running"])
    assert len(service.graphs.opened["en-fr"].hooks.step_rows) < 450  # all of the translation is 500 steps


@pytest.mark.parametrize("beam_size", [1, 3])
def test_a_list(tmp_path: Path, beam_size: int) -> None:
    models = fake_models(tmp_path, ("en", "fr"), ("de", "fr"))
    with running_service(Settings(models_dir=models)) as service:
        for machine in service.graphs.opened.values():
            machine.hooks.delay_seconds = 0.003
        english, german = "I think that we should go home. Yes.", "Wir haben heute leider keine Zeit dafür."
        texts = [english, german, "42", "", "Yes.", "C'est déjà en français, non ?"]
        fields: dict[str, Any] = {"q": texts, "source": "auto", "beam_size": beam_size, "include": "scores"}
        *deltas, (last, body) = events_of(service, accept="text/event-stream", **fields)
        assert last == "done"
        told = dict.fromkeys(range(len(texts)), "")
        for name, data in deltas:
            assert (name, set(data)) == ("delta", {"index", "text"})
            told[data["index"]] += data["text"]
        assert list(told.values()) == body["translatedText"]
        assert len(deltas) > 12  # words, of several texts by turns
        assert [data["index"] for _, data in deltas] != sorted(data["index"] for _, data in deltas)
        plain = service.client.post("/translate", json={"target": "fr", **fields})
        assert body == plain.json()
        assert body["translatedText"][:2] == [english.upper(), german.upper()]


def test_a_list_with_one_text_is_a_list(service: RunningService) -> None:
    assert events_of(service, stream=True, q=["Hello"]) == [
        ("delta", {"index": 0, "text": "HELLO"}),
        ("done", {"translatedText": ["HELLO"]}),
    ]
