"""Converted bundles that several tests share."""

from pathlib import Path

import pytest

from app.bundle.store import Bundle, load_bundle
from tests.support.marian_models import LEXICON, Shape, write_files
from training.convert.marian import MarianFiles, Published, convert

SHAPE = Shape(32, 64, 2, 2, 4)
KINDS = ["shared", "split", "shared, shortlist", pytest.param("split, shortlist", marks=pytest.mark.slow)]


@pytest.fixture(scope="session", params=KINDS)
def converted(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """A bundle of a random student, with one vocabulary or with two, which searches all or a shortlist."""
    folder = tmp_path_factory.mktemp("converted")
    limited = "shortlist" in request.param  # an eos has fewer rivals then
    model, vocabs = write_files(
        folder / "files", SHAPE, split="split" in request.param, seed=3, eos_bias=0.2 if limited else 1.6
    )
    lexicon = folder / "files" / LEXICON if limited else None
    files = MarianFiles(model, vocabs[0], vocabs[-1], shortlist=lexicon, uses_shortlist=True)
    convert(files, Published("en", "fr", "en-fr"), folder / "en-fr")
    return load_bundle(folder / "en-fr")


@pytest.fixture(scope="session")
def model_files(tmp_path_factory: pytest.TempPathFactory) -> MarianFiles:
    """The files of a random student."""
    model, vocabs = write_files(tmp_path_factory.mktemp("files"), SHAPE, seed=4)
    return MarianFiles(model, vocabs[0], vocabs[0])


def texts_of(bundle: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(bundle.iterdir())}
