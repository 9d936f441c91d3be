"""The service on a real socket of this machine, with fake graphs or those of a real bundle."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import uvicorn

from app.api.observability.spans import Spans
from app.bundle.store import Bundle
from app.commands.serve import connection_maker
from app.main import create_app, leave, stop
from app.server.peers import Worker
from app.server.resources import ThreadShare
from app.server.shutdown import LeavingServer
from app.serving.registry import OpenedGraphs
from app.settings import Settings
from tests.support.engines import PATIENCE
from tests.support.fakes import Machine, TextMachine, fake_bundle, text_machine


@dataclass
class FakeGraphs:
    """Opens a ``TextMachine`` for every bundle, and keeps it so that a test can use its hooks."""

    machine: Machine = "upper"
    opened: dict[str, TextMachine] = field(default_factory=dict)

    def __call__(self, bundle: Bundle, settings: Settings, share: ThreadShare) -> OpenedGraphs:
        graphs = text_machine(bundle, self.machine)
        self.opened[bundle.folder.name] = graphs
        return OpenedGraphs(graphs, "fake")


@dataclass
class RunningService:
    """A service that answers at ``url``; ``client`` talks to it."""

    url: str
    client: httpx.Client
    graphs: FakeGraphs
    server: uvicorn.Server

    @property
    def address(self) -> tuple[str, int]:
        parsed = httpx.URL(self.url)
        assert parsed.port is not None
        return parsed.host, parsed.port


def fake_models(folder: Path, *pairs: tuple[str, str]) -> Path:
    """A models folder with a fake bundle for each pair (source, target)."""
    for source, target in pairs:
        fake_bundle(folder, source, target)
    return folder


@contextmanager
def running_service(
    settings: Settings, graphs: FakeGraphs | None = None, spans: Spans | None = None, worker: Worker | None = None
) -> Iterator[RunningService]:
    """Run the service in a thread until the block ends. ``settings.port`` is not used: any free port is taken."""
    chosen = graphs or FakeGraphs()
    config = uvicorn.Config(
        create_app(settings, chosen, spans, worker),
        http=connection_maker(settings),
        loop="asyncio",
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
    )
    seconds = min(settings.shutdown_seconds, 2)
    server = LeavingServer(config, 0, seconds, lambda: leave(config.app), lambda: stop(config.app))
    # With the protocol named, as the server itself makes it: otherwise answers are delayed by 40 ms (Nagle).
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="service", daemon=True)
    thread.start()
    try:
        end = time.monotonic() + 20
        while not server.started:
            assert thread.is_alive(), "the service did not start"
            assert time.monotonic() < end, "the service did not start in 20 seconds"
            time.sleep(0.01)
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        with httpx.Client(base_url=url, timeout=PATIENCE, trust_env=False) as client:
            yield RunningService(url, client, chosen, server)
    finally:
        server.should_exit = True
        thread.join(20)
        listener.close()
