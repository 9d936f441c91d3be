"""``passerelle serve``: one process of the service, from its settings to the end of its server."""

import logging
import signal
import socket
from functools import partial
from pathlib import Path
from typing import Any, Final

import uvicorn

from app.access.keys import KeyRing
from app.errors import ConfigurationError
from app.main import create_app, leave, stop
from app.server.environment import unknown_variables
from app.server.http_server import Connection, ConnectionLimits
from app.server.logs import configure_logging
from app.server.resources import allowed_open_files
from app.server.shutdown import LeavingServer
from app.settings import Settings

_LOG: Final = logging.getLogger(__name__)
# Longer than the 60 seconds after which proxies usually close an idle connection: they should be the first to do so.
_KEEP_ALIVE_SECONDS: Final = 75


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


def check_start(settings: Settings) -> None:
    """Checks what would otherwise end a start late, in the middle of a log.

    Raises:
        ConfigurationError: The folder of models is missing, the keys cannot be read, or the address is in use.
    """
    folder = settings.models_dir
    if not folder.is_dir():
        raise ConfigurationError(
            f"{folder.absolute()}: no such folder of models; set MODELS_DIR or --models to a folder that holds bundles"
        )
    KeyRing.read(Path(settings.api_keys_file) if settings.api_keys_file else None, settings.api_keys)
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except OSError as error:
            raise ConfigurationError(
                f"{settings.host} port {settings.port} cannot be listened on: {error.strerror}; "
                f"choose another one with --port or PASSERELLE_PORT"
            ) from None


def server_config(settings: Settings) -> uvicorn.Config:
    """Returns uvicorn's configuration of one process and one event loop, with the application in it."""
    return uvicorn.Config(
        create_app(settings),
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
