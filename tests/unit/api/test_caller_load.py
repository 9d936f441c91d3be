"""What one caller has in progress is bounded, so that the queue has room for others."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from app.access.admission import CallerLoad
from app.access.keys import ApiKey, digest_of
from app.errors import EngineOverloaded
from app.settings import Settings
from tests.support.engines import PATIENCE, until
from tests.support.service import RunningService, fake_models, running_service

KEYS = ";".join(str(ApiKey(name, digest_of(name))) for name in ("one", "two"))


def test_each_caller_has_a_load_of_its_own() -> None:
    load = CallerLoad(10)
    with ExitStack() as held:
        held.enter_context(load.hold("one", 50, 4))
        held.enter_context(load.hold("one", 550, 1))  # about six sentences
        with pytest.raises(EngineOverloaded, match=r"10 sentences .* and 1 more exceed max_caller_sentences \(10\)"):
            held.enter_context(load.hold("one", 5, 1))
        held.enter_context(load.hold("two", 50, 4))
    with load.hold("one", 50, 10):
        pass


def test_one_request_alone_is_never_refused() -> None:
    with CallerLoad(2).hold("one", 100_000, 200):
        pass
    load = CallerLoad(40)
    with load.hold("one", 100_000, 200), load.hold("one", 700, 1):  # of the first one 32 count
        pass


def test_no_limit() -> None:
    load = CallerLoad(0)
    with ExitStack() as held:
        for _ in range(1000):
            held.enter_context(load.hold("one", 100_000, 200))


@pytest.fixture
def service(tmp_path: Path) -> Iterator[RunningService]:
    """A service whose engine stands still while its ``gate`` is not set."""
    models = fake_models(tmp_path, ("en", "fr"))
    settings = Settings(
        models_dir=models, api_keys=KEYS, max_caller_sentences=4, request_timeout_seconds=PATIENCE, shutdown_seconds=0.1
    )
    with running_service(settings) as running:
        gate = threading.Event()
        running.graphs.opened["en-fr"].hooks.gate = gate
        yield running
        gate.set()


@pytest.mark.parametrize("stream", [False, True])
def test_a_caller_with_much_in_progress(service: RunningService, stream: bool) -> None:
    def ask(key: str) -> httpx.Response:
        body = {"q": ["Hello.", "Hello again."], "source": "en", "target": "fr", "api_key": key, "stream": stream}
        return service.client.post("/translate", json=body, timeout=PATIENCE)

    gate = service.graphs.opened["en-fr"].hooks.gate
    assert gate is not None
    with ThreadPoolExecutor(3) as pool:
        waiting = [pool.submit(ask, "one") for _ in range(2)]
        load = service.server.config.app.state.service.serving.admission.load  # type: ignore[union-attr]
        until(lambda: load._sentences["key one"] == 4)
        refused = ask("one")
        assert refused.status_code == 429
        assert refused.json() == {
            "error": "4 sentences of this caller are in progress, and 2 more exceed max_caller_sentences (4)"
        }
        assert "retry-after" in refused.headers
        other = pool.submit(ask, "two")
        until(lambda: load._sentences["key two"] == 2)
        gate.set()
        assert [one.result(PATIENCE).status_code for one in (*waiting, other)] == [200] * 3
    until(lambda: not load._sentences)
    assert ask("one").status_code == 200
