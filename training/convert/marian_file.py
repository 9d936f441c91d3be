"""Reads Marian's model files: the binary format (``.bin``) and zipped numpy arrays (``.npz``).

A binary file has a header with name, type and size of each item, all shapes, and the data of the items, in this order
and little-endian. Every length in the file is compared with the bytes that are there before anything is allocated, so a
file that claims ten gigabytes costs nothing. Quantised matrices are stored transposed; embedding tables are not.
"""

import io
import math
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from training.errors import ConversionError

CONFIG_ITEM: Final = "special:model.yml"
MAX_MODEL_BYTES: Final = 2 * 1024**3
MAX_ITEMS: Final = 4096
MAX_NAME_BYTES: Final = 512
MAX_RANK: Final = 4
BLOCK_BYTES: Final = 256
VERSION: Final = 1

FLOAT32: Final = 0x0404
INT8: Final = 0x0101
INTGEMM8: Final = 0x4101
_REFUSED_CLASSES: Final[Mapping[int, str]] = {
    0x0800: "packed weights for FBGEMM",
    0x1800: "packed weights for FBGEMM with AVX2",
    0x2800: "packed weights for FBGEMM with AVX-512",
}
_REFUSED_TYPES: Final[Mapping[int, str]] = {
    0x0402: "16-bit floats; convert the model to float32 with marian-conv",
    0x0408: "64-bit floats; convert the model to float32 with marian-conv",
    0x4102: "intgemm16, 16-bit integer weights; only intgemm8 is read",
}


@dataclass(frozen=True)
class Item:
    """One tensor of a model.

    Attributes:
        values: int8 or float32, of the shape that the name promises: ``[inputs, outputs]`` for a matrix.
        multiplier: ``q / multiplier`` restores the weights of int8 values; None for float32.
    """

    name: str
    values: NDArray[Any]
    multiplier: float | None = None

    def scalar(self) -> float:
        """The value of an item with one element.

        Raises:
            ConversionError: It has more elements.
        """
        if self.values.size != 1:
            raise ConversionError(f"{self.name}: has {self.values.size} values, one is expected")
        value = float(self.values.reshape(-1)[0])
        return value if self.multiplier is None else value / self.multiplier


@dataclass(frozen=True)
class MarianModel:
    """The tensors of a model by name, and the text of its configuration; None if the file has none."""

    items: Mapping[str, Item]
    config: str | None


def read_model(path: Path, max_bytes: int = MAX_MODEL_BYTES) -> MarianModel:
    """Reads a model file, ``.bin`` or ``.npz``; its first bytes say which.

    Raises:
        ConversionError: The file is unreadable, too large, damaged, or has items that cannot be converted.
    """
    try:
        size = path.stat().st_size
        if size > max_bytes:
            raise ConversionError(f"{path}: has {size} bytes, the limit is {max_bytes}")
        content = path.read_bytes()
    except OSError as error:
        raise ConversionError(f"{path}: cannot be read: {error}") from error
    try:
        return parse_npz(content, max_bytes) if content[:4] == b"PK\x03\x04" else parse_binary(content)
    except ConversionError as error:
        raise ConversionError(f"{path}: {error}") from error


def parse_binary(content: bytes) -> MarianModel:
    """Reads the content of a ``.bin`` file.

    Raises:
        ConversionError: A length does not agree with the file, an item has a type that is not read, or a number is no
            number.
    """
    reader = _Reader(content)
    version, count = reader.integers(2, "version and number of items")
    if version != VERSION:
        raise ConversionError(f"is no Marian model of version {VERSION}: its first number is {version}")
    if not 1 <= count <= MAX_ITEMS:
        raise ConversionError(f"says that it has {count} items, 1 to {MAX_ITEMS} are read")
    headers = [_Header(*reader.integers(4, f"header of item {number}")) for number in range(count)]
    names = [reader.name(header.name_bytes, number) for number, header in enumerate(headers)]
    shapes = [reader.shape(header.rank, name) for header, name in zip(headers, names, strict=True)]
    if len(set(names)) != len(names):
        double = next(name for name in names if names.count(name) > 1)
        raise ConversionError(f"has the item {double} twice")
    reader.gap()
    items: dict[str, Item] = {}
    config: str | None = None
    for header, name, shape in zip(headers, names, shapes, strict=True):
        data = reader.take(header.data_bytes, name)
        if name == CONFIG_ITEM:
            config = _text(data)
        else:
            items[name] = _item(name, header.kind, shape, data)
    if reader.left:
        raise ConversionError(f"has {reader.left} bytes behind its last item")
    return MarianModel(items, config)


def parse_npz(content: bytes, max_bytes: int = MAX_MODEL_BYTES) -> MarianModel:
    """Reads the content of a ``.npz`` file; weights are float32 and not transposed.

    Raises:
        ConversionError: It is no such file, is larger than the limit when unpacked, or has other arrays.
    """
    items: dict[str, Item] = {}
    config: str | None = None
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            claimed = sum(entry.file_size for entry in archive.infolist())
            if claimed > max_bytes or len(archive.infolist()) > MAX_ITEMS:
                raise ConversionError(
                    f"has {len(archive.infolist())} arrays of {claimed} bytes; "
                    f"the limits are {MAX_ITEMS} and {max_bytes}"
                )
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            for name in arrays.files:
                found = arrays[name]
                if name == CONFIG_ITEM:
                    config = _text(np.ascontiguousarray(found).tobytes())
                elif found.dtype == np.float32:
                    items[name] = Item(name, _finite(name, found))
                else:
                    raise ConversionError(f"{name}: has the type {found.dtype}, float32 is expected")
    except ConversionError:
        raise
    except Exception as error:  # zipfile, zlib and numpy raise errors of many kinds for damaged files
        raise ConversionError(f"is no .npz file that numpy reads: {str(error)[:200]}") from error
    return MarianModel(items, config)


@dataclass(frozen=True)
class _Header:
    name_bytes: int
    kind: int
    rank: int
    data_bytes: int


class _Reader:
    """Takes bytes from the front of a file; a length that lies beyond its end is an error."""

    def __init__(self, content: bytes) -> None:
        self._content = memoryview(content)
        self._offset = 0

    @property
    def left(self) -> int:
        return len(self._content) - self._offset

    def take(self, count: int, what: str) -> memoryview:
        if count > self.left:
            raise ConversionError(f"ends within {what}: {count} bytes are needed, {self.left} are left")
        start, self._offset = self._offset, self._offset + count
        return self._content[start : self._offset]

    def integers(self, count: int, what: str) -> tuple[int, ...]:
        found: list[int] = np.frombuffer(self.take(8 * count, what), "<u8").tolist()
        return tuple(found)

    def name(self, count: int, number: int) -> str:
        if not 2 <= count <= MAX_NAME_BYTES:
            raise ConversionError(f"the name of item {number} has {count} bytes, 2 to {MAX_NAME_BYTES} are read")
        data = bytes(self.take(count, f"the name of item {number}"))
        if data.index(0) != count - 1 if 0 in data else True:
            raise ConversionError(f"the name of item {number} does not end with its only zero byte: {data[:40]!r}")
        try:
            return data[:-1].decode("ascii")
        except UnicodeDecodeError:
            raise ConversionError(f"the name of item {number} is no ASCII: {data[:40]!r}") from None

    def shape(self, rank: int, name: str) -> tuple[int, ...]:
        if not 1 <= rank <= MAX_RANK:
            raise ConversionError(f"{name}: has {rank} axes, 1 to {MAX_RANK} are read")
        sizes: list[int] = np.frombuffer(self.take(4 * rank, f"the shape of {name}"), "<i4").tolist()
        if min(sizes) < 1:
            raise ConversionError(f"{name}: has the shape {sizes}")
        return tuple(sizes)

    def gap(self) -> None:
        """Skips the bytes that align the data."""
        (count,) = self.integers(1, "the length of the gap")
        if count >= BLOCK_BYTES:
            raise ConversionError(f"has a gap of {count} bytes before the data, less than {BLOCK_BYTES} are expected")
        self.take(count, "the gap before the data")


def _item(name: str, kind: int, shape: tuple[int, ...], data: memoryview) -> Item:
    count = math.prod(shape)
    if kind == FLOAT32:
        _check_size(name, 4 * count, len(data))
        return Item(name, _finite(name, np.frombuffer(data, "<f4", count).reshape(shape)))
    if kind == INTGEMM8:
        _check_size(name, count + 4, len(data))
        multiplier = float(np.frombuffer(data[count : count + 4], "<f4")[0])
        if not (math.isfinite(multiplier) and multiplier > 0):
            raise ConversionError(f"{name}: its multiplier is {multiplier}, a positive number is expected")
        values = np.frombuffer(data, np.int8, count)
        is_transposed = len(shape) == 2 and not name.endswith("Wemb") and count > 1
        return Item(name, values.reshape(shape[::-1]).T if is_transposed else values.reshape(shape), multiplier)
    reason = _REFUSED_TYPES.get(kind) or _REFUSED_CLASSES.get(kind & 0xFF00) or "a type that is not read"
    raise ConversionError(f"{name}: has the type {kind:#06x}, {reason}")


def _check_size(name: str, needed: int, given: int) -> None:
    if not needed <= given < needed + BLOCK_BYTES:
        raise ConversionError(f"{name}: has {given} bytes, its shape needs {needed} (and less than {BLOCK_BYTES} more)")


def _finite(name: str, values: NDArray[Any]) -> NDArray[np.float32]:
    if not np.isfinite(values).all():
        raise ConversionError(f"{name}: has values that are no finite numbers")
    return values.astype(np.float32, copy=False)


def _text(data: bytes | memoryview) -> str:
    content = bytes(data).split(b"\0", 1)[0]
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ConversionError(f"{CONFIG_ITEM}: is no UTF-8: {error}") from None
