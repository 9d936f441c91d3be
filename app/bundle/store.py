"""A bundle's folder on disk: load it with every check that needs no graph runtime, save it whole or not at all.

A bundle has one writer at a time and any number of readers. Beside ``models/en-fr`` a writer uses two names that
readers skip: ``models/.en-fr.new-*`` while it writes, and ``models/.en-fr.old`` while it replaces.
"""

import ctypes
import errno
import hashlib
import logging
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final

from app.bundle.manifest import (
    DECODER_STEP_FILE,
    ENCODER_FILE,
    MANIFEST_FILE,
    FileEntry,
    Manifest,
    check_file_name,
    parse_manifest,
)
from app.bundle.tokenizers import TaggedTokenizer, Tokenizer, load_tokenizer
from app.errors import BundleFileError, BundleFormatError
from app.settings import MAX_BUNDLE_FILE_BYTES

_LOG: Final = logging.getLogger(__name__)
_AT_FDCWD: Final = -100
_RENAME_EXCHANGE: Final = 2

MAX_MANIFEST_BYTES: Final = 1024 * 1024
MAX_FILES: Final = 64
# Of a file of a bundle, where nobody says otherwise; the shipped ones have 6 MB at most.

Contents = Mapping[str, bytes | Path]
Verify = Callable[[Path], None]


@dataclass(frozen=True, slots=True)
class Bundle:
    """A loaded bundle: its files are there, unchanged, and fit one another. The graphs are not opened yet.

    ``version`` is the sha256 of its ``manifest.json``, which holds those of all other files: bundles of one version are
    the same to the last byte.
    """

    folder: Path
    manifest: Manifest
    tokenizer: Tokenizer
    version: str

    def between(self, source: str | None = None, target: str | None = None) -> "Bundle":
        """The same bundle for one of its pairs of languages: its source is read as that language, and tagged for the
        target; None for its main ones.

        :raises BundleFormatError: it has no such source or target.
        """
        manifest = self.manifest
        if source not in (None, *manifest.sources):
            raise BundleFormatError(f"{self.folder}: translates from {', '.join(manifest.sources)}, not from {source}")
        if target not in (None, *manifest.targets):
            raise BundleFormatError(f"{self.folder}: translates into {', '.join(manifest.targets)}, not into {target}")
        source, target = source or manifest.source, target or manifest.target
        others = tuple(code for code in manifest.sources if code != source)
        manifest = manifest.model_copy(update={"source": source, "other_sources": others, "target": target})
        return Bundle(self.folder, manifest, _tokenizer(self.folder, manifest), self.version)

    @property
    def encoder_path(self) -> Path:
        return self.folder / ENCODER_FILE

    @property
    def decoder_step_path(self) -> Path:
        return self.folder / DECODER_STEP_FILE


def load_bundle(folder: Path, max_file_bytes: int = MAX_BUNDLE_FILE_BYTES) -> Bundle:
    """Read and check a bundle.

    :param max_file_bytes: of each file but the manifest, which has a limit of its own.
    :raises BundleFormatError: the manifest or the tokenizer cannot be used.
    :raises BundleFileError: a file is missing, unexpected, changed, too large, or outside the folder; or there are too
        many.
    """
    recover(folder)
    if not folder.is_dir():
        raise BundleFileError(f"{folder}: no such folder")
    path = _inside(folder, MANIFEST_FILE)
    content = _content_of_manifest(path)
    manifest = parse_manifest(content, path)
    if not manifest.files:
        raise BundleFormatError(f"{path}: files is empty, so nothing can be checked")
    if len(manifest.files) > MAX_FILES:
        raise BundleFileError(f"{path}: lists {len(manifest.files)} files, at most {MAX_FILES} are allowed")
    # One more than are allowed is enough to know.
    present = {entry.name for entry in islice(folder.iterdir(), MAX_FILES + 2)} - {MANIFEST_FILE}
    unexpected = sorted(present - manifest.files.keys())
    if unexpected:
        raise BundleFileError(f"{folder}: not in the manifest: {', '.join(unexpected)}")
    for name, entry in manifest.files.items():
        if entry.bytes > max_file_bytes:
            raise BundleFileError(f"{folder / name}: has {entry.bytes} bytes, the limit is {max_file_bytes}")
        _check_file(_inside(folder, name), entry)
    tokenizer = _tokenizer(folder, manifest)
    if tokenizer.vocabulary_size != manifest.tokenizer.vocabulary_size:
        raise BundleFormatError(
            f"{folder / manifest.tokenizer.file}: has {tokenizer.vocabulary_size} tokens, "
            f"the manifest says vocabulary_size {manifest.tokenizer.vocabulary_size}"
        )
    return Bundle(folder, manifest, tokenizer, hashlib.sha256(content).hexdigest())


def _tokenizer(folder: Path, manifest: Manifest) -> Tokenizer:
    """The bundle's tokenizer; where the model has several targets, it asks for the manifest's."""
    tokenizer = load_tokenizer(folder / manifest.tokenizer.file, manifest.tokenizer.kind)
    tag_id = manifest.source_tags.get(manifest.target)
    return tokenizer if tag_id is None else TaggedTokenizer(tokenizer, tag_id)


def check_unchanged(bundle: Bundle) -> None:
    """After all of a bundle was read: what was read is of one version. A writer replaces a bundle as a whole.

    :raises BundleFileError: it was replaced meanwhile.
    """
    content = _content_of_manifest(_inside(bundle.folder, MANIFEST_FILE))
    if hashlib.sha256(content).hexdigest() != bundle.version:
        raise BundleFileError(f"{bundle.folder}: was replaced while it was being read")


def find_bundles(models: Path) -> list[Path]:
    """The bundle folders in ``models``, by name. A broken bundle is listed too, so that loading it can say why."""
    if not models.is_dir():
        raise BundleFileError(f"{models}: no such folder")
    for entry in models.glob(".*.old"):
        recover(models / entry.name[1 : -len(".old")])
    return sorted(entry for entry in models.iterdir() if entry.is_dir() and not entry.name.startswith("."))


def save_bundle(folder: Path, manifest: Manifest, contents: Contents, verify: Verify) -> Manifest:
    """Write a whole bundle, or leave what was there untouched.

    The files go to a folder beside it, are flushed to disk, loaded again and shown to ``verify`` (open the graphs
    there, translate something; raise to refuse), and only then take the place of ``folder`` in one rename.

    :param manifest: its ``files`` are ignored and computed here.
    :param contents: by file name, the bytes or a file to copy; everything but ``manifest.json``.
    :returns: the manifest as written.
    """
    folder = folder.resolve()  # behind a link, it is the folder that is replaced, not the link
    recover(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    # What a killed writer left. The new bundle is already in place, where there still is one put aside.
    for stale in (*folder.parent.glob(f".{folder.name}.new-*"), _aside(folder)):
        shutil.rmtree(stale, ignore_errors=True)
    fresh = Path(tempfile.mkdtemp(prefix=f".{folder.name}.new-", dir=folder.parent))
    try:
        fresh.chmod(0o755)  # mkdtemp gives 0700, but the service may run as another user than the trainer
        files = {name: _write(fresh, name, content) for name, content in sorted(contents.items())}
        complete = manifest.model_copy(update={"files": files})
        _write(fresh, MANIFEST_FILE, complete.to_bytes())
        _flush_folder(fresh)
        written = load_bundle(fresh).manifest
        verify(fresh)
        _replace(folder, fresh)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return written


def update_bundle(folder: Path, manifest: Manifest, contents: Contents, verify: Verify) -> Manifest:
    """Save an existing bundle again with another manifest (say, with quality) and with files added or replaced.

    As atomic as ``save_bundle``, whose parameters these are; files of the bundle that ``contents`` does not name stay.
    """
    kept = load_bundle(folder).manifest.files
    return save_bundle(folder, manifest, {**{name: folder / name for name in kept}, **contents}, verify)


def recover(folder: Path) -> None:
    """Finish what a writer killed in the middle of replacing left undone (only where folders cannot be exchanged)."""
    old = _aside(folder)
    if not old.is_dir():
        return
    if folder.exists():
        # Both are whole: the new one was already in place. The old one is only rubbish, and a reader may not delete it.
        return
    try:
        old.rename(folder)
    except FileNotFoundError:
        return  # another reader was faster
    except OSError as error:
        raise BundleFileError(f"{folder}: was being replaced; rename {old} to it by hand ({error})") from error
    _LOG.warning("%s: a writer was stopped while it replaced this bundle; the old one is back in place", folder)


def _inside(folder: Path, name: str) -> Path:
    """The path of a file of the bundle, refused when it is missing, no plain file, or a link out of the folder."""
    path = folder / name
    if not path.exists():
        raise BundleFileError(f"{path}: missing")
    if path.resolve().parent != folder.resolve():
        raise BundleFileError(f"{path}: leads outside the bundle, to {path.resolve()}")
    if not path.is_file():
        raise BundleFileError(f"{path}: is not a plain file")
    return path


def _content_of_manifest(path: Path) -> bytes:
    with path.open("rb") as stream:
        content = stream.read(MAX_MANIFEST_BYTES + 1)
    if len(content) > MAX_MANIFEST_BYTES:
        raise BundleFileError(f"{path}: has {path.stat().st_size} bytes, the limit is {MAX_MANIFEST_BYTES}")
    return content


def _check_file(path: Path, entry: FileEntry) -> None:
    size = path.stat().st_size
    if size != entry.bytes:
        raise BundleFileError(f"{path}: has {size} bytes, the manifest says {entry.bytes}")
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    if digest != entry.sha256:
        raise BundleFileError(f"{path}: its sha256 is {digest}, the manifest says {entry.sha256}")


def _write(folder: Path, name: str, content: bytes | Path) -> FileEntry:
    try:
        check_file_name(name)
    except ValueError as error:
        raise BundleFileError(f"{folder}: {error}") from error
    path = folder / name
    with path.open("xb") as target:
        if isinstance(content, Path):
            with content.open("rb") as source:
                shutil.copyfileobj(source, target)
        else:
            target.write(content)
        target.flush()
        os.fsync(target.fileno())
    with path.open("rb") as stream:
        return FileEntry(sha256=hashlib.file_digest(stream, "sha256").hexdigest(), bytes=path.stat().st_size)


def _replace(folder: Path, fresh: Path) -> None:
    """Put ``fresh`` in the place of ``folder``; afterwards ``fresh`` may hold the old bundle, to be removed."""
    if not folder.exists():
        fresh.rename(folder)
    elif not _exchange(folder, fresh):
        # Two renames, so for a moment there is no bundle; ``recover`` puts the old one back if killed in between.
        old = _aside(folder)
        folder.rename(old)
        try:
            fresh.rename(folder)
        except BaseException:
            old.rename(folder)
            raise
        shutil.rmtree(old, ignore_errors=True)
    _flush_folder(folder.parent)


def _exchange(first: Path, second: Path) -> bool:
    """Swap two folders in one step of the file system; False where the system or the file system cannot."""
    if not sys.platform.startswith("linux"):
        return False
    try:
        renameat2 = ctypes.CDLL(None, use_errno=True).renameat2
    except AttributeError:
        return False
    if renameat2(_AT_FDCWD, os.fsencode(first), _AT_FDCWD, os.fsencode(second), _RENAME_EXCHANGE) == 0:
        return True
    code = ctypes.get_errno()
    if code in (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EPERM, errno.EXDEV):
        return False
    raise OSError(code, os.strerror(code), str(first))


def _aside(folder: Path) -> Path:
    return folder.parent / f".{folder.name}.old"


def _flush_folder(folder: Path) -> None:
    """Flush the names in a folder to disk: after a power cut a renamed file is otherwise not surely there."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
