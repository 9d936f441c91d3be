"""Writing bundles: nothing is ever half written, whenever the writer is killed."""

import multiprocessing
import os
import signal
from pathlib import Path

import pytest

from app.bundle import store
from app.bundle.folders import find_bundles
from app.bundle.store import load_bundle, recover, save_bundle, update_bundle
from app.bundle.tokenizers import CharacterTokenizer
from app.errors import BundleError, BundleFormatError
from tests.support.fakes import fake_bundle, fake_contents, fake_manifest
from tests.unit.bundle.test_store import accept


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return fake_bundle(tmp_path).folder


@pytest.fixture(params=["exchange", "two renames"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both ways of replacing a folder; the second is for systems that cannot exchange two."""
    if request.param == "two renames":
        monkeypatch.setattr(store, "_exchange", lambda first, second: False)
    return str(request.param)


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
