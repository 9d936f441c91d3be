"""The bytes of an uploaded file: parts of a zip archive, or XML.

An uploaded file may be malicious, so each reader checks it before it uses memory or time for it. Nothing is unpacked to
disk, so the paths in an archive lead nowhere.
"""

import codecs
import io
import re
import zipfile
import zlib
from collections.abc import Mapping
from typing import Any, Final

from lxml import etree

from app.errors import FileTooLarge, UnusableFile

_MAX_ENTRIES: Final = 10_000
# XML rarely compresses by more than a factor of 50; decompression bombs compress by a factor of 1,000.
_MAX_RATIO: Final = 200
_RATIO_FROM_BYTES: Final = 1024 * 1024  # a part up to this size may have any ratio
_METHODS: Final = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_ENCRYPTED: Final = 0x1
_BROKEN: Final = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError, OSError)
# What precedes the root element.
_PROLOG: Final = re.compile(
    rb"\A(?:\xef\xbb\xbf)?(?:\s++|<\?.*?\?>|<!--.*?-->|<!DOCTYPE[^\[>]*+(?:\[[^\]]*+\]\s*+)?>)*+",
    re.DOTALL | re.IGNORECASE,
)
_ENCODING: Final = re.compile(rb"\A<\?xml\s[^>]*?\bencoding\s*=\s*[\"']([^\"']{1,100})")
# The tree and its passages take up to 1 KB an element. A book of 1,000 pages has some 300,000 elements.
MAX_ELEMENTS: Final = 500_000
_ENTITY: Final = re.compile(rb"<!ENTITY", re.IGNORECASE)
_UTF_16: Final = {codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}


class Archive:
    """The parts of a zip file by their names.

    Attributes:
        names: The names of the parts in their order.
    """

    def __init__(self, data: bytes, max_unpacked_bytes: int) -> None:
        """Read and check the directory of the archive; parts are decompressed when they are read.

        Args:
            data: The zip file.
            max_unpacked_bytes: Limit of the sizes of all parts together.

        Raises:
            UnusableFile: The data is no zip file, is damaged or encrypted, or decompresses to far more than its size.
            FileTooLarge: The parts have more than ``max_unpacked_bytes``.
        """
        try:
            self._zip = zipfile.ZipFile(io.BytesIO(data))
        except _BROKEN as error:
            raise UnusableFile(f"The file is damaged, or is no zip file as its name says: {error}") from None
        self._entries = self._zip.infolist()
        if len(self._entries) > _MAX_ENTRIES:
            raise UnusableFile(f"The file has {len(self._entries)} parts, at most {_MAX_ENTRIES} are read")
        self._elements = 0
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
            _check_entry(entry)

    def read(self, name: str) -> bytes:
        """Return the content of a part.

        Raises:
            UnusableFile: There is no such part, or it is damaged.
        """
        try:
            entry = self._zip.getinfo(name)
        except KeyError:
            raise UnusableFile(f"The file has no part {name}, so it is not what its name says") from None
        return self._read_entry(entry)

    def read_xml(self, name: str) -> "XmlPart":
        """Parse a part. All parts that are parsed may have ``MAX_ELEMENTS`` elements together.

        Raises:
            UnusableFile: There is no such part, it is damaged or no XML, or the parts have too many elements.
        """
        data = self.read(name)
        self._elements += _count_elements(data)
        check_elements(self._elements)
        return XmlPart(data, name)

    def with_replaced_parts(self, parts: Mapping[str, bytes]) -> bytes:
        """Return a new zip file with the parts in their order and with their dates.

        Args:
            parts: The new content of some parts by their names; the others keep theirs.
        """
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as target:
            for entry in self._entries:
                content = parts.get(entry.filename)
                copy = zipfile.ZipInfo(entry.filename, entry.date_time)
                copy.compress_type, copy.external_attr = entry.compress_type, entry.external_attr
                copy.comment, copy.create_system = entry.comment, entry.create_system
                target.writestr(copy, self._read_entry(entry) if content is None else content)
            target.comment = self._zip.comment
        return buffer.getvalue()

    def _read_entry(self, entry: zipfile.ZipInfo) -> bytes:
        try:
            with self._zip.open(entry) as part:
                # The directory may state a wrong size, so one byte more is read to notice it.
                content = part.read(entry.file_size + 1)
        except _BROKEN as error:
            raise UnusableFile(f"The part {entry.filename[:100]!r} of the file is damaged: {error}") from None
        if len(content) != entry.file_size:
            raise UnusableFile(f"The part {entry.filename[:100]!r} of the file is not as long as it says")
        return content


def _check_entry(entry: zipfile.ZipInfo) -> None:
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


class XmlPart:
    """One XML file, parsed without entities, external parts and network access.

    Attributes:
        root: The root element. Callers may change it; what is outside it is kept byte for byte.
    """

    def __init__(self, data: bytes, name: str) -> None:
        """Parse the file.

        Args:
            data: The bytes of the file.
            name: The name of the file in error messages.

        Raises:
            UnusableFile: The data is no XML, declares entities, or has more than ``MAX_ELEMENTS`` elements.
        """
        self._data = data
        name = name[:100]
        # Without NUL bytes, declarations in UTF-16 are found as well.
        plain = data.replace(b"\0", b"")
        _check_encoding(plain, name)
        check_elements(_count_elements(data))
        if _ENTITY.search(plain):
            raise UnusableFile(f"{name} declares XML entities, which are not read")
        parser = etree.XMLParser(
            resolve_entities=False, load_dtd=False, no_network=True, huge_tree=False, dtd_validation=False
        )
        try:
            self.root = etree.fromstring(data, parser)
        except etree.XMLSyntaxError as error:
            raise UnusableFile(f"{name} is not valid XML: {error.msg}") from None
        if self.root is None:
            raise UnusableFile(f"{name} has no XML in it")
        dtd: Any = self.root.getroottree().docinfo.internalDTD
        if dtd is not None and dtd.entities():
            raise UnusableFile(f"{name} declares XML entities, which are not read")

    def to_bytes(self) -> bytes:
        """Serialize the file in its encoding, with the prolog and the line ends that it had."""
        encoding = self.root.getroottree().docinfo.encoding or "UTF-8"
        if self._data.startswith(tuple(_UTF_16)):
            return bytes(etree.tostring(self.root.getroottree(), encoding=encoding, xml_declaration=True))  # type: ignore[arg-type]
        prolog = _PROLOG.match(self._data)
        start = prolog.end() if prolog is not None else 0
        end = self._data.find(b">", self._data.rfind(b"</")) + 1
        root = etree.tostring(self.root, encoding=encoding, xml_declaration=False, with_tail=False)
        assert isinstance(root, bytes)
        if b"\r\n" in self._data[:end] and self._data.count(b"\n") == self._data.count(b"\r\n"):
            root = root.replace(b"\n", b"\r\n")  # an XML parser turns every line end into a line feed
        return self._data[:start] + root + self._data[end:]


def check_elements(count: int, what: str = "XML elements", limit: int = MAX_ELEMENTS) -> None:
    """Check the number of elements of a file, which need memory and time whatever their size.

    Args:
        count: The number.
        what: What is counted, in the plural.
        limit: Its bound.

    Raises:
        UnusableFile: There are more than ``limit``.
    """
    if count > limit:
        raise UnusableFile(f"The file has {count} {what}, at most {limit} are read")


def _count_elements(data: bytes) -> int:
    """Return an upper bound of the number of elements, comments and instructions of XML that is not parsed yet."""
    # In UTF-16 the two characters of an end tag do not follow each other, and their bytes may belong to others.
    return data.count(b"<") - (0 if b"\0" in data else data.count(b"</"))


def _check_encoding(data: bytes, name: str) -> None:
    """Refuse XML in which ``<`` may not be the byte of ASCII, as in UTF-7 or EBCDIC: nothing would be found in it.

    Args:
        data: The XML without NUL bytes.
        name: The name of the file in error messages.
    """
    data = data.removeprefix(codecs.BOM_UTF8)
    data = data[2:] if data.startswith(tuple(_UTF_16)) else data
    declared = _ENCODING.match(data)
    encoding = "utf-8" if declared is None else declared[1].decode("ascii", "replace")
    try:
        is_plain = "<&".encode(encoding).replace(b"\0", b"").endswith(b"<&")
        is_read = is_plain and codecs.lookup(encoding).name != "utf-7"  # which writes "<" in two ways
    except (LookupError, ValueError):
        is_read = False
    if not is_read:
        raise UnusableFile(f"{name} is in the encoding {encoding!r}, which is not read")
    if not data.lstrip().startswith(b"<"):
        raise UnusableFile(f"{name} is not valid XML: it does not begin with a tag")


def name_of(element: etree._Element) -> str:
    """Return the name of an element without its namespace; empty for a comment, an instruction or an entity."""
    return etree.QName(element).localname if isinstance(element.tag, str) else ""


def namespace_of(element: etree._Element) -> str:
    """Return the namespace of an element; empty if it has none."""
    return (etree.QName(element).namespace or "") if isinstance(element.tag, str) else ""
