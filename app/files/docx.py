"""Word's DOCX: paragraphs of the text, its headers, footers, notes, comments and text boxes."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from app.files.archive import Archive
from app.files.document import Document
from app.files.runs import office_document, run_of, split_runs, style_of, words_of
from app.files.scope import Atom, Codec, Content, Element, Node, Role, Style, Words
from app.files.xml_part import name_of, namespace_of

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
_IGNORED: Final = frozenset(("lang", "noProof"))  # of the formatting
_ROLES: Final = {
    **dict.fromkeys(
        ("hyperlink", "ins", "moveTo", "smartTag", "sdt", "sdtContent", "customXml", "bdo", "dir"), Role.INLINE
    ),
    **dict.fromkeys(("pPr", "sdtPr", "sdtEndPr", "smartTagPr", "customXmlPr", "tab", "br", "cr", "ptab"), Role.BREAK),
    **dict.fromkeys(("proofErr", "lastRenderedPageBreak", "softHyphen"), Role.DROPPED),
}
_HYPHEN: Final = "\u2011"


class _Codec:
    def __init__(self, namespace: str) -> None:
        self._namespace = namespace

    def atoms(self, element: Element) -> list[Atom]:
        return list(self._of(list(element)))

    def content(self, text: str, style: Style | None) -> Content:
        return run_of(text, style, self._namespace, keeps_spaces=True)

    def _of(self, children: Sequence[Element]) -> Iterator[Atom]:
        position = 0
        while position < len(children):
            child = children[position]
            if _field_char(child) == "begin" and (end := _field_end(children, position)) is not None:
                yield from self._field(children[position : end + 1])
                position = end
            elif _field_char(child) or _inner(child) == "instrText":
                yield Node(Role.BREAK, (child,))  # its field goes on in another paragraph
            elif name_of(child) == "r" and namespace_of(child) in _NAMESPACES:
                yield _atom_of_run(child)
            elif name_of(child) == "fldSimple":
                is_link = _is_link(_attribute(child, "instr"))
                yield Node(Role.INLINE, (child,)) if is_link else Node(Role.POINT, (child,), _text_of([child]))
            else:
                yield Node(_role_of(child), (child,))
            position += 1

    def _field(self, elements: Sequence[Element]) -> Iterator[Atom]:
        """A field from its begin to its end; only what a link is put on is language."""
        depths = 0
        middle = len(elements) - 1
        for place, element in enumerate(elements):
            char = _field_char(element)
            depths += (char == "begin") - (char == "end")
            if char == "separate" and depths == 1:
                middle = place
                break
        shown = elements[middle + 1 : -1]
        instruction = "".join(one.text or "" for element in elements[:middle] for one in element.iter("{*}instrText"))
        atoms = list(self._of(shown))
        if not _is_link(instruction):
            yield Node(Role.POINT, tuple(elements), _text_of(shown))
        elif any(isinstance(atom, Node) and atom.role in (Role.BREAK, Role.INLINE) for atom in atoms):
            yield from (Node(Role.BREAK, (element,)) for element in elements[: middle + 1])
            yield from atoms
            yield Node(Role.BREAK, (elements[-1],))
        else:
            yield Node(Role.OPEN, tuple(elements[: middle + 1]))
            yield from atoms
            yield Node(Role.CLOSE, (elements[-1],))


def read_docx(archive: Archive) -> Document:
    """:raises UnusableFile: it is not what its name says, or damaged."""
    return office_document(archive, _CONTENT_TYPES, _prepare)


def _prepare(root: Element) -> tuple[list[Element], Codec]:
    split_runs(root, _NAMESPACES)
    paragraphs = [one for one in root.iter("{*}p") if namespace_of(one) in _NAMESPACES]
    return paragraphs, _Codec(namespace_of(root))


def _atom_of_run(run: Element) -> Atom:
    inner = _inner(run)
    if inner == "t":
        return Words(words_of(run), style_of(run, _IGNORED))
    if inner == "noBreakHyphen":
        return Words(_HYPHEN, style_of(run, _IGNORED))
    return Node(_ROLES.get(inner, Role.POINT), (run,))


def _inner(run: Element) -> str:
    """What a run holds beside its formatting: after ``split_runs`` it is one thing."""
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
    """``begin``, ``separate`` or ``end``; empty of what is no part of a field."""
    found = next((child for child in run if name_of(child) == "fldChar"), None) if name_of(run) == "r" else None
    return "" if found is None else _attribute(found, "fldCharType")


def _field_end(children: Sequence[Element], begin: int) -> int | None:
    depth = 0
    for place in range(begin, len(children)):
        char = _field_char(children[place])
        depth += (char == "begin") - (char == "end")
        if depth == 0:
            return place
    return None


def _attribute(element: Element, name: str) -> str:
    return next((str(value) for key, value in element.attrib.items() if str(key).endswith("}" + name)), "")


def _is_link(instruction: str) -> bool:
    return instruction.split()[:1] == ["HYPERLINK"]


def _text_of(elements: Iterable[Element]) -> str:
    return "".join(one.text or "" for element in elements for one in element.iter("{*}t"))
