"""``convert firefox``: models of a catalogue are downloaded, converted and put into a models folder."""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from training.convert.catalogue import ATTRIBUTION, LICENCE, Catalogue, CatalogueModel, parse_catalogue
from training.convert.download import fetch_file, fetch_text
from training.convert.marian import MarianFiles, Published, convert
from training.errors import ConversionError, TrainingError

DOWNLOADS: Final = ".downloads"
# A model is there packed, unpacked, and as a bundle in two graphs that each hold an embedding.
_SPACE_FACTOR: Final = 4
_TYPICAL_BYTES: Final = 60 * 1024**2


@dataclass(frozen=True)
class Store:
    """Where models come from and where they go.

    Attributes:
        catalogue: Address of the catalogue.
        files: Address that its paths start from; None for its own.
        models: Folder of the bundles.
        replace: Whether bundles that were not converted are replaced.
    """

    catalogue: str
    files: str | None
    models: Path
    replace: bool = False

    def read(self) -> Catalogue:
        """Downloads the catalogue.

        Raises:
            TrainingError: It cannot be read or used.
        """
        return parse_catalogue(fetch_text(self.catalogue), self.catalogue, self.files)


def install_models(store: Store, models: Sequence[CatalogueModel], say: Callable[[str], None]) -> None:
    """Installs models one after the other; one that fails leaves nothing but its partial download.

    Raises:
        ConversionError: Some could not be installed; all others are.
    """
    failed: list[str] = []
    for number, model in enumerate(models, start=1):
        say(f"{number}/{len(models)} {model.pair}, {model.architecture or 'unknown architecture'}, {model.status}")
        try:
            say(f"  installed as {install_model(store, model)}")
        except TrainingError as error:
            failed.append(model.pair)
            say(f"  not installed: {error}")
    if failed:
        raise ConversionError(f"{len(failed)} of {len(models)} models were not installed: {', '.join(failed)}")


def install_model(store: Store, model: CatalogueModel) -> Path:
    """Installs one model and returns the folder of its bundle.

    Raises:
        TrainingError: A download, a check or the conversion failed.
    """
    downloads = store.models / DOWNLOADS / f"{model.pair}-{model.architecture or 'model'}"
    _check_space(store.models, model)
    paths = {kind: fetch_file(file, downloads) for kind, file in model.files.items()}
    source = paths.get("srcvocab", paths.get("vocab"))
    target = paths.get("trgvocab", paths.get("vocab"))
    assert source is not None
    assert target is not None
    published = Published(model.source, model.target, model.pair, LICENCE, ATTRIBUTION, store.catalogue, model.version)
    folder = store.models / model.pair
    # Firefox does not use the shortlists that it publishes.
    files = MarianFiles(paths["model"], source, target, shortlist=paths.get("lex"), uses_shortlist=False)
    try:
        convert(files, published, folder, store.replace)
    except ConversionError:
        # A file without a checksum may be the damaged one: the next attempt downloads it again.
        for kind, file in model.files.items():
            if file.sha256 is None and file.unpacked_sha256 is None:
                paths[kind].unlink(missing_ok=True)
        raise
    shutil.rmtree(downloads, ignore_errors=True)
    if not any((store.models / DOWNLOADS).iterdir()):
        (store.models / DOWNLOADS).rmdir()
    return folder


def describe(model: CatalogueModel) -> str:
    """Returns a line about a model: pair, architecture, size, status, scores, licence."""
    size = "" if model.bytes is None else f"{model.bytes / 1e6:.0f} MB"
    scores = ", ".join(f"{name} {value:.1f}" for name, value in sorted(model.scores.items()))
    return f"{model.pair:<12} {model.architecture:<12} {size:>6}  {model.status:<12} {LICENCE:<8} {scores}".rstrip()


def _check_space(models: Path, model: CatalogueModel) -> None:
    needed = _SPACE_FACTOR * (model.bytes or _TYPICAL_BYTES)
    try:
        models.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(models).free
    except OSError as error:
        raise ConversionError(f"{models}: cannot be written: {error}") from error
    if free < needed:
        raise ConversionError(f"{models}: has {free / 1e6:.0f} MB of free space, {needed / 1e6:.0f} MB are needed")
