"""XML of strangers: read without entities, external parts or a network, and written as it was."""

import re
from typing import Any, Final

from lxml import etree

from app.errors import UnusableFile

# What stands before the first element.
_PROLOG: Final = re.compile(
    rb"\A(?:\xef\xbb\xbf)?(?:\s++|<\?.*?\?>|<!--.*?-->|<!DOCTYPE[^\[>]*+(?:\[[^\]]*+\]\s*+)?>)*+",
    re.DOTALL | re.IGNORECASE,
)
_ENTITY: Final = re.compile(rb"<!ENTITY", re.IGNORECASE)
_UTF_16: Final = (b"\xff\xfe", b"\xfe\xff")


class XmlPart:
    """One XML file. ``root`` may be changed; what is outside it stays as it is, down to the line ends.

    :raises UnusableFile: no XML, or XML that declares entities.
    """

    def __init__(self, data: bytes, name: str) -> None:
        self._data = data
        name = name[:100]
        # With NULs left out, UTF-16 is seen through as well.
        if _ENTITY.search(data.replace(b"\0", b"")):
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
        encoding = self.root.getroottree().docinfo.encoding or "UTF-8"
        if self._data.startswith(_UTF_16):
            return bytes(etree.tostring(self.root.getroottree(), encoding=encoding, xml_declaration=True))  # type: ignore[arg-type]
        prolog = _PROLOG.match(self._data)
        start = prolog.end() if prolog is not None else 0
        end = self._data.find(b">", self._data.rfind(b"</")) + 1
        written = etree.tostring(self.root, encoding=encoding, xml_declaration=False, with_tail=False)
        assert isinstance(written, bytes)
        if b"\r\n" in self._data[:end] and self._data.count(b"\n") == self._data.count(b"\r\n"):
            written = written.replace(b"\n", b"\r\n")  # a parser reads every line end as a line feed
        return self._data[:start] + written + self._data[end:]


def name_of(element: etree._Element) -> str:
    """Without its namespace; empty of what is no element (a comment, an instruction, an entity)."""
    return etree.QName(element).localname if isinstance(element.tag, str) else ""


def namespace_of(element: etree._Element) -> str:
    return (etree.QName(element).namespace or "") if isinstance(element.tag, str) else ""
