"""Requests that are unusual, ambiguous or broken: each is answered once, or refused with the reason."""

import json
import re
import socket
from collections.abc import Iterator, Sequence
from contextlib import suppress

import pytest

from app.settings import Settings
from tests.support.engines import PATIENCE, until
from tests.support.service import RunningService, fake_models, running_service

HELLO = b'{"q": "Hello", "source": "en", "target": "fr"}'
HEADERS = b"POST /translate HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
WHOLE = HEADERS + b"Content-Length: %d\r\n\r\n" % len(HELLO) + HELLO
CHUNKED = HEADERS + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n" % len(HELLO) + HELLO + b"\r\n0\r\n\r\n"
H2C = b"Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\n"
WEBSOCKET = b"upgrade:websocket\r\nconnection:upgrade\r\n"
OFFERS = (H2C, WEBSOCKET, b"Connection: keep-alive, Upgrade\r\nUpgrade: h2c, TLS/1.3\r\n")


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    models = fake_models(tmp_path_factory.mktemp("models"), ("en", "fr"))
    with running_service(Settings(models_dir=models, request_timeout_seconds=PATIENCE)) as running:
        yield running


@pytest.fixture
def client(service: RunningService) -> Iterator[socket.socket]:
    with socket.create_connection(service.address, timeout=PATIENCE) as connected:
        yield connected


def receive(client: socket.socket, answers: int) -> list[tuple[int, bytes]]:
    """Read whole answers; return status and body of each."""
    buffer = b""
    found: list[tuple[int, bytes]] = []
    while len(found) < answers:
        head, end, rest = buffer.partition(b"\r\n\r\n")
        length = re.search(rb"content-length: (\d+)", head.lower()) if end else None
        if end and head.startswith(b"HTTP/1.1 100"):
            buffer = rest
        elif length is not None and len(rest) >= int(length[1]):
            found.append((int(head.split(b" ")[1]), rest[: int(length[1])]))
            buffer = rest[int(length[1]) :]
        else:
            received = client.recv(65536)
            assert received, f"it was cut off after {found} and {buffer!r}"
            buffer += received
    assert buffer == b""
    return found


def assert_closed(client: socket.socket) -> None:
    with suppress(ConnectionResetError):
        assert client.recv(65536) == b""


GREETED = (200, b'{"translatedText":"HELLO"}')


def offering(request: bytes, offer: bytes) -> bytes:
    return request.replace(b"Host: x\r\n", b"Host: x\r\n" + offer)


@pytest.mark.parametrize("offer", OFFERS)
@pytest.mark.parametrize("request_bytes", [WHOLE, CHUNKED])
def test_an_offer_of_another_protocol_is_passed_over(client: socket.socket, request_bytes: bytes, offer: bytes) -> None:
    """Java's client and ``curl --http2`` make one with every request, and keep their connection."""
    offered = offering(request_bytes, offer)
    for _ in range(2):
        client.sendall(offered)
        assert receive(client, 1) == [GREETED]


@pytest.mark.parametrize("offer", OFFERS)
@pytest.mark.parametrize("request_bytes", [WHOLE, CHUNKED])
def test_an_offer_in_any_segments(client: socket.socket, request_bytes: bytes, offer: bytes) -> None:
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    offered = offering(request_bytes, offer)
    for start in range(1, len(offered), 13):
        client.sendall(offered[:start])
        client.sendall(offered[start:])
        assert receive(client, 1) == [GREETED]


@pytest.mark.parametrize("offer", OFFERS)
def test_offers_of_pipelined_requests(client: socket.socket, offer: bytes) -> None:
    get = offering(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n", offer)
    client.sendall(get + offering(WHOLE, offer) + WHOLE + get + offering(CHUNKED, offer))
    found = receive(client, 5)
    assert [status for status, _ in found] == [200] * 5
    assert [found[index] for index in (1, 2, 4)] == [GREETED] * 3


@pytest.mark.parametrize(
    ("head", "status", "reason"),
    [
        (b"GET /health HTTP/1.1", 400, "0 Host headers"),
        (b"GET /health HTTP/1.1\r\nHost: a\r\nHost: b", 400, "2 Host headers"),
        (b"GET /health HTTP/1.1\r\nHost: a\r\nHost: a", 400, "2 Host headers"),
        (b"GET /health HTTP/1.0\r\nHost: a\r\nhost: b", 400, "2 Host headers"),
        (b"GET /health HTTP/1.1\r\nHost: a/b", 400, "Host header is no host"),
        (b"GET /health HTTP/1.1\r\nHost: a, b", 400, "Host header is no host"),
        (b"GET /health HTTP/1.1\r\nHost: user@a", 400, "Host header is no host"),
        (b"POST /translate HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked", 501, "must be chunked"),
        (b"POST /translate HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\nTransfer-Encoding: chunked", 501, "must"),
        (b"POST /translate HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, chunked", 400, "no HTTP"),
        (b"POST /translate HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked", 501, "must be chunked"),
        (b"CONNECT a.example:443 HTTP/1.1\r\nHost: a.example:443", 501, "CONNECT is not served"),
    ],
)
def test_what_could_be_read_in_two_ways_is_refused(
    client: socket.socket, head: bytes, status: int, reason: str
) -> None:
    client.sendall(head + b"\r\n\r\n")
    ((found, body),) = receive(client, 1)
    assert (found, reason in json.loads(body)["error"]) == (status, True), body
    assert_closed(client)


@pytest.mark.parametrize(
    "head",
    [
        b"POST /translate HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
        b"POST /translate HTTP/1.1\r\nHost: a\r\nContent-Length: +5\r\n\r\nabcde",
        b"POST /translate HTTP/1.1\r\nHost: a\r\nContent-Length: 5, 5\r\n\r\nabcde",
        b"POST /translate HTTP/1.1\r\nHost : a\r\n\r\n",
        b"GET /health HTTP/1.1\r\nHost: a\r\n folded: b\r\n\r\n",
        b"GET /health HTTP/1.1\r\nHost: a\r\nX: \0\r\n\r\n",
    ],
)
def test_framing_that_proxies_read_otherwise_is_refused(client: socket.socket, head: bytes) -> None:
    client.sendall(head)
    ((status, _),) = receive(client, 1)
    assert status in (400, 415)
    assert_closed(client)


@pytest.mark.parametrize("sent", [b"GET /health\r\n\r\n", b"GET /health HTTP/0.9\r\n\r\n"])
def test_http_0_9_is_refused(client: socket.socket, sent: bytes) -> None:
    client.sendall(sent)
    ((status, body),) = receive(client, 1)
    assert status in (400, 505)
    assert "HTTP" in json.loads(body)["error"]
    assert_closed(client)


def test_http_1_0_needs_no_host(client: socket.socket) -> None:
    client.sendall(WHOLE.replace(b"HTTP/1.1\r\nHost: x\r\n", b"HTTP/1.0\r\n"))
    assert receive(client, 1) == [GREETED]
    assert_closed(client)


@pytest.mark.parametrize(
    "body", [b"nonsense\r\n", b"-1\r\n", b"5\r\nabcdeXY", b"3\r\nabc\r\nZZ\r\n", b"fffffffffffffffffff\r\n"]
)
@pytest.mark.parametrize("path", [b"/translate", b"/v2/translate", b"/translate_file"])
def test_a_malformed_chunked_body_is_answered(service: RunningService, path: bytes, body: bytes) -> None:
    head = HEADERS.replace(b"/translate", path) + b"Transfer-Encoding: chunked\r\n\r\n"
    for segments in ((head + body,), (head, body)):
        with socket.create_connection(service.address, timeout=PATIENCE) as client:
            send_in_segments(client, segments)
            ((status, _),) = receive(client, 1)
            assert status in (400, 415)
            assert_closed(client)
    until(lambda: not service.server.server_state.tasks)


def send_in_segments(client: socket.socket, segments: Sequence[bytes]) -> None:
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for segment in segments:
        client.sendall(segment)


def test_requests_before_a_broken_one_are_answered(client: socket.socket) -> None:
    client.sendall(WHOLE + CHUNKED + b"nonsense\r\n\r\n" + WHOLE)
    assert receive(client, 2) == [GREETED] * 2
    assert_closed(client)


@pytest.mark.parametrize("version", [b"HTTP/1.1", b"HTTP/1.0"])
@pytest.mark.parametrize("request_bytes", [WHOLE, CHUNKED])
def test_a_client_that_half_closes_gets_its_answer(
    service: RunningService, client: socket.socket, request_bytes: bytes, version: bytes
) -> None:
    if version == b"HTTP/1.0" and request_bytes is CHUNKED:
        pytest.skip("there are no chunks in HTTP/1.0")
    service.graphs.opened["en-fr"].hooks.delay_seconds = 0.05
    try:
        client.sendall(request_bytes.replace(b"HTTP/1.1", version))
        client.shutdown(socket.SHUT_WR)
        assert receive(client, 1) == [GREETED]
        assert_closed(client)
    finally:
        service.graphs.opened["en-fr"].hooks.delay_seconds = 0.0


def test_pipelined_requests_of_a_client_that_half_closes(client: socket.socket) -> None:
    client.sendall(WHOLE * 3)
    client.shutdown(socket.SHUT_WR)
    assert receive(client, 3) == [GREETED] * 3
    assert_closed(client)


@pytest.mark.parametrize("sent", [b"", HEADERS, WHOLE[:-5], CHUNKED[:-5]])
def test_a_client_that_half_closes_within_a_request(client: socket.socket, sent: bytes) -> None:
    client.sendall(sent)
    client.shutdown(socket.SHUT_WR)
    assert_closed(client)


def test_a_client_that_leaves_is_noticed(service: RunningService) -> None:
    hooks = service.graphs.opened["en-fr"].hooks
    hooks.delay_seconds = 0.2
    registry = service.server.config.app.state.service.serving.registry  # type: ignore[union-attr]
    engine = next(iter(registry.served.values())).engine
    try:
        for stream in (False, True):
            body = json.dumps({"q": "abcdefgh " * 100, "source": "en", "target": "fr", "stream": stream}).encode()
            with socket.create_connection(service.address, timeout=PATIENCE) as client:
                client.sendall(HEADERS + b"Content-Length: %d\r\n\r\n" % len(body) + body)
                until(lambda: engine.status().rows_running > 0)
            until(lambda: engine.status().rows_running == 0 and not service.server.server_state.tasks)
    finally:
        hooks.delay_seconds = 0.0
