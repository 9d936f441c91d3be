"""The folders that hold bundles, as ``MODELS_DIR`` names them, and the bundle folders in them."""

import os
from pathlib import Path

from app.bundle.store import recover
from app.errors import BundleFileError, ConfigurationError


def model_folders(models: Path) -> list[Path]:
    """Returns the folders of bundles that ``MODELS_DIR`` names, with the separator of ``PATH`` between them.

    Whatever is installed afterwards goes into the last one, which may lie on a volume while the first is part of an
    image that nothing can write to.
    """
    return [Path(one) for one in str(models).split(os.pathsep) if one] or [models]


def absolute_models(models: Path) -> Path:
    """Returns the same folders by their absolute paths, for a process that may run elsewhere."""
    return Path(os.pathsep.join(str(folder.absolute()) for folder in model_folders(models)))


def check_models(models: Path) -> None:
    """Checks that there is a folder of bundles.

    Raises:
        ConfigurationError: There is none.
    """
    folder = model_folders(models)[0]
    if not folder.is_dir():
        raise ConfigurationError(
            f"{folder.absolute()}: no such folder of models; set MODELS_DIR or --models to a folder that holds bundles"
        )


def find_bundles(models: Path) -> list[Path]:
    """Returns the bundle folders in ``models``, by name; of two with one name the one in the later folder.

    A broken bundle is listed too, so that loading it can say why. A folder after the first may be missing: it is made
    when the first bundle is installed.

    Raises:
        BundleFileError: the first folder is missing.
        OSError: a folder cannot be read.
    """
    first, *others = model_folders(models)
    if not first.is_dir():
        raise BundleFileError(f"{first}: no such folder")
    found: dict[str, Path] = {}
    for folder in (first, *(other for other in others if other.is_dir())):
        for entry in folder.glob(".*.old"):
            recover(folder / entry.name[1 : -len(".old")])
        found |= {entry.name: entry for entry in folder.iterdir() if entry.is_dir() and not entry.name.startswith(".")}
    return [found[name] for name in sorted(found)]
