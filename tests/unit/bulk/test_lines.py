"""Files of lines: all of them, in order, through kills, and none held in memory."""

import gzip
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.bulk.__main__ import main
from app.bulk.files import LineSink, count_lines, read_lines
from app.bulk.run import translate_lines
from app.bundle.store import Bundle, load_bundle
from app.engine.loop import Engine, EngineLimits
from app.engine.model import DecodingModel
from app.errors import BulkError
from app.translation.translator import TranslationOptions, Translator
from tests.support.fakes import TextMachine, fake_bundle, text_machine

ROOT = Path(__file__).parents[3]
WORDS = ["in.txt", "out.txt", "--source", "en", "--target", "fr"]
LINES = st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\n"), max_size=20), max_size=12)


@contextmanager
def translators(folder: Path, count: int = 2) -> Iterator[list[Translator]]:
    """Of a model that writes its source in capitals."""
    bundle = load_bundle(folder / "en-fr") if (folder / "en-fr").exists() else fake_bundle(folder, "en", "fr")
    with ExitStack() as stack:
        found = []
        for number in range(count):
            limits = EngineLimits(max_waiting=10**6, max_request_sequences=10**6)
            engine = Engine(text_machine(bundle, "upper"), DecodingModel.of(bundle.manifest), limits, f"bulk-{number}")
            engine.start()
            stack.callback(engine.stop, drain=False)
            found.append(Translator(bundle, engine))
        yield found


def error_of(
    arguments: list[str], folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> str:
    """What the program says of words that it cannot use, in a folder with a model and a file of one line."""
    fake_bundle(folder / "models", "en", "fr")
    (folder / "in.txt").write_text("a\n")
    monkeypatch.chdir(folder)
    assert main(arguments) == 1
    return capsys.readouterr().err


def test_a_pair_without_a_bundle_goes_through_two(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.bulk.run.OnnxGraphs", lambda bundle, **_: text_machine(bundle, "upper"))
    for source, target in (("fr", "en"), ("en", "de")):
        fake_bundle(tmp_path / "models", source, target)
    (tmp_path / "models" / "broken").mkdir()
    (tmp_path / "in.txt").write_text("Le chat {name} dort.\n\nOui\n")
    monkeypatch.chdir(tmp_path)
    assert main(["in.txt", "out.txt", "--source", "fr", "--target", "de"]) == 0
    assert (tmp_path / "out.txt").read_text() == "LE CHAT {name} DORT.\n\nOUI\n"
    (tmp_path / "models").rename(tmp_path / "elsewhere")
    monkeypatch.setenv("MODELS_DIR", "elsewhere")
    assert main(["in.txt", "again.txt", "--source", "fr_CA", "--target", "DE-at"]) == 0
    assert (tmp_path / "again.txt").read_text() == "LE CHAT {name} DORT.\n\nOUI\n"
    assert main(["in.txt", "other.txt", "--source", "de", "--target", "fr"]) == 1
    said = capsys.readouterr().err
    assert "from de to fr, nor do two" in said
    assert "broken" in said


@given(LINES, st.sampled_from(["a.txt", "a.txt.gz"]), st.data())
@settings(max_examples=60, deadline=None)
def test_lines_are_read_as_they_were_written_however_often_it_is_stopped(
    tmp_path_factory: pytest.TempPathFactory, lines: list[str], name: str, data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("lines") / name
    written = 0
    while written < len(lines):
        with LineSink(path, "work") as sink:
            assert sink.lines == written
            count = data.draw(st.integers(1, len(lines) - written))
            sink.write(lines[written : written + count])
            written += count
        # What a kill leaves behind the checkpoint.
        with path.with_name(name + ".part").open("ab") as part:
            part.write(data.draw(st.binary(max_size=5)))
    with LineSink(path, "work") as sink:
        sink.finish()
    assert list(read_lines(path)) == lines
    assert count_lines(path) == len(lines)
    assert list(read_lines(path, skip=2)) == lines[2:]
    assert [file.name for file in path.parent.iterdir()] == [name]


def test_every_line_is_translated_in_its_order(tmp_path: Path) -> None:
    lines = [f"line {number} " + "x" * (number % 37 + 1) + "y" for number in range(400)] + ["", "  ", "1,5", "\tend\r"]
    told: list[int] = []
    with translators(tmp_path) as found, LineSink(tmp_path / "out.txt", "work") as sink:
        translate_lines(found, iter(lines), sink, TranslationOptions(), 7, told.append)
        sink.finish()
    assert list(read_lines(tmp_path / "out.txt")) == [line.upper() for line in lines]
    assert sum(told) == len(lines)


def test_no_more_is_read_than_is_worked_on(tmp_path: Path) -> None:
    read = 0

    def lines() -> Iterator[str]:
        nonlocal read
        for _ in range(500):
            read += 1
            yield "a line"

    ahead: list[int] = []
    with translators(tmp_path) as found, LineSink(tmp_path / "out.txt", "work") as sink:
        translate_lines(found, lines(), sink, TranslationOptions(), 10, lambda _: ahead.append(read - sink.lines))
    assert max(ahead) <= 4 * 10


def test_other_work_does_not_go_on_with_what_is_there(tmp_path: Path) -> None:
    path = tmp_path / "out.txt"
    with LineSink(path, "one") as sink:
        sink.write(["a"])
    with pytest.raises(BulkError, match="begun with another input"):
        LineSink(path, "other")
    with LineSink(path, "other", anew=True) as sink:
        assert sink.lines == 0
        sink.write(["b"])
        sink.finish()
    assert path.read_text() == "b\n"
    with pytest.raises(BulkError, match="is there already"):
        LineSink(path, "other")


def test_a_part_that_was_cut_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "out.txt"
    with LineSink(path, "one") as sink:
        sink.write(["a line"])
    (tmp_path / "out.txt.part").write_bytes(b"a")
    with pytest.raises(BulkError, match="has 1 bytes, 7 were written"):
        LineSink(path, "one")


def test_a_line_that_is_no_text_is_named(tmp_path: Path) -> None:
    (tmp_path / "in.txt").write_bytes(b"fine\n\xff\n")
    with pytest.raises(BulkError, match=r"in\.txt, line 2: not UTF-8 \(byte 0\)"):
        list(read_lines(tmp_path / "in.txt"))
    (tmp_path / "in.gz").write_bytes(gzip.compress(b"a\n" * 1000)[:-9])
    with pytest.raises(BulkError, match="cannot be read"):
        list(read_lines(tmp_path / "in.gz"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["in.txt", "out.txt", "--source", "en", "--target", "xx"], "translates from en to xx"),
        (["none.txt", "out.txt", "--source", "en", "--target", "fr"], "none.txt cannot be read"),
        (["in.txt", "none/out.txt", "--source", "en", "--target", "fr"], "cannot be written"),
        ([*WORDS, "--placeholder-patterns", "none.txt"], "none.txt cannot be read"),
        ([*WORDS, "--placeholder-patterns", "patterns.txt"], "placeholder pattern '(a)' captures"),
    ],
)
def test_what_is_wrong_is_one_line(
    tmp_path: Path,
    arguments: list[str],
    message: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "patterns.txt").write_text("ACME-[0-9]{1,6}\n(a)\n")
    assert message in error_of(arguments, tmp_path, capsys, monkeypatch)


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such pipes")
@pytest.mark.parametrize("kind", ["fifo", "device", "folder", "standard input"])
def test_what_is_not_a_file_is_refused_before_anything_is_written(
    tmp_path: Path, kind: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    fake_bundle(tmp_path / "models", "en", "fr")
    source = {"fifo": "pipe", "device": "/dev/null", "folder": "models", "standard input": "/dev/fd/0"}[kind]
    if kind == "fifo":
        os.mkfifo(source)
    read, write = os.pipe()
    standard_input = os.dup(0)
    os.dup2(read, 0)
    try:
        assert main([source, "out.txt", *WORDS[2:]]) == 1
    finally:
        os.dup2(standard_input, 0)
        for descriptor in (read, write, standard_input):
            os.close(descriptor)
    assert "is not a file but a pipe, device or folder: write it to a file first" in capsys.readouterr().err
    assert not list(tmp_path.glob("out.txt*"))


def test_an_input_that_grows_meanwhile_is_no_success(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.bulk.run.OnnxGraphs", lambda bundle, **_: text_machine(bundle, "upper"))
    monkeypatch.setattr("app.bulk.__main__.count_texts", lambda _: 5)
    monkeypatch.chdir(tmp_path)
    fake_bundle(tmp_path / "models", "en", "fr")
    (tmp_path / "in.txt").write_text("look\n" * 3)
    assert main(WORDS) == 1
    assert "changed while it was read: it had 5 lines at the start, 3 were read" in capsys.readouterr().err
    assert not (tmp_path / "out.txt").exists()


def test_patterns_of_placeholders_are_kept_and_other_ones_are_other_work(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def graphs(bundle: Bundle, **_: object) -> TextMachine:
        return text_machine(bundle, "upper")

    monkeypatch.setattr("app.bulk.run.OnnxGraphs", graphs)
    monkeypatch.chdir(tmp_path)
    fake_bundle(tmp_path / "models", "en", "fr")
    (tmp_path / "in.txt").write_text("look at acme 12 now\n" * 3)
    (tmp_path / "patterns.txt").write_text("\nacme [0-9]{1,6}\n")
    assert main(["in.txt", "plain.txt", *WORDS[2:]]) == 0
    assert (tmp_path / "plain.txt").read_text() == "LOOK AT ACME 12 NOW\n" * 3
    words = [*WORDS, "--placeholder-patterns", "patterns.txt"]
    assert main(words) == 0
    assert (tmp_path / "out.txt").read_text() == "LOOK AT acme 12 NOW\n" * 3

    (tmp_path / "out.txt").unlink()
    with monkeypatch.context() as patch:
        patch.setattr(LineSink, "finish", lambda _: None)  # as if it had been killed before
        assert main(words) == 0
    (tmp_path / "patterns.txt").write_text("other-[0-9]{1,6}\n")
    assert main(words) == 1
    assert "begun with another input, model or options" in capsys.readouterr().err


def test_without_ray_the_extra_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.bulk.__main__.find_spec", lambda _: None)
    error = error_of([*WORDS, "--ray", "auto"], tmp_path, capsys, monkeypatch)
    assert "--ray needs Ray, which is in the extra 'ray': pip install '.[ray]'" in error


def test_killed_again_and_again_it_ends_with_every_line_once(tmp_path: Path) -> None:
    """The program with the shipped model, killed without a warning three times on the way."""
    source = tmp_path / "in.txt.gz"
    lines = [f"This is sentence number {number}." for number in range(600)]
    source.write_bytes(gzip.compress("".join(f"{line}\n" for line in lines).encode()))
    output, journal = tmp_path / "out.txt", tmp_path / "out.txt.part.json"
    command = [sys.executable, "-m", "app.bulk", str(source), str(output), "--source", "en", "--target", "fr"]
    command += ["--models", str(ROOT / "models"), "--beam-size", "1", "--chunk-lines", "25"]
    for _ in range(3):
        before = journal.read_bytes() if journal.exists() else b""
        process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL)
        end = time.monotonic() + 120
        while process.poll() is None and (not journal.exists() or journal.read_bytes() == before):
            assert time.monotonic() < end
            time.sleep(0.005)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    finished = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=120)
    assert "600/600" in finished.stderr
    whole = tmp_path / "whole.txt"
    command[4] = str(whole)
    subprocess.run(command, cwd=ROOT, capture_output=True, check=True, timeout=120)
    assert output.read_bytes() == whole.read_bytes()
    assert count_lines(output) == 600
