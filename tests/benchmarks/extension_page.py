"""How long a web page takes as a browser extension sends it: ``python -m tests.benchmarks.extension_page``.

A page of 400 paragraphs goes to the service with its default settings, 20 requests at a time: first as 100 requests of
four paragraphs, then as 400 requests of one. Both are measured in turns in one run, each with other paragraphs, so that
the ratio counts. Every paragraph must come back.
"""

import argparse
import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx

from tests.benchmarks.http import ROOT, Server, sentences, service

PARAGRAPHS = 400
SENTENCES = 3
AT_A_TIME = 20


def page_seconds(server: Server, paragraphs: list[str], texts_per_request: int) -> float:
    """Seconds until the last paragraph of a page is there."""
    requests = [paragraphs[start : start + texts_per_request] for start in range(0, len(paragraphs), texts_per_request)]
    limits = httpx.Limits(max_connections=AT_A_TIME)
    with (
        httpx.Client(base_url=f"http://127.0.0.1:{server.port}", timeout=120, trust_env=False, limits=limits) as client,
        ThreadPoolExecutor(AT_A_TIME) as threads,
    ):

        def send(texts: list[str]) -> int:
            answer = client.post("/imme", json={"source_lang": "en", "target_lang": "fr", "text_list": texts})
            answer.raise_for_status()
            return len(answer.json()["translations"])

        began = time.perf_counter()
        count = sum(threads.map(send, requests))
        seconds = time.perf_counter() - began
    assert count == len(paragraphs), f"{count} of {len(paragraphs)} paragraphs came back"
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=Path, default=ROOT / "models")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    source = sentences()
    seconds: dict[int, list[float]] = {4: [], 1: []}
    with service(options.models) as server:
        for _ in range(options.rounds):
            for texts_per_request, of_kind in seconds.items():
                page = [" ".join(next(source) for _ in range(SENTENCES)) for _ in range(PARAGRAPHS)]
                of_kind.append(page_seconds(server, page, texts_per_request))
    for texts_per_request, of_kind in seconds.items():
        median = statistics.median(of_kind)
        print(
            f"{texts_per_request} paragraphs a request: {median:6.2f} s a page, {PARAGRAPHS / median:6.1f} paragraphs/s"
        )
    print(f"ratio {statistics.median(seconds[1]) / statistics.median(seconds[4]):.2f}")


if __name__ == "__main__":
    main()
