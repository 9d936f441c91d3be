"""The edges of HTTP: odd methods, paths, headers, types and values. No 5xx, no word of the inside, no server's name."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from app.access.keys import ApiKey, digest_of
from app.settings import Settings
from tests.support.service import RunningService, fake_models, running_service

HELLO = {"q": "Hello", "source": "en", "target": "fr"}
JSON = {"Content-Type": "application/json"}
KEY = {"Authorization": "DeepL-Auth-Key a key"}
PATHS = (
    "/", "/translate", "/translate_file", "/detect", "/languages", "/frontend/settings", "/suggest", "/complete",
    "/health", "/ready", "/metrics", "/docs", "/openapi.json", "/download_file/a.b", "/v2/translate", "/v2/document",
    "/v2/document/a", "/v2/document/a/result", "/v2/languages", "/v2/usage", "/v2/glossaries", "/v2/glossaries/a",
    "/v2/glossaries/a/entries", "/v2/nothing", "/nothing",
)  # fmt: skip
ODD_PATHS = (
    "/%00", "/%ff", "/download_file/%00.%00", "/download_file/..%2f..%2fetc%2fpasswd", "/download_file/%ed%a0%80.txt",
    "/v2/glossaries/%00", "/v2/glossaries/%ff%fe", "/v2/document/%00/result", "/docs/%2e%2e/%2e%2e/main",
    "/docs/%00", "//translate", "/translate/", "/" + "a" * 20_000, "/translate?q=%", "/translate?" + "a=1&" * 10_000,
    "/%0d%0aX: y",
)  # fmt: skip
ODD_TYPES = (
    "application/json; charset=utf-16", "application/json; charset=nosuch", ";;;", "/", "a" * 5000, "text/html",
    "multipart/form-data", "multipart/form-data; boundary=", "multipart/form-data; boundary=" + "b" * 300,
    'multipart/form-data; boundary="\\"', "application/x-www-form-urlencoded; charset=utf-7", "\u00e9/\u00e9",
    "application/json, text/plain", "application/vnd.api+json",
)  # fmt: skip
# The value of a field, as it stands in the JSON of a request.
ODD_VALUES = (
    "1e400", "-1e400", "1e-400", "9" * 400, "-0", '"\\u0000"', '"\\ud800"', '"\\udfff\\ud800"', '"\\uffff"', "null",
    "{}", "[[[[]]]]", "[null]", '{"a": {"b": 1}}', '"NaN"', '"1e400"', '"\\u0660"', '" 1 "', '"\\u202e"', "true",
)  # fmt: skip
FIELDS = {
    "/translate": (
        "q", "source", "target", "format", "alternatives", "beam_size", "include", "stream", "target_prefix",
        "temperature", "top_k", "seed", "alternatives_at", "choices", "glossary", "no_repeat_ngram", "priority",
        "api_key",
    ),
    "/complete": ("q", "source", "target", "target_prefix", "n", "priority"),
    "/detect": ("q", "api_key"),
    "/suggest": ("q", "s", "source", "target"),
    "/v2/translate": (
        "text", "source_lang", "target_lang", "tag_handling", "ignore_tags", "split_sentences", "glossary_id",
        "formality", "context", "preserve_formatting", "outline_detection", "auth_key",
    ),
    "/v2/glossaries": ("name", "source_lang", "target_lang", "entries", "entries_format"),
    "/v2/document/a": ("document_key",),
}  # fmt: skip
WHOLE: dict[str, dict[str, Any]] = {
    "/translate": HELLO,
    "/complete": HELLO,
    "/detect": {"q": "Hello"},
    "/suggest": {**HELLO, "s": "Salut"},
    "/v2/translate": {"text": ["Hello"], "source_lang": "EN", "target_lang": "FR"},
    "/v2/glossaries": {
        "name": "a",
        "source_lang": "EN",
        "target_lang": "FR",
        "entries": "a\tb",
        "entries_format": "tsv",
    },
    "/v2/document/a": {"document_key": "b"},
}


@pytest.fixture(scope="module", params=["open", "with keys"])
def service(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[RunningService]:
    folder = tmp_path_factory.mktemp("edges")
    keys = "" if request.param == "open" else str(ApiKey("caller", digest_of("a key")))
    models = fake_models(folder / "models", ("en", "fr"))
    with running_service(Settings(models_dir=models, data_dir=folder / "data", api_keys=keys)) as running:
        yield running


def assert_it_says_nothing(answer: httpx.Response) -> None:
    assert answer.status_code < 500, answer.text
    assert "server" not in answer.headers
    assert answer.headers["x-content-type-options"] == "nosniff"
    for word in ("Traceback", "site-packages", ".py", "sqlite", "uvicorn", "starlette", "pydantic", "sys."):
        assert answer.status_code < 400 or word not in answer.text, answer.text


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "PUT", "PATCH", "DELETE", "TRACE", "CONNECT", "PROPFIND", "GET"])
def test_every_method_at_every_path(service: RunningService, method: str) -> None:
    for path in PATHS:
        if method == "CONNECT":
            continue  # has no path
        answer = service.client.request(method, path, headers=KEY)
        assert_it_says_nothing(answer)
        if method == "OPTIONS":
            assert answer.status_code == 200
        if method == "TRACE":
            assert "a key" not in answer.text
        if method == "HEAD":
            assert answer.content == b""


@pytest.mark.parametrize("path", ODD_PATHS, ids=lambda path: str(path)[:30])
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_odd_paths(service: RunningService, method: str, path: str) -> None:
    answer = service.client.request(method, httpx.URL(service.url).copy_with(raw_path=path.encode()), headers=KEY)
    assert_it_says_nothing(answer)
    assert answer.status_code >= 300 or path == "//translate"


@pytest.mark.parametrize("kind", ODD_TYPES, ids=lambda kind: str(kind)[:30])
def test_odd_types(service: RunningService, kind: str) -> None:
    headers = {name.encode(): value.encode() for name, value in {**KEY, "Content-Type": kind}.items()}
    for path in (*WHOLE, "/translate_file", "/v2/document"):
        for content in (json.dumps(HELLO).encode(), b"--b\r\n\r\n", b"q=%ff&q", b"\x1f\x8b\x08\x00", b"\0"):
            answer = service.client.post(path, content=content, headers=headers)
            assert_it_says_nothing(answer)


@pytest.mark.parametrize("path", WHOLE)
def test_odd_values(service: RunningService, path: str) -> None:
    for name in FIELDS[path]:
        for value in ODD_VALUES:
            fields = json.dumps({other: found for other, found in WHOLE[path].items() if other != name})
            content = fields.rstrip("}") + (", " if fields != "{}" else "") + f'"{name}": {value}}}'
            answer = service.client.post(path, content=content.encode(), headers={**KEY, **JSON})
            assert_it_says_nothing(answer)
            answer.content.decode("utf-8")


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Request-Timeout-Seconds": "nan"},
        {"X-Request-Timeout-Seconds": "1e999"},
        {"X-Request-Timeout-Seconds": "-1"},
        {"X-Request-Timeout-Seconds": "9" * 5000},
        {"X-Request-ID": "a\tb" * 100},
        {"traceparent": "00-" + "f" * 5000},
        {"Accept": "*/*;" * 1000},
        {"Accept-Language": "\u00e9"},
        {"Cookie": "a=b;" * 1000},
        {"Authorization": "DeepL-Auth-Key " + "\u00ff" * 1000},
        {"Authorization": "Basic ====="},
        {"Content-Encoding": "gzip"},
        {"Expect": "100-continue"},
        {"Expect": "nonsense"},
        {"Range": "bytes=0-0,-1"},
        {"If-None-Match": '"' * 1000},
        {"Host": ""},
        {"Upgrade": "websocket", "Connection": "Upgrade"},
        {"Upgrade": "h2c", "Connection": "Upgrade, HTTP2-Settings"},
    ],
    ids=lambda headers: next(iter(headers)) + str(len(next(iter(headers.values())))),
)
def test_odd_headers(service: RunningService, headers: dict[str, str]) -> None:
    given = [(name, value.encode("latin-1")) for name, value in {**KEY, **headers}.items()]
    for method, path in (("GET", "/health"), ("GET", "/"), ("GET", "/v2/usage"), ("POST", "/translate")):
        content = json.dumps(HELLO) if method == "POST" else ""
        sent = [*given, (b"Content-Type", b"application/json")] if content else given
        answer = service.client.request(method, path, headers=sent, content=content)  # type: ignore[arg-type]
        assert_it_says_nothing(answer)


def test_a_key_that_stands_twice_counts_as_it_stands_last(service: RunningService) -> None:
    content = b'{"q": "first", "source": "en", "target": "fr", "q": "last"}'
    assert service.client.post("/translate", content=content, headers={**KEY, **JSON}).json() == {
        "translatedText": "LAST"
    }


@pytest.mark.parametrize(
    "name", ["a\r\nX-Evil: 1.txt", "\x00.txt", "../../a.txt", "\u202etxt.a.txt", '"; x="y.txt', "é😀.txt"]
)
def test_odd_names_of_files(service: RunningService, name: str) -> None:
    escaped = name.replace("\r", "%0D").replace("\n", "%0A").replace('"', "%22")
    for sent in (name.replace("\r\n", " "), escaped):
        content = (
            b'--b\r\nContent-Disposition: form-data; name="file"; filename="' + sent.encode() + b'"\r\n\r\nHello\r\n'
            b'--b\r\nContent-Disposition: form-data; name="source"\r\n\r\nen\r\n'
            b'--b\r\nContent-Disposition: form-data; name="target"\r\n\r\nfr\r\n--b--\r\n'
        )
        kind = {"Content-Type": "multipart/form-data; boundary=b"}
        answer = service.client.post("/translate_file", content=content, headers={**KEY, **kind})
        assert_it_says_nothing(answer)
        if answer.status_code == 200:
            found = service.client.get(answer.json()["translatedFileUrl"], headers=KEY)
            assert found.content == b"HELLO"
            assert "x-evil" not in found.headers
