"""Parquet: every row in its order with its other columns, through kills, nulls and empty texts as they were."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.bulk import files
from app.bulk.__main__ import main
from app.bulk.files import count_texts, open_sink, read_texts
from app.bulk.run import translate_lines
from app.errors import BulkError
from app.translation.translator import TranslationOptions
from tests.unit.bulk.test_lines import ROOT, error_of, translators

pa = pytest.importorskip("pyarrow", reason="Parquet needs the extra 'parquet'")
pq = pytest.importorskip("pyarrow.parquet")
TEXTS = st.lists(st.none() | st.text(st.characters(codec="utf-8"), max_size=20), max_size=12)


def write(path: Path, texts: list[str | None], rows_a_group: int = 5, kind: Any = None) -> Path:
    """With a column before and one behind the texts."""
    columns = {
        "id": pa.array(range(len(texts)), pa.int64()),
        "text": pa.array(texts, kind or pa.string()),
        "tags": pa.array([["a"] * (number % 3) for number in range(len(texts))], pa.list_(pa.string())),
    }
    pq.write_table(pa.table(columns), path, row_group_size=rows_a_group)
    return path


@given(TEXTS, st.sampled_from(["in.parquet", "in.txt.gz"]), st.data())
@settings(max_examples=40, deadline=None)
def test_rows_are_read_as_they_were_written_however_often_it_is_stopped(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str | None], name: str, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("rows")
    source, path = write(folder / "in.parquet", texts, rows_a_group=3), folder / "out.parquet"
    written = 0
    while written < len(texts):
        with open_sink(path, "work", False, source, "french") as sink:
            assert sink.lines == written
            count = data.draw(st.integers(1, len(texts) - written))
            sink.write(texts[written : written + count])
            written += count
        # What a kill leaves: bytes behind the checkpoint, and a file that was not joined to its end.
        with path.with_name("out.parquet.part").open("ab") as part:
            part.write(data.draw(st.binary(max_size=5)))
        path.with_name("out.parquet.part.joined").write_bytes(b"PAR1")
    with open_sink(path, "work", False, source, "french") as sink:
        sink.finish()
    assert pq.read_table(path).drop_columns("french").equals(pq.read_table(source))
    assert list(read_texts(path, "french")) == texts
    assert count_texts(path) == len(texts)
    skip = data.draw(st.integers(0, len(texts) + 1))
    assert list(read_texts(source, "text", skip)) == texts[skip:]
    assert sorted(file.name for file in folder.iterdir()) == ["in.parquet", "out.parquet"]


@pytest.mark.parametrize(
    "kind", [pa.string(), pa.large_string(), pa.string_view(), pa.dictionary(pa.int32(), pa.string())]
)
def test_nulls_empty_texts_and_line_feeds_are_what_they_were(tmp_path: Path, kind: Any) -> None:
    texts = ["one", None, "", "two\nlines", None, " "] * 9
    source = write(tmp_path / "in.parquet", texts, rows_a_group=20, kind=kind)
    with translators(tmp_path) as found, open_sink(tmp_path / "out.parquet", "work", False, source, "french") as sink:
        translate_lines(found, read_texts(source, "text"), sink, TranslationOptions(), 7)
        sink.finish()
    table = pq.read_table(tmp_path / "out.parquet")
    assert table.schema.names == ["id", "text", "tags", "french"]
    assert table.column("french").to_pylist() == [text and text.upper() for text in texts]
    assert table.drop_columns("french").equals(pq.read_table(source))


def test_lines_become_rows_and_rows_lines(tmp_path: Path) -> None:
    (tmp_path / "in.txt").write_text("one\n\ntwo\n")
    with open_sink(tmp_path / "a.parquet", "work", False, tmp_path / "in.txt", "french") as sink:
        sink.write(["un", ""])
        sink.write(["deux"])
        sink.finish()
    assert pq.read_table(tmp_path / "a.parquet").to_pydict() == {
        "text": ["one", "", "two"],
        "french": ["un", "", "deux"],
    }
    with open_sink(tmp_path / "b.txt", "work", False, tmp_path / "a.parquet", "french") as sink:
        sink.write(["un\nou deux", None, "trois"])
        sink.finish()
    assert (tmp_path / "b.txt").read_text() == "un ou deux\n\ntrois\n"


def test_row_groups_are_read_when_they_are_wanted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = write(tmp_path / "in.parquet", [str(number) for number in range(100)], rows_a_group=10)
    read: list[int] = []
    batches = pq.ParquetFile.iter_batches

    def counted(file: Any, *arguments: Any, row_groups: list[int], **named: Any) -> Iterator[Any]:
        read.extend(row_groups)
        return batches(file, *arguments, row_groups=row_groups, **named)  # type: ignore[no-any-return]

    monkeypatch.setattr(pq.ParquetFile, "iter_batches", counted)
    texts = read_texts(source, "text", skip=35)
    assert next(texts) == "35"
    assert read == [3]
    assert list(texts) == [str(number) for number in range(36, 100)]


def test_an_input_with_other_rows_than_were_translated_is_no_output(tmp_path: Path) -> None:
    source = write(tmp_path / "in.parquet", ["a", "b", "c"])
    for written in (["x"] * 2, ["x"] * 4):
        with open_sink(tmp_path / "out.parquet", "work", True, source, "french") as sink:
            sink.write(written)
            with pytest.raises(BulkError, match=f"was changed on the way: {len(written)} rows"):
                sink.finish()
        assert not (tmp_path / "out.parquet").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["in.parquet", "out.txt", "--column", "no"], "has no one column 'no'; --column names one of id, text, tags"),
        (["in.parquet", "out.txt", "--column", "id"], "the column 'id' is no text but int64"),
        (["in.parquet", "out.parquet", "--output-column", "id"], "has a column 'id' already; --output-column"),
        (["no.parquet", "out.txt"], "no.parquet cannot be read"),
        (["bad.parquet", "out.txt"], "bad.parquet cannot be read"),
        (["bytes.parquet", "out.txt"], "a text of the column 'text' is not UTF-8 (byte 0)"),
        (["in.txt", "none/out.parquet"], "cannot be written"),
    ],
)
def test_what_is_wrong_is_one_line(
    tmp_path: Path,
    arguments: list[str],
    message: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    write(tmp_path / "in.parquet", ["a"])
    (tmp_path / "bad.parquet").write_bytes(b"PAR1 and no more")
    broken = pa.StringArray.from_buffers(1, pa.py_buffer(b"\0\0\0\0\1\0\0\0"), pa.py_buffer(b"\xff"))
    pq.write_table(pa.table({"text": broken}), tmp_path / "bytes.parquet")
    monkeypatch.setattr("app.bulk.run.OnnxGraphs", lambda *_, **__: _NoGraphs())
    assert message in error_of([*arguments, "--source", "en", "--target", "fr"], tmp_path, capsys, monkeypatch)


class _NoGraphs:
    """Of an engine that starts and translates nothing."""

    def encode(self, *_: Any) -> Any:
        raise AssertionError

    decode_step = encode


def test_without_pyarrow_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "find_spec", lambda _: None)
    with pytest.raises(BulkError, match=r"in\.parquet: Parquet needs pyarrow.*pip install '\.\[parquet\]'"):
        read_texts(tmp_path / "in.parquet", "text")


def test_killed_again_and_again_it_ends_with_every_row_once(tmp_path: Path) -> None:
    """The program with the shipped model, killed without a warning on the way."""
    chosen = random.Random(1)
    texts = [chosen.choice([f"This is number {number}.", f"I have {number} cats.", "", None]) for number in range(200)]
    source = write(tmp_path / "in.parquet", texts, rows_a_group=60)
    output, journal = tmp_path / "out.parquet", tmp_path / "out.parquet.part.json"
    words = [str(source), str(output), "--source", "en", "--target", "fr"]
    words += ["--models", str(ROOT / "models"), "--beam-size", "1", "--chunk-lines", "25"]
    for _ in range(2):
        before = journal.read_bytes() if journal.exists() else b""
        process = subprocess.Popen([sys.executable, "-m", "app.bulk", *words], cwd=ROOT, stderr=subprocess.DEVNULL)
        end = time.monotonic() + 120
        while process.poll() is None and (not journal.exists() or journal.read_bytes() == before):
            assert time.monotonic() < end
            time.sleep(0.005)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    assert journal.exists()
    assert main(words) == 0
    words[1] = str(tmp_path / "whole.parquet")
    assert main(words) == 0
    assert output.read_bytes() == (tmp_path / "whole.parquet").read_bytes()
    table = pq.read_table(output)
    assert table.column("text").to_pylist() == texts
    translations = table.column("translation").to_pylist()
    assert [text is None for text in translations] == [text is None for text in texts]
    assert [text == "" for text in translations] == [text == "" for text in texts]
