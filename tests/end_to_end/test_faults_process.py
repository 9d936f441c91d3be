"""Processes that are stopped, killed, doubled, or lose their files: nothing that was acknowledged is lost."""

import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.end_to_end.test_program import free_port, program, wait_for_health
from tests.support.deepl_requests import KEY, checked

pytestmark = pytest.mark.slow

HELLO = {"q": "Good morning!", "source": "en", "target": "fr"}
GLOSSARY: dict[str, Any] = {
    "name": "Words",
    "source_lang": "EN",
    "target_lang": "FR",
    "entries": "\n".join(f"word {number}\tmot" for number in range(20)),
    "entries_format": "tsv",
}
PATIENCE = 60.0


@contextmanager
def service(folder: Path, **settings: str) -> Iterator[tuple[Any, httpx.Client]]:
    port = free_port()
    environment = {
        "MODELS_DIR": str(folder / "models"),
        "PASSERELLE_PORT": str(port),
        "PASSERELLE_DATA_DIR": str(folder / "data"),
        "TMPDIR": str(folder / "tmp"),
        **{f"PASSERELLE_{name}": value for name, value in settings.items()},
    }
    with program(["app"], environment) as process:
        wait_for_health(process, port)
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE, trust_env=False) as client:
            yield process, client


def translated(client: httpx.Client) -> str:
    answer = client.post("/translate", json=HELLO)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["translatedText"])


def test_sigterm_under_load(folder: Path) -> None:
    """What was accepted is answered in full, what is new is refused, and it ends within its time."""
    texts = [f"I have seen {count} birds and {count + 1} cats in the garden of my sister." for count in range(3)]
    with service(folder, SHUTDOWN_SECONDS="60", REQUEST_TIMEOUT_SECONDS="60") as (process, client):
        url = str(client.base_url)
        is_over = threading.Event()

        def ask(number: int) -> httpx.Response:
            fields = {**HELLO, "q": [f"{number}: {text}" for text in texts], "beam_size": 6}
            return httpx.post(f"{url}/translate", json=fields, timeout=PATIENCE, trust_env=False)

        def keep_asking() -> list[int]:
            """Statuses of those that got an answer; the others were refused as a whole."""
            statuses = []
            while not is_over.is_set():
                try:
                    statuses.append(
                        httpx.post(f"{url}/translate", json=HELLO, timeout=PATIENCE, trust_env=False).status_code
                    )
                except (httpx.ConnectError, httpx.ReadError, httpx.RemoteProtocolError, httpx.WriteError):
                    time.sleep(0.01)
            return statuses

        def sequences() -> tuple[int, int]:
            """How many were accepted so far, and how many of them are not done."""
            engine = client.get("/ready").json()["bundles"][0]["engine"]
            unfinished = engine["sequences_running"] + engine["sequences_waiting"]
            return engine["sequences_done"] + unfinished, unfinished

        done_before, _ = sequences()
        with ThreadPoolExecutor(32) as pool:
            accepted = [pool.submit(ask, number) for number in range(20)]
            while sequences()[0] < done_before + 60:
                time.sleep(0.005)
            assert sequences()[1] > 0, "it was too quick to be interrupted"
            others = [pool.submit(keep_asking) for _ in range(4)]
            process.send_signal(signal.SIGTERM)
            began = time.monotonic()
            output, _ = process.communicate(timeout=PATIENCE)
            seconds = time.monotonic() - began
            is_over.set()
            answers = [asked.result(PATIENCE) for asked in accepted]
            assert {status for other in others for status in other.result(PATIENCE)} <= {200}
    assert [answer.status_code for answer in answers] == [200] * 20
    assert all(len(answer.json()["translatedText"]) == 3 for answer in answers)
    assert not any("x-finish-reason" in answer.headers for answer in answers)
    assert process.returncode == 0, output
    assert "Traceback" not in output
    print(f"20 requests of 3 sentences were answered and the process ended {seconds:.1f} s after SIGTERM")


def test_sigkill_under_load(folder: Path) -> None:
    """Every glossary that was acknowledged is there after a new start, and no temporary file is left."""
    acknowledged: list[str] = []
    with service(folder) as (process, client):
        before = translated(client)
        file = {"file": ("a.txt", b"Good morning!")}
        answer = client.post("/translate_file", files=file, data={"source": "en", "target": "fr"})
        assert answer.status_code == 200, answer.text
        assert len(list((folder / "tmp").glob("passerelle-*/*"))) == 1

        def create() -> None:
            with httpx.Client(base_url=client.base_url, timeout=PATIENCE, trust_env=False) as own:
                while True:
                    try:
                        answer = own.post("/v2/glossaries", json=GLOSSARY, headers=KEY)
                    except httpx.TransportError:
                        return
                    acknowledged.append(str(checked(answer, 201)["glossary_id"]))

        with ThreadPoolExecutor(3) as pool:
            creating = [pool.submit(create) for _ in range(3)]
            while len(acknowledged) < 10:
                time.sleep(0.01)
            process.kill()
            for one in creating:
                one.result(PATIENCE)
        process.wait(PATIENCE)
        began = time.monotonic()
    with service(folder, MAX_GLOSSARIES="100000") as (_, client):
        assert translated(client) == before
        seconds = time.monotonic() - began
        kept = checked(client.get("/v2/glossaries", headers=KEY))["glossaries"]
        assert set(acknowledged) <= {found["glossary_id"] for found in kept}
        assert {found["entry_count"] for found in kept} == {20}
        assert list((folder / "tmp").glob("passerelle-*")) == []
        checked(client.post("/v2/glossaries", json=GLOSSARY, headers=KEY), 201)
    print(f"{len(acknowledged)} glossaries kept; {seconds:.1f} s from the kill to a translation of the new process")


def test_two_processes_on_one_file_of_glossaries(folder: Path) -> None:
    with ExitStack() as stack:
        clients = [stack.enter_context(service(folder, THREADS="1"))[1] for _ in range(2)]

        def create(number: int) -> str:
            answer = clients[number % 2].post("/v2/glossaries", json=GLOSSARY, headers=KEY)
            return str(checked(answer, 201)["glossary_id"])

        with ThreadPoolExecutor(8) as pool:
            made = list(pool.map(create, range(60)))
        for client in clients:
            kept = checked(client.get("/v2/glossaries", headers=KEY))["glossaries"]
            assert {found["glossary_id"] for found in kept} == set(made)
        checked(clients[0].delete(f"/v2/glossaries/{made[0]}", headers=KEY), 204)
        checked(clients[1].get(f"/v2/glossaries/{made[0]}", headers=KEY), 404)
        entries = clients[1].get(f"/v2/glossaries/{made[1]}/entries", headers=KEY)
        assert entries.text == GLOSSARY["entries"]


@pytest.mark.parametrize("fault", ["truncated", "removed"])
def test_a_model_file_that_is_lost_while_it_is_served(folder: Path, fault: str) -> None:
    bundle = folder / "models" / "en-fr"
    with service(folder) as (process, client):
        before = translated(client)
        for path in sorted(bundle.iterdir()):
            if fault == "removed":
                path.unlink()
            else:
                with path.open("r+b") as stream:
                    stream.truncate(path.stat().st_size // 2)
        assert translated(client) == before  # it is in memory
        assert client.get("/ready").status_code == 200
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=PATIENCE)
        assert process.returncode == 0, output
    with service(folder) as (_, client):  # a new start says what is wrong
        answer = client.get("/ready")
        assert answer.status_code == 503
        (failed,) = answer.json()["failed"]
        assert failed["folder"] == "en-fr"
        assert "manifest.json" in failed["problem"]
        answer = client.post("/translate", json=HELLO)
        assert answer.status_code == 503
        assert "retry-after" in answer.headers
        assert client.get("/health").status_code == 200
