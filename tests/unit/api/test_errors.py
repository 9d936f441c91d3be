"""Bad requests: each gets a clear answer in JSON, and the service goes on."""

import json
import socket
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.settings import Settings
from tests.support.service import RunningService, fake_models, running_service

MISSING: Any = object()


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    models = fake_models(tmp_path_factory.mktemp("models"), ("en", "fr"), ("de", "en"), ("es", "en"))
    chosen = Settings(
        models_dir=models,
        max_body_bytes=200_000,
        max_characters=2000,
        max_items=10,
        max_alternatives=3,
        max_beam_size=8,
        max_segments=50,
    )
    with running_service(chosen) as running:
        yield running


def error_of(answer: httpx.Response, status: int) -> str:
    assert answer.status_code == status, answer.text
    assert answer.headers["access-control-allow-origin"] == "*"
    body = json.loads(answer.content.decode("utf-8"))
    assert list(body) == ["error"]
    assert "Traceback" not in body["error"]
    return str(body["error"])


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"q": MISSING}, "Invalid request: missing q parameter"),
        ({"q": None}, "Invalid request: missing q parameter"),
        ({"q": ""}, "Invalid request: missing q parameter"),
        ({"q": []}, "Invalid request: missing q parameter"),
        ({"source": MISSING}, "Invalid request: missing source parameter"),
        ({"source": ""}, "Invalid request: missing source parameter"),
        ({"target": None}, "Invalid request: missing target parameter"),
        ({"source": "zz"}, "zz is not supported"),
        ({"target": "ZZ"}, "zz is not supported"),
        ({"target": "auto"}, "auto is not supported"),
        ({"source": "de", "target": "es"}, "Spanish (es) is not available as a target language from German (de)"),
        ({"source": "auto", "target": "de"}, "de is not available as a target language"),
        ({"format": "xml"}, "xml format is not supported"),
        ({"alternatives": "abc"}, "Invalid request: alternatives parameter is not a number"),
        ({"alternatives": 1.5}, "Invalid request: alternatives parameter is not a number"),
        ({"alternatives": True}, "Invalid request: alternatives parameter is not a number"),
        ({"alternatives": [1]}, "Invalid request: alternatives parameter is not a number"),
        ({"alternatives": 4}, "Invalid request: alternatives parameter must be <= 3"),
        ({"alternatives": 10000}, "Invalid request: alternatives parameter must be <= 3"),
        ({"beam_size": 0}, "Invalid request: beam_size parameter must be >= 1"),
        ({"beam_size": 9}, "Invalid request: beam_size parameter must be <= 8"),
        ({"beam_size": "wide"}, "Invalid request: beam_size parameter is not a number"),
        ({"q": ["x"] * 11}, "Invalid request: request (11) exceeds text limit (10)"),
        ({"q": "x" * 2001}, "Invalid request: request (2001) exceeds text limit (2000)"),
        ({"q": ["x" * 1001] * 2}, "Invalid request: request (2002) exceeds text limit (2000)"),
        ({"q": 7}, "Invalid request: q parameter is a number, it must be a string or a list of strings"),
        ({"q": {"a": 1}}, "Invalid request: q parameter is an object, it must be a string or a list of strings"),
        ({"q": True}, "Invalid request: q parameter is a boolean, it must be a string or a list of strings"),
        ({"q": ["a", None]}, "Invalid request: q[1] is null, it must be a string"),
        ({"q": [["a"]]}, "Invalid request: q[0] is a list, it must be a string"),
        ({"source": 1}, "Invalid request: source parameter is a number, it must be a string"),
        ({"q": "a\n" * 51}, None),
    ],
)
def test_bad_fields(service: RunningService, changes: dict[str, Any], said: str | None) -> None:
    fields = {"q": "Hello", "source": "en", "target": "fr", **changes}
    present = {name: value for name, value in fields.items() if value is not MISSING}
    answer = service.client.post("/translate", json=present)
    if said is None:  # one segment standing many times is translated once
        assert answer.status_code == 200
    else:
        assert error_of(answer, 400) == said


def test_too_many_segments(service: RunningService) -> None:
    answer = service.client.post(
        "/translate", json={"q": "\n".join("a" * (n + 2) + "." for n in range(51)), "source": "en", "target": "fr"}
    )
    assert error_of(answer, 400) == "segments in one request (51) exceeds the limit (50)"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"{", "Invalid JSON format: "),
        (b"nonsense", "Invalid JSON format: "),
        (b'"text"', "Invalid JSON format"),
        (b"[]", "Invalid JSON format"),
        (b"null", "Invalid JSON format"),
        (b'{"q": NaN}', "Invalid JSON format: NaN is not JSON"),
        (b'{"q": "\xff"}', "Invalid request: the body is not valid UTF-8 (at byte 7)"),
        (b'{"q": "\xed\xa0\x80"}', "Invalid request: the body is not valid UTF-8 (at byte 7)"),
        (b'{"q": "a", "source": ' + b"[" * 90_000, "Invalid JSON format: nested too deeply"),
        (b'{"q": ' + b"1" * 10_000 + b"}", "Invalid JSON format: "),
        (b'{"q": "a\nb"}', "Invalid JSON format: "),
    ],
)
def test_broken_json(service: RunningService, content: bytes, said: str) -> None:
    answer = service.client.post("/translate", content=content, headers={"Content-Type": "application/json"})
    assert error_of(answer, 400).startswith(said)


@pytest.mark.parametrize("field", ["q", "list", "source", "format"])
def test_unpaired_surrogates(service: RunningService, field: str) -> None:
    fields: dict[str, Any] = {"q": "Hello", "source": "en", "target": "fr"}
    fields |= {"q": ["a", "b\ud83d"]} if field == "list" else {field: "b\ud83d"}
    answer = service.client.post(
        "/translate", content=json.dumps(fields).encode(), headers={"Content-Type": "application/json"}
    )
    message = error_of(answer, 400)
    if field in ("q", "list"):
        assert "unpaired surrogate (U+D83D) at character 1" in message


def test_bad_forms(service: RunningService) -> None:
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    assert "not valid UTF-8" in error_of(service.client.post("/translate", content=b"q=%ff", headers=form), 400)
    assert "not valid UTF-8" in error_of(service.client.post("/translate", content=b"q=\xff", headers=form), 400)
    assert "not valid UTF-8" in error_of(service.client.post("/translate?q=%ff"), 400)
    multipart = {"Content-Type": "multipart/form-data"}
    error_of(service.client.post("/translate", content=b"--x", headers=multipart), 400)
    error_of(service.client.post("/translate", files={"q": ("a.txt", b"Hello")}), 400)
    many = "&".join(f"a{n}=1" for n in range(3000))
    error_of(service.client.post("/translate", content=many, headers=form), 400)
    assert error_of(service.client.post("/translate"), 400) == "Invalid request: missing q parameter"


@pytest.mark.parametrize(
    "headers", [{"Content-Type": "text/csv"}, {"Content-Type": "application/json", "Content-Encoding": "gzip"}]
)
def test_unsupported_bodies(service: RunningService, headers: dict[str, str]) -> None:
    answer = service.client.post("/translate", content=b"q=1", headers=headers)
    assert "is not supported; send" in error_of(answer, 415)


def test_other_paths_and_methods(service: RunningService) -> None:
    assert "POST" in error_of(service.client.get("/translate"), 405)
    assert service.client.get("/translate").headers["allow"] == "POST"
    error_of(service.client.delete("/languages"), 405)
    error_of(service.client.get("/no/such/path"), 404)
    error_of(service.client.get("/" + "x" * 5000), 404)


def test_options_is_always_ok(service: RunningService) -> None:
    for path in ("/translate", "/languages", "/nowhere"):
        answer = service.client.options(path)
        assert answer.status_code == 200
        assert answer.headers["access-control-allow-origin"] == "*"
        assert "Authorization" in answer.headers["access-control-allow-headers"]
        assert "Content-Type" in answer.headers["access-control-allow-headers"]
        assert answer.headers["access-control-allow-methods"] == "GET, HEAD, POST, PUT, PATCH, DELETE"


def test_a_body_over_the_limit(service: RunningService) -> None:
    answer = service.client.post("/translate", json={"q": "x" * 200_000, "source": "en", "target": "fr"})
    message = error_of(answer, 413)
    assert "max_body_bytes (200000)" in message
    assert "2000" in message


def test_a_body_over_the_limit_that_does_not_say_its_length(service: RunningService) -> None:
    answer = service.client.post("/translate", content=(b"x" * 10_000 for _ in range(100)))
    assert "max_body_bytes (200000)" in error_of(answer, 413)


def test_an_endless_body_is_cut_off(service: RunningService) -> None:
    sent = 0
    with socket.create_connection(service.address, timeout=20) as client:
        client.sendall(b"POST /translate HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        chunk = b"2710\r\n" + b"x" * 10_000 + b"\r\n"
        with suppress(OSError):  # a reset or a broken pipe, as it happens
            while sent < 500_000_000:
                client.sendall(chunk)
                sent += len(chunk)
    assert sent < 100_000_000
    assert service.client.get("/health").json() == {"status": "ok"}


def test_a_body_of_one_character_a_million_times(service: RunningService) -> None:
    content = json.dumps({"q": "x" * 190_000, "source": "en", "target": "fr"})
    answer = service.client.post("/translate", content=content, headers={"Content-Type": "application/json"})
    assert error_of(answer, 400) == "Invalid request: request (190000) exceeds text limit (2000)"
    long_word = service.client.post("/translate", json={"q": "x" * 2000, "source": "en", "target": "fr"})
    assert long_word.json() == {"translatedText": "X" * 2000}


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(alphabet=st.characters(), max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=8,
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.fixed_dictionaries(
        {},
        optional={
            "q": JSON_VALUES,
            "source": st.sampled_from(["en", "auto"]) | JSON_VALUES,
            "target": st.sampled_from(["fr", "en"]) | JSON_VALUES,
            "format": st.sampled_from(["text", "html"]) | JSON_VALUES,
            "alternatives": st.integers(-1, 4) | JSON_VALUES,
            "beam_size": st.integers(-1, 9) | JSON_VALUES,
        },
    )
)
def test_any_json_gets_an_answer_in_valid_json(service: RunningService, fields: dict[str, Any]) -> None:
    content = json.dumps(fields).encode("ascii")
    answer = service.client.post("/translate", content=content, headers={"Content-Type": "application/json"})
    assert answer.status_code in (200, 400)
    body = json.loads(answer.content.decode("utf-8"), parse_constant=pytest.fail)
    assert ("translatedText" in body) == (answer.status_code == 200)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.binary(max_size=200),
    st.sampled_from(["application/json", "application/x-www-form-urlencoded", "multipart/form-data; boundary=a", ""]),
)
def test_any_bytes_get_an_answer_in_valid_json(service: RunningService, content: bytes, kind: str) -> None:
    headers = {"Content-Type": kind} if kind else {}
    answer = service.client.post("/translate", content=content, headers=headers)
    assert answer.status_code in (400, 415)
    assert list(json.loads(answer.content.decode("utf-8"))) == ["error"]
