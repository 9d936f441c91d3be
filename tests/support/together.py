"""A service of two workers, in processes of its own."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx
from prometheus_client.parser import text_string_to_metric_families

from tests.end_to_end.test_program import ROOT, free_port

WORKERS: Final = 2
PATIENCE: Final = 60.0


@dataclass
class Together:
    """A service of two workers."""

    process: "subprocess.Popen[bytes]"
    url: str
    log: Path
    folder: Path

    @property
    def workers(self) -> list[int]:
        """The process ids of those that run."""
        pid = self.process.pid
        return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]

    @property
    def entries(self) -> list[dict[str, Any]]:
        """The lines of the log."""
        return [json.loads(line) for line in self.log.read_text(encoding="utf-8").splitlines() if line.startswith("{")]

    def messages(self, part: str) -> list[dict[str, Any]]:
        return [entry for entry in self.entries if part in entry["message"]]

    def get(self, path: str, **options: Any) -> httpx.Response:
        """On a connection of its own, which any worker may accept."""
        return httpx.get(self.url + path, timeout=PATIENCE, trust_env=False, **options)

    def post(self, path: str, **options: Any) -> httpx.Response:
        return httpx.post(self.url + path, timeout=PATIENCE, trust_env=False, **options)

    def until(self, condition: Callable[[], Any]) -> None:
        end = time.monotonic() + PATIENCE
        while not condition():
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < end, self.log.read_text()
            time.sleep(0.05)

    def until_all_serve(self) -> None:
        self.until(lambda: self.metrics().get("passerelle_workers") == WORKERS)

    def metrics(self) -> dict[str, float]:
        """The sums over all labels."""
        found: dict[str, float] = {}
        try:
            text = self.get("/metrics").text
        except httpx.TransportError:
            return found
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                found[sample.name] = found.get(sample.name, 0.0) + sample.value
        return found

    def end(self, number: signal.Signals = signal.SIGTERM) -> str:
        """Stop it, and return its log."""
        self.process.send_signal(number)
        assert self.process.wait(PATIENCE) == 0, self.log.read_text()
        text = self.log.read_text(encoding="utf-8")
        assert "Traceback" not in text
        return text


@contextmanager
def together(folder: Path, *arguments: str, **settings: str) -> Iterator[Together]:
    port = free_port()
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PASSERELLE_")}
    environment = {
        "MODELS_DIR": str(folder / "models"),
        "PASSERELLE_PORT": str(port),
        "PASSERELLE_DATA_DIR": str(folder / "data"),
        "PASSERELLE_WORKERS": str(WORKERS),
        "PASSERELLE_LOG_FORMAT": "json",
        "TMPDIR": str(folder / "tmp"),
        **{f"PASSERELLE_{name}": value for name, value in settings.items()},
    }
    log = folder / "log.txt"
    with log.open("wb") as stream:
        command = [sys.executable, "-m", "app", *arguments]
        process = subprocess.Popen(command, cwd=ROOT, env={**clean, **environment}, stdout=stream, stderr=stream)
    try:
        yield Together(process, f"http://127.0.0.1:{port}", log, folder)
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()  # its workers end when they notice
        process.wait(20)
