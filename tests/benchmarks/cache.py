"""What the cache is worth: the same load on the service with it and without it, by how much of it was asked before.

    python -m tests.benchmarks.cache [--requests 150] [--clients 8] [--rounds 10] [--models models]

A closed loop over HTTP, greedy. Of the requests a share repeats a sentence that was sent before, any of them; the
others are new, and so is every sentence of another round. Both services run side by side and take turns, each first in
every other round, so the ratios say something even where the machine is busy.
"""

import argparse
import itertools
import random
import time
from collections.abc import Iterator
from pathlib import Path

from tests.benchmarks.http import ROOT, Server, run_load, sentences, service

SHARES = (0.0, 0.5, 0.9)


def partly_repeated(fresh: Iterator[str], share: float, seed: int) -> Iterator[str]:
    """Endless; ``share`` of the sentences were given before."""
    chance = random.Random(seed)
    given: list[str] = []
    while True:
        if given and chance.random() < share:
            yield chance.choice(given)
        else:
            given.append(next(fresh))
            yield given[-1]


def measured(server: Server, texts: list[str], clients: int) -> tuple[float, float]:
    """The seconds it took, and those of the server's processor time."""
    began, cpu_began = time.perf_counter(), server.cpu_seconds()
    run_load(server, iter(texts), len(texts), clients, {"beam_size": 1})
    return time.perf_counter() - began, server.cpu_seconds() - cpu_began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=Path, default=ROOT / "models")
    parser.add_argument("--requests", type=int, default=150)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=10)
    options = parser.parse_args()
    with service(options.models) as without, service(options.models, {"PASSERELLE_CACHE_MIB": "64"}) as cached:
        fresh = sentences()
        for server in (without, cached):
            run_load(server, iter(list(itertools.islice(fresh, 100))), 100, options.clients, {"beam_size": 1})
        for share in SHARES:
            spent = {server.port: [0.0, 0.0] for server in (without, cached)}
            for number in range(options.rounds):
                texts = list(itertools.islice(partly_repeated(fresh, share, number), options.requests))
                for server in (without, cached) if number % 2 else (cached, without):
                    for place, seconds in enumerate(measured(server, texts, options.clients)):
                        spent[server.port][place] += seconds
            count = options.rounds * options.requests
            (off, off_cpu), (on, on_cpu) = spent[without.port], spent[cached.port]
            print(
                f"{share:>4.0%} repeated: {count / off:>5,.0f} requests/s without, {count / on:>5,.0f} with, "
                f"{off / on:.2f} times as many; {1000 * off_cpu / count:.2f} and {1000 * on_cpu / count:.2f} ms of "
                f"processor time each, {on_cpu / off_cpu:.2f} times as much",
                flush=True,
            )


if __name__ == "__main__":
    main()
