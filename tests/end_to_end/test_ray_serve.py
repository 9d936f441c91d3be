"""The service as replicas of Ray Serve, started as README says, asked through its proxy, one killed under load."""

import asyncio
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

pytest.importorskip("ray", reason="needs the extra 'ray'")
pytest.importorskip("onnx", reason="the model is made here")

import ray

from app.errors import EngineError
from app.main import create_app
from app.settings import Settings
from tests.end_to_end.test_program import ROOT, free_port
from tests.support.onnx_graphs import onnx_bundle
from tests.support.ray_cluster import nodes, processes_on
from tests.support.service import FakeGraphs, fake_models

pytestmark = pytest.mark.slow

PATIENCE_SECONDS = 240
ASK = {"q": "some words", "source": "en", "target": "fr"}


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


@dataclass
class Load:
    """What callers saw: each status with its beginning, or the error of the connection."""

    seen: list[tuple[float, str]] = field(default_factory=list)

    def since(self, moment: float) -> "Counter[str]":
        return Counter(what for when, what in self.seen if when >= moment)


@contextmanager
def load(url: str, clients: int) -> Iterator[Load]:
    """Clients that each ask again as soon as they are answered."""
    found, end = Load(), threading.Event()

    def ask() -> None:
        with httpx.Client(base_url=url, timeout=60, trust_env=False) as client:
            while not end.is_set():
                began = time.monotonic()
                try:
                    answer = client.post("/translate", json=ASK)
                    found.seen.append((began, f"{answer.status_code}"))
                except httpx.TransportError as error:
                    found.seen.append((began, type(error).__name__))

    threads = [threading.Thread(target=ask) for _ in range(clients)]
    for thread in threads:
        thread.start()
    try:
        yield found
    finally:
        end.set()
        for thread in threads:
            thread.join(PATIENCE_SECONDS)


def processes_answering(client: httpx.Client) -> set[str]:
    """Of so many answers, the start of the process that gave each."""
    texts = [client.get("/metrics").text for _ in range(24)]
    return {found[1] for text in texts if (found := re.search(r"^process_start_time_seconds (\S+)", text, re.M))}


@pytest.mark.filterwarnings("ignore")  # Ray's own
def test_replicas_come_with_load_and_come_back_when_they_are_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ray import serve  # it warns of itself

    onnx_bundle(tmp_path / "models" / "en-fr")
    monkeypatch.setenv("MODELS_DIR", str(tmp_path / "models"))
    monkeypatch.setenv("PASSERELLE_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("PASSERELLE_MAX_CHARACTERS", "4321")
    monkeypatch.setenv("PASSERELLE_PROBE_SECONDS", "1")
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with nodes(2) as cluster, httpx.Client(base_url=url, timeout=60, trust_env=False) as client:
        ray.init(address=cluster.address, namespace="serve", log_to_driver=False)
        try:
            serve.start(proxy_location="HeadOnly", http_options={"host": "127.0.0.1", "port": port})
            command = [sys.executable, "-m", "ray.serve.scripts", "run", "--address", cluster.address]
            command += ["app.deploy.ray_serve:app", "max_replicas=2", "target_ongoing_requests=1"]
            command += ["upscale_delay_seconds=0"]
            program = subprocess.Popen(command, cwd=ROOT, preexec_fn=hear_interrupts)
            try:

                def replicas() -> list[int]:
                    assert program.poll() is None, "serve run ended"
                    return processes_on(cluster.workers[0], "ServeReplica:default:Passerelle")

                def all_answer() -> bool:
                    return is_ready(client) and len(processes_answering(client)) == 2

                until(lambda: is_ready(client))
                assert len(replicas()) == 1
                ask_everything(client)
                with load(url, clients=4) as seen:  # too much for one: it should have one in hand
                    until(lambda: all_answer() and len(replicas()) == 2)
                    one, other = replicas()
                    os.kill(one, signal.SIGKILL)
                    killed = time.monotonic()
                    until(lambda: len(now := replicas()) == 2 and other in now and one not in now)
                    until(all_answer)
                    recovered = time.monotonic()
                    until(lambda: seen.since(recovered)["200"] > 40)
                print(f"seen: {seen.since(0)}; back to two after {recovered - killed:.1f} s")
                assert set(seen.since(recovered)) == {"200"}
                # What the dead one had in hand fails, and what it was given until its end was known; nothing else does.
                assert set(seen.since(0)) <= {"200", "500", "503"}
                assert seen.since(killed)["200"] > seen.since(recovered)["200"], "the other one answered meanwhile"
                change_under_load(url, client, monkeypatch)
            finally:
                program.send_signal(signal.SIGINT)
                program.wait(PATIENCE_SECONDS)
            until(lambda: not processes_on(cluster.workers[0], "ServeReplica"))
        finally:
            serve.shutdown()  # type: ignore[no-untyped-call]
            ray.shutdown()


def hear_interrupts() -> None:
    """A shell has its background jobs ignore them, and so their children."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def is_ready(client: httpx.Client) -> bool:
    try:
        return client.get("/ready").status_code == 200
    except httpx.TransportError:
        return False


def ask_everything(client: httpx.Client) -> None:
    assert client.get("/health").json() == {"status": "ok"}
    bundles = client.get("/ready").json()["bundles"]
    assert [bundle["ready"] for bundle in bundles] == [True]
    answer = client.post("/translate", json=ASK)
    assert answer.status_code == 200
    translated = answer.json()["translatedText"]
    assert client.post("/translate", data=ASK).json()["translatedText"] == translated
    deepl = client.post(
        "/v2/translate",
        json={"text": [ASK["q"]], "source_lang": "EN", "target_lang": "FR"},
        headers={"Authorization": "DeepL-Auth-Key any"},
    )
    assert deepl.json()["translations"][0]["text"] == translated
    with client.stream("POST", "/translate", json={**ASK, "stream": True}) as stream:
        events = [line for line in stream.iter_lines() if line.startswith("event:")]
    assert events[-1] == "event: done"
    assert "event: delta" in events
    # What was set where `serve run` was started holds in the replicas.
    refused = client.post("/translate", json={**ASK, "q": "x" * 4322})
    assert refused.status_code >= 400
    assert "4321" in refused.text


def change_under_load(url: str, client: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every replica is replaced by one with other settings; those that go finish what they have."""
    from ray import serve

    from app.deploy.ray_serve import Scale, app

    def is_changed() -> bool:
        long = {**ASK, "q": "x" * 4400}
        return all(client.post("/translate", json=long).status_code == 200 for _ in range(12))

    assert not is_changed()
    monkeypatch.setenv("PASSERELLE_MAX_CHARACTERS", "4400")
    with load(url, clients=4) as seen:
        until(lambda: len(seen.seen) > 40)
        serve.run(app(Scale(min_replicas=2, max_replicas=2)))
        until(is_changed)
        changed = time.monotonic()
        until(lambda: seen.since(changed)["200"] > 40)
    assert set(seen.since(0)) == {"200"}


@pytest.mark.filterwarnings("ignore")  # Ray's own
def test_a_replica_is_healthy_while_it_is_ready(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from app.deploy import ray_serve

    graphs = FakeGraphs()
    monkeypatch.setattr(ray_serve, "create_app", lambda settings: create_app(settings, graphs))
    monkeypatch.setattr(ray_serve, "configure_logging", lambda *_: None)
    settings = Settings(models_dir=fake_models(tmp_path, ("en", "fr")), data_dir=tmp_path, trusted_proxies="10.0.0.1")
    replica = ray_serve.Replica(settings)

    async def live() -> None:
        async with replica.service_app.router.lifespan_context(replica.service_app):
            replica.check_health()
            graphs.opened["en-fr"].hooks.fail_next = RuntimeError("no step")
            translator = replica.service_app.state.service.serving.registry.served["en", "fr"].translator
            with pytest.raises(EngineError):
                await asyncio.to_thread(translator.translate, ["a"])
            with pytest.raises(RuntimeError, match="not ready: fake-en-fr"):
                replica.check_health()

    asyncio.run(live())


@pytest.mark.filterwarnings("ignore")  # Ray's own
def test_a_scale_that_cannot_be_is_refused() -> None:
    from app.deploy.ray_serve import Scale

    with pytest.raises(ValueError, match="min_replicas is 3, more than max_replicas, which is 2"):
        Scale(min_replicas=3, max_replicas=2)
