"""The log: lines that programs can parse, with the ids of the request and without its texts."""

import io
import json
import logging
import re
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.api.observability.spans import names_of
from app.server.logs import REQUEST_ID, JsonFormatter, TextFormatter
from app.settings import Settings
from tests.support.engines import until
from tests.support.service import RunningService, fake_models, running_service

HELLO = {"q": "Secretword", "source": "en", "target": "fr", "api_key": "Secretkey"}
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = f"00-{TRACE}-00f067aa0ba902b7-01"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    models = fake_models(tmp_path_factory.mktemp("models"), ("en", "fr"))
    with running_service(Settings(models_dir=models, access_log=True)) as running:
        yield running


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    """The JSON log of the service."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter())
    logger = logging.getLogger("app")
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel("DEBUG")
    yield stream
    logger.removeHandler(handler)
    logger.setLevel(level)


def lines(written: io.StringIO, at_least: int = 1) -> list[dict[str, Any]]:
    """Wait for the lines, because the line of a request is written after its answer."""
    until(lambda: written.getvalue().count("\n") >= at_least)
    return [json.loads(line) for line in written.getvalue().splitlines()]


def test_a_request_is_found_by_its_ids(service: RunningService, written: io.StringIO) -> None:
    headers = {"X-Request-ID": "batch-7/3", "traceparent": PARENT}
    answer = service.client.post("/translate", params={"q": "Secretword"}, json=HELLO, headers=headers)
    assert answer.headers["x-request-id"] == "batch-7/3"
    assert "x-trace-id" not in answer.headers
    (line,) = lines(written)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line["time"])
    assert 0 < line["milliseconds"] < 60_000
    assert (line["request_id"], line["trace_id"]) == ("batch-7/3", TRACE)
    assert (line["method"], line["path"], line["status"], line["level"]) == ("POST", "/translate", 200, "info")
    assert "ecret" not in written.getvalue()


def test_an_error_is_found_too_and_deepl_s_clients_get_the_trace(service: RunningService, written: io.StringIO) -> None:
    service.graphs.opened["en-fr"].hooks.fail_next = RuntimeError("broken")
    key = {"Authorization": "DeepL-Auth-Key Secretkey", "traceparent": PARENT}
    answer = service.client.post("/v2/translate", json={"text": ["Secretword"], "target_lang": "FR"}, headers=key)
    assert answer.status_code == 500
    assert answer.headers["x-trace-id"] == answer.headers["x-request-id"] == TRACE
    errors = [line for line in lines(written, at_least=2) if line["level"] == "error"]
    assert [line.get("trace_id") for line in errors] == [None, TRACE]  # the engine's own, and the request's
    assert "RuntimeError: broken" in errors[0]["exception"]
    assert "ecret" not in written.getvalue()


def test_without_ids_each_request_gets_one(service: RunningService) -> None:
    found = {service.client.get("/health").headers["x-request-id"] for _ in range(3)}
    assert len(found) == 3
    assert all(uuid.UUID(hex=one).version == 4 for one in found)
    for wrong in ("two words", "x" * 129, "", '"'):
        assert service.client.get("/health", headers={"X-Request-ID": wrong}).headers["x-request-id"] != wrong


@pytest.mark.parametrize(
    ("traceparent", "taken"),
    [
        (PARENT, True),
        (f"cc-{TRACE}-00f067aa0ba902b7-01-what-the-future-will-be-like", True),
        (f"ff-{TRACE}-00f067aa0ba902b7-01", False),
        (PARENT + "-more", False),
        (PARENT.upper(), False),
        (f"00-{'0' * 32}-00f067aa0ba902b7-01", False),
        (f"00-{TRACE}-{'0' * 16}-01", False),
        (PARENT[:-1], False),
        (PARENT + "\n", False),
    ],
)
def test_which_traces_are_taken(traceparent: str, taken: bool) -> None:
    names = names_of({"headers": [(b"traceparent", traceparent.encode())]})
    assert (names.trace_id == TRACE) is taken
    assert names.request_id == names.trace_id


@given(st.binary(max_size=140), st.binary(max_size=80))
def test_any_header_gives_names_that_may_stand_in_a_header(request_id: bytes, traceparent: bytes) -> None:
    names = names_of({"headers": [(b"x-request-id", request_id), (b"traceparent", traceparent)]})
    assert re.fullmatch(r"[A-Za-z0-9._:+/=-]{1,128}", names.request_id)
    assert re.fullmatch(r"[0-9a-f]{32}", names.trace_id)


@given(st.text())
def test_a_message_stays_on_its_line(message: str) -> None:
    record = logging.LogRecord("app", logging.INFO, "", 0, "%s", (message,), None)
    line = JsonFormatter().format(record)
    assert line.splitlines() == [line]
    assert json.loads(line)["message"] == message


def test_lines_for_people_end_with_the_id() -> None:
    record = logging.LogRecord("app", logging.INFO, "", 0, "done", (), None)
    assert TextFormatter().format(record).endswith(" INFO app: done")
    token = REQUEST_ID.set("batch-7")
    assert TextFormatter().format(record).endswith(" INFO app: done [batch-7]")
    REQUEST_ID.reset(token)


def test_headers_of_every_answer(service: RunningService, tmp_path: Path) -> None:
    for method, path, status in (
        ("GET", "/", 200),
        ("GET", "/docs", 200),
        ("GET", "/health", 200),
        ("POST", "/translate", 400),
        ("GET", "/nothing", 404),
        ("GET", "/v2/usage", 403),
        ("DELETE", "/translate", 405),
        ("OPTIONS", "/translate", 200),
    ):
        answer = service.client.request(method, path)
        assert answer.status_code == status
        headers = answer.headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert headers["referrer-policy"] == "no-referrer"
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert "default-src 'none'" in headers["content-security-policy"]
        assert headers["cache-control"] == ("no-cache" if path in ("/", "/docs") else "no-store")
        assert headers["x-request-id"]
        assert "server" not in headers
        names = [name for name, _ in answer.headers.multi_items()]
        assert len(names) == len(set(names)), names
