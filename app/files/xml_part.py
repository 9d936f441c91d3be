"""XML of strangers: read without entities, external parts or a network, and written as it was."""

import re
from typing import Any, Final

from lxml import etree

from app.errors import UnusableFile

_DECLARATION: Final = re.compile(rb"\A(?:\xef\xbb\xbf)?\s*<\?xml[^>]*\?>\s*")
_ENTITY: Final = re.compile(rb"<!ENTITY", re.IGNORECASE)
_UTF_16: Final = (b"\xff\xfe", b"\xfe\xff")


class XmlPart:
    """One XML file. ``root`` may be changed; what is outside it stays as it is, down to the line ends.

    :raises UnusableFile: no XML, or XML that declares entities.
    """

    def __init__(self, data: bytes, name: str) -> None:
        self._data = data
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
        tree = self.root.getroottree()
        encoding = tree.docinfo.encoding or "UTF-8"
        declaration = _DECLARATION.match(self._data)
        is_plain = not self._data.startswith(_UTF_16)
        written = etree.tostring(tree, encoding=encoding, xml_declaration=not is_plain)
        assert isinstance(written, bytes)
        if is_plain:
            end = len(self._data.rstrip())
            if declaration is not None:
                written = declaration.group() + written
            written += self._data[end:]
            if b"\r\n" in self._data[:end] and self._data.count(b"\n") == self._data.count(b"\r\n"):
                # A parser reads every line end as a line feed.
                written = re.sub(rb"\r?\n", b"\r\n", written)
        return written


def name_of(element: etree._Element) -> str:
    """Without its namespace; empty of what is no element (a comment, an instruction, an entity)."""
    return etree.QName(element).localname if isinstance(element.tag, str) else ""


def namespace_of(element: etree._Element) -> str:
    return (etree.QName(element).namespace or "") if isinstance(element.tag, str) else ""
