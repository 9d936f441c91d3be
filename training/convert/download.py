"""Downloads of a model's files: resumed after an interruption, bounded, checked, unpacked."""

import hashlib
import shutil
import zlib
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlparse

import httpx
import zstandard

from training.convert.catalogue import RemoteFile
from training.convert.marian_file import MAX_MODEL_BYTES
from training.data.download import ATTEMPTS, request_from, transfer_bar
from training.errors import DownloadError

MAX_CATALOGUE_BYTES: Final = 64 * 1024**2
_CHUNK_BYTES: Final = 1 << 20
_GZIP: Final = b"\x1f\x8b"
_ZSTD: Final = b"\x28\xb5\x2f\xfd"


def fetch_text(address: str) -> bytes:
    """Returns a catalogue's content, from ``http``, ``https`` or ``file``.

    Raises:
        DownloadError: It cannot be read, or is larger than ``MAX_CATALOGUE_BYTES``.
    """
    try:
        content = bytearray()
        for chunk in _chunks(address, 0):
            content += chunk
            if len(content) > MAX_CATALOGUE_BYTES:
                raise DownloadError(f"{address}: is larger than {MAX_CATALOGUE_BYTES} bytes")
        return bytes(content)
    except (httpx.HTTPError, OSError) as error:
        raise DownloadError(f"{address}: cannot be read: {error!r}") from error


def fetch_file(file: RemoteFile, folder: Path) -> Path:
    """Downloads and unpacks a file, unless ``folder`` has it already.

    A partial download stays as ``<name>.part``, from which the next call continues; one with a wrong checksum is
    deleted.

    Returns:
        The path of the unpacked file.

    Raises:
        DownloadError: The server refuses, the transfer breaks ``ATTEMPTS`` times, the disk is full, or size, checksum
            or packing are wrong.
    """
    path, part = folder / file.name, folder / f"{file.name}.part"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            _transfer(file, part)
            fresh = folder / f"{file.name}.unpacked"
            try:
                _unpack(file, part, fresh)
                fresh.replace(path)
            except DownloadError:
                part.unlink()  # complete, but wrong: it must not be continued
                raise
            finally:
                fresh.unlink(missing_ok=True)
            part.unlink()
    except OSError as error:
        raise DownloadError(f"{file.url}: {path} cannot be written: {error}") from error
    return path


def _transfer(file: RemoteFile, part: Path) -> None:
    limit = file.bytes or MAX_MODEL_BYTES
    for attempt in range(1, ATTEMPTS + 1):
        try:
            _append(file, part, limit)
            break
        except httpx.HTTPError as error:
            if attempt == ATTEMPTS:
                raise DownloadError(
                    f"{file.url}: the transfer broke {ATTEMPTS} times, last with {error!r}; run again to resume it"
                ) from error
    size = part.stat().st_size
    if file.bytes is not None and size != file.bytes:
        raise DownloadError(f"{file.url}: has {size} bytes, the catalogue says {file.bytes}; run again to resume it")
    _check_hash(file.url, part, file.sha256)


def _append(file: RemoteFile, part: Path, limit: int) -> None:
    have = part.stat().st_size if part.exists() else 0
    if file.bytes is not None and have == file.bytes:
        return
    if have > limit:
        part.unlink()
        have = 0
    chunks = _chunks(file.url, have)
    with closing(chunks), transfer_bar() as progress, part.open("ab") as stream:
        task = progress.add_task(file.name, total=file.bytes, completed=have)
        for chunk in chunks:
            if not chunk:  # the server sends the whole file again
                stream.truncate(0)
                have = 0
            have += len(chunk)
            if have > limit:
                raise DownloadError(f"{file.url}: sends more than the {limit} bytes that are expected")
            stream.write(chunk)
            progress.update(task, completed=have)


def _chunks(address: str, start: int) -> Generator[bytes, None, None]:
    """Yields the content from ``start`` on; an empty chunk says that the whole content follows instead."""
    parts = urlparse(address)
    if parts.scheme == "file":
        with Path(unquote(parts.path)).open("rb") as stream:
            stream.seek(start)
            while chunk := stream.read(_CHUNK_BYTES):
                yield chunk
        return
    if parts.scheme not in ("http", "https"):
        raise DownloadError(f"{address}: http, https or file is expected")
    with request_from(address, start) as response:
        if response is None:
            return  # there is no more
        if response.status_code == 200 and start:
            yield b""
        yield from (chunk for chunk in response.iter_raw() if chunk)


def _unpack(file: RemoteFile, packed: Path, path: Path) -> None:
    limit = file.unpacked_bytes or MAX_MODEL_BYTES
    size = 0
    try:
        with packed.open("rb") as source, path.open("wb") as target:
            start = source.read(4)
            source.seek(0)
            if start == _ZSTD:
                with zstandard.ZstdDecompressor().stream_reader(source) as reader:
                    for chunk in iter(lambda: reader.read(_CHUNK_BYTES), b""):
                        size = _add(file, size + len(chunk), limit)
                        target.write(chunk)
            elif start[:2] == _GZIP:
                for chunk in _gunzip(source.read):
                    size = _add(file, size + len(chunk), limit)
                    target.write(chunk)
            else:
                shutil.copyfileobj(source, target)
                size = _add(file, target.tell(), limit)
    except (zlib.error, zstandard.ZstdError) as error:
        raise DownloadError(f"{file.url}: cannot be unpacked: {error}; it was deleted") from error
    if file.unpacked_bytes is not None and size != file.unpacked_bytes:
        raise DownloadError(
            f"{file.url}: unpacks to {size} bytes, the catalogue says {file.unpacked_bytes}; it was deleted"
        )
    _check_hash(file.url, path, file.unpacked_sha256)


def _gunzip(read: Callable[[int], bytes]) -> Iterator[bytes]:
    """Unpacks gzip in pieces of at most a megabyte, so that a bomb is noticed at the limit."""
    engine = zlib.decompressobj(wbits=31)
    waiting = read(_CHUNK_BYTES)
    while waiting and not engine.eof:
        yield engine.decompress(waiting, _CHUNK_BYTES)
        waiting = engine.unconsumed_tail or read(_CHUNK_BYTES)
    if not engine.eof:
        raise zlib.error("it ends too early")


def _add(file: RemoteFile, size: int, limit: int) -> int:
    if size > limit:
        raise DownloadError(f"{file.url}: unpacks to more than the {limit} bytes that are expected")
    return size


def _check_hash(address: str, path: Path, sha256: str | None) -> None:
    if sha256 is None:
        return
    with path.open("rb") as stream:
        found = hashlib.file_digest(stream, "sha256").hexdigest()
    if found != sha256:
        path.unlink()
        raise DownloadError(f"{address}: its sha256 is {found}, the catalogue says {sha256}; it was deleted")
