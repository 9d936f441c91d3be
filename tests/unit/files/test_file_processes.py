"""Files are read in processes: a bad file costs its process, and the next file is read by another one."""

import asyncio
import os
import signal
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from app.errors import FileTooLarge, UnusableFile
from app.files.readers import FileReaders
from app.settings import Settings
from tests.support.engines import PATIENCE
from tests.support.file_samples import SAMPLES, parts, translated
from tests.support.service import fake_models, running_service


def run(work: Callable[[FileReaders], Awaitable[None]], **settings: object) -> None:
    async def run_with_readers() -> None:
        with ThreadPoolExecutor(1) as threads:
            readers = FileReaders(Settings(**settings), threads)  # type: ignore[arg-type]
            try:
                await work(readers)
            finally:
                await readers.close()

    asyncio.run(run_with_readers())


async def translate(readers: FileReaders, name: str, content: bytes) -> bytes:
    async with readers.acquire() as reader:
        passages = await reader.read(name, content, ["en"])
        return await reader.write([passage.text.upper() for passage in passages], "fr")


@pytest.mark.parametrize("file_processes", [True, False])
def test_every_format(file_processes: bool) -> None:
    async def work(readers: FileReaders) -> None:
        for name, content in SAMPLES.items():
            found = await translate(readers, name, content)
            expected = translated(name, content, lambda passage: passage.text.upper())
            same = parts(found) == parts(expected) if content.startswith(b"PK") else found == expected
            assert same, name
        if file_processes:
            assert len(readers._free) == 1

    run(work, file_processes=file_processes)


@pytest.mark.parametrize("file_processes", [True, False])
def test_errors_of_files(file_processes: bool) -> None:
    async def work(readers: FileReaders) -> None:
        with pytest.raises(UnusableFile, match="no zip file"):
            await translate(readers, "a.docx", b"a")
        with pytest.raises(FileTooLarge, match="max_unpacked_bytes \\(1024\\)") as raised:
            await translate(readers, "a.docx", SAMPLES["a.docx"])
        assert (raised.value.name, raised.value.limit) == ("max_unpacked_bytes", 1024)
        assert await translate(readers, "a.txt", b"Good night.") == b"GOOD NIGHT."

    run(work, file_processes=file_processes, max_unpacked_bytes=1024)


def process_of(readers: FileReaders) -> int:
    (reader,) = readers._free
    assert reader._process is not None
    return reader._process.pid


def test_a_file_that_takes_too_long() -> None:
    async def work(readers: FileReaders) -> None:
        await translate(readers, "a.txt", b"Good night.")
        pid = process_of(readers)
        os.kill(pid, signal.SIGSTOP)
        with pytest.raises(UnusableFile, match=r"file_reading_seconds \(5\)"):
            await translate(readers, "a.txt", b"Good night.")
        assert not Path(f"/proc/{pid}").exists()
        assert await translate(readers, "a.txt", b"Good night.") == b"GOOD NIGHT."

    run(work, file_reading_seconds=5)


def test_a_process_that_ends() -> None:
    async def work(readers: FileReaders) -> None:
        await translate(readers, "a.txt", b"Good night.")
        os.kill(process_of(readers), signal.SIGKILL)
        with pytest.raises(UnusableFile, match="the process that read it ended"):
            await translate(readers, "a.txt", b"Good night.")
        assert await translate(readers, "a.txt", b"Good night.") == b"GOOD NIGHT."

    run(work)


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="this system does not tell a process its memory")
def test_a_file_that_takes_too_much_memory() -> None:
    async def work(readers: FileReaders) -> None:
        with pytest.raises(UnusableFile, match=r"file_process_mib \(64\)|the process that read it ended"):
            await translate(readers, "a.txt", b"ab cd\n" * 490_000)
        assert await translate(readers, "a.txt", b"Good night.") == b"GOOD NIGHT."

    run(work, file_process_mib=64)


def test_a_caller_that_leaves() -> None:
    async def work(readers: FileReaders) -> None:
        await translate(readers, "a.txt", b"Good night.")
        pid = process_of(readers)
        os.kill(pid, signal.SIGSTOP)
        task = asyncio.create_task(translate(readers, "a.txt", b"Good night."))
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not Path(f"/proc/{pid}").exists()
        assert readers._free == []

    run(work)


def test_a_process_is_not_kept_after_a_large_file() -> None:
    async def work(readers: FileReaders) -> None:
        await translate(readers, "a.txt", b"ab cd ef " * 200_000)
        assert readers._free == []

    run(work)


def test_the_service_answers_while_files_are_read(tmp_path: Path) -> None:
    with running_service(Settings(models_dir=fake_models(tmp_path, ("en", "fr")))) as service:
        for name in ("a.docx", "a.txt"):
            file = {"file": (name, SAMPLES[name])}
            answer = service.client.post("/translate_file", files=file, data={"source": "en", "target": "fr"})
            assert answer.status_code == 200, answer.text
        began = time.monotonic()
        answer = service.client.post(
            "/translate_file", files={"file": ("a.txt", b"Hello.")}, data={"source": "en", "target": "fr"}
        )
        assert answer.status_code == 200
        assert time.monotonic() - began < PATIENCE
        readers = service.server.config.app.state.service.files.queue._readers  # type: ignore[union-attr]
        pid = process_of(readers)
    assert not Path(f"/proc/{pid}").exists()
