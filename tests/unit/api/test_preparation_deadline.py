"""The preparation of long texts ends with its deadline, its client and its service."""

import json
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from app.errors import RequestCancelled
from app.settings import Settings
from app.translation.preparation import SegmentList, TranslationOptions
from tests.support.engines import PATIENCE, until
from tests.support.service import RunningService, fake_models, running_service

# Each sentence is new, so each is tokenized. Tokenizing takes 10 ms here, the whole text over 30 s.
TEXT = " ".join(f"This is the sentence {number}." for number in range(3000))
BODY = {"q": TEXT, "source": "en", "target": "fr"}


class Slowness:
    """Makes tokenizing slow, and counts it."""

    def __init__(self) -> None:
        self.count = 0


@pytest.fixture
def slowness(monkeypatch: pytest.MonkeyPatch) -> Slowness:
    found, encode = Slowness(), SegmentList._encode

    def slow(self: SegmentList, text: str) -> tuple[int, ...]:
        if text not in self._encoded and len(TEXT) > len(text) > 10:
            found.count += 1
            time.sleep(0.01)
        return encode(self, text)

    monkeypatch.setattr(SegmentList, "_encode", slow)
    return found


@pytest.fixture
def service(tmp_path: Path, slowness: Slowness) -> Iterator[RunningService]:
    models = fake_models(tmp_path, ("en", "fr"))
    settings = Settings(models_dir=models, max_segments=100_000, request_timeout_seconds=PATIENCE, shutdown_seconds=0.1)
    with running_service(settings) as running:
        yield running


def assert_it_stopped(slowness: Slowness) -> None:
    """Wait until nothing is tokenized any more, long before the text is done."""
    until(lambda: _is_quiet(slowness))
    assert slowness.count < 2500


def _is_quiet(slowness: Slowness) -> bool:
    before = slowness.count
    time.sleep(0.2)
    return slowness.count == before


def test_the_deadline(service: RunningService, slowness: Slowness) -> None:
    answer = service.client.post("/translate", json=BODY, headers={"X-Request-Timeout-Seconds": "0.3"})
    assert answer.status_code == 504
    assert answer.json() == {
        "error": "Nothing was translated within X-Request-Timeout-Seconds (0.3); send less at once"
    }
    assert_it_stopped(slowness)


@pytest.mark.parametrize("stream", [False, True])
def test_a_client_that_leaves(service: RunningService, slowness: Slowness, stream: bool) -> None:
    body = json.dumps({**BODY, "stream": stream}).encode()
    head = b"POST /translate HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    with socket.create_connection(service.address, timeout=PATIENCE) as client:
        client.sendall(head % len(body) + body)
        until(lambda: slowness.count > 5)
    assert_it_stopped(slowness)
    until(lambda: not service.server.server_state.tasks)


def test_a_service_that_stops(service: RunningService, slowness: Slowness) -> None:
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(service.client.post, "/translate", json=BODY)
        until(lambda: slowness.count > 5)
        service.server.should_exit = True
        assert asked.result(PATIENCE).status_code == 503
    assert_it_stopped(slowness)


def test_a_check_that_raises_ends_the_preparation(service: RunningService, slowness: Slowness) -> None:
    registry: Any = service.server.config.app.state.service.serving.registry  # type: ignore[union-attr]
    translator = registry.find("en", "fr").translator
    calls = [0]

    def check() -> None:
        calls[0] += 1
        if calls[0] > 20:
            raise RequestCancelled("enough")

    for text_format in ("text", "html"):
        calls[0] = slowness.count = 0
        with pytest.raises(RequestCancelled):
            translator.prepare([TEXT], TranslationOptions(text_format=text_format), check)
        assert slowness.count <= 21
