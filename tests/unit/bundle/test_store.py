"""Bundles on disk: nothing wrong is loaded, and nothing is ever half written."""

import json
import multiprocessing
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from app.bundle import store
from app.bundle.store import check_unchanged, find_bundles, load_bundle, recover, save_bundle, update_bundle
from app.bundle.tokenizers import CharacterTokenizer
from app.errors import BundleError, BundleFileError, BundleFormatError
from tests.support.fakes import fake_bundle, fake_contents, fake_manifest


def accept(_: Path) -> None:
    """Verifies nothing."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return fake_bundle(tmp_path).folder


@pytest.fixture(params=["exchange", "two renames"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both ways of replacing a folder; the second is for systems that cannot exchange two."""
    if request.param == "two renames":
        monkeypatch.setattr(store, "_exchange", lambda first, second: False)
    return str(request.param)


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


@pytest.mark.parametrize("name", ["manifest.json", "../up.txt", "sub/file"])
def test_save_refuses_a_bad_name(tmp_path: Path, name: str) -> None:
    with pytest.raises((BundleError, OSError)):
        save_bundle(tmp_path / "en-fr", fake_manifest(), {**fake_contents(), name: b"x"}, accept)
    assert list(tmp_path.iterdir()) == []


def test_save_replaces_a_bundle_whole(tmp_path: Path, way: str) -> None:
    folder = fake_bundle(tmp_path).folder
    contents = fake_contents() | {"encoder.onnx": b"second", "MODEL_CARD.md": b"# Card"}
    written = save_bundle(folder, fake_manifest(), contents, accept)
    assert load_bundle(folder).manifest == written
    assert (folder / "MODEL_CARD.md").read_bytes() == b"# Card"
    save_bundle(folder, fake_manifest(), fake_contents(), accept)
    assert not (folder / "MODEL_CARD.md").exists()
    assert [entry.name for entry in tmp_path.iterdir()] == ["en-fr"]


def test_update_keeps_the_other_files(tmp_path: Path, way: str) -> None:
    bundle = fake_bundle(tmp_path)
    picture = tmp_path / "picture.png"
    picture.write_bytes(b"png")
    manifest = bundle.manifest.model_copy(update={"name": "better"})
    update_bundle(bundle.folder, manifest, {"curve.png": picture, "MODEL_CARD.md": b"# Card"}, accept)
    again = load_bundle(bundle.folder)
    assert again.manifest.name == "better"
    assert again.encoder_path.read_bytes() == b"no real encoder"
    assert again.manifest.files["curve.png"].bytes == 3
    assert "MODEL_CARD.md" in again.manifest.files


def test_verify_sees_the_new_bundle_and_can_refuse(tmp_path: Path) -> None:
    folder = fake_bundle(tmp_path).folder

    def refuse(fresh: Path) -> None:
        assert fresh != folder
        assert load_bundle(fresh).encoder_path.read_bytes() == b"second"
        raise ValueError("its translations are wrong")

    with pytest.raises(ValueError, match="translations are wrong"):
        save_bundle(folder, fake_manifest(), fake_contents() | {"encoder.onnx": b"second"}, refuse)
    assert load_bundle(folder).encoder_path.read_bytes() == b"no real encoder"
    assert [entry.name for entry in tmp_path.iterdir()] == ["en-fr"]


def test_save_refuses_what_would_not_load(tmp_path: Path) -> None:
    other = CharacterTokenizer("abc").to_bytes()
    with pytest.raises(BundleFormatError, match="has 7 tokens"):
        save_bundle(tmp_path / "en-fr", fake_manifest(), fake_contents() | {"tokenizer.json": other}, accept)
    incomplete = fake_contents()
    del incomplete["encoder.onnx"]
    with pytest.raises(BundleFormatError, match=r"encoder\.onnx"):
        save_bundle(tmp_path / "en-fr", fake_manifest(), incomplete, accept)
    assert list(tmp_path.iterdir()) == []


def test_a_failing_rename_leaves_the_old_bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = fake_bundle(tmp_path).folder
    rename = Path.rename

    def fail_for_the_new_one(path: Path, target: Path) -> Path:
        if ".new-" in path.name:
            raise OSError("disk on fire")
        return rename(path, target)

    monkeypatch.setattr(store, "_exchange", lambda first, second: False)
    monkeypatch.setattr(Path, "rename", fail_for_the_new_one)
    with pytest.raises(OSError, match="disk on fire"):
        save_bundle(folder, fake_manifest(), fake_contents() | {"encoder.onnx": b"second"}, accept)
    assert load_bundle(folder).encoder_path.read_bytes() == b"no real encoder"


def _save_and_die(folder: Path, moment: str) -> None:
    """In a process of its own: kill it at a moment of a save."""

    def die(*_: object) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    def die_in_between(old: Path, fresh: Path) -> bool:
        old.rename(old.parent / f".{old.name}.old")
        die()
        return True

    contents = fake_contents() | {"encoder.onnx": b"second"}
    if moment == "replacing":
        setattr(store, "_exchange", die_in_between)  # noqa: B010  (a plain assignment would not type-check)
    save_bundle(folder, fake_manifest(), contents, die if moment == "verifying" else accept)


@pytest.mark.parametrize("moment", ["verifying", "replacing"])
def test_a_killed_writer_harms_nothing(tmp_path: Path, moment: str) -> None:
    folder = fake_bundle(tmp_path).folder
    writer = multiprocessing.get_context("spawn").Process(target=_save_and_die, args=(folder, moment))
    writer.start()
    writer.join(60)
    assert writer.exitcode == -signal.SIGKILL
    assert folder.exists() == (moment == "verifying")
    assert find_bundles(tmp_path) == [folder]
    assert load_bundle(folder).encoder_path.read_bytes() == b"no real encoder"
    # The next save clears away what the killed one left.
    save_bundle(folder, fake_manifest(), fake_contents() | {"encoder.onnx": b"third"}, accept)
    assert load_bundle(folder).encoder_path.read_bytes() == b"third"
    assert [entry.name for entry in tmp_path.iterdir()] == ["en-fr"]


def test_recover_leaves_a_whole_bundle_alone(folder: Path) -> None:
    old = folder.parent / ".en-fr.old"
    old.mkdir()
    recover(folder)
    assert load_bundle(folder).manifest.name == "fake-en-fr"


@pytest.mark.usefixtures("way")
def test_the_next_save_clears_away_an_old_bundle_that_a_killed_writer_put_aside(folder: Path) -> None:
    old = folder.parent / ".en-fr.old"
    old.mkdir()
    (old / "encoder.onnx").write_bytes(b"old")
    save_bundle(folder, fake_manifest(), fake_contents() | {"encoder.onnx": b"third"}, accept)
    assert load_bundle(folder).encoder_path.read_bytes() == b"third"
    assert not old.exists()


def test_find_bundles(tmp_path: Path) -> None:
    fake_bundle(tmp_path, "fr", "en")
    fake_bundle(tmp_path, "en", "fr")
    (tmp_path / "README.md").write_text("no bundle")
    (tmp_path / ".en-fr.new-1").mkdir()
    assert [folder.name for folder in find_bundles(tmp_path)] == ["en-fr", "fr-en"]
    with pytest.raises(BundleFileError, match="nowhere"):
        find_bundles(tmp_path / "nowhere")
