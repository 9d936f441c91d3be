"""Downloading a corpus from a server on this machine."""

import hashlib
import io
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from training.config import RunConfig, load_config
from training.data.clean import normalise
from training.data.download import fetch
from training.data.prepare import prepare
from training.errors import DownloadError


def archive() -> bytes:
    """A zip in the layout of manythings.org/anki."""
    lines = [f"Sentence {n}.\tPhrase {n}.\tCC-BY 2.0 (France) Attribution: tatoeba.org #{n}\n" for n in range(200)]
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as target:
        target.writestr("_about.txt", "About this file")
        target.writestr("fra.txt", "".join(lines))
    return buffer.getvalue()


class Server(ThreadingHTTPServer):
    content = archive()
    ranges = True
    break_after: int | None = None
    requests: list[str | None]


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        wanted = self.headers.get("Range")
        self.server.requests.append(wanted)
        if self.path != "/fra-eng.zip":
            self.send_error(404)
            return
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and self.server.ranges else 0
        content = self.server.content[start:]
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.server.break_after is not None:
            content, self.server.break_after = content[: self.server.break_after], None
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    with Server(("127.0.0.1", 0), Handler) as running:
        running.requests = []
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def url(server: Server) -> str:
    return f"http://127.0.0.1:{server.server_address[1]}/fra-eng.zip"


def test_fetches_once_and_checks_the_sum(server: Server, tmp_path: Path) -> None:
    digest = hashlib.sha256(server.content).hexdigest()
    path = fetch(url(server), tmp_path, digest)
    assert path.read_bytes() == server.content
    assert fetch(url(server), tmp_path, digest) == path
    assert len(server.requests) == 1


@pytest.mark.parametrize("ranges", [True, False])
def test_a_broken_transfer_is_resumed(server: Server, tmp_path: Path, ranges: bool) -> None:
    server.break_after, server.ranges = 1000, ranges
    assert fetch(url(server), tmp_path, None).read_bytes() == server.content
    assert server.requests == [None, "bytes=1000-"]


def test_a_wrong_sum_and_a_refusal_are_clear_errors(server: Server, tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match="expected 0000"):
        fetch(url(server), tmp_path, "0" * 64)
    assert not list(tmp_path.glob("*.zip*"))
    with pytest.raises(DownloadError, match="answered 404"):
        fetch(url(server) + "x", tmp_path, None)


def test_prepare_reads_the_documented_zip_from_a_url(server: Server, tmp_path: Path) -> None:
    config = _anki_config(tmp_path, url(server))
    report = prepare(config, tmp_path, tmp_path / "run")
    dev = (tmp_path / "run" / "dev.tsv").read_text(encoding="utf-8").splitlines()
    assert dev
    assert report.kept["tatoeba"] == 200 - len(dev)
    assert all(normalise(line.split("\t")[0]).startswith("Sentence") for line in dev)


def _anki_config(folder: Path, address: str) -> RunConfig:
    path = folder / "anki.toml"
    path.write_text(
        f"""
name = "anki"
source = "en"
target = "fr"
[corpus]
dev_fraction = 0.1
[[corpus.train]]
name = "tatoeba"
path = "{address}"
columns = ["en", "fr", "attribution"]
licence = "CC BY 2.0 FR"
[tokenizer]
kind = "characters"
""",
        encoding="utf-8",
    )
    return load_config(path)
