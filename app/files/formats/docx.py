"""Word's DOCX: paragraphs of the text, its headers, footers, notes, comments and text boxes."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from app.files.document import Document
from app.files.formats.office import read_office_file, split_runs, style_of, words_of, write_run
from app.files.formats.xml_atoms import Atom, Codec, Content, Element, Node, Role, Style, Words
from app.files.raw_file import Archive, name_of, namespace_of

_NAMESPACES: Final = frozenset(
    (
        "http://schemas.openxmlformats.org/wordprocessingml/2006/main",
        "http://purl.oclc.org/ooxml/wordprocessingml/main",
    )
)
_CONTENT_TYPES: Final = tuple(
    f"wordprocessingml.{name}+xml"
    for name in ("document.main", "header", "footer", "footnotes", "endnotes", "comments")
)
_IGNORED: Final = frozenset(("lang", "noProof"))  # children of the formatting that a reader does not see
_ROLES: Final = {
    **dict.fromkeys(("ins", "moveTo", "smartTag", "sdt", "sdtContent", "customXml", "bdo", "dir"), Role.INLINE),
    **dict.fromkeys(("pPr", "sdtPr", "sdtEndPr", "smartTagPr", "customXmlPr", "tab", "br", "cr", "ptab"), Role.BREAK),
    **dict.fromkeys(("drawing", "pict", "object"), Role.SPACE),
    **dict.fromkeys(("footnoteReference", "endnoteReference", "annotationRef"), Role.INDEX),
    **dict.fromkeys(("proofErr", "lastRenderedPageBreak", "softHyphen"), Role.DROPPED),
}
_STYLES: Final = "word/styles.xml"
_MAX_DEPTH: Final = 10  # of links in links, which no program writes
_HYPHEN: Final = "\u2011"


@dataclass(frozen=True, slots=True)
class _Field:
    """A field, by the indices of its elements among the children of a paragraph.

    Attributes:
        begin: The element that begins the field.
        middle: The last element before the text that a reader sees.
        end: The element that ends the field.
        depth: The number of fields that enclose it.
    """

    begin: int
    middle: int
    end: int
    depth: int


class _Codec:
    def __init__(self, root: Element, raised_styles: frozenset[str]) -> None:
        """Prepare to read a part.

        Args:
            root: The root of the part.
            raised_styles: The ids of character styles that raise or lower words.
        """
        self._namespace = namespace_of(root)
        self._raised_styles = raised_styles
        self._ended_comments = {_attribute(one, "id") for one in root.iter("{*}commentRangeEnd")}

    def read_atoms(self, element: Element) -> list[Atom]:
        children = list(element)
        return list(self._read_range(children, range(len(children)), _find_fields(children)))

    def write_words(self, text: str, style: Style | None) -> Content:
        return write_run(text, style, self._namespace, keeps_spaces=True)

    def _read_range(self, children: Sequence[Element], indices: range, fields: Mapping[int, _Field]) -> Iterator[Atom]:
        index = indices.start
        while index < indices.stop:
            child, field = children[index], fields.get(index)
            if field is not None:
                yield from self._read_field(children, field, fields)
                index = field.end
            elif _field_char(child) or _kind_of(child) == "instrText":
                yield Node(Role.BREAK, (child,))  # a part of a field that continues in another paragraph
            elif name_of(child) == "r" and namespace_of(child) in _NAMESPACES:
                yield self._read_run(child)
            elif name_of(child) == "fldSimple":
                is_link = _is_link(_attribute(child, "instr"))
                yield Node(Role.LINK if is_link else Role.REFERENCE, (child,), _text_of([child]))
            elif name_of(child) == "hyperlink" and namespace_of(child) in _NAMESPACES:
                yield Node(Role.LINK, (child,), _text_of([child]))
            else:
                yield Node(_role_of(child), (child,))
            index += 1

    def _read_run(self, run: Element) -> Atom:
        kind = _kind_of(run)
        if kind in ("t", "noBreakHyphen"):
            style = style_of(run, _IGNORED)
            style = replace(style, is_raised=self._is_raised(style.properties))
            return Words(words_of(run) if kind == "t" else _HYPHEN, style)
        if kind == "commentReference" and any(
            _attribute(child, "id") in self._ended_comments for child in run if name_of(child) == kind
        ):
            return Node(Role.END, (run,))  # behind the end of the range, which moves too
        return Node(_ROLES.get(kind, Role.POINT), (run,))

    def _is_raised(self, properties: Element | None) -> bool:
        for child in properties if properties is not None else ():
            name, value = name_of(child), _attribute(child, "val")
            if name == "vertAlign" and value in ("superscript", "subscript"):
                return True
            if (name == "position" and value not in ("", "0")) or (name == "rStyle" and value in self._raised_styles):
                return True
        return False

    def _read_field(self, children: Sequence[Element], field: _Field, fields: Mapping[int, _Field]) -> Iterator[Atom]:
        """Read a field from its begin to its end; only the text of a link is translated."""
        before, shown = children[field.begin : field.middle + 1], range(field.middle + 1, field.end)
        instruction = "".join(one.text or "" for element in before for one in element.iter("{*}instrText"))
        if not _is_link(instruction) or field.depth > _MAX_DEPTH:
            words = _text_of(children[index] for index in shown)
            yield Node(Role.REFERENCE, tuple(children[field.begin : field.end + 1]), words)
            return
        atoms = list(self._read_range(children, shown, fields))
        if any(isinstance(atom, Node) and atom.role in (Role.BREAK, Role.INLINE) for atom in atoms):
            yield from (Node(Role.BREAK, (element,)) for element in before)
            yield from atoms
            yield Node(Role.BREAK, (children[field.end],))
        else:
            yield Node(Role.OPEN, tuple(before))
            yield from atoms
            yield Node(Role.CLOSE, (children[field.end],))


def read_docx(archive: Archive) -> Document:
    """Read the passages of a DOCX file.

    Raises:
        UnusableFile: The file has another format than its name says, or is damaged.
    """
    raised_styles = _find_raised_styles(archive)

    def prepare(root: Element) -> tuple[list[Element], Codec]:
        split_runs(root, _NAMESPACES)
        paragraphs = [one for one in root.iter("{*}p") if namespace_of(one) in _NAMESPACES]
        return paragraphs, _Codec(root, raised_styles)

    return read_office_file(archive, _CONTENT_TYPES, prepare)


def _find_raised_styles(archive: Archive) -> frozenset[str]:
    """Return the ids of the character styles that raise or lower words, such as those of note numbers."""
    if _STYLES not in archive.names:
        return frozenset()
    aligned = archive.read_xml(_STYLES).root.iter("{*}vertAlign")
    styles = [
        style
        for one in aligned
        if _attribute(one, "val") in ("superscript", "subscript")
        for style in one.iterancestors("{*}style")
    ]
    return frozenset(_attribute(style, "styleId") for style in styles)


def _kind_of(run: Element) -> str:
    """Return the name of what a run holds beside its formatting: one kind of element after ``split_runs``."""
    if name_of(run) != "r":
        return ""
    return next((name_of(child) for child in run if name_of(child) != "rPr"), "")


def _role_of(element: Element) -> Role:
    name = name_of(element)
    if namespace_of(element) in _NAMESPACES:
        if name.endswith("Start"):
            return Role.START
        if name.endswith("End"):
            return Role.END
        return _ROLES.get(name, Role.POINT)
    return Role.POINT


def _field_char(run: Element) -> str:
    """Return ``begin``, ``separate`` or ``end`` for a run that delimits a field, otherwise an empty text."""
    found = next((child for child in run if name_of(child) == "fldChar"), None) if name_of(run) == "r" else None
    return "" if found is None else _attribute(found, "fldCharType")


def _find_fields(children: Sequence[Element]) -> dict[int, _Field]:
    """Return the fields that begin and end among the children, by the index of their begin."""
    found: dict[int, _Field] = {}
    opened: list[tuple[int, int | None]] = []
    for index, child in enumerate(children):
        char = _field_char(child)
        if char == "begin":
            opened.append((index, None))
        elif char == "separate" and opened and opened[-1][1] is None:
            opened[-1] = (opened[-1][0], index)
        elif char == "end" and opened:
            begin, middle = opened.pop()
            found[begin] = _Field(begin, index - 1 if middle is None else middle, index, len(opened))
    return found


def _attribute(element: Element, name: str) -> str:
    return next((str(value) for key, value in element.attrib.items() if str(key).endswith("}" + name)), "")


def _is_link(instruction: str) -> bool:
    return instruction.split()[:1] == ["HYPERLINK"]


def _text_of(elements: Iterable[Element]) -> str:
    return "".join(one.text or "" for element in elements for one in element.iter("{*}t"))
