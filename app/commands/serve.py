"""``passerelle serve``: the service as one process or several, from its settings to the end of its servers."""

import logging
import signal
import socket
import sys
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, Final

import uvicorn

from app.access.keys import KeyRing
from app.bundle.folders import check_models, find_bundles
from app.errors import BundleError, ConfigurationError
from app.files.storage import ScratchFolder
from app.main import create_app, leave, stop
from app.server.accepting import WorkerServer
from app.server.environment import unknown_variables
from app.server.http_server import Connection, ConnectionLimits
from app.server.logs import configure_logging
from app.server.peers import Worker
from app.server.resources import (
    WORKER_MIB,
    allowed_open_files,
    fitting_workers,
    has_gpu_runtime,
    usable_cpus,
    usable_memory_mib,
)
from app.server.shared_memory import SharedCounts, WorkerBoard
from app.server.shutdown import LeavingServer
from app.server.workers import Supervisor, accept_signals
from app.serving.snapshot import Installed, choose_preloaded
from app.settings import MAX_WORKERS, Settings
from app.text.detection import LanguageDetector

_LOG: Final = logging.getLogger(__name__)
# Longer than the 60 seconds after which proxies usually close an idle connection: they should be the first to do so.
_KEEP_ALIVE_SECONDS: Final = 75
# Measured: what the service takes beside its workers.
_BASE_MIB: Final = 250.0


def serve_until_stopped(settings: Settings) -> int:
    """Runs the service until a signal ends it.

    Returns:
        The exit status: 0, or 3 if the service could not start, with the reason in the log.

    Raises:
        ConfigurationError: The models, the keys or the address cannot be used.
    """
    check_start(settings)
    configure_logging(settings.log_level, settings.log_format)
    for name, nearest in unknown_variables().items():
        _LOG.warning("%s is set, but there is no such setting%s", name, f"; did you mean {nearest}?" if nearest else "")
    count = count_workers(settings)
    return serve_alone(settings) if count == 1 else serve_together(settings, count)


def serve_alone(settings: Settings) -> int:
    """Runs the service in this process; returns as ``serve_until_stopped``."""
    config = server_config(settings)
    server = LeavingServer(
        config,
        settings.drain_seconds,
        settings.shutdown_seconds,
        leave=lambda: leave(config.app),
        stop=lambda: stop(config.app),
    )
    # The server handles them while it runs, and raises them again afterwards, which would look like a crash.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    if hasattr(signal, "SIGHUP"):  # the default would end the process until the service handles the signal
        signal.signal(signal.SIGHUP, lambda *_: None)
    server.run()
    return 0 if server.started else 3


def serve_together(settings: Settings, count: int) -> int:
    """Runs the service in processes that share its port; returns as ``serve_until_stopped``.

    Raises:
        ConfigurationError: The system is not Linux, or the address is in use.
    """
    if sys.platform != "linux":
        raise ConfigurationError(f"workers is {count}, but workers need Linux: set PASSERELLE_WORKERS=1")
    listeners = listen(settings)
    folder, board, counts = ScratchFolder(), WorkerBoard(count), SharedCounts.make()
    own = settings_of_worker(settings, count, folder.path)
    detector = load_detector(settings)

    def run_worker(number: int, is_successor: bool) -> int:
        configure_logging(settings.log_level, settings.log_format, number)
        worker = Worker(number, is_successor, folder.path, board, counts)
        config = server_config(own, worker, detector)
        times = (settings.drain_seconds, settings.shutdown_seconds)
        server = WorkerServer(config, worker, times, lambda: leave(config.app), lambda: stop(config.app))
        server.handle_signals()
        accept_signals()
        server.run(sockets=listeners)
        return 0 if server.started else 3

    def close() -> None:
        for listener in listeners:
            listener.close()

    address = listeners[0].getsockname()
    _LOG.info("%d workers of %d threads serve %s port %d", count, own.threads, settings.host, address[1])
    try:
        return Supervisor(run_worker, board, settings.drain_seconds + settings.shutdown_seconds, close).run()
    finally:
        folder.close()


def count_workers(settings: Settings) -> int:
    """Returns the number of processes that serve: that of the settings, or what this machine has room for."""
    if settings.workers != "auto":
        return settings.workers
    if sys.platform != "linux" or _may_use_gpu(settings):
        return 1  # each process would load its models into the memory of the GPU
    cpus = min(usable_cpus(), settings.threads or MAX_WORKERS, MAX_WORKERS)
    bundles = read_installed(settings)
    loaded = choose_preloaded(bundles, settings.preload, settings.max_loaded_mib)
    # Bundles that are not loaded at the start may take all the memory that bundles may have.
    loaded_mib = sum(one.loaded_mib for one in loaded) if len(loaded) == len(bundles) else settings.max_loaded_mib
    return fitting_workers(cpus, usable_memory_mib(), _BASE_MIB, WORKER_MIB + loaded_mib)


def read_installed(settings: Settings) -> list[Installed]:
    """Returns the bundles whose manifests can be read; a worker says what is wrong with the others."""
    found = []
    with suppress(BundleError, OSError):
        for path in find_bundles(settings.models_dir):
            with suppress(BundleError, OSError):
                found.append(Installed.read(path))
    return found


def load_detector(settings: Settings) -> LanguageDetector:
    """Returns a detector of languages that workers share.

    Its models take 95 MiB and nothing writes to them, so they are in memory once if they are loaded before the fork.
    """
    detector = LanguageDetector(())
    if len({source for one in read_installed(settings) for source, _ in one.pairs}) > 1:  # as ``Serving.load`` does
        detector.load()
    return detector


def settings_of_worker(settings: Settings, count: int, folder: Path) -> Settings:
    """Returns the settings of one worker.

    What all workers may take together is divided among them; what they must find where another one left it goes into a
    common folder.

    Args:
        settings: The settings of the service.
        count: The number of workers.
        folder: A folder of all workers that is deleted at the end.
    """
    return settings.model_copy(
        update={
            "threads": max(1, (settings.threads or usable_cpus()) // count),
            "cache_mib": settings.cache_mib and max(1, settings.cache_mib // count),
            "max_bodies_mib": max(1, settings.max_bodies_mib // count),
            "files_dir": settings.files_dir or str(folder / "files"),
        }
    )


def check_start(settings: Settings) -> None:
    """Checks what would otherwise end a start late, in the middle of a log.

    Raises:
        ConfigurationError: The folder of models is missing, the keys cannot be read, or the address is in use.
    """
    check_models(settings.models_dir)
    KeyRing.read(Path(settings.api_keys_file) if settings.api_keys_file else None, settings.api_keys)
    for listener in bind(settings):
        listener.close()


def bind(settings: Settings) -> list[socket.socket]:
    """Returns a socket for each address of the host.

    Raises:
        ConfigurationError: One cannot be used.
    """
    found: list[socket.socket] = []
    try:
        for family, kind, protocol, _, address in socket.getaddrinfo(
            settings.host or None, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        ):
            listener = socket.socket(family, kind, protocol)
            found.append(listener)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            listener.bind(address)
    except OSError as error:
        for listener in found:
            listener.close()
        raise ConfigurationError(
            f"{settings.host} port {settings.port} cannot be listened on: {error.strerror}; "
            f"choose another one with --port or PASSERELLE_PORT"
        ) from None
    return found


def listen(settings: Settings) -> list[socket.socket]:
    """Returns sockets that listen and do not block; raises as ``bind``."""
    listeners = bind(settings)
    for listener in listeners:
        listener.listen(settings.max_connections)  # the system may limit it further
        listener.setblocking(False)
    return listeners


def server_config(
    settings: Settings, worker: Worker | None = None, detector: LanguageDetector | None = None
) -> uvicorn.Config:
    """Returns uvicorn's configuration of one process and one event loop, with the application in it.

    Args:
        settings: The settings of the process.
        worker: What the process is among several; None if it serves alone.
        detector: Detects languages, if its models are in memory already.
    """
    return uvicorn.Config(
        create_app(settings, worker=worker, detector=detector),
        host=settings.host,
        port=settings.port,
        http=connection_maker(settings),
        loop="auto",  # uvloop where there is one
        ws="none",
        lifespan="on",
        backlog=settings.max_connections,  # the system may limit it further
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        log_config=None,
        access_log=False,  # app.api.middleware writes one without query strings
        server_header=False,
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=settings.trusted_proxies or None,
    )


def connection_maker(settings: Settings) -> Any:
    """Returns a factory of connections within the limits of the settings, for uvicorn, which expects a class."""
    # The other half is left for connections that are being refused, and for files.
    count = min(settings.max_connections, max(1, allowed_open_files() // 2))
    limits = ConnectionLimits(count, settings.client_timeout_seconds)
    return partial(Connection, limits=limits)


def _may_use_gpu(settings: Settings) -> bool:
    return settings.provider == "cuda" or (settings.provider == "auto" and has_gpu_runtime())
