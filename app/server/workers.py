"""The supervisor of workers: it forks them, starts dead ones again, and passes signals on.

Forked processes share the memory of the imported program until one of them writes to it, and inherit the listening
sockets. The supervisor itself serves nothing and has no event loop, so that a fork copies neither.
"""

import contextlib
import gc
import logging
import os
import select
import signal
import sys
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from app.errors import ConfigurationError, PasserelleError
from app.server.shared_memory import WorkerBoard

_LOG: Final = logging.getLogger(__name__)
_FIRST_DELAY_SECONDS: Final = 0.5
_LONGEST_DELAY_SECONDS: Final = 30.0
# A worker that served for this long counts as one that works: if it dies, the next one starts after the first delay.
_STEADY_SECONDS: Final = 30.0
_MAX_FAILED_STARTS: Final = 3
# The status of settings that cannot be used, which no further attempt would change.
_UNUSABLE: Final = 2
_POLL_SECONDS: Final = 0.05
# What workers may take to end beyond the time that their requests have.
_ENDING_SECONDS: Final = 10.0
_HANDLED: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)
# What workers get for a further signal to end: see ``WorkerServer``.
FURTHER_SIGNALS: Final = {signal.SIGTERM: signal.SIGUSR1, signal.SIGINT: signal.SIGUSR2}
_BLOCKED: Final = {*_HANDLED, *FURTHER_SIGNALS.values()}


@dataclass(slots=True)
class Slot:
    """The place of one worker, which one process after another may take.

    Attributes:
        number: The number of the worker, from 1.
        process_id: The process that has the place; 0 for none.
        starts: How many processes had it so far.
        deaths: How many of them died one after another without working for long.
        began: When the current process started, a ``time.monotonic`` time.
        due: When the next process is to start; None for never.
    """

    number: int
    process_id: int = 0
    starts: int = 0
    deaths: int = 0
    began: float = 0.0
    due: float | None = None


class Supervisor:
    """Keeps workers running until a signal ends them all."""

    def __init__(
        self,
        run_worker: Callable[[int, bool], int],
        board: WorkerBoard,
        ending_seconds: float,
        close: Callable[[], None],
    ) -> None:
        """Set up the supervisor.

        Args:
            run_worker: Is called in a new process with the number of the worker and whether it is a successor, and
                returns the exit status. It calls ``accept_signals`` when its handlers are installed.
            board: Tells which workers serve.
            ending_seconds: How long workers may take to finish their requests after the signal to end.
            close: Closes the listening sockets of the supervisor, so that only workers accept connections.
        """
        self._run_worker = run_worker
        self._board = board
        self._ending_seconds = ending_seconds + _ENDING_SECONDS
        self._close = close
        self._slots = [Slot(number) for number in range(1, board.count + 1)]
        self._status = 0
        self._kill_at: float | None = None  # set once the workers are told to end
        self._alive, self._lifeline = os.pipe()  # workers read the end of this pipe when the supervisor dies
        self._woken, self._wakes = os.pipe()

    def run(self) -> int:
        """Run the workers.

        Returns:
            The exit status: 0 after all ended as they were told to; that of a worker that could not start; else 1.
        """
        gc.collect()
        gc.freeze()  # a collection in a worker would write to the memory of all shared objects
        with self._wake_on_signals():
            self._slots[0].due = 0.0  # if it cannot start, no other is tried
            while self._kill_at is None or self._running:
                self._start_due()
                select.select([self._woken], [], [], self._wait_seconds())
                self._handle_signals()
                self._reap()
                if self._kill_at is None and self._board.serving:
                    self._start_others()
        return self._status

    @property
    def _running(self) -> list[Slot]:
        return [slot for slot in self._slots if slot.process_id]

    def _wait_seconds(self) -> float:
        times = [slot.due for slot in self._slots if slot.due is not None]
        if self._kill_at is not None:
            times.append(self._kill_at)
        if any(not slot.starts for slot in self._slots):
            return _POLL_SECONDS  # the first worker may serve at any moment
        return min(60.0, max(0.0, min(times, default=time.monotonic() + 60.0) - time.monotonic()))

    def _start_others(self) -> None:
        for slot in self._slots:
            if not slot.starts and slot.due is None:
                slot.due = 0.0

    def _start_due(self) -> None:
        now = time.monotonic()
        for slot in self._slots:
            if slot.due is not None and slot.due <= now:
                slot.due = None
                self._fork(slot)

    def _fork(self, slot: Slot) -> None:
        slot.starts += 1
        slot.began = time.monotonic()
        # A signal that comes before the new process has its own handlers waits for them.
        signal.pthread_sigmask(signal.SIG_BLOCK, _BLOCKED)
        try:
            with warnings.catch_warnings():
                # Threads of libraries do not survive a fork; those of numpy's OpenBLAS start again when it needs them.
                warnings.simplefilter("ignore", DeprecationWarning)
                slot.process_id = os.fork()
            if slot.process_id == 0:
                self._become_worker(slot)
        except OSError as error:  # too many processes, or no memory
            slot.deaths += 1
            _LOG.error(
                "worker %d cannot be started: %s; tried again in %g s", slot.number, error, self._plan_restart(slot)
            )
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _BLOCKED)

    def _become_worker(self, slot: Slot) -> None:
        """Run a worker in this process, which was just forked, and end it."""
        status = 1
        try:
            self._board.begin(slot.number)
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            for descriptor in (self._lifeline, self._woken, self._wakes):
                os.close(descriptor)
            threading.Thread(target=_end_with, args=(self._alive,), name="lifeline", daemon=True).start()
            status = self._run_worker(slot.number, slot.starts > 1)
        except PasserelleError as error:
            print(f"error: {error}", file=sys.stderr)
            status = _UNUSABLE if isinstance(error, ConfigurationError) else 1
        except SystemExit as ended:
            status = ended.code if isinstance(ended.code, int) else 1
        except BaseException:
            traceback.print_exc()
        finally:
            with contextlib.suppress(Exception):
                sys.stdout.flush()
                sys.stderr.flush()
            os._exit(status)  # what the supervisor would do at its end is not done here

    def _handle_signals(self) -> None:
        with contextlib.suppress(BlockingIOError):
            for number in os.read(self._woken, 4096):
                if number == signal.SIGHUP:
                    self._send(signal.SIGHUP)
                elif number in (signal.SIGTERM, signal.SIGINT):
                    if self._kill_at is None:
                        self._end()
                    else:
                        self._send(FURTHER_SIGNALS[signal.Signals(number)])
        if self._kill_at is not None and time.monotonic() >= self._kill_at and self._running:
            for slot in self._running:
                _LOG.error("worker %d did not end within %g seconds and is killed", slot.number, self._ending_seconds)
            self._send(signal.SIGKILL)
            self._kill_at = time.monotonic() + _ENDING_SECONDS

    def _end(self) -> None:
        """Tell all workers to end, and start none."""
        self._kill_at = time.monotonic() + self._ending_seconds
        self._close()
        for slot in self._slots:
            slot.due = None
        self._send(signal.SIGTERM)

    def _send(self, number: signal.Signals) -> None:
        for slot in self._running:
            with contextlib.suppress(ProcessLookupError):
                os.kill(slot.process_id, number)

    def _reap(self) -> None:
        """Find the processes that have ended."""
        while True:
            try:
                process_id, ended = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not process_id:
                return
            status = os.waitstatus_to_exitcode(ended)
            for slot in self._slots:  # in a container also orphans of workers end here
                if slot.process_id == process_id:
                    self._bury(slot, status)

    def _bury(self, slot: Slot, status: int) -> None:
        """Decide what follows the end of a worker."""
        has_served = self._board.has_served(slot.number)
        self._board.clear(slot.number)
        process_id, slot.process_id = slot.process_id, 0
        how = f"was ended by signal {-status}" if status < 0 else f"ended with status {status}"
        if self._kill_at is not None:
            if status and has_served:  # otherwise it had nothing to finish
                _LOG.error("worker %d (process %d) %s", slot.number, process_id, how)
                self._status = self._status or 1
            return
        if has_served and time.monotonic() - slot.began >= _STEADY_SECONDS:
            slot.deaths = 0
        slot.deaths += 1
        is_served = bool(self._board.serving)
        if not has_served and not is_served and (status == _UNUSABLE or slot.deaths >= _MAX_FAILED_STARTS):
            if status != _UNUSABLE:  # then the worker has said why in one line
                _LOG.error(
                    "worker %d %s before it served, %d times one after another: the service ends; the lines above say "
                    "why", slot.number, how, slot.deaths
                )  # fmt: skip
            self._status = 128 - status if status < 0 else status or 1
            self._end()
            return
        delay = self._plan_restart(slot)
        _LOG.error("worker %d (process %d) %s; another starts in %g s", slot.number, process_id, how, delay)

    def _plan_restart(self, slot: Slot) -> float:
        doublings = min(10, max(0, slot.deaths - 1))
        delay = min(_LONGEST_DELAY_SECONDS, _FIRST_DELAY_SECONDS * float(1 << doublings))
        slot.due = time.monotonic() + delay
        return delay

    @contextlib.contextmanager
    def _wake_on_signals(self) -> Iterator[None]:
        """Write the number of each signal into a pipe, whichever thread of the process the system interrupts."""
        for descriptor in (self._woken, self._wakes):
            os.set_blocking(descriptor, False)
        before = {number: signal.signal(number, lambda *_: None) for number in _HANDLED}
        signal.set_wakeup_fd(self._wakes, warn_on_full_buffer=False)
        try:
            yield
        finally:
            signal.set_wakeup_fd(-1)
            for descriptor in (self._alive, self._lifeline, self._woken, self._wakes):
                os.close(descriptor)
            for number, handler in before.items():
                signal.signal(number, handler)


def accept_signals() -> None:
    """Let the signals through that came since the worker was forked."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _BLOCKED)


def _end_with(pipe: int) -> None:
    """Wait until the supervisor is gone, which closes its end of the pipe, then end this worker as it would have."""
    os.read(pipe, 1)
    os.kill(os.getpid(), signal.SIGTERM)
