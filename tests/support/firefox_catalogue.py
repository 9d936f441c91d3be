"""Miniatures of both catalogues of Firefox's models, and a server for them that can misbehave."""

import gzip
import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import zstandard

from tests.support.marian_models import LEXICON, Shape, write_files

SHAPE = Shape(32, 64, 1, 1, 4)


@dataclass
class Miniature:
    """Files by their path on the server, and both documents."""

    files: dict[str, bytes] = field(default_factory=dict)
    bucket: dict[str, Any] = field(default_factory=dict)
    records: list[dict[str, Any]] = field(default_factory=list)

    def write(self, folder: Path) -> None:
        """The same as files, for ``file://``."""
        for name, content in self.contents().items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)

    def contents(self) -> dict[str, bytes]:
        documents = {"db/models.json": self.bucket, "records": {"data": self.records}}
        return self.files | {name: json.dumps(one).encode() for name, one in documents.items()}


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def build(folder: Path, base: str) -> Miniature:
    """A catalogue of en-fr with one vocabulary and en-zh_hant with two.

    Args:
        folder: For the models.
        base: The address that the bucket's document names for its files.
    """
    found = Miniature(bucket={"generated": "2025-12-01", "baseUrl": base, "models": {}})
    for seed, (source, target, split) in enumerate((("en", "fr", False), ("en", "zh_hant", True)), start=3):
        model, vocabs = write_files(folder / target, SHAPE, split=split, seed=seed)
        kinds = ("model", "srcVocab", "trgVocab") if split else ("model", "vocab")
        kinds, paths = (*kinds, "lexicalShortlist"), (model, *vocabs, model.parent / LEXICON)
        entry: dict[str, Any] = {
            "architecture": "tiny",
            "releaseStatus": "Release",
            "sourceLanguage": source,
            "targetLanguage": target,
            "files": {},
            "modelStatistics": {"decoder_bytes": 1},
            "metrics": {"flores200-plus": {"bleu": 49.1, "chrf": 70.2, "comet22": 0.87}},
        }
        for kind, path in zip(kinds, paths, strict=True):
            content = path.read_bytes()
            place = f"models/{source}-{target}/run_1/exported/{path.name}.gz"
            found.files[place] = gzip.compress(content, 1)
            entry["files"][kind] = {"path": place}
            if kind == "model":
                entry["files"][kind] |= {"uncompressedSize": len(content), "uncompressedHash": digest(content)}
            packed = zstandard.ZstdCompressor(1).compress(content)
            location = f"main-workspace/translations-models-v2/{source}-{target}-{kind.lower()}.zst"
            found.files[location] = packed
            found.records.append(
                {
                    "name": path.name,
                    "fileType": "lex" if kind == "lexicalShortlist" else kind.lower(),
                    "sourceLanguage": source,
                    "targetLanguage": target,
                    "version": "3.0",
                    "architecture": "tiny",
                    "decompressedHash": digest(content),
                    "decompressedSize": len(content),
                    "filter_expression": "",
                    "attachment": {"location": location, "hash": digest(packed), "size": len(packed)},
                }
            )
        found.bucket["models"][f"{source}-{target}"] = [entry]
    return found


class Server(ThreadingHTTPServer):
    """Serves contents by path, with ranges.

    Attributes:
        contents: By path, without the first slash.
        break_after: Close the connection of a file after this many bytes; None never does.
        has_ranges: False answers a range with the whole file.
        requests: Path and range of each request.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.contents: dict[str, bytes] = {}
        self.break_after: int | None = None
        self.has_ranges = True
        self.requests: list[tuple[str, str | None]] = []

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        path, span = self.path.lstrip("/"), self.headers.get("Range")
        self.server.requests.append((path, span))
        content = self.server.contents.get(path)
        if content is None:
            self.send_error(404)
            return
        start = int(span.split("=")[1].rstrip("-")) if span and self.server.has_ranges else 0
        if start and start >= len(content):
            self.send_error(416)
            return
        body = content[start:]
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.server.break_after is not None and len(body) > self.server.break_after:
            self.wfile.write(body[: self.server.break_after])
            self.close_connection = True
            return
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def running_server() -> Iterator[Server]:
    """A server on a free port."""
    server = Server()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
