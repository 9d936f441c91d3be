"""Callers of several replicas behind a proxy: one at a time, and all the time."""

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import httpx

from tests.end_to_end.test_container import python_inside
from tests.support.docker_client import docker, run

NAME = "passerelle-scaled"
KEY = "a key for a test"
WITH_KEY = {"Authorization": f"Bearer {KEY}"}
REPLICAS = 3
CALLERS = 8


@dataclass
class Scaled:
    """``compose`` is a command without its verb."""

    compose: list[str]
    port: int
    source: str = ""
    target: str = ""
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def replicas(self) -> list[str]:
        """Containers that run, by number: to have fewer, compose stops the last ones."""
        labels = [f"label=com.docker.compose.{name}" for name in (f"project={NAME}", "service=passerelle")]
        shown = '{{.Label "com.docker.compose.container-number"}} {{.ID}}'
        found = docker("ps", "--filter", labels[0], "--filter", labels[1], "--format", shown).splitlines()
        return [line.split()[1] for line in sorted(found)]

    def client(self, headers: dict[str, str] = WITH_KEY) -> httpx.Client:
        return httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=60, trust_env=False, headers=headers)

    def scale(self, count: int) -> None:
        verb = ["up", "--detach", "--no-build", "--no-recreate", "--scale", f"passerelle={count}"]
        run([*self.compose, *verb], timeout_seconds=240)


def fields_of(scaled: Scaled, text: str = "Good morning.") -> dict[str, str]:
    return {"q": text, "source": scaled.source, "target": scaled.target, "beam_size": "1"}


def answered_by(container: str) -> int:
    """The number of translations that a replica has made."""
    script = (
        "import urllib.request as r\n"
        "for line in r.urlopen('http://127.0.0.1:8000/metrics', timeout=30).read().decode().splitlines():\n"
        "    if line.startswith('passerelle_requests_total{') and 'route=\"/translate\"' in line:\n"
        "        print(line.split()[-1])"
    )
    return int(sum(float(count) for count in python_inside(container, script).split()))


def wait_until_all_have_answered(scaled: Scaled, seconds: float = 90) -> None:
    end = time.monotonic() + seconds
    with scaled.client() as client:
        while True:
            for _ in range(2 * REPLICAS):
                client.post("/translate", data=fields_of(scaled))
            if len(scaled.replicas) == REPLICAS and all(answered_by(one) for one in scaled.replicas):
                return
            assert time.monotonic() < end, run([*scaled.compose, "logs", "--tail", "30"], check=False)
            time.sleep(0.5)


@contextmanager
def load(scaled: Scaled) -> Iterator[Counter[str]]:
    """Callers who ask all the time, and what they got: statuses, or errors."""
    seen: Counter[str] = Counter()
    lock, stop = threading.Lock(), threading.Event()

    def call(number: int) -> None:
        with scaled.client() as client:
            count = 0
            while not stop.is_set():
                count += 1
                try:
                    answer = client.post("/translate", data=fields_of(scaled, f"There are {count} cats in {number}."))
                    is_json = answer.headers["content-type"] == "application/json"
                    whole = is_json and answer.json().get("translatedText")
                    found = str(answer.status_code) if whole else f"{answer.status_code} {answer.text}"
                except httpx.TransportError as error:
                    found = repr(error)
                with lock:
                    seen[found] += 1

    threads = [threading.Thread(target=call, args=(number,)) for number in range(CALLERS)]
    for thread in threads:
        thread.start()
    try:
        until_more(seen, 20)
        yield seen
        until_more(seen, 60)
    finally:
        stop.set()
        for thread in threads:
            thread.join(90)


def until_more(seen: Counter[str], count: int) -> None:
    wanted, end = seen.total() + count, time.monotonic() + 120
    while seen.total() < wanted:
        assert time.monotonic() < end, seen
        time.sleep(0.02)


def pieces_of_a_stream(scaled: Scaled, number: int) -> list[bytes]:
    text = " ".join(f"I saw {number} cats and {other} birds on the roof of the house." for other in range(20, 26))
    headers = {"Accept": "text/event-stream"}
    with (
        scaled.client() as client,
        client.stream("POST", "/translate", data=fields_of(scaled, text), headers=headers) as got,
    ):
        assert got.status_code == 200
        return list(got.iter_raw())
