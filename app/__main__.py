"""The command ``python -m app``: runs the service, prints the table of settings, or makes a key."""

import logging
import signal
import sys
from functools import partial
from typing import Any, Final

import uvicorn

from app.access.keys import key_command
from app.errors import ConfigurationError
from app.main import create_app, leave
from app.server.environment import load_settings, settings_table, unknown_variables
from app.server.http_server import Connection, ConnectionLimits, LeavingServer
from app.server.logs import configure_logging
from app.server.resources import allowed_open_files
from app.settings import Settings

_LOG: Final = logging.getLogger(__name__)
# Longer than the 60 seconds after which proxies usually close an idle connection: they should be the first to do so.
_KEEP_ALIVE_SECONDS: Final = 75


def main(arguments: list[str]) -> int:
    """Runs a command and returns the exit status of the process."""
    if arguments == ["settings"]:
        print(settings_table(), end="")
        return 0
    if arguments[:1] == ["keys"]:
        return key_command(arguments[1:])
    if arguments:
        print("usage: python -m app [settings | keys new NAME]", file=sys.stderr)
        return 2
    try:
        settings = load_settings()
    except ConfigurationError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    configure_logging(settings.log_level, settings.log_format)
    for name in unknown_variables():
        _LOG.warning("%s is set, but there is no such setting", name)
    config = server_config(settings)
    server = LeavingServer(config, settings.drain_seconds, lambda: leave(config.app))
    # The server handles them while it runs, and raises them again afterwards, which would look like a crash.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    if hasattr(signal, "SIGHUP"):  # the default would end the process until the service handles the signal
        signal.signal(signal.SIGHUP, lambda *_: None)
    server.run()
    return 0 if server.started else 3  # the reason is in the log


def server_config(settings: Settings) -> uvicorn.Config:
    """One process and one event loop: the engine's thread and onnxruntime's own threads use the CPUs."""
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
        timeout_graceful_shutdown=max(1, round(settings.shutdown_seconds)),
    )


def connection_maker(settings: Settings) -> Any:
    """A factory of connections within the limits of the settings, for uvicorn, which expects a class."""
    # The other half is left for connections that are being refused, and for files.
    count = min(settings.max_connections, max(1, allowed_open_files() // 2))
    limits = ConnectionLimits(count, settings.client_timeout_seconds)
    return partial(Connection, limits=limits)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
