"""How long short requests take while long work runs: ``python -m tests.benchmarks.fairness``.

The service runs as a process of its own with the shipped bundles. Short requests are sent one after the other, first
alone, then beside a request of 4,000 sentences and two files. Both are measured in one run, so that the ratio counts.
"""

import argparse
import statistics
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from tests.benchmarks.http import ROOT, Server, service

SENTENCES = 4_000
FILE_SENTENCES = 2_000
BAR = 3.0


def address(server: Server) -> str:
    return f"http://127.0.0.1:{server.port}"


def sentence(number: int) -> str:
    return f"I saw {number} cats and {number % 7} birds on the roof of the house."


def short_seconds(client: httpx.Client, count: int, start: int) -> list[float]:
    """Seconds of each of so many short requests, every one with another sentence."""
    seconds = []
    for number in range(start, start + count):
        began = time.perf_counter()
        fields = {"q": f"There are {number} books here.", "source": "en", "target": "fr", "beam_size": 1}
        answer = client.post("/translate", json=fields)
        answer.raise_for_status()
        seconds.append(time.perf_counter() - began)
    return seconds


@contextmanager
def long_work(server: Server) -> Iterator[list[threading.Thread]]:
    """A request of 4,000 sentences and two files, until the block ends."""

    def text() -> None:
        texts = [sentence(number) for number in range(SENTENCES)]
        fields = {"q": "\n".join(texts), "source": "en", "target": "fr"}
        with httpx.Client(base_url=address(server), timeout=600, trust_env=False) as client:
            client.post("/translate", json=fields)

    def file(first: int) -> None:
        content = "\n".join(sentence(number) for number in range(first, first + FILE_SENTENCES)).encode()
        with httpx.Client(base_url=address(server), timeout=600, trust_env=False) as client:
            data = {"source": "en", "target": "fr"}
            client.post("/translate_file", data=data, files={"file": ("a.txt", content, "text/plain")})

    threads = [threading.Thread(target=text, daemon=True)]
    threads += [threading.Thread(target=file, args=(10_000 * number,), daemon=True) for number in (1, 2)]
    for thread in threads:
        thread.start()
    yield threads


def describe(name: str, seconds: list[float]) -> float:
    """Print one line; the 95th percentile in milliseconds."""
    milliseconds = sorted(1000 * one for one in seconds)
    p95 = milliseconds[int(0.95 * len(milliseconds))]
    print(f"{name:<28} p50 {statistics.median(milliseconds):6.1f} ms   p95 {p95:6.1f} ms   ({len(seconds)} requests)")
    return p95


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=200, help="short requests of each kind (default: 200)")
    options = parser.parse_args()
    with (
        service(ROOT / "models") as server,
        httpx.Client(base_url=address(server), timeout=60, trust_env=False) as client,
    ):
        short_seconds(client, 20, 0)
        alone = describe("alone", short_seconds(client, options.requests, 1_000))
        with long_work(server) as threads:
            time.sleep(1)  # until the long work is queued
            beside = describe("beside long work", short_seconds(client, options.requests, 5_000))
            print(f"long work still running: {sum(thread.is_alive() for thread in threads)} of {len(threads)}")
        print(f"{beside / alone:.1f} times the p95 alone; the bar is {BAR:g}")


if __name__ == "__main__":
    main()
