"""The processor time of a short request outside the graphs, and how long the service takes to its first answer.

    python -m tests.benchmarks.request [--clients 1 32] [--beam-size 1 4] [--requests 330] [--models FOLDER]

The service runs in a process of its own, with one thread for its graphs, and counts the processor time that its threads
spend in onnxruntime; what all its threads spend beside that is the rest of a request: HTTP, text work, the engine's own
Python. A bare FastAPI route is measured with the same client in turns, so that a busy machine hits both alike. Every
figure is the median of the rounds, after one that does not count.
"""

import argparse
import itertools
import mmap
import statistics
import struct
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import onnxruntime

from app.commands.command_line import main as run_command
from tests.benchmarks.http import ROOT, Server, bare_route, free_port, run_load, sentences, serving

_SECONDS: Final = struct.Struct("d")


def serve(counted: str) -> int:
    """Run the service; the seconds of its threads in onnxruntime are written into a file."""
    with open(counted, "r+b") as file:
        seconds = mmap.mmap(file.fileno(), _SECONDS.size)
    plain, total = onnxruntime.InferenceSession.run, 0.0

    def run(self: onnxruntime.InferenceSession, *arguments: Any) -> Any:
        nonlocal total
        began = time.thread_time()
        try:
            return plain(self, *arguments)
        finally:
            total += time.thread_time() - began
            _SECONDS.pack_into(seconds, 0, total)

    onnxruntime.InferenceSession.run = run
    return run_command(["serve"])


def plain_sentences() -> Iterator[str]:
    """Different short sentences without numbers, which cost more."""
    found = list(itertools.islice(sentences(), 2000))
    for opening in ("", "Perhaps ", "Today ", "I think that ", "He said that ", "We know that "):
        yield from (opening + sentence for sentence in found)


class Usage:
    """Seconds of processor time of a service so far: all, of the event loop's thread, and in onnxruntime."""

    def __init__(self, server: Server, counted: Path | None) -> None:
        process_id = server.process.pid
        threads = {
            int(path.name): int((path / "schedstat").read_text().split()[0]) / 1e9
            for path in Path(f"/proc/{process_id}/task").iterdir()
        }
        self.all = sum(threads.values())
        self.event_loop = threads[process_id]
        self.graphs = 0.0 if counted is None else _SECONDS.unpack(counted.read_bytes()[: _SECONDS.size])[0]


def measure(
    server: Server, texts: Any, requests: int, clients: int, fields: dict[str, object], counted: Path | None = None
) -> tuple[float, float, float, float]:
    """Milliseconds of a request outside the graphs, of it on the event loop's thread, and within; requests/s."""
    before, began = Usage(server, counted), time.perf_counter()
    run_load(server, texts, requests, clients, fields)
    after, seconds = Usage(server, counted), time.perf_counter() - began
    graphs = after.graphs - before.graphs
    outside, event_loop = after.all - before.all - graphs, after.event_loop - before.event_loop
    scale = 1000 / requests
    return scale * outside, scale * event_loop, scale * graphs, requests / seconds


def report(options: argparse.Namespace, server: Server, bare: Server, counted: Path) -> None:
    """Print one line for each number of clients and each beam."""
    texts = plain_sentences()
    for clients in options.clients:
        rounds: dict[int, list[tuple[float, float, float, float]]] = {beam: [] for beam in (0, *options.beam_size)}
        for turn in range(options.rounds + 1):
            found = {0: measure(bare, texts, options.requests, clients, {})}
            for beam in options.beam_size:
                found[beam] = measure(server, texts, options.requests, clients, {"beam_size": beam}, counted)
            for beam, figures in found.items() if turn else ():
                rounds[beam].append(figures)
        medians = {beam: [statistics.median(one) for one in zip(*each, strict=True)] for beam, each in rounds.items()}
        least = medians.pop(0)[0]
        print(f"{clients:>3} clients, bare route: {least:.3f} ms of processor time a request")
        for beam, (outside, event_loop, graphs, rate) in medians.items():
            print(
                f"{clients:>3} clients, beam {beam}: outside the graphs {outside:.3f} ms ({outside / least:.1f} times "
                f"the bare route), {event_loop:.3f} of it HTTP and text; graphs {graphs:.3f} ms; "
                f"{rate:,.0f} requests/s",
                flush=True,
            )


def first_answers(models: Path, rounds: int) -> None:
    """Print how long the service takes from the start of its process to its first translation."""
    seconds, used = [], []
    for _ in range(rounds):
        port, began = free_port(), time.perf_counter()
        environment = {"MODELS_DIR": str(models), "PASSERELLE_PORT": str(port), "PASSERELLE_LOG_LEVEL": "error"}
        with serving(["app"], port, environment) as server:
            url = f"http://127.0.0.1:{port}/translate?q=Good+morning.&source=en&target=fr"
            urllib.request.urlopen(urllib.request.Request(url, method="POST"), timeout=60).close()
            seconds.append(time.perf_counter() - began)
            used.append(server.cpu_seconds())
    print(
        f"first answer after {statistics.median(seconds):.2f} s ({min(seconds):.2f} to {max(seconds):.2f}), "
        f"{statistics.median(used):.2f} s of processor time"
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=Path, default=ROOT / "models")
    parser.add_argument("--requests", type=int, default=330)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 32])
    parser.add_argument("--beam-size", type=int, nargs="+", default=[1, 4])
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        return serve(options.serve)
    first_answers(options.models.absolute(), options.rounds)
    with tempfile.NamedTemporaryFile() as counted:
        counted.write(bytes(_SECONDS.size))
        counted.flush()
        port = free_port()
        environment = {
            "MODELS_DIR": str(options.models.absolute()),
            "PASSERELLE_PORT": str(port),
            "PASSERELLE_LOG_LEVEL": "warning",
            "PASSERELLE_THREADS": "1",
            "PASSERELLE_WORKERS": "1",
        }
        arguments = ["tests.benchmarks.request", "--serve", counted.name]
        with serving(arguments, port, environment) as server, bare_route() as bare:
            report(options, server, bare, Path(counted.name))
    return 0


if __name__ == "__main__":
    sys.exit(main())
