"""The folders of bundles: one, or several of which the later come first."""

import os
import shutil
from pathlib import Path

import pytest

from app.bundle.folders import check_models, find_bundles, model_folders
from app.errors import BundleFileError, ConfigurationError
from tests.support.fakes import fake_bundle


def test_find_bundles(tmp_path: Path) -> None:
    fake_bundle(tmp_path, "fr", "en")
    fake_bundle(tmp_path, "en", "fr")
    (tmp_path / "README.md").write_text("no bundle")
    (tmp_path / ".en-fr.new-1").mkdir()
    assert [folder.name for folder in find_bundles(tmp_path)] == ["en-fr", "fr-en"]
    with pytest.raises(BundleFileError, match="nowhere"):
        find_bundles(tmp_path / "nowhere")


def both(first: Path, second: Path) -> Path:
    return Path(f"{first}{os.pathsep}{second}")


def test_the_later_folder_comes_first(tmp_path: Path) -> None:
    shipped, added = tmp_path / "shipped", tmp_path / "added"
    fake_bundle(shipped, "en", "fr")
    fake_bundle(shipped, "fr", "en")
    models = both(shipped, added)
    assert model_folders(models) == [shipped, added]
    assert find_bundles(models) == [shipped / "en-fr", shipped / "fr-en"]  # nothing was added yet
    fake_bundle(added, "de", "en")
    fake_bundle(added, "en", "fr")
    assert find_bundles(models) == [added / "de-en", added / "en-fr", shipped / "fr-en"]
    shutil.rmtree(added / "en-fr")
    assert find_bundles(models) == [added / "de-en", shipped / "en-fr", shipped / "fr-en"]


def test_the_first_folder_must_be_there(tmp_path: Path) -> None:
    fake_bundle(tmp_path / "added", "en", "fr")
    models = both(tmp_path / "shipped", tmp_path / "added")
    with pytest.raises(BundleFileError, match="shipped: no such folder"):
        find_bundles(models)
    with pytest.raises(ConfigurationError, match="shipped: no such folder of models"):
        check_models(models)
    check_models(both(tmp_path / "added", tmp_path / "nowhere"))
