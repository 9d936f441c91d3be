"""All request bodies together: one more than fits is refused, and room is given back on every way out."""

import json
import socket
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from http.client import HTTPResponse
from typing import Any, cast

import pytest
from fastapi import FastAPI

from app.api.limits import FREE_BYTES, BodyBudget
from app.errors import BodiesExceeded
from app.settings import Settings
from tests.support.engines import PATIENCE, until
from tests.support.service import RunningService, fake_models, running_service

HALF_BYTES = 600_000  # two of them are more than a MiB
PATHS = ["/translate", "/v2/translate", "/translate_file", "/v2/document", "/detect"]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    models = fake_models(tmp_path_factory.mktemp("models"), ("en", "fr"))
    chosen = Settings(models_dir=models, max_bodies_mib=1, max_body_bytes=900_000, max_file_bytes=900_000)
    with running_service(chosen) as running:
        yield running


def held_bytes(service: RunningService) -> int:
    budget = cast(FastAPI, service.server.config.app).state.bodies
    assert isinstance(budget, BodyBudget)
    return budget.held_bytes


def half_sent(service: RunningService, path: str, announced: bool, headers: str = "") -> socket.socket:
    """A request that has started; its length is not announced, and a part of its body has arrived."""
    client = socket.create_connection(service.address, PATIENCE)
    kind = f"Content-Length: {HALF_BYTES}" if announced else "Transfer-Encoding: chunked"
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n{headers}{kind}\r\n\r\n"
    client.sendall(head.encode())
    if announced:
        client.sendall(b" " * 10)
    else:
        with suppress(BrokenPipeError, ConnectionResetError):  # it was refused before
            client.sendall(f"{HALF_BYTES:x}\r\n".encode() + b" " * HALF_BYTES)
    return client


def answer_of(client: socket.socket) -> tuple[int, dict[str, str], dict[str, Any]]:
    answer = HTTPResponse(client)  # does not wait for the end of the connection
    answer.begin()
    return answer.status, dict(answer.getheaders()), json.loads(answer.read())


@pytest.mark.parametrize("announced", [True, False])
@pytest.mark.parametrize("path", PATHS)
def test_one_more_than_fits_is_refused(service: RunningService, path: str, announced: bool) -> None:
    with half_sent(service, path, announced):
        until(lambda: held_bytes(service) == HALF_BYTES)
        with half_sent(service, path, announced) as other:
            status, headers, body = answer_of(other)
        assert (status, headers["retry-after"], headers["connection"]) == (503, "1", "close")
        (message,) = body.values()
        assert list(body) == ["message" if path.startswith("/v2/") else "error"]
        assert f"Bodies of {HALF_BYTES} bytes" in message or not announced
        assert message.endswith("exceed max_bodies_mib (1); come back later")
        # Those who send little are served.
        sent = {"q": "Hello" * 10, "source": "en", "target": "fr"}
        assert service.client.post("/translate", json=sent).status_code == 200
        until(lambda: held_bytes(service) == HALF_BYTES)
    until(lambda: held_bytes(service) == 0)


@pytest.mark.parametrize("announced", [True, False])
def test_it_is_given_back_when_a_body_is_late(service: RunningService, announced: bool) -> None:
    with half_sent(service, "/translate", announced, "X-Request-Timeout-Seconds: 0.2\r\n") as client:
        assert answer_of(client)[0] == 408
    until(lambda: held_bytes(service) == 0)


def test_it_is_given_back_with_every_answer(service: RunningService) -> None:
    def status(path: str, content: bytes, kind: str = "application/json") -> int:
        found = service.client.post(path, content=content, headers={"Content-Type": kind}).status_code
        until(lambda: held_bytes(service) == 0)
        return found

    padding = b" " * HALF_BYTES
    hello = b'{"q": "Hello", "source": "en", "target": "fr"'
    assert status("/translate", hello + padding + b"}") == 200
    assert status("/translate", hello + b', "stream": true' + padding + b"}") == 200
    assert status("/translate", hello + padding) == 400
    assert status("/translate", padding * 2) == 413
    assert status("/translate", padding, "text/csv") == 415
    assert status("/v2/translate", b"{" + padding) == 400
    assert status("/health", padding) == 405
    assert status("/nothing", padding) == 404
    machine = service.graphs.opened["en-fr"]
    machine.hooks.fail_next = RuntimeError("a test")
    assert status("/translate", hello + padding + b"}") == 500


def test_it_is_given_back_by_those_who_leave(service: RunningService) -> None:
    with ExitStack() as clients:
        clients.enter_context(half_sent(service, "/translate", True))
        until(lambda: held_bytes(service) == HALF_BYTES)
    until(lambda: held_bytes(service) == 0)


def test_one_alone_is_never_refused() -> None:
    budget = BodyBudget(1)
    budget.take(3 * 2**20, 0)
    budget.take(2**20, 3 * 2**20)
    with pytest.raises(BodiesExceeded, match=r"Bodies of 4194304 bytes are being read, and 1 more exceed"):
        budget.take(1, 0)
    budget.give_back(4 * 2**20)
    assert budget.held_bytes == 0
    assert FREE_BYTES < 2**20
