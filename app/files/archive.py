"""A zip file of strangers in memory: looked at before it is unpacked, and written with a few parts replaced.

Nothing is ever unpacked to disk, so no path in it leads anywhere.
"""

import io
import zipfile
import zlib
from collections.abc import Mapping
from typing import Final

from app.errors import FileTooLarge, UnusableFile

_MAX_ENTRIES: Final = 10_000
# XML hardly shrinks by more than fifty times; bombs shrink a thousandfold.
_MAX_RATIO: Final = 200
_RATIO_FROM_BYTES: Final = 1024 * 1024  # so much may be nothing but spaces
_METHODS: Final = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_ENCRYPTED: Final = 0x1
_BROKEN: Final = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError, OSError)


class Archive:
    """The parts of a zip file by their names.

    :raises UnusableFile: no zip file, a damaged or encrypted one, or one that unpacks to far more than it is.
    :raises FileTooLarge: it unpacks to more than ``max_unpacked_bytes``.
    """

    def __init__(self, data: bytes, max_unpacked_bytes: int) -> None:
        try:
            self._zip = zipfile.ZipFile(io.BytesIO(data))
        except _BROKEN as error:
            raise UnusableFile(f"The file is damaged, or is no zip file as its name says: {error}") from None
        self._entries = self._zip.infolist()
        if len(self._entries) > _MAX_ENTRIES:
            raise UnusableFile(f"The file has {len(self._entries)} parts, at most {_MAX_ENTRIES} are read")
        self.names = [entry.filename for entry in self._entries]
        if len(set(self.names)) != len(self.names):
            raise UnusableFile("The file has two parts of one name")
        unpacked = sum(entry.file_size for entry in self._entries)
        if unpacked > max_unpacked_bytes:
            raise FileTooLarge(
                "max_unpacked_bytes",
                max_unpacked_bytes,
                unpacked,
                f"The file unpacks to {unpacked} bytes, which exceeds max_unpacked_bytes ({max_unpacked_bytes})",
            )
        for entry in self._entries:
            _check(entry)

    def read(self, name: str) -> bytes:
        """:raises UnusableFile: there is no such part, or it is damaged."""
        try:
            entry = self._zip.getinfo(name)
        except KeyError:
            raise UnusableFile(f"The file has no part {name}, so it is not what its name says") from None
        return self._content(entry)

    def replaced(self, parts: Mapping[str, bytes]) -> bytes:
        """The zip file anew, its parts in their order with their dates, some of them replaced."""
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as written:
            for entry in self._entries:
                content = parts.get(entry.filename)
                copy = zipfile.ZipInfo(entry.filename, entry.date_time)
                copy.compress_type, copy.external_attr = entry.compress_type, entry.external_attr
                copy.comment, copy.create_system = entry.comment, entry.create_system
                written.writestr(copy, self._content(entry) if content is None else content)
            written.comment = self._zip.comment
        return buffer.getvalue()

    def _content(self, entry: zipfile.ZipInfo) -> bytes:
        try:
            with self._zip.open(entry) as part:
                # What is said of its size may be a lie.
                content = part.read(entry.file_size + 1)
        except _BROKEN as error:
            raise UnusableFile(f"The part {entry.filename[:100]!r} of the file is damaged: {error}") from None
        if len(content) != entry.file_size:
            raise UnusableFile(f"The part {entry.filename[:100]!r} of the file is not as long as it says")
        return content


def _check(entry: zipfile.ZipInfo) -> None:
    name = entry.filename[:100]
    if entry.flag_bits & _ENCRYPTED:
        raise UnusableFile(f"The part {name!r} of the file is encrypted")
    if entry.compress_type not in _METHODS:
        raise UnusableFile(f"The part {name!r} of the file is compressed in a way that is not read")
    if entry.file_size > max(_RATIO_FROM_BYTES, entry.compress_size * _MAX_RATIO):
        ratio = entry.file_size // max(1, entry.compress_size)
        raise UnusableFile(
            f"The part {name!r} of the file unpacks to {ratio} times its size, at most {_MAX_RATIO} times is read"
        )
