"""Slow, vanished and too many clients: each connection ends in time, and the service serves the others meanwhile."""

import json
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from app.server.http_server import MAX_HEADER_BYTES
from app.settings import Settings
from tests.support.engines import PATIENCE, until
from tests.support.service import RunningService, fake_models, running_service

HEADERS = b"POST /translate HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
HELLO = b'{"q": "Hello", "source": "en", "target": "fr"}'


@pytest.fixture
def service(tmp_path: Path) -> Iterator[RunningService]:
    chosen = Settings(
        models_dir=fake_models(tmp_path, ("en", "fr")),
        max_connections=20,
        client_timeout_seconds=0.3,
        request_timeout_seconds=0.6,
        max_characters=1_000_000,
        max_segments=100_000,
    )
    with running_service(chosen) as running:
        yield running


def everything_from(client: socket.socket) -> bytes:
    """Return what arrives until the service closes or resets the connection."""
    client.settimeout(PATIENCE)
    found = b""
    while True:
        try:
            received = client.recv(65536)
        except (ConnectionResetError, BrokenPipeError):
            return found
        if not received:
            return found
        found += received


def drip(client: socket.socket, content: bytes, seconds: float) -> bytes:
    """Send one byte after another for a number of seconds, then return the answer."""
    end = time.monotonic() + seconds
    for offset in range(len(content)):
        if time.monotonic() > end:
            break
        try:
            client.sendall(content[offset : offset + 1])
        except OSError:
            break
        time.sleep(0.02)
    return everything_from(client)


def status_of(answer: bytes) -> int:
    return int(answer.split(b" ")[1])


def error_of(answer: bytes) -> str:
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"connection: close" in head.lower()
    assert b"server:" not in head.lower()
    assert b"Traceback" not in answer
    message = json.loads(body)["error"]
    assert isinstance(message, str)
    return message


def connections_of(service: RunningService) -> int:
    return len(service.server.server_state.connections)


def assert_it_serves(service: RunningService) -> None:
    answer = service.client.post("/translate", content=HELLO, headers={"Content-Type": "application/json"})
    assert answer.json() == {"translatedText": "HELLO"}


def test_headers_that_drip_in(service: RunningService) -> None:
    began = time.monotonic()
    with socket.create_connection(service.address) as client:
        answer = drip(client, HEADERS * 100, PATIENCE)
    assert status_of(answer) == 408
    assert "client_timeout_seconds (0.3)" in error_of(answer)
    assert time.monotonic() - began < PATIENCE / 2
    assert_it_serves(service)


def test_headers_of_a_later_request_that_drip_in(service: RunningService) -> None:
    with socket.create_connection(service.address) as client:
        client.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
        assert client.recv(65536).startswith(b"HTTP/1.1 200")
        assert status_of(drip(client, HEADERS * 100, PATIENCE)) == 408


@pytest.mark.parametrize("sent", [b"", b"\r\n", b"\r\n\r\n\r\n"])
def test_a_connection_that_says_nothing(service: RunningService, sent: bytes) -> None:
    with socket.create_connection(service.address) as client:
        client.sendall(sent)
        answer = everything_from(client)
    assert answer == b"" or status_of(answer) == 408
    until(lambda: connections_of(service) == 0)


@pytest.mark.parametrize("kind", ["said", "chunked"])
def test_a_body_that_drips_in(service: RunningService, kind: str) -> None:
    said, body = (
        (b"Content-Length: 1000", b" " * 900)
        if kind == "said"
        else (b"Transfer-Encoding: chunked", b"1\r\n \r\n" * 300)
    )
    with socket.create_connection(service.address) as client:
        client.sendall(HEADERS + said + b"\r\n\r\n")
        answer = drip(client, body, PATIENCE)
    assert status_of(answer) == 408
    assert "request_timeout_seconds (0.6)" in error_of(answer)
    assert_it_serves(service)


@pytest.mark.parametrize("path", [b"/health", b"/nothing"])
def test_a_body_that_is_not_read_cannot_drip_forever(service: RunningService, path: bytes) -> None:
    with socket.create_connection(service.address) as client:
        client.sendall(b"POST " + path + b" HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n")
        answer = drip(client, b" " * 100_000, PATIENCE)
    assert status_of(answer) in (404, 405)
    assert answer.count(b"HTTP/1.1") == 1
    until(lambda: connections_of(service) == 0)


@pytest.mark.parametrize("whole", [True, False])
def test_headers_without_end(service: RunningService, whole: bool) -> None:
    with socket.create_connection(service.address) as client:
        line = b"X-Filler: " + b"x" * 1000 + b"\r\n"
        client.sendall(HEADERS + line * (MAX_HEADER_BYTES // 1000) + (b"\r\n" if whole else b""))
        answer = everything_from(client)
    assert status_of(answer) == 431
    assert f"at most {MAX_HEADER_BYTES} are read" in error_of(answer)
    with socket.create_connection(service.address) as client:
        client.sendall(b"GET /health?" + b"a" * (MAX_HEADER_BYTES - 100) + b" HTTP/1.1\r\nHost: x\r\n\r\n")
        assert client.recv(65536).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize(
    "sent",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",  # TLS
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nnonsense\r\n",
        b"nonsense\r\n\r\n",
    ],
)
def test_what_is_no_http(service: RunningService, sent: bytes) -> None:
    with socket.create_connection(service.address) as client:
        client.sendall(sent)
        answer = everything_from(client)
    if answer:  # an answer that was on its way is broken off rather than mixed with another
        assert status_of(answer) in (400, 404, 405)
        assert answer.count(b"HTTP/1.1 ") == 1
        assert "HTTP" in error_of(answer)
    assert_it_serves(service)


def test_idle_connections_are_bounded_and_end(service: RunningService) -> None:
    with ExitStack() as stack:
        idle = [stack.enter_context(socket.create_connection(service.address)) for _ in range(20)]
        until(lambda: connections_of(service) == 20)
        with socket.create_connection(service.address) as client:
            answer = everything_from(client)
        assert status_of(answer) == 503
        assert b"retry-after: 1\r\n" in answer
        assert "max_connections is 20" in error_of(answer)
        began = time.monotonic()
        until(lambda: connections_of(service) == 0)
        assert time.monotonic() - began < PATIENCE / 2
        assert [everything_from(client) for client in idle] == [b""] * 20
        assert_it_serves(service)


def begin_long_answer(service: RunningService, stream: bool) -> socket.socket:
    """Return a connection whose answer exceeds the buffers of the system, and whose client has read nothing yet."""
    listener = service.server.servers[0].sockets[0]
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8192)  # of connections from now on
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
    client.connect(service.address)
    if stream:
        text = "1, " * 50_000  # nothing to translate, so it comes back at once
        body = json.dumps({"q": text, "source": "en", "target": "fr", "stream": stream}).encode()
        client.sendall(HEADERS + b"Content-Length: %d\r\n\r\n" % len(body) + body)
    else:
        client.sendall(b"GET /docs/swagger-ui-bundle.js HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    return client


@pytest.mark.parametrize("stream", [False, True])
def test_a_client_that_does_not_read_its_answer(service: RunningService, stream: bool) -> None:
    with begin_long_answer(service, stream) as client:
        until(lambda: connections_of(service) == 1)
        until(lambda: connections_of(service) == 0)
        assert len(everything_from(client)) < 100_000
    until(lambda: not service.server.server_state.tasks)
    assert_it_serves(service)


def test_a_client_that_reads_slowly_gets_everything(service: RunningService) -> None:
    with begin_long_answer(service, stream=False) as client:
        found, began = b"", time.monotonic()
        while received := client.recv(16384):
            found += received
            time.sleep(0.005)
        assert time.monotonic() - began > 0.3  # longer than the limit, which is for those who take nothing
    head, _, body = found.partition(b"\r\n\r\n")
    assert len(body) == int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])


def assert_answered(client: socket.socket, status: bytes = b"200") -> None:
    """Read one whole answer; the connection stays open."""
    answer = b""
    while not answer.endswith(b"}"):
        received = client.recv(65536)
        assert received, "it was cut off"
        answer += received
    assert answer.startswith(b"HTTP/1.1 " + status), answer


def test_the_time_for_headers_does_not_run_while_a_request_is_answered(service: RunningService) -> None:
    service.graphs.opened["en-fr"].hooks.delay_seconds = 0.08  # half a second in all
    request = HEADERS + b"Content-Length: %d\r\n\r\n" % len(HELLO) + HELLO
    with socket.create_connection(service.address, timeout=PATIENCE) as client:
        for _ in range(2):
            client.sendall(request)
            assert_answered(client)


def test_the_rest_of_a_body_that_was_answered_early_is_no_header(service: RunningService) -> None:
    """The body of an unknown path is not read, so its answer is sent before the body is complete."""
    body = b"x" * 200_000
    head = b"POST /nowhere HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    with socket.create_connection(service.address, timeout=PATIENCE) as client:
        for _ in range(5):
            client.sendall(head % len(body))
            assert_answered(client, b"404")
            client.sendall(body)
            client.sendall(HEADERS + b"Content-Length: %d\r\n\r\n" % len(HELLO) + HELLO)
            assert_answered(client)
