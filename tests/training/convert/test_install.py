"""``convert firefox`` against a server with miniatures of both catalogues, and against one that misbehaves."""

import errno
import gzip
import json
import shutil
import subprocess
import sys
from collections import namedtuple
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from app.bundle.store import load_bundle
from tests.support.firefox_catalogue import Miniature, Server, build, running_server
from tests.support.marian_models import LEXICON
from training.__main__ import main
from training.convert import download
from training.convert.catalogue import CatalogueModel, parse_catalogue
from training.convert.download import fetch_file
from training.convert.install import DOWNLOADS
from training.errors import ConversionError, DownloadError


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Miniature:
    return build(tmp_path_factory.mktemp("published"), "http://example.invalid/")


@pytest.fixture
def server(models: Miniature) -> Iterator[Server]:
    with running_server() as running:
        models.bucket["baseUrl"] = running.address
        running.contents = models.contents()
        yield running


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "models"


def install(server: Server, target: Path, *more: str) -> int:
    return main(
        ["convert", "firefox", "--catalogue", f"{server.address}/db/models.json", "--install", str(target), *more]
    )


def left_in(target: Path) -> list[str]:
    return sorted(path.name for path in target.iterdir()) if target.exists() else []


def test_pairs_are_installed_from_the_bucket(server: Server, target: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert install(server, target, "en-fr", "en-zh_hant") == 0
    assert left_in(target) == ["en-fr", "en-zh-Hant"]
    bundle = load_bundle(target / "en-zh-Hant")
    assert (bundle.manifest.source, bundle.manifest.target) == ("en", "zh-Hant")
    assert bundle.manifest.source_tokenizer is not None
    assert bundle.manifest.origin is not None
    assert bundle.manifest.origin.url == f"{server.address}/db/models.json"
    assert bundle.manifest.shortlist is not None
    assert not bundle.manifest.shortlist.is_default
    assert bundle.shortlist is None
    assert load_bundle(target / "en-zh-Hant", shortlist="on").shortlist is not None
    assert "installed as" in capsys.readouterr().out
    assert install(server, target, "en-fr") == 0  # again replaces it


def test_all_pairs_are_installed_from_remote_settings(server: Server, target: Path) -> None:
    arguments = ["--catalogue", f"{server.address}/records", "--files", server.address, "--install", str(target)]
    assert main(["convert", "firefox", "--all", *arguments]) == 0
    assert left_in(target) == ["en-fr", "en-zh-Hant"]
    origin = load_bundle(target / "en-fr").manifest.origin
    assert origin is not None
    assert origin.version == "3.0"
    assert LEXICON in origin.files


def test_files_of_a_folder_need_no_server(models: Miniature, tmp_path: Path, target: Path) -> None:
    models.write(tmp_path / "mirror")
    address = (tmp_path / "mirror").as_uri()
    arguments = ["--catalogue", f"{address}/db/models.json", "--files", address, "--install", str(target)]
    assert main(["convert", "firefox", "en-fr", *arguments]) == 0
    assert left_in(target) == ["en-fr"]


def test_the_list_installs_nothing(server: Server, target: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert install(server, target, "--list") == 0
    shown = capsys.readouterr().out
    assert "en-fr        tiny" in shown
    assert "MPL-2.0" in shown
    assert "bleu 49.1, chrf 70.2" in shown
    assert left_in(target) == []
    assert [path for path, _ in server.requests] == ["db/models.json"]


def test_what_is_not_there_is_said(server: Server, target: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, reason in (
        (["fr-en"], "fr-en: the catalogue has no model; --list"),
        (["en-fr", "--architecture", "base"], "no model of the architecture base, only tiny (Release)"),
        ([], "name pairs"),
    ):
        assert install(server, target, *arguments) == 1
        assert reason in capsys.readouterr().err
    assert left_in(target) == []


def test_a_broken_download_goes_on_where_it_stopped(
    server: Server, target: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server.break_after = 7_000
    assert install(server, target, "en-fr") == 1
    assert "broke 3 times" in capsys.readouterr().out
    assert left_in(target) == [DOWNLOADS]
    (part,) = (target / DOWNLOADS / "en-fr-tiny").iterdir()
    assert part.stat().st_size == 21_000
    server.break_after = None
    server.requests.clear()
    assert install(server, target, "en-fr") == 0
    assert ("bytes=21000-") in [span for _, span in server.requests]
    assert left_in(target) == ["en-fr"]


def test_a_server_without_ranges_sends_it_again(server: Server, target: Path) -> None:
    server.break_after = 7_000
    assert install(server, target, "en-fr") == 1
    server.break_after, server.has_ranges = None, False
    assert install(server, target, "en-fr") == 0


def damaged(content: bytes) -> bytes:
    return content[:-8] + bytes(4) + content[-4:]  # the checksum


def test_wrong_content_is_refused(server: Server, target: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (model,) = [
        path for path in server.contents if path.startswith("models/en-fr") and "model" in path.rsplit("/", 1)[-1]
    ]
    whole = server.contents[model]
    unpacked = gzip.decompress(whole)
    for content, reason in (
        (damaged(whole), "cannot be unpacked"),
        (whole[:-9], "ends too early"),
        (gzip.compress(unpacked[:-1] + b"x"), "its sha256 is"),
        (gzip.compress(unpacked + b"x"), "unpacks to more than the"),
        (gzip.compress(bytes(300_000_000), 1), "unpacks to more than the"),
        (gzip.compress(unpacked[:-1]), "the catalogue says"),
        (b"<html>sign in</html>", "the catalogue says"),
    ):
        server.contents[model] = content
        assert install(server, target, "en-fr") == 1
        assert reason in capsys.readouterr().out
        assert not (target / "en-fr").exists()
        assert list((target / DOWNLOADS / "en-fr-tiny").glob("model*")) == []
        shutil.rmtree(target)
    del server.contents[model]
    assert install(server, target, "en-fr") == 1
    assert "the server answered 404" in capsys.readouterr().out
    server.contents[model] = whole
    assert install(server, target, "en-fr") == 0


def test_a_shortlist_may_be_missing_but_not_damaged(
    server: Server, target: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (lexicon,) = [path for path in server.contents if path.startswith("models/en-fr") and LEXICON in path]
    whole = gzip.decompress(server.contents[lexicon])
    for content, reason in (
        (whole[:-4], "its header says"),
        (whole[:-1] + bytes([whole[-1] ^ 1]), "checksum"),
        (b"<html>sign in</html>" * 9, "is no shortlist of Marian"),
    ):
        server.contents[lexicon] = gzip.compress(content)
        assert install(server, target, "en-fr") == 1
        assert reason in capsys.readouterr().out
        assert not (target / "en-fr").exists()
    document = json.loads(server.contents["db/models.json"])
    del document["models"]["en-fr"][0]["files"]["lexicalShortlist"]
    server.contents["db/models.json"] = json.dumps(document).encode()
    assert install(server, target, "en-fr") == 0
    assert load_bundle(target / "en-fr").manifest.shortlist is None


def test_one_failure_does_not_stop_the_others(server: Server, target: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for path in [path for path in server.contents if path.startswith("models/en-fr") and "vocab" in path]:
        server.contents[path] = gzip.compress(b"no vocabulary")
    assert install(server, target, "--all") == 1
    captured = capsys.readouterr()
    assert "is no vocabulary" in captured.out
    assert "1 of 2 models were not installed: en-fr" in captured.err
    assert (target / "en-zh-Hant").is_dir()
    assert not (target / "en-fr").exists()


def test_a_full_disk_is_said_and_leaves_nothing_half_done(
    server: Server, target: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(1, 1, 1000))
    assert install(server, target, "en-fr") == 1
    assert "has 0 MB of free space" in capsys.readouterr().out
    monkeypatch.undo()

    def fail(*rest: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(download, "_unpack", fail)
    assert install(server, target, "en-fr") == 1
    assert "No space left on device" in capsys.readouterr().out
    monkeypatch.undo()
    monkeypatch.setattr("app.bundle.store._write", fail)
    assert install(server, target, "en-fr") == 1
    assert "cannot be written" in capsys.readouterr().out
    assert left_in(target) == [DOWNLOADS]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"sourceLanguage": "../en"}, "no language code"),
        ({"sourceLanguage": None}, "no sourceLanguage"),
        ({"architecture": "../../etc"}, "not a plain file name"),
        ({"files": {}}, "files of a model are missing"),
        ({"files": []}, "no files"),
        ({"files": {"model": {"path": "models/m.bin"}}}, "files of a model are missing, there are only model"),
        ({"files": {"model": {"path": "../../etc/passwd"}}}, "leads elsewhere"),
        ({"files": {"model": {"path": "/etc/passwd"}}}, "leads elsewhere"),
        ({"files": {"model": {"path": "http://elsewhere/m.bin"}}}, "leads elsewhere"),
        ({"files": {"model": {"path": "a/%2e%2e/m.bin"}}}, "leads elsewhere"),
        ({"files": {"model": {"path": "a\\..\\m.bin"}}}, "leads elsewhere"),
        ({"files": {"model": {"path": "m.bin", "uncompressedSize": 10**13}}}, "a size is 10000000000000"),
        ({"files": {"model": {"path": "m.bin", "uncompressedSize": "5"}}}, "a size is 5"),
        ({"files": {"model": {"path": "m.bin", "uncompressedHash": "abc"}}}, "a checksum is 'abc'"),
        ({"files": {"model": {"path": "a/m"}, "vocab": {"path": "b/m"}}}, "two files of a model have one name"),
    ],
)
def test_a_changed_catalogue_is_refused_with_its_reason(
    models: Miniature, change: dict[str, object], reason: str
) -> None:
    entry = models.bucket["models"]["en-fr"][0] | change
    document = models.bucket | {"models": {"en-fr": [entry]}}
    with pytest.raises(ConversionError, match="no model that can be used") as caught:
        parse_catalogue(json.dumps(document).encode(), "http://here/models.json")
    assert reason in str(caught.value)
    both = models.bucket | {"models": models.bucket["models"] | {"xx": [entry, 7, None]}}
    found = parse_catalogue(json.dumps(both).encode(), "http://here/models.json")
    assert len(found.models) == 2
    assert sum(found.refused.values()) == 3


@pytest.mark.parametrize("content", [b"", b"<html>", b"[]", b'{"models": []}', b'{"data": {}}', b"[" * 100_000])
def test_another_document_is_refused(content: bytes) -> None:
    with pytest.raises(ConversionError, match=r"is no JSON|is neither|no model"):
        parse_catalogue(content, "http://here/models.json")


def test_of_several_versions_the_newest_is_taken(models: Miniature) -> None:
    older = [record | {"version": "2.9", "name": f"old.{record['name']}"} for record in models.records]
    newer = [record | {"version": "3.10"} for record in models.records]
    document = json.dumps({"data": [*newer, *models.records, *older, {"name": "x"}]}).encode()
    found = parse_catalogue(document, "http://here/records")
    assert [model.version for model in found.models] == ["3.10", "3.10"]
    assert sum(found.refused.values()) == 1


def test_downloads_are_bounded_and_checked(server: Server, models: Miniature, tmp_path: Path) -> None:
    model: CatalogueModel = parse_catalogue(
        json.dumps({"data": models.records}).encode(), "http://here/", server.address
    ).models[0]
    file = model.files["model"]
    assert file.bytes is not None
    for changed, reason in (
        (replace(file, bytes=file.bytes - 1), "sends more than"),
        (replace(file, bytes=file.bytes + 1), "the catalogue says"),
        (replace(file, sha256="0" * 64), "its sha256 is"),
        (replace(file, unpacked_sha256="0" * 64), "its sha256 is"),
        (replace(file, url="ftp://example.invalid/x"), "http, https or file"),
        (replace(file, url="file:///no/such/file"), "No such file"),
    ):
        with pytest.raises(DownloadError, match=reason):
            fetch_file(changed, tmp_path / reason.split()[-1])
    assert fetch_file(file, tmp_path / "good").stat().st_size == file.unpacked_bytes


def test_conversion_needs_no_tensorflow() -> None:
    script = "import sys, training.__main__, training.convert.install; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=True)
    assert {"tensorflow", "keras", "tf2onnx", "fastapi"} & {name.split(".")[0] for name in done.stdout.split()} == set()
