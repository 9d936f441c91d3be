"""Bulk translation by several processes: the same bytes as one, and an end that says why."""

from collections.abc import Iterator
from multiprocessing import active_children
from pathlib import Path

import pytest

from app.bulk import processes
from app.bulk.__main__ import main
from app.bulk.files import LineSink
from app.bulk.processes import EngineWork, fitting_processes, translate_in_processes
from app.bulk.run import find_route
from app.errors import BulkError
from app.translation.translator import TranslationOptions
from tests.support.fakes import fake_bundle

MODELS = Path(__file__).parents[3] / "models"
WORK = EngineWork(MODELS, "en", "fr", TranslationOptions(beam_size=1), ())


def sentences(count: int) -> Iterator[str]:
    return (f"This is sentence number {number}." for number in range(1, count + 1))


def test_several_processes_write_what_one_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MODELS_DIR", str(MODELS))
    Path("in.txt").write_text("".join(f"{line}\n" for line in sentences(90)))
    for count in ("1", "2", "3"):
        words = ["in.txt", f"out{count}.txt", "--source", "en", "--target", "fr", "--beam-size", "1"]
        assert main([*words, "--chunk-lines", "7", "--engines", count]) == 0
        assert active_children() == []
    assert Path("out1.txt").read_bytes() == Path("out2.txt").read_bytes() == Path("out3.txt").read_bytes()
    assert len(Path("out1.txt").read_text().splitlines()) == 90


def test_a_process_that_is_killed_is_named_and_what_is_written_stays(tmp_path: Path) -> None:
    path = tmp_path / "out.txt"

    def kill_one(_: int) -> None:
        for child in active_children()[:1]:
            child.kill()

    with (
        pytest.raises(BulkError, match="a process of the translation was killed"),
        LineSink(path, "work") as sink,
    ):
        translate_in_processes(WORK, sentences(10_000), sink, 2, 5, kill_one)
    assert active_children() == []
    with LineSink(path, "work") as sink:
        assert sink.lines % 5 == 0
        assert 5 <= sink.lines < 10_000


def test_what_is_wrong_in_a_process_is_said(tmp_path: Path) -> None:
    fake_bundle(tmp_path / "models", "en", "fr")  # its graphs are no ONNX
    work = EngineWork(tmp_path / "models", "en", "fr", WORK.options, ())
    with LineSink(tmp_path / "out.txt", "work") as sink, pytest.raises(BulkError, match=r"encoder\.onnx"):
        translate_in_processes(work, sentences(100), sink, 2, 5)
    assert active_children() == []


@pytest.mark.parametrize(
    ("cpus", "memory_mib", "chunks", "expected"),
    [(8, None, 1000, 8), (8, None, 20, 2), (8, None, 0, 1), (8, 800.0, 1000, 4), (8, 50.0, 1000, 1)],
)
def test_as_many_processes_as_cpus_memory_and_lines_allow(
    cpus: int, memory_mib: float | None, chunks: int, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "usable_cpus", lambda: cpus)
    monkeypatch.setattr(processes, "usable_memory_mib", lambda: memory_mib)
    assert fitting_processes(find_route(MODELS, "en", "fr"), chunks) == expected
