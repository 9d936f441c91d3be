"""What a second replica brings: requests per second and lines per second with one and with two, in one run.

    python -m tests.benchmarks.replicas [--requests 1000] [--clients 16] [--lines 2000] [--ray] [--models models]
    python -m tests.benchmarks.replicas --workers [--requests 3000] [--clients 32] [--rounds 5]

Replicas are processes of ``python -m app`` of one thread each; every client belongs to one of them in turn, in a closed
loop, greedy, each request with another short sentence. Lines are what ``python -m app.bulk`` writes with one and two
engines, and in two processes of one engine with half of the file each, counted from when each has written something.
``--workers`` compares one service with one worker and one with two, each with its own number of threads, in turns.
``--ray`` adds Ray Serve with one and two replicas, Ray Data with one and two engines. Processor time for each request,
line and chunk is what the page in README calculates from. All of it runs on this machine, the clients too: two replicas
can only be twice as fast where there are CPUs for both and for the clients.
"""

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path

from app.server.resources import usable_cpus
from tests.benchmarks.http import ROOT, Client, Load, Server, free_port, sentences, service

_GREEDY: dict[str, object] = {"beam_size": 1}
_CHUNK_LINES = 64
_LARGE_CHUNK_LINES = 4096
_SETTLE_SECONDS = 10.0
_SHARE_IN_USE = 0.7  # of the cores; the rest is for peaks


def requests_per_second(ports: list[int], requests: int, clients: int) -> float:
    async def whole() -> float:
        texts = sentences()
        for count in (max(50, requests // 10), requests):  # the first is the warm-up
            load = Load(texts, count, clients, _GREEDY)
            loop, began = asyncio.get_running_loop(), time.perf_counter()
            for number in range(clients):
                await loop.create_connection(partial(Client, load), "127.0.0.1", ports[number % len(ports)])
            await load.done.wait()
        return requests / (time.perf_counter() - began)

    return asyncio.run(whole())


def table(plain: float, ray_replica: float, ray_proxy: float, line: float, chunk: float) -> str:
    """What README says of many cores, from milliseconds of processor time: of a request in ``python -m app``, in a
    replica of Ray Serve and in its proxy; of a line; and of a chunk where the lines are read and written.
    """
    rows = []
    for cores in (10, 100, 1000):
        lines = min(cores * 1000 / line, _LARGE_CHUNK_LINES * 1000 / chunk)
        serving = [_SHARE_IN_USE * cores * 1000 / cost for cost in (plain, ray_replica + ray_proxy)]
        rows.append(f"| {cores:,} | {serving[0]:,.0f} | {serving[1]:,.0f} | {lines:,.0f} |")
    return "\n".join(rows)


def replicas(models: Path, requests: int, clients: int) -> float:
    """Milliseconds of processor time of a request, with one."""
    rates, costs = [], []
    for count in (1, 2):
        with ExitStack() as stack:
            settings = {"PASSERELLE_THREADS": "1"}
            servers: list[Server] = [stack.enter_context(service(models, settings)) for _ in range(count)]
            before = sum(server.cpu_seconds() for server in servers)
            rates.append(requests_per_second([server.port for server in servers], requests, clients))
            cpu = sum(server.cpu_seconds() for server in servers) - before
        each = 1000 * cpu / (requests + max(50, requests // 10))
        costs.append(each)
        print(f"{count} replica(s): {rates[-1]:,.0f} requests/s, {each:.2f} ms of processor time each", flush=True)
    print(f"two replicas: {rates[1] / rates[0]:.2f} times one", flush=True)
    return costs[0]


def workers(models: Path, requests: int, clients: int, rounds: int) -> None:
    """Compare one worker with two in turns; print medians, and what they let expect of more cores."""
    counts = (1, 2)
    with ExitStack() as stack:
        servers = {count: stack.enter_context(service(models, {"PASSERELLE_WORKERS": str(count)})) for count in counts}
        time.sleep(_SETTLE_SECONDS)  # until the second worker has started as well
        rates: dict[int, list[float]] = {count: [] for count in counts}
        costs: dict[int, list[float]] = {count: [] for count in counts}
        for _ in range(rounds):
            for count, server in servers.items():
                before = server.cpu_seconds()
                rates[count].append(requests_per_second([server.port], requests, clients))
                each = 1000 * (server.cpu_seconds() - before) / (requests + max(50, requests // 10))
                costs[count].append(each)
                print(f"{count} worker(s): {rates[count][-1]:,.0f} requests/s, {each:.2f} ms", flush=True)
    rate = {count: statistics.median(rates[count]) for count in counts}
    cost = {count: statistics.median(costs[count]) for count in counts}
    for count in counts:
        print(
            f"{count} worker(s), {clients} clients, median of {rounds}: {rate[count]:,.0f} requests/s, "
            f"{cost[count]:.2f} ms of processor time each, {rate[count] * cost[count] / 1000:.2f} cores busy with them"
        )
    print(f"two workers: {rate[2] / rate[1]:.2f} times one")
    for cores in (8, 16, 64):
        print(
            f"calculated for {cores} cores, clients elsewhere: {_SHARE_IN_USE * cores * 1000 / cost[2]:,.0f} requests/s"
        )


@dataclass
class Run:
    """One ``python -m app.bulk``, looked at while it writes."""

    process: "subprocess.Popen[bytes]"
    output: Path
    done: float | None = None
    cpu_seconds: float = 0.0

    def lines(self) -> int:
        """On disk so far; reads the clock and the processor time until it is done."""
        if self.done is not None or self.output.exists():
            self.done = self.done or time.perf_counter()
            return sum(1 for _ in self.output.open("rb"))
        assert self.process.poll() is None, "it ended"
        self.cpu_seconds = Server(self.process, 0).cpu_seconds()
        try:
            return int(json.loads(self.output.with_name(self.output.name + ".part.json").read_text())["lines"])
        except FileNotFoundError:
            return 0


def lines_per_second(commands: list[list[str]], lines: int) -> tuple[float, float]:
    """Run them at once. What comes before every one has written something is not counted, so no start of a program is.

    :returns: lines a second of all together, and processor time of their processes (not of Ray's) in seconds a line.
    """
    environment = {**os.environ, "RAY_USAGE_STATS_ENABLED": "0"}
    runs = []
    for words in commands:
        command = [sys.executable, "-m", "app.bulk", *words]
        process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL, env=environment)
        runs.append(Run(process, Path(words[1])))
    while not all(run.lines() for run in runs):
        time.sleep(0.005)
    before, cpu_before, began = (
        sum(run.lines() for run in runs),
        sum(run.cpu_seconds for run in runs),
        time.perf_counter(),
    )
    while sum(run.lines() for run in runs) < lines or not all(run.done for run in runs):
        time.sleep(0.005)
    for run in runs:
        assert run.process.wait() == 0
    seconds = max(run.done or 0.0 for run in runs) - began
    return (lines - before) / seconds, (sum(run.cpu_seconds for run in runs) - cpu_before) / (lines - before)


def bulk(models: Path, lines: int, arguments: list[str], name: str) -> float:
    """Lines per second with one engine, with two, and where it is no cluster with two processes.

    :returns: milliseconds of processor time with one engine, of a line, or on a cluster of a chunk where it is read.
    """
    rates: list[float] = []
    costs: list[float] = []
    texts = list(islice(sentences(), lines))

    def command(folder: str, number: int, part: list[str], engines: int) -> list[str]:
        source, output = Path(folder, f"{number}.in"), Path(folder, f"{number}.out")
        source.write_text("".join(f"{text}\n" for text in part), encoding="utf-8")
        words = [str(source), str(output), "--source", "en", "--target", "fr", "--models", str(models.absolute())]
        words += ["--beam-size", "1", "--chunk-lines", str(_CHUNK_LINES), "--engines", str(engines)]
        return [*words, *arguments]

    plans: list[tuple[str, list[list[str]], int]] = [("1 engine", [texts], 1), ("2 engines", [texts], 2)]
    if not arguments:
        plans.append(("2 processes of 1 engine", [texts[: lines // 2], texts[lines // 2 :]], 1))
    for what, parts, engines in plans:
        with tempfile.TemporaryDirectory() as folder:
            commands = [command(folder, number, part, engines) for number, part in enumerate(parts)]
            rate, cpu = lines_per_second(commands, lines)
        rates.append(rate)
        costs.append(1000 * cpu * (_CHUNK_LINES if arguments else 1))
        # Ray's engines are processes of their own, so there it is what reading, writing and sending take.
        each = f"{costs[-1]:.2f} ms {'here a chunk' if arguments else 'a line'}"
        print(f"{name}, {what}: {rate:,.0f} lines/s, processor time {each}", flush=True)
    print(f"{name}: " + ", ".join(f"{rate / rates[0]:.2f}" for rate in rates[1:]) + " times one engine", flush=True)
    return costs[0]


def cpu_seconds_of(title: str) -> float:
    """Of all processes that call themselves so."""
    found = 0.0
    for folder in Path("/proc").iterdir():
        try:
            if (folder / "cmdline").read_text().startswith(title):
                fields = (folder / "stat").read_text().rsplit(") ", 1)[1].split()
                found += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        except (OSError, UnicodeDecodeError):
            continue
    return found


@contextmanager
def ray_serve(models: Path, count: int) -> Iterator[int]:
    """The port of so many replicas, on a cluster of this machine that ends with the block."""
    import ray
    from ray import serve

    from app.deploy.ray_serve import Scale, app

    os.environ |= {"MODELS_DIR": str(models.absolute()), "PASSERELLE_THREADS": "1", "PASSERELLE_LOG_LEVEL": "warning"}
    port = free_port()
    ray.init(
        address="local", num_cpus=count, object_store_memory=100 * 2**20, include_dashboard=False, log_to_driver=False
    )
    try:
        serve.start(proxy_location="HeadOnly", http_options={"host": "127.0.0.1", "port": port})
        serve.run(app(Scale(min_replicas=count, max_replicas=count)))
        yield port
    finally:
        serve.shutdown()  # type: ignore[no-untyped-call]
        ray.shutdown()


def serving_with_ray(models: Path, requests: int, clients: int) -> tuple[float, float]:
    """Milliseconds of processor time of a request with one replica: in it, and in the proxy."""
    rates, costs = [], []
    asked = requests + max(50, requests // 10)
    for count in (1, 2):
        with ray_serve(models, count) as port:
            titles = ("ray::ServeReplica", "ray::ProxyActor")
            before = [cpu_seconds_of(title) for title in titles]
            rates.append(requests_per_second([port], requests, clients))
            used = [1000 * (cpu_seconds_of(title) - was) / asked for title, was in zip(titles, before, strict=True)]
        costs.append((used[0], used[1]))
        print(
            f"Ray Serve, {count} replica(s): {rates[-1]:,.0f} requests/s, processor time of a request "
            f"{used[0]:.2f} ms in the replica and {used[1]:.2f} ms in the proxy",
            flush=True,
        )
    print(f"Ray Serve: {rates[1] / rates[0]:.2f} times one", flush=True)
    return costs[0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=Path, default=ROOT / "models")
    parser.add_argument("--requests", type=int, default=1000)
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--lines", type=int, default=2000)
    parser.add_argument("--ray", action="store_true")
    parser.add_argument("--workers", action="store_true")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    print(f"{usable_cpus()} CPUs, load {os.getloadavg()[0]:.1f} before it began", flush=True)
    if options.workers:
        workers(options.models, options.requests, options.clients, options.rounds)
        return
    plain = replicas(options.models, options.requests, options.clients)
    line = bulk(options.models, options.lines, [], "bulk")
    if options.ray:
        replica, proxy = serving_with_ray(options.models, options.requests, options.clients)
        chunk = bulk(options.models, options.lines, ["--ray", "local"], "Ray Data")
        print(f"expected:\n{table(plain, replica, proxy, line, chunk)}")


if __name__ == "__main__":
    main()
