"""Bundles on disk: nothing wrong is loaded, and nothing is ever half written."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from app.bundle.store import check_unchanged, load_bundle, save_bundle
from app.errors import BundleFileError, BundleFormatError
from tests.support.fakes import fake_bundle, fake_contents, fake_manifest


def accept(_: Path) -> None:
    """Verifies nothing."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return fake_bundle(tmp_path).folder


def test_loads_what_was_saved(folder: Path) -> None:
    bundle = load_bundle(folder)
    assert bundle.manifest.source == "en"
    assert bundle.encoder_path.read_bytes() == b"no real encoder"
    assert bundle.decoder_step_path.name == "decoder_step.onnx"
    assert bundle.tokenizer.decode(bundle.tokenizer.encode("Où ?")) == "Où ?"
    assert bundle.manifest.files.keys() == {"encoder.onnx", "decoder_step.onnx", "tokenizer.json"}


def test_another_user_may_read_it(folder: Path) -> None:
    assert folder.stat().st_mode & 0o055 == 0o055


def test_no_folder_and_no_manifest(tmp_path: Path) -> None:
    with pytest.raises(BundleFileError, match="en-xx: no such folder"):
        load_bundle(tmp_path / "en-xx")
    (tmp_path / "empty").mkdir()
    with pytest.raises(BundleFileError, match=r"manifest\.json: missing"):
        load_bundle(tmp_path / "empty")


@pytest.mark.parametrize("name", ["encoder.onnx", "decoder_step.onnx", "tokenizer.json"])
@pytest.mark.parametrize("harm", ["missing", "truncated", "changed", "folder"])
def test_a_harmed_file_is_named(folder: Path, name: str, harm: str) -> None:
    path = folder / name
    content = path.read_bytes()
    path.unlink()
    if harm == "truncated":
        path.write_bytes(content[:-1])
    elif harm == "changed":
        path.write_bytes(bytes([content[0] ^ 1]) + content[1:])
    elif harm == "folder":
        path.mkdir()
    with pytest.raises(BundleFileError) as caught:
        load_bundle(folder)
    assert str(path) in str(caught.value)
    told = {"missing": "missing", "truncated": f"{len(content)}", "changed": "sha256", "folder": "not a plain file"}
    assert told[harm] in str(caught.value)


def test_a_file_too_many(folder: Path) -> None:
    (folder / "notes.txt").write_text("?")
    with pytest.raises(BundleFileError, match=r"not in the manifest: notes\.txt"):
        load_bundle(folder)


def test_a_link_out_of_the_folder(folder: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside.onnx"
    path = folder / "encoder.onnx"
    path.rename(outside)
    path.symlink_to(outside)
    with pytest.raises(BundleFileError, match="leads outside the bundle"):
        load_bundle(folder)
    path.unlink()
    path.symlink_to(folder / "nowhere")
    with pytest.raises(BundleFileError, match="missing"):
        load_bundle(folder)


def test_the_folder_itself_may_be_a_link(folder: Path, tmp_path: Path) -> None:
    link = tmp_path / "linked"
    link.symlink_to(folder)
    assert load_bundle(link).manifest.name == "fake-en-fr"


def test_saving_through_a_link_keeps_the_link(folder: Path, tmp_path: Path) -> None:
    link = tmp_path / "linked"
    link.symlink_to(folder)
    save_bundle(link, fake_manifest(), fake_contents() | {"encoder.onnx": b"second"}, accept)
    assert link.is_symlink()
    assert load_bundle(folder).encoder_path.read_bytes() == b"second"


def edit_manifest(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    path = folder / "manifest.json"
    document = json.loads(path.read_bytes())
    change(document)
    path.write_text(json.dumps(document))


def test_the_manifests_vocabulary_is_not_the_tokenizers(folder: Path) -> None:
    edit_manifest(folder, lambda document: document["tokenizer"].update(vocabulary_size=5000))
    with pytest.raises(BundleFormatError, match=r"tokenizer\.json: has \d+ tokens, .* vocabulary_size 5000"):
        load_bundle(folder)


def test_a_manifest_that_lists_nothing(folder: Path) -> None:
    edit_manifest(folder, lambda document: document.update(files={}))
    with pytest.raises(BundleFormatError, match="files is empty"):
        load_bundle(folder)


@pytest.mark.parametrize("name", ["../secret", "/etc/passwd", "a/b"])
def test_a_manifest_that_points_elsewhere(folder: Path, name: str) -> None:
    edit_manifest(folder, lambda document: document["files"].update({name: {"sha256": "0" * 64, "bytes": 1}}))
    with pytest.raises(BundleFormatError, match="not a plain file name"):
        load_bundle(folder)


def test_a_huge_file_is_refused_unread(folder: Path) -> None:
    huge = 3 * 1024**3
    os.truncate(folder / "encoder.onnx", huge)  # takes no room on the disk, but would take minutes to read
    edit_manifest(folder, lambda document: document["files"]["encoder.onnx"].update(bytes=huge))
    with pytest.raises(BundleFileError, match=rf"encoder\.onnx: has {huge} bytes, the limit is 536870912"):
        load_bundle(folder)
    with pytest.raises(BundleFileError, match=r"encoder\.onnx: has 3221225472 bytes, the limit is 1000"):
        load_bundle(folder, max_file_bytes=1000)


def test_a_huge_manifest(folder: Path) -> None:
    os.truncate(folder / "manifest.json", 1024 * 1024 + 1)
    with pytest.raises(BundleFileError, match=r"manifest\.json: has 1048577 bytes, the limit is 1048576"):
        load_bundle(folder)


def test_a_deep_manifest(folder: Path) -> None:
    (folder / "manifest.json").write_text("[" * 500_000)
    with pytest.raises(BundleFormatError, match="not readable as JSON"):
        load_bundle(folder)


def test_too_many_files(folder: Path) -> None:
    one = {"sha256": "0" * 64, "bytes": 0}
    edit_manifest(folder, lambda document: document["files"].update({f"file{number}": one for number in range(62)}))
    with pytest.raises(BundleFileError, match="lists 65 files, at most 64 are allowed"):
        load_bundle(folder)


def test_replaced_while_it_was_read(folder: Path) -> None:
    bundle = load_bundle(folder)
    check_unchanged(bundle)
    save_bundle(folder, fake_manifest().model_copy(update={"name": "second"}), fake_contents(), accept)
    with pytest.raises(BundleFileError, match="was replaced while it was being read"):
        check_unchanged(bundle)


def test_a_manifest_of_another_version(folder: Path) -> None:
    edit_manifest(folder, lambda document: document.update(format_version=2))
    with pytest.raises(BundleFormatError, match="format_version is 2"):
        load_bundle(folder)


def test_the_tokenizer_of_another_kind(folder: Path) -> None:
    edit_manifest(folder, lambda document: document["tokenizer"].update(kind="sentencepiece"))
    with pytest.raises(BundleFormatError, match=r"tokenizer\.json: not a SentencePiece model"):
        load_bundle(folder)
