"""``passerelle models``: the bundles that are installed."""

import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Final

import typer

from app.commands.exit_codes import report_errors
from app.errors import BundleError, ConfigurationError

models_commands: Final = typer.Typer(no_args_is_help=True, help="The bundles that are installed.")
ModelsOption = Annotated[
    Path | None,
    typer.Option("--models", metavar="FOLDER", help="Folder of the bundles (default: MODELS_DIR, else models)."),
]
NameArgument = Annotated[str, typer.Argument(help="Name of the bundle's folder.")]


@models_commands.callback()
def _models() -> None: ...


@models_commands.command("list")
@report_errors
def list_models(models: ModelsOption = None) -> int:
    """List the installed bundles: languages, size, precision and licence of what they learned from."""
    from app.bundle.manifest import MANIFEST_FILE, parse_manifest

    status = 0
    for folder in _bundles(_folder(models)):
        path = folder / MANIFEST_FILE
        try:
            manifest = parse_manifest(path.read_bytes(), path)
        except (BundleError, OSError) as error:
            print(f"{folder.name}: cannot be used: {error}", file=sys.stderr)
            status = 1
            continue
        mebibytes = sum(entry.bytes for entry in manifest.files.values()) / 1024**2
        languages = f"{', '.join(manifest.sources)} to {', '.join(manifest.targets)}"
        print(f"{folder.name:<20} {languages:<24} {mebibytes:6.1f} MiB  {manifest.precision}")
    return status


@models_commands.command("info")
@report_errors
def show_model(
    name: Annotated[str, typer.Argument(help="Name of the bundle's folder.")], models: ModelsOption = None
) -> int:
    """Check every file of a bundle and show where it comes from and how well it translates."""
    from app.bundle.store import load_bundle

    bundle = load_bundle(_bundle(_folder(models), name))
    manifest = bundle.manifest
    print(f"{bundle.folder.name}: {', '.join(manifest.sources)} to {', '.join(manifest.targets)}")
    print(f"  version    {bundle.version}")
    print(f"  size       {sum(entry.bytes for entry in manifest.files.values()):,} bytes, {manifest.precision}")
    print(f"  vocabulary {manifest.tokenizer.vocabulary_size:,} pieces")
    print(f"  search     beam of {manifest.search.beam_size}")
    for quality in manifest.quality:
        print(f"  quality    {quality.metric} {quality.score:.1f} on {quality.set}, beam of {quality.beam_size}")
    for data in manifest.training_data:
        print(f"  data       {data.name}: {data.licence}")
    if manifest.origin is not None:
        origin = manifest.origin
        print(f"  origin     {origin.name}: {origin.licence}, {origin.attribution or 'unknown'}, {origin.architecture}")
    return 0


@models_commands.command(
    "install", add_help_option=False, context_settings={"ignore_unknown_options": True, "allow_extra_args": True}
)
@report_errors
def install_models(context: typer.Context, models: ModelsOption = None) -> int:
    """Download, convert and install models published for Firefox; this is the one command that uses the network.

    `passerelle models install en-fr fr-en`; `--list` shows what there is, `--help` all options. It needs the extra
    `convert`: pip install '.[convert]'.
    """
    from app.bundle.folders import model_folders

    if find_spec("training") is None or find_spec("onnx") is None:
        raise ConfigurationError("the converter is not installed: pip install '.[convert]' in a checkout")
    # The converter is no part of the service: it has packages of its own, so it runs in a process of its own.
    command = [sys.executable, "-m", "training", "convert", "firefox", *context.args]
    return subprocess.run([*command, "--install", str(model_folders(_folder(models))[-1])], check=False).returncode


@models_commands.command("remove")
@report_errors
def remove_model(
    name: NameArgument,
    models: ModelsOption = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> int:
    """Delete a bundle. A running service forgets it when it is told to reload."""
    folder = _bundle(_folder(models), name)
    if not yes and not typer.confirm(f"Delete {folder}?"):
        return 1
    try:
        shutil.rmtree(folder)
    except OSError as error:
        raise ConfigurationError(f"{folder} cannot be deleted: {error}") from None
    print(f"{folder} is deleted")
    return 0


def _folder(models: Path | None) -> Path:
    """Returns the folder of the bundles, or several as ``MODELS_DIR`` names them.

    Raises:
        ConfigurationError: The first does not exist.
    """
    from app.bundle.folders import check_models
    from app.server.environment import load_settings

    models = load_settings(models_dir=models).models_dir
    check_models(models)
    return models


def _bundles(folder: Path) -> list[Path]:
    from app.bundle.folders import find_bundles

    return find_bundles(folder)


def _bundle(models: Path, name: str) -> Path:
    """Returns the folder of a bundle by its name.

    Raises:
        ConfigurationError: There is none.
    """
    found = {folder.name: folder for folder in _bundles(models)}
    if name not in found:
        raise ConfigurationError(f"{name!r} is no bundle in {models}, which holds {', '.join(found) or 'none'}")
    return found[name]
