"""What one request costs over HTTP: requests per second, latencies, and processor time of the server for each sentence.

    python -m tests.benchmarks.http [--requests 2000] [--clients 1 32] [--beam-size 1] [--models models]

A closed loop: every client sends its next request when it has the answer to the last one, each with another short
sentence; a streamed answer also shows when its first words come. The server is a process of its own, and so is a bare
FastAPI route that sends its JSON back, measured with the same client in the same run: where the machine is busy, the
ratio of the two says more than either. Processor time is user and system time of the server's process, all its threads
together.
"""

import argparse
import asyncio
import itertools
import json
import os
import random
import socket
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request

ROOT = Path(__file__).parents[2]
_FIRST_WORDS = b"event: delta"


def bare() -> FastAPI:
    """The least that a service in FastAPI does with a request."""
    app = FastAPI()

    @app.get("/health")
    async def health() -> dict[str, str]:
        return {}

    @app.post("/translate")
    async def echo(request: Request) -> Any:
        return await request.json()

    return app


def sentences() -> Iterator[str]:
    """Different short sentences, in an order of no meaning that is the same every time."""
    found = [
        f"{who} {what} {where} {when}."
        for who in (
            "My sister",
            "The old man",
            "Our teacher",
            "A young woman",
            "His father",
            "The doctor",
            "Tom",
            "She",
        )
        for what in ("read a book", "lost the key", "saw a dog", "drank some tea", "wrote a letter", "sang a song")
        for where in ("in the garden", "at home", "at the station", "near the river", "in this room", "at school")
        for when in ("yesterday", "last night", "on Monday", "this morning", "two days ago", "last week", "in May")
    ]
    random.Random(0).shuffle(found)
    for number in itertools.count():
        yield (
            found[number % len(found)]
            if number < len(found)
            else f"{number // len(found)}: {found[number % len(found)]}"
        )


@dataclass
class Server:
    """A server in a process of its own."""

    process: "subprocess.Popen[bytes]"
    port: int

    def cpu_seconds(self) -> float:
        """User and system time so far, of all its threads, and of its workers."""
        ticks = 0
        for process_id in (str(self.process.pid), *self._children()):
            fields = Path(f"/proc/{process_id}/stat").read_text().rsplit(") ", 1)[1].split()
            ticks += int(fields[11]) + int(fields[12])
        return ticks / os.sysconf("SC_CLK_TCK")

    def _children(self) -> list[str]:
        process_id = self.process.pid
        return Path(f"/proc/{process_id}/task/{process_id}/children").read_text().split()

    def resident_mebibytes(self) -> float:
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


@contextmanager
def serving(arguments: list[str], port: int, environment: dict[str, str]) -> Iterator[Server]:
    """Run ``python -m`` with these arguments until the block ends."""
    process = subprocess.Popen([sys.executable, "-m", *arguments], cwd=ROOT, env={**os.environ, **environment})
    try:
        while True:
            assert process.poll() is None, "the server ended"
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=60).close()
                break
            except OSError:
                time.sleep(0.1)
        yield Server(process, port)
    finally:
        process.terminate()
        process.wait(30)


@contextmanager
def service(models: Path, settings: dict[str, str] | None = None) -> Iterator[Server]:
    port = free_port()
    environment = {
        "MODELS_DIR": str(models.absolute()),
        "PASSERELLE_PORT": str(port),
        "PASSERELLE_LOG_LEVEL": "warning",
    }
    with serving(["app"], port, {**environment, **(settings or {})}) as server:
        yield server


@contextmanager
def bare_route() -> Iterator[Server]:
    port = free_port()
    arguments = ["uvicorn", "--factory", "tests.benchmarks.http:bare", "--port", str(port), "--log-level", "warning"]
    with serving(arguments, port, {}) as server:
        yield server


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


class Client(asyncio.Protocol):
    """One connection: sends the next request when it has the answer to the last."""

    def __init__(self, load: "Load") -> None:
        self._load = load
        self._received = b""
        self._began = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        self._transport = transport
        self._send()

    def data_received(self, data: bytes) -> None:
        is_first = self._load.is_streamed and _FIRST_WORDS not in self._received
        self._received += data
        head, found, body = self._received.partition(b"\r\n\r\n")
        if not found:
            return
        if is_first and _FIRST_WORDS in body:
            self._load.first_words.append(time.perf_counter() - self._began)
        if self._load.is_streamed:
            is_whole = body.endswith(b"0\r\n\r\n")
        else:
            is_whole = len(body) >= int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
        if is_whole:
            assert head.startswith(b"HTTP/1.1 200"), self._received
            self._load.latencies.append(time.perf_counter() - self._began)
            self._received = b""
            self._send()

    def _send(self) -> None:
        body = self._load.next_body()
        if body is None:
            self._transport.close()
            self._load.one_is_done()
            return
        head = b"POST /translate HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
        self._began = time.perf_counter()
        self._transport.write(head % len(body) + body)


class Load:
    """So many requests over so many connections.

    ``latencies`` and, where the answers are streamed, ``first_words``: the seconds until each answer was whole, and
    until its first words came.
    """

    def __init__(self, texts: Iterator[Any], requests: int, clients: int, fields: dict[str, object]) -> None:
        self.latencies: list[float] = []
        self.first_words: list[float] = []
        self.is_streamed = bool(fields.get("stream"))
        self.done = asyncio.Event()
        self._texts = texts
        self._left, self._clients, self._fields = requests, clients, fields

    def next_body(self) -> bytes | None:
        if not self._left:
            return None
        self._left -= 1
        return json.dumps({"q": next(self._texts), "source": "en", "target": "fr", **self._fields}).encode()

    def one_is_done(self) -> None:
        self._clients -= 1
        if not self._clients:
            self.done.set()


def run_load(server: Server, texts: Iterator[Any], requests: int, clients: int, fields: dict[str, object]) -> Load:
    """Send so many requests with these fields; what was measured."""

    async def whole() -> Load:
        load = Load(texts, requests, clients, fields)
        loop = asyncio.get_running_loop()
        for _ in range(clients):
            await loop.create_connection(lambda: Client(load), "127.0.0.1", server.port)
        await load.done.wait()
        return load

    return asyncio.run(whole())


def measure(name: str, server: Server, requests: int, clients: int, fields: dict[str, object]) -> float:
    """Print one line; the processor time of the server for each request, in milliseconds."""
    texts = sentences()
    run_load(server, texts, max(50, requests // 10), clients, fields)
    began, cpu_began = time.perf_counter(), server.cpu_seconds()
    load = run_load(server, texts, requests, clients, fields)
    seconds, cpu_seconds = time.perf_counter() - began, server.cpu_seconds() - cpu_began
    first = f"first words {_percentiles(load.first_words)}; " if load.is_streamed else ""
    print(
        f"{name:<24} {clients:>3} clients: {requests / seconds:>6,.0f} requests/s; "
        f"{_percentiles(load.latencies)}; {first}"
        f"server {1000 * cpu_seconds / requests:.3f} ms of processor time a sentence",
        flush=True,
    )
    return 1000 * cpu_seconds / requests


def _percentiles(seconds: list[float]) -> str:
    cuts = statistics.quantiles(seconds, n=100)
    return f"p50 {1000 * cuts[49]:>6.1f} ms, p95 {1000 * cuts[94]:>6.1f} ms, p99 {1000 * cuts[98]:>6.1f} ms"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=Path, default=ROOT / "models")
    parser.add_argument("--requests", type=int, default=2000)
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 32])
    parser.add_argument("--beam-size", type=int, nargs="+", default=[1, 0], help="0: the bundle's own")
    options = parser.parse_args()
    with service(options.models) as translating, bare_route() as echoing:
        for clients in options.clients:
            requests = options.requests if clients > 1 else max(100, options.requests // 4)
            least = measure("bare route", echoing, requests, clients, {})
            for beam_size in options.beam_size:
                fields: dict[str, object] = {"beam_size": beam_size} if beam_size else {}
                name = f"translate, beam {beam_size}" if beam_size else "translate, as it comes"
                cpu = measure(name, translating, requests, clients, fields)
                print(f"{'':<24} {cpu / least:.1f} times the bare route")
            measure("translate, streamed", translating, requests, clients, {"beam_size": 1, "stream": True})


if __name__ == "__main__":
    main()
