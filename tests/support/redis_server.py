"""A real Redis or Valkey server for tests, where one is installed."""

import shutil
import socket
import subprocess
import time
from pathlib import Path

import pytest

from tests.support.engines import PATIENCE


class RedisServer:
    """On a port of this machine that stays the same when it is stopped and started again. It keeps nothing on disk."""

    def __init__(self, folder: Path) -> None:
        program = shutil.which("redis-server") or shutil.which("valkey-server")
        if program is None:
            pytest.skip("no redis-server or valkey-server is installed")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._address = free.getsockname()
        self._command = [
            program,
            "--port",
            str(self._address[1]),
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--dir",
            str(folder),
        ]
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self._address[1]}"

    def keys(self) -> bytes:
        """What it keeps, as it says it itself."""
        with socket.create_connection(self._address, PATIENCE) as asking:
            asking.sendall(b"KEYS *\r\n")
            answer = asking.recv(65536)
        return answer.removeprefix(b"*0\r\n")

    def start(self) -> None:
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL)
        end = time.monotonic() + PATIENCE
        while True:
            with socket.socket() as asking:
                if asking.connect_ex(self._address) == 0:
                    return
            assert self._process.poll() is None, "the server ended"
            assert time.monotonic() < end, "the server does not listen"
            time.sleep(0.01)

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait(PATIENCE)
