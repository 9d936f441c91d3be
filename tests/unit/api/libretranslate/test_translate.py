"""POST /translate: the shapes that LibreTranslate's clients send and read."""

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from app.settings import Settings
from tests.support.service import RunningService, fake_models, running_service

Send = Callable[[httpx.Client, dict[str, Any]], httpx.Response]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    models = fake_models(tmp_path_factory.mktemp("models"), ("en", "fr"), ("fr", "en"), ("de", "en"))
    with running_service(Settings(models_dir=models)) as running:
        yield running


def ask(service: RunningService, **fields: Any) -> Any:
    answer = service.client.post("/translate", json={"source": "en", "target": "fr", **fields})
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/json"
    return answer.json()


def _json(client: httpx.Client, fields: dict[str, Any]) -> httpx.Response:
    return client.post("/translate", json=fields)


def _form(client: httpx.Client, fields: dict[str, Any]) -> httpx.Response:
    return client.post("/translate", data=fields)


def _multipart(client: httpx.Client, fields: dict[str, Any]) -> httpx.Response:
    parts = [
        (name, (None, one)) for name, value in fields.items() for one in ([value] if value is str(value) else value)
    ]
    return client.post("/translate", files=parts)


def _query(client: httpx.Client, fields: dict[str, Any]) -> httpx.Response:
    return client.post("/translate", params=fields)


def _bare_json(client: httpx.Client, fields: dict[str, Any]) -> httpx.Response:
    request = client.build_request("POST", "/translate", json=fields)
    del request.headers["content-type"]
    return client.send(request)


@pytest.mark.parametrize("send", [_json, _form, _multipart, _query, _bare_json])
def test_encodings(service: RunningService, send: Send) -> None:
    fields = {"q": "Ça va ? Très «bien» & 100%+1 €", "source": "en", "target": "fr"}
    answer = send(service.client, fields)
    assert answer.json() == {"translatedText": "ÇA VA ? TRÈS «BIEN» & 100%+1 €"}
    lists = send(service.client, {**fields, "q": ["one", "two"]})
    assert lists.json() == {"translatedText": ["ONE", "TWO"]}


@pytest.mark.parametrize("send", [_form, _multipart, _query])
def test_line_ends_of_forms_are_normalised(service: RunningService, send: Send) -> None:
    answer = send(service.client, {"q": "one\r\ntwo\rthree\n", "source": "en", "target": "fr"})
    assert answer.json() == {"translatedText": "ONE\nTWO\nTHREE\n"}


def test_line_ends_of_json_are_kept(service: RunningService) -> None:
    assert ask(service, q="one\r\ntwo\r\n") == {"translatedText": "ONE\r\nTWO\r\n"}


def test_form_fields_may_be_spread_over_query_and_body(service: RunningService) -> None:
    answer = service.client.post("/translate?source=en&target=en", data={"q": "Hello", "target": "fr"})
    assert answer.json() == {"translatedText": "HELLO"}


def test_a_list_keeps_its_order_and_its_empty_items(service: RunningService) -> None:
    assert ask(service, q=["be", "", "a", " ", "be"]) == {"translatedText": ["BE", "", "A", " ", "BE"]}
    assert ask(service, q=["ox"]) == {"translatedText": ["OX"]}
    assert ask(service, q=[""]) == {"translatedText": [""]}


@pytest.mark.parametrize("text", [" ", "\n\n", "😀👩‍👩‍👧", "\u00a0\t", "12.5", "https://example.com/a"])
def test_what_needs_no_translation_is_returned_unchanged(service: RunningService, text: str) -> None:
    assert ask(service, q=text) == {"translatedText": text}


def test_alternatives(service: RunningService) -> None:
    body = ask(service, q="Hello", alternatives=2)
    assert body["translatedText"] == "HELLO"
    assert 1 <= len(body["alternatives"]) <= 2
    assert len({*body["alternatives"], "HELLO"}) == len(body["alternatives"]) + 1
    several = ask(service, q=["Hello", "42"], alternatives="2")
    assert [bool(alternatives) for alternatives in several["alternatives"]] == [True, False]


@pytest.mark.parametrize("none", [0, -3, "0", "", None])
def test_no_alternatives(service: RunningService, none: object) -> None:
    assert ask(service, q="Hello", alternatives=none) == {"translatedText": "HELLO"}


def test_beam_size_is_per_request(service: RunningService) -> None:
    rows = service.graphs.opened["en-fr"].hooks.step_rows
    for beam_size, wanted in ((1, 1), (4, 4), ("2", 2), (None, 1)):
        rows.clear()
        assert ask(service, q="Hello", beam_size=beam_size) == {"translatedText": "HELLO"}
        assert max(rows) == wanted


def test_codes_in_any_case(service: RunningService) -> None:
    assert ask(service, q="Hello", source="EN", target="Fr") == {"translatedText": "HELLO"}


def test_source_and_target_the_same(service: RunningService) -> None:
    assert ask(service, q=["Bonjour", "x"], source="fr", target="fr") == {"translatedText": ["Bonjour", "x"]}


def test_auto_among_several_languages(service: RunningService) -> None:
    body = ask(service, q=["The weather is nice today, isn't it?", "Où est la gare, s'il vous plaît ?"], source="auto")
    english, french = body["detectedLanguage"]
    assert (english["language"], french["language"]) == ("en", "fr")
    assert body["translatedText"][1] == "Où est la gare, s'il vous plaît ?"  # it is French already
    for found in (english, french):
        assert type(found["confidence"]) is int
        assert 0 <= found["confidence"] <= 100
    single = ask(service, q="Das Wetter ist heute schön.", source="AUTO", target="en")
    assert single["detectedLanguage"]["language"] == "de"
    assert single["translatedText"] == "DAS WETTER IST HEUTE SCHÖN."


def test_auto_with_a_single_language(tmp_path_factory: pytest.TempPathFactory) -> None:
    models = fake_models(tmp_path_factory.mktemp("models"), ("en", "fr"))
    with running_service(Settings(models_dir=models)) as service:
        assert ask(service, q="Hello", source="auto") == {
            "translatedText": "HELLO",
            "detectedLanguage": {"confidence": 100, "language": "en"},
        }


def test_unknown_fields_and_empty_keys_are_ignored(service: RunningService) -> None:
    for key in (None, "", "secret"):
        assert ask(service, q="Hello", api_key=key, secret=[1], foo={"a": None}) == {"translatedText": "HELLO"}


def test_html(service: RunningService) -> None:
    body = ask(service, q=["<p>One &amp; <a href='x'>two</a></p>", "plain"], format="HTML", alternatives=1)
    assert body["translatedText"] == ["<p>ONE &amp; <a href='x'>TWO</a></p>", "PLAIN"]
    assert len(body["alternatives"]) == 2


def test_a_utf8_signature_is_no_part_of_the_text(service: RunningService) -> None:
    content = b'\xef\xbb\xbf{"q":"Hello","source":"en","target":"fr"}'
    answer = service.client.post(
        "/translate", content=content, headers={"Content-Type": "application/json; charset=utf-8"}
    )
    assert answer.json() == {"translatedText": "HELLO"}


def test_control_characters_come_back(service: RunningService) -> None:
    text = "aa\x00bb \x1b[0mcc\x7f\u2028dd\u0085ee"
    assert ask(service, q=text) == {"translatedText": text.upper()}


@pytest.mark.parametrize("beam_size", [1, 3])
def test_target_prefix(service: RunningService, beam_size: int) -> None:
    body = ask(service, q="Hello. Hello.", target_prefix=" hey ", beam_size=beam_size)
    assert body == {"translatedText": "heyLO. HELLO."}


def test_drawn(service: RunningService) -> None:
    assert ask(service, q="Hello", temperature=0.5, top_k=1) == {"translatedText": "HELLO"}
    hot = [ask(service, q="Hello world", temperature="10", seed=5) for _ in range(2)]
    assert hot[0] == hot[1] != {"translatedText": "HELLO WORLD"}


def test_several_draws(service: RunningService) -> None:
    fields: dict[str, Any] = {"q": "Hello world", "temperature": 10, "seed": 5, "target_prefix": "hey"}
    one = ask(service, **fields)
    several = ask(service, alternatives=3, **fields)
    assert several["translatedText"] == one["translatedText"]  # asking for more changes nothing
    assert len({one["translatedText"], *several["alternatives"]}) == 4
    assert all(text.startswith("hey") for text in several["alternatives"])
    assert ask(service, alternatives=2, **fields)["alternatives"] == several["alternatives"][:2]
    assert ask(service, alternatives=3, **{**fields, "seed": 6})["alternatives"] != several["alternatives"]
    assert ask(service, q="Hello. 42", temperature=1, top_k=1, alternatives=3)["alternatives"] == []


@pytest.mark.parametrize("priority", ["bulk", "Interactive", "", None])
def test_priority(service: RunningService, priority: object) -> None:
    assert ask(service, q=["Hello"], priority=priority) == {"translatedText": ["HELLO"]}


def test_no_repeat_ngram(service: RunningService) -> None:
    assert ask(service, q="ab ab cd ab ab", no_repeat_ngram=2)["translatedText"] not in (
        "AB AB CD AB AB",
        "ab ab cd ab ab",
    )


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("temperature", -0.5, "temperature is -0.5, it must be 0 to 10"),
        ("temperature", "warm", "temperature parameter is not a number"),
        ("temperature", [1], "temperature parameter is not a number"),
        ("priority", "now", "priority is 'now', known are interactive, bulk"),
        ("top_k", 0, "top_k is 0, it must be 1 to 1000"),
        ("seed", -1, "seed is -1"),
        ("no_repeat_ngram", 17, "no_repeat_ngram is 17, it must be 0 to 16"),
        ("target_prefix", 5, "target_prefix parameter is a number, it must be a string"),
        ("target_prefix", "a\nb", "line break"),
        ("target_prefix", "x" * 600, "tokens of the prefix (600)"),
    ],
)
def test_bad_search_fields(service: RunningService, field: str, value: object, said: str) -> None:
    answer = service.client.post("/translate", json={"q": "Hello", "source": "en", "target": "fr", field: value})
    assert answer.status_code == 400
    assert said in answer.json()["error"]


def test_fields_that_exclude_one_another(service: RunningService) -> None:
    fields: dict[str, Any] = {"q": "Hello", "source": "en", "target": "fr", "temperature": 1.0, "beam_size": 2}
    assert "beam_size is 2" in service.client.post("/translate", json=fields).json()["error"]
    fields = {"q": ["a", "b"], "source": "en", "target": "fr", "target_prefix": "x"}
    assert "not with 2" in service.client.post("/translate", json=fields).json()["error"]


def test_scores(service: RunningService) -> None:
    body = ask(service, q="Yes. No.", include=["scores"])
    assert list(body) == ["translatedText", "segments"]
    yes, no = body["segments"]
    assert (yes["source"], yes["text"], yes["finish_reason"]) == ("Yes.", "YES.", "stop")
    assert [token["text"] for token in no["tokens"]] == ["N", "O", ".", "</s>"]
    assert {token["score"] for token in no["tokens"]} == {-0.125}
    assert no["score"] < 0
    several = ask(service, q=["Yes.", "1"], include="scores")
    assert [len(segments) for segments in several["segments"]] == [1, 0]


def test_alignment(service: RunningService) -> None:
    body = ask(service, q=["a\n ab", "a"], include="alignment", beam_size=3)
    assert list(body) == ["translatedText", "align"]
    assert body["align"] == [
        [
            {"tgt": [{"range": [0, 1], "id": 0}], "src": [{"range": [0, 1], "id": 0}]},
            {"tgt": [{"range": [3, 4], "id": 1}], "src": [{"range": [3, 4], "id": 1}]},
            {"tgt": [{"range": [4, 5], "id": 2}], "src": [{"range": [4, 5], "id": 2}]},
        ],
        [{"tgt": [{"range": [0, 1], "id": 0}], "src": [{"range": [0, 1], "id": 0}]}],
    ]


def test_timing(service: RunningService) -> None:
    answer = service.client.post(
        "/translate", data={"q": "Yes. No.", "source": "en", "target": "fr", "include": ["timing", "scores"]}
    )
    assert list(answer.json()) == ["translatedText", "segments", "timing"]
    timing = answer.json()["timing"]
    assert timing["steps"] == 5 + 4
    assert timing["mean_batch_rows"] >= 1.0
    assert 0 <= timing["queue_seconds"] <= timing["total_seconds"]
    parts = [part.split(";dur=") for part in answer.headers["server-timing"].split(", ")]
    assert [name for name, _ in parts] == ["queue", "encode", "decode", "total"]
    assert float(parts[3][1]) == pytest.approx(1000 * timing["total_seconds"], abs=0.001)


@pytest.mark.parametrize("nothing", [None, "", [], ",", [""]])
def test_nothing_beside(service: RunningService, nothing: object) -> None:
    assert ask(service, q="Hello", include=nothing) == {"translatedText": "HELLO"}


@pytest.mark.parametrize(("include", "said"), [("score", "'score'"), ([1], "a number"), ({"a": 1}, "an object")])
def test_unknown_includes(service: RunningService, include: object, said: str) -> None:
    fields = {"q": "Hello", "source": "en", "target": "fr", "include": include}
    answer = service.client.post("/translate", json=fields)
    assert answer.status_code == 400
    assert said in answer.json()["error"]


def test_many_at_once_do_not_mix(service: RunningService) -> None:
    from concurrent.futures import ThreadPoolExecutor

    texts = [f"text number {number} " * (1 + number % 5) for number in range(60)]
    with ThreadPoolExecutor(12) as pool:
        bodies = list(pool.map(lambda text: ask(service, q=text), texts))
    assert [body["translatedText"] for body in bodies] == [text.upper() for text in texts]
