"""Too much and too large, for a real process with a real bundle: bounded memory, clear refusals, and it goes on."""

import asyncio
import io
import json
import socket
import time
import zipfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from app.server.resources import allowed_open_files
from tests.end_to_end.test_program import ROOT, free_port, program, wait_for_health

pytestmark = pytest.mark.slow

REQUESTS = 10_000
PATIENCE_SECONDS = 240
MEBIBYTE = 2**20


@dataclass(frozen=True)
class Program:
    port: int
    pid: int
    client: httpx.Client

    def mebibytes(self, name: str = "VmRSS") -> int:
        """``VmRSS``: resident now; ``VmHWM``: the most so far."""
        lines = Path(f"/proc/{self.pid}/status").read_text(encoding="ascii").splitlines()
        (kibibytes,) = (int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))
        return kibibytes // 1024

    def seconds_to_answer(self) -> float:
        began = time.monotonic()
        answer = self.client.post("/translate", json={"q": "Good morning!", "source": "en", "target": "fr"})
        assert answer.status_code == 200, answer.text
        return time.monotonic() - began


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    if not Path("/proc/self/status").exists() or not (ROOT / "models" / "en-fr").is_dir():
        pytest.skip("needs /proc and the bundle en-fr")
    folder = tmp_path_factory.mktemp("load")
    (folder / "models").mkdir()
    (folder / "models" / "en-fr").symlink_to(ROOT / "models" / "en-fr")
    port = free_port()
    environment = {
        "MODELS_DIR": str(folder / "models"),
        "PASSERELLE_PORT": str(port),
        "PASSERELLE_DATA_DIR": str(folder / "data"),
        "PASSERELLE_REQUEST_TIMEOUT_SECONDS": "120",
        "PASSERELLE_CLIENT_TIMEOUT_SECONDS": "120",
    }
    with program(["app"], environment) as process:
        wait_for_health(process, port)
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60, trust_env=False) as client:
            yield Program(port, process.pid, client)


async def ask(port: int, number: int, connecting: asyncio.Semaphore) -> tuple[int, str]:
    """The status, and when to come back."""
    fields = {"q": f"I have {number} apples and a dog.", "source": "en", "target": "fr", "beam_size": 1}
    body = json.dumps(fields).encode()
    head = (
        "POST /translate HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    async with connecting:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(head.encode() + body)
        await writer.drain()
        # What the service has not accepted yet waits in a queue of the system, which resets what it has no room for.
        await asyncio.sleep(0.2)
    try:
        answer = await reader.read()
    finally:
        writer.close()
    lines = answer.partition(b"\r\n\r\n")[0].decode().lower().split("\r\n")
    retry = [line.partition(": ")[2] for line in lines if line.startswith("retry-after: ")]
    return int(lines[0].split()[1]), "".join(retry)


async def ask_all(port: int) -> list[tuple[int, str]]:
    connecting = asyncio.Semaphore(300)
    async with asyncio.timeout(PATIENCE_SECONDS):
        return await asyncio.gather(*(ask(port, number, connecting) for number in range(REQUESTS)))


def test_ten_thousand_requests_at_once(running: Program) -> None:
    if allowed_open_files() < REQUESTS + 1000:
        pytest.skip(f"{allowed_open_files()} open files are allowed here")
    running.seconds_to_answer()
    before = running.mebibytes()
    began = time.monotonic()
    answers = asyncio.run(ask_all(running.port))
    seconds = time.monotonic() - began
    counted = Counter(status for status, _ in answers)
    assert set(counted) == {200, 429}, counted
    assert all(1 <= int(retry) <= 60 for status, retry in answers if status == 429)
    recovery, grown = running.seconds_to_answer(), running.mebibytes("VmHWM") - before
    print(f"{REQUESTS} requests in {seconds:.1f} s: {dict(counted)}, {grown} MiB more at most, then {recovery:.2f} s")
    assert grown < 400
    for bundle in running.client.get("/ready").json()["bundles"]:
        assert bundle["ready"]
        assert bundle["engine"]["sequences_waiting"] == bundle["engine"]["rows_running"] == 0


def bomb() -> bytes:
    """A zip file of some kilobytes that unpacks to two gigabytes, if one lets it."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(40):
            archive.writestr(f"word/part{number}.xml", b" " * (MEBIBYTE - 1))
    return buffer.getvalue().replace((MEBIBYTE - 1).to_bytes(4, "little"), (50 * MEBIBYTE).to_bytes(4, "little"))


def test_what_is_too_large_is_refused_before_it_takes_memory(running: Program) -> None:
    running.seconds_to_answer()
    before = running.mebibytes()
    post, hello = running.client.post, {"source": "en", "target": "fr"}
    json_kind = {"Content-Type": "application/json"}
    chunk = b" " * MEBIBYTE
    answers = [
        post("/translate", content=(chunk for _ in range(10)), headers=json_kind),
        post("/translate", json={"q": "a" * 200_001, **hello}),
        post("/translate", json={"q": ["a"] * 257, **hello}),
        post("/translate", json={"q": "A. " * 5000 + " ".join(f"No {n}." for n in range(5000)), **hello}),
        post("/translate", content=b"[" * 2_000_000, headers=json_kind),
        post("/translate", content=b'{"q": ' + b"9" * 2_000_000, headers=json_kind),
        post("/translate_file", files={"file": ("a.txt", b" " * 20 * MEBIBYTE)}, data=hello),
        post("/translate_file", files={"file": ("a.docx", bomb())}, data=hello),
    ]
    with socket.create_connection(("127.0.0.1", running.port), timeout=PATIENCE_SECONDS) as announced:
        announced.sendall(b"POST /translate HTTP/1.1\r\nHost: x\r\nContent-Length: 1099511627776\r\n\r\n")
        assert announced.recv(65536).startswith(b"HTTP/1.1 413")
    statuses = [answer.status_code for answer in answers]
    grown = running.mebibytes("VmHWM") - before
    print(f"refused with {statuses}; {grown} MiB more at most")
    assert statuses == [413, 400, 400, 400, 400, 400, 413, 413], [answer.text for answer in answers]
    assert running.seconds_to_answer() < PATIENCE_SECONDS
    assert running.mebibytes() - before < 200
