"""Converted bundles that several tests share."""

from pathlib import Path

import pytest

from app.bundle.store import Bundle, load_bundle
from tests.support.marian_models import Shape, write_files
from training.convert.marian import MarianFiles, Published, convert

SHAPE = Shape(32, 64, 2, 2, 4)


@pytest.fixture(scope="session", params=["shared", "split"])
def converted(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """A bundle of a random student, with one vocabulary or with two."""
    folder = tmp_path_factory.mktemp("converted")
    model, vocabs = write_files(folder / "files", SHAPE, split=request.param == "split", seed=3)
    convert(MarianFiles(model, vocabs[0], vocabs[-1]), Published("en", "fr", "en-fr"), folder / "en-fr")
    return load_bundle(folder / "en-fr")


@pytest.fixture(scope="session")
def model_files(tmp_path_factory: pytest.TempPathFactory) -> MarianFiles:
    """The files of a random student."""
    model, vocabs = write_files(tmp_path_factory.mktemp("files"), SHAPE, seed=4)
    return MarianFiles(model, vocabs[0], vocabs[0])


def texts_of(bundle: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(bundle.iterdir())}
