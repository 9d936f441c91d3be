"""The end of the process while requests run longer than the time that is left for them."""

import json
import logging
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from app.api.waiting import STOPPED_SENTENCE
from app.settings import Settings
from tests.support.engines import PATIENCE, until
from tests.support.service import RunningService, fake_models, running_service

HELLO = {"q": "Hello", "source": "en", "target": "fr"}
DEEPL = {"text": ["Hello"], "source_lang": "EN", "target_lang": "FR"}
FILE = {"file": ("a.txt", b"Hello there.")}


@pytest.fixture
def service(tmp_path: Path) -> Iterator[RunningService]:
    """A service whose engine stands still once its ``gate`` is set."""
    models = fake_models(tmp_path, ("en", "fr"))
    settings = Settings(models_dir=models, shutdown_seconds=0.1, request_timeout_seconds=PATIENCE)
    with running_service(settings) as running:
        gate = threading.Event()
        running.graphs.opened["en-fr"].hooks.gate = gate
        yield running
        gate.set()


def stop_within(service: RunningService, ask: Callable[[], httpx.Response]) -> httpx.Response:
    """Stop the service while a request waits for the engine; return what the request was answered."""
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(ask)
        until(lambda: bool(service.server.server_state.tasks))
        service.server.should_exit = True
        return asked.result(PATIENCE)


@pytest.mark.parametrize(
    ("path", "content", "member"),
    [
        ("/translate", {"json": HELLO}, "error"),
        ("/translate", {"data": HELLO}, "error"),
        ("/complete", {"json": {**HELLO, "target_prefix": "A"}}, "error"),
        ("/translate_file", {"files": FILE, "data": {"source": "en", "target": "fr"}}, "error"),
        ("/v2/translate", {"json": DEEPL, "headers": {"Authorization": "DeepL-Auth-Key any"}}, "message"),
    ],
)
def test_a_request_that_runs_too_long_is_answered(
    service: RunningService, caplog: pytest.LogCaptureFixture, path: str, content: dict[str, object], member: str
) -> None:
    answer = stop_within(service, lambda: service.client.post(path, **content))  # type: ignore[arg-type]
    assert answer.status_code == 503
    assert answer.json() == {member: STOPPED_SENTENCE}
    assert answer.headers["retry-after"] == "5"
    assert answer.headers["connection"] == "close"
    assert not [record for record in caplog.records if record.exc_info or record.levelno >= logging.ERROR]


def test_a_stream_ends_with_an_error_event(service: RunningService, caplog: pytest.LogCaptureFixture) -> None:
    answer = stop_within(service, lambda: service.client.post("/translate", json={**HELLO, "stream": True}))
    assert answer.status_code == 200
    assert answer.text == f"event: error\ndata: {json.dumps({'error': STOPPED_SENTENCE}, separators=(',', ':'))}\n\n"
    assert not [record for record in caplog.records if record.exc_info]


def test_a_body_that_still_arrives(service: RunningService, caplog: pytest.LogCaptureFixture) -> None:
    """Nothing but the server itself can end the wait for a body."""
    head = b"POST /translate HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n"
    with socket.create_connection(service.address, timeout=PATIENCE) as client:
        client.sendall(head)
        until(lambda: bool(service.server.server_state.tasks))
        service.server.should_exit = True
        answer = b""
        while received := client.recv(65536):
            answer += received
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 503")
    assert json.loads(body) == {"error": STOPPED_SENTENCE}
    assert not [record for record in caplog.records if record.exc_info]
