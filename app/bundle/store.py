"""A bundle's folder on disk: loading it with every check that needs no graph runtime, and saving it atomically.

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
from dataclasses import dataclass, field, replace
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
from app.bundle.phrases import NO_PHRASES, PHRASES_FILE, Phrases, read_phrases
from app.bundle.safety import check_file, locate_file
from app.bundle.shortlist import Shortlist, load_shortlist
from app.bundle.tokenizers import Tokenizer, load_tokenizer_of, tag_sources
from app.errors import BundleFileError, BundleFormatError
from app.settings import MAX_BUNDLE_FILE_BYTES, ShortlistMode

_LOG: Final = logging.getLogger(__name__)
_AT_FDCWD: Final = -100
_RENAME_EXCHANGE: Final = 2

MAX_MANIFEST_BYTES: Final = 1024 * 1024
MAX_FILES: Final = 64

Contents = Mapping[str, bytes | Path]
Verify = Callable[[Path], None]


@dataclass(frozen=True, slots=True)
class Bundle:
    """A loaded bundle: its files exist, are unchanged, and fit one another. The graphs are not opened yet.

    Attributes:
        version: the sha256 of its ``manifest.json``, which holds those of all other files: bundles of one version are
            equal to the last byte.
        all_phrases: its tables of words and short phrases, by source and target language.
        shortlist: None if it has none, or if it is not in use.
    """

    folder: Path
    manifest: Manifest
    tokenizer: Tokenizer
    version: str
    all_phrases: Mapping[tuple[str, str], Phrases] = field(default_factory=dict)
    shortlist: Shortlist | None = None

    def between(self, source: str | None = None, target: str | None = None) -> "Bundle":
        """The same bundle for one of its pairs of languages, whose tag its tokenizer writes.

        Args:
            source: a source; None for the main one.
            target: a target; None for the main one.

        Raises:
            BundleFormatError: it has no such source or target.
        """
        manifest = self.manifest
        if source not in (None, *manifest.sources):
            raise BundleFormatError(f"{self.folder}: translates from {', '.join(manifest.sources)}, not from {source}")
        if target not in (None, *manifest.targets):
            raise BundleFormatError(f"{self.folder}: translates into {', '.join(manifest.targets)}, not into {target}")
        source, target = source or manifest.source, target or manifest.target
        others = tuple(code for code in manifest.sources if code != source)
        manifest = manifest.model_copy(update={"source": source, "other_sources": others, "target": target})
        return replace(self, manifest=manifest, tokenizer=tag_sources(self.tokenizer, manifest))

    @property
    def phrases(self) -> Phrases:
        """The table from its source to its target, which may be empty."""
        return self.all_phrases.get((self.manifest.source, self.manifest.target), NO_PHRASES)

    @property
    def encoder_path(self) -> Path:
        """The file of the encoder."""
        return self.folder / ENCODER_FILE

    @property
    def decoder_step_path(self) -> Path:
        """The file of the decoder step."""
        return self.folder / DECODER_STEP_FILE


def read_manifest(folder: Path) -> tuple[Manifest, str]:
    """Read the manifest of a bundle, and no other file.

    Returns:
        The manifest, and the bundle's version.

    Raises:
        BundleError: it cannot be used.
    """
    recover(folder)
    if not folder.is_dir():
        raise BundleFileError(f"{folder}: no such folder")
    path = locate_file(folder, MANIFEST_FILE)
    content = _content_of_manifest(path)
    manifest = parse_manifest(content, path)
    if not manifest.files:
        raise BundleFormatError(f"{path}: files is empty, so nothing can be checked")
    if len(manifest.files) > MAX_FILES:
        raise BundleFileError(f"{path}: lists {len(manifest.files)} files, at most {MAX_FILES} are allowed")
    return manifest, hashlib.sha256(content).hexdigest()


def load_bundle(folder: Path, max_file_bytes: int = MAX_BUNDLE_FILE_BYTES, shortlist: ShortlistMode = "auto") -> Bundle:
    """Read and check a bundle.

    Args:
        folder: of the bundle.
        max_file_bytes: of each file but the manifest, which has a limit of its own.
        shortlist: whether to use the shortlist, if there is one; ``auto``: as the bundle says. It is always checked.

    Raises:
        BundleError: a file cannot be used, or is missing, unexpected, changed or too large.
    """
    manifest, version = read_manifest(folder)
    present = {entry.name for entry in islice(folder.iterdir(), MAX_FILES + 2)} - {MANIFEST_FILE}
    if unexpected := sorted(present - manifest.files.keys()):
        raise BundleFileError(f"{folder}: not in the manifest: {', '.join(unexpected)}")
    for name, entry in manifest.files.items():
        if entry.bytes > max_file_bytes:
            raise BundleFileError(f"{folder / name}: has {entry.bytes} bytes, the limit is {max_file_bytes}")
        check_file(locate_file(folder, name), entry)
    phrases = read_phrases(folder / PHRASES_FILE) if PHRASES_FILE in manifest.files else {}
    found = load_shortlist(folder, manifest, shortlist)
    return Bundle(folder, manifest, load_tokenizer_of(folder, manifest), version, phrases, found)


def check_unchanged(bundle: Bundle) -> None:
    """Check, after all of a bundle was read, that all was of one version: a writer replaces a bundle as a whole.

    Raises:
        BundleFileError: it was replaced meanwhile.
    """
    content = _content_of_manifest(locate_file(bundle.folder, MANIFEST_FILE))
    if hashlib.sha256(content).hexdigest() != bundle.version:
        raise BundleFileError(f"{bundle.folder}: was replaced while it was being read")


def save_bundle(folder: Path, manifest: Manifest, contents: Contents, verify: Verify) -> Manifest:
    """Write a whole bundle, or leave what was there unchanged.

    The files are written to a folder beside it, flushed to disk, loaded again and passed to ``verify``. Only then does
    one rename replace ``folder``.

    Args:
        folder: of the bundle.
        manifest: its ``files`` are ignored and computed here.
        contents: by file name, the bytes or a file to copy; everything but ``manifest.json``.
        verify: is called with the new folder (to open the graphs and translate a text); an exception refuses it.

    Returns:
        The manifest as written.
    """
    folder = folder.resolve()  # behind a link, it is the folder that is replaced, not the link
    recover(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    # Remains of a killed writer. Where an old bundle is still aside, the new one has already replaced it.
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

    Parameters and guarantees are those of ``save_bundle``; files that ``contents`` does not name stay.
    """
    kept = load_bundle(folder).manifest.files
    return save_bundle(folder, manifest, {**{name: folder / name for name in kept}, **contents}, verify)


def recover(folder: Path) -> None:
    """Restore the old bundle if a writer was killed between its two renames (where folders cannot be exchanged)."""
    old = _aside(folder)
    if not old.is_dir():
        return
    if folder.exists():
        # Both are complete, and the old one is obsolete; only a writer may delete it.
        return
    try:
        old.rename(folder)
    except FileNotFoundError:
        return  # another reader did it first
    except OSError as error:
        raise BundleFileError(f"{folder}: was being replaced; rename {old} to it by hand ({error})") from error
    _LOG.warning("%s: a writer was stopped while it replaced this bundle; the old one is back in place", folder)


def _content_of_manifest(path: Path) -> bytes:
    with path.open("rb") as file:
        content = file.read(MAX_MANIFEST_BYTES + 1)
    if len(content) > MAX_MANIFEST_BYTES:
        raise BundleFileError(f"{path}: has {path.stat().st_size} bytes, the limit is {MAX_MANIFEST_BYTES}")
    return content


def _write(folder: Path, name: str, content: bytes | Path) -> FileEntry:
    try:
        check_file_name(name)
    except ValueError as error:
        raise BundleFileError(f"{folder}: {error}") from error
    with (path := folder / name).open("xb") as target:
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
    """Replace ``folder`` by ``fresh``; afterwards ``fresh`` may hold the old bundle, to be removed."""
    if not folder.exists():
        fresh.rename(folder)
    elif not _exchange(folder, fresh):
        # Two renames, so for a moment there is no bundle; ``recover`` restores the old one after a kill in between.
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
    """Swap two folders atomically; False where the operating system or the file system cannot."""
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
    """Flush the names in a folder to disk: a rename may otherwise be lost in a power cut."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
