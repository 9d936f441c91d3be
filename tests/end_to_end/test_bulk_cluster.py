"""``python -m app.bulk --ray``: what comes out is what one machine writes, whoever dies on the way."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("ray", reason="needs the extra 'ray'")
pytest.importorskip("onnx", reason="the model is made here")

from app.bulk.__main__ import main
from app.bulk.cluster import ChunkTranslator, ClusterWork
from app.bulk.files import count_texts, read_texts
from app.errors import BulkError
from app.translation.translator import TranslationOptions
from tests.support.onnx_graphs import onnx_bundle
from tests.support.ray_cluster import Nodes, nodes, processes_on
from tests.unit.bulk.test_lines import ROOT
from tests.unit.bulk.test_parquet import write

pytestmark = pytest.mark.slow

ROWS = 3000
PATIENCE_SECONDS = 240


def until(condition: Callable[[], bool], process: "subprocess.Popen[bytes]") -> None:
    end = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        assert process.poll() is None, f"it ended with {process.returncode}"
        time.sleep(0.01)


def test_a_cluster_writes_what_one_machine_does_though_a_node_and_the_program_are_killed(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    onnx_bundle(tmp_path / "models" / "en-fr")
    texts = [None if n % 50 == 7 else "" if n % 50 == 9 else f"row w{n}w of some words" for n in range(ROWS)]
    source = write(tmp_path / "in.parquet", texts, rows_a_group=700)
    output, journal = tmp_path / "out.txt.gz", tmp_path / "out.txt.gz.part.json"
    words = [str(source), str(output), "--source", "en", "--target", "fr", "--models", str(tmp_path / "models")]
    patterns = tmp_path / "patterns.txt"
    patterns.write_text("w[0-9]{1,6}w\n")
    words += ["--chunk-lines", "20", "--placeholder-patterns", str(patterns)]

    def begin(cluster: Nodes) -> "subprocess.Popen[bytes]":
        command = [sys.executable, "-m", "app.bulk", *words, "--ray", cluster.address, "--engines", "4"]
        return subprocess.Popen(command, cwd=ROOT)

    with nodes(2, 2) as cluster:
        first = begin(cluster)
        until(journal.exists, first)
        os.kill(first.pid, signal.SIGKILL)
        first.wait()
        before = journal.read_bytes()
        second = begin(cluster)
        until(lambda: journal.read_bytes() != before, second)
        busy = [node for node in cluster.workers if processes_on(node, "MapWorker")]
        cluster.kill(busy[0])
        assert journal.exists(), "it was too quick to lose a node on the way"
        assert second.wait(PATIENCE_SECONDS) == 0
        (tmp_path / "bad.txt").write_bytes(b"fine\n\xff\n")
        words[:2] = [str(tmp_path / "bad.txt"), str(tmp_path / "bad.out")]
        failed = begin(cluster)
        assert failed.wait(PATIENCE_SECONDS) == 1
        assert f"{tmp_path / 'bad.txt'}, line 2: not UTF-8 (byte 0)" in capfd.readouterr().err
    words[:2] = [str(source), str(tmp_path / "whole.txt.gz")]
    assert main(words) == 0
    assert output.read_bytes() == (tmp_path / "whole.txt.gz").read_bytes()
    assert count_texts(output) == ROWS
    for text, translation in zip(texts, read_texts(output, ""), strict=True):
        assert not text or text.split()[1] in (translation or "")


def test_what_cannot_be_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = onnx_bundle(tmp_path / "models" / "en-fr")
    (tmp_path / "in.txt").write_text("a\n")
    monkeypatch.chdir(tmp_path)
    words = ["in.txt", "out.txt", "--source", "en", "--target", "fr", "--ray"]
    assert main([*words, "ray://far:10001"]) == 1
    assert "run this on a machine of the cluster" in capsys.readouterr().err
    work = ClusterWork(tmp_path / "models", "en", "fr", "another", TranslationOptions())
    with pytest.raises(BulkError, match=rf"{bundle.folder} on .* is another model than where the run was started"):
        ChunkTranslator(work)
