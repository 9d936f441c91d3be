"""``python -m tests.support.supervised FOLDER COUNT BEHAVIOUR``: a supervisor of workers that serve nothing.

It is a process of its own, because a fork copies no threads, and those of a test run may hold locks. The workers write
what they do into ``diary.txt``.
"""

import logging
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from app.errors import ConfigurationError
from app.server import workers
from app.server.shared_memory import WorkerBoard
from app.server.workers import Supervisor, accept_signals


class Behaviour:
    """What workers do, by the name of the method."""

    def __init__(self, folder: Path, count: int) -> None:
        self.board = WorkerBoard(count)
        self._diary = folder / "diary.txt"

    def note(self, line: str) -> None:
        """Write a line, in whichever process."""
        with self._diary.open("a") as stream:
            stream.write(f"{line}\n")

    def obedient(self, number: int, is_successor: bool) -> int:
        """Serve until SIGTERM."""
        ended: list[int] = []
        signal.signal(signal.SIGTERM, lambda *_: ended.append(0))
        signal.signal(signal.SIGINT, lambda *_: None)
        signal.signal(signal.SIGHUP, lambda *_: self.note(f"{number} reloads"))
        accept_signals()
        self.board.publish(number)
        self.note(f"{number} serves {'again' if is_successor else 'first'} {os.getpid()}")
        while not ended:
            time.sleep(0.01)
        self.note(f"{number} ends")
        return 0

    def deaf(self, number: int, is_successor: bool) -> int:
        """Serve for ever."""
        signal.signal(signal.SIGTERM, lambda *_: None)
        signal.signal(signal.SIGUSR1, lambda *_: self.note(f"{number} hurries"))
        signal.signal(signal.SIGUSR2, lambda *_: self.note(f"{number} is forced"))
        accept_signals()
        self.board.publish(number)
        self.note(f"{number} serves")
        while True:
            time.sleep(600)

    def unusable(self, number: int, is_successor: bool) -> int:
        """Have settings that cannot be used."""
        self.note(str(number))
        raise ConfigurationError("nothing can be used")

    def failing(self, number: int, is_successor: bool) -> int:
        """End at once with a status."""
        self.note(str(number))
        return 3

    def killed(self, number: int, is_successor: bool) -> int:
        """End at once by a signal."""
        self.note(str(number))
        os.kill(os.getpid(), signal.SIGKILL)
        return 0

    def raising(self, number: int, is_successor: bool) -> int:
        """End at once by an exception that nobody expects."""
        self.note(str(number))
        raise KeyError("a name")

    def half(self, number: int, is_successor: bool) -> int:
        """Serve as the first worker, and end at once as the second."""
        if number == 2:
            return self.failing(number, is_successor)
        return self.obedient(number, is_successor)


ENDING_SECONDS: Final = 5.0


def main(folder: str, count: str, name: str) -> int:
    logging.basicConfig(format="%(message)s")
    workers._FIRST_DELAY_SECONDS = 0.05  # type: ignore[misc]
    workers._ENDING_SECONDS = ENDING_SECONDS  # type: ignore[misc]
    behaviour = Behaviour(Path(folder), int(count))
    run_worker: Callable[[int, bool], int] = getattr(behaviour, name)
    return Supervisor(run_worker, behaviour.board, 0.0, lambda: behaviour.note("closed")).run()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
