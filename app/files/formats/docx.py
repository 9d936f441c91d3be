"""Word's DOCX: paragraphs of the text, its headers, footers, notes, comments and text boxes."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from app.files.archive import Archive
from app.files.document import Document
from app.files.formats.office_runs import office_document, run_of, split_runs, style_of, words_of
from app.files.formats.xml_paragraph import Atom, Codec, Content, Element, Node, Role, Style, Words
from app.files.formats.xml_part import name_of, namespace_of

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
_MAX_DEPTH: Final = 10  # of links in links, which nobody writes
_HYPHEN: Final = "\u2011"


@dataclass(frozen=True, slots=True)
class _Field:
    """Places of its begin, of the last before what a reader sees, and of its end; ``depth``: in so many others."""

    begin: int
    middle: int
    end: int
    depth: int


class _Codec:
    def __init__(self, namespace: str) -> None:
        self._namespace = namespace

    def atoms(self, element: Element) -> list[Atom]:
        children = list(element)
        return list(self._of(children, range(len(children)), _fields(children)))

    def content(self, text: str, style: Style | None) -> Content:
        return run_of(text, style, self._namespace, keeps_spaces=True)

    def _of(self, children: Sequence[Element], places: range, fields: Mapping[int, _Field]) -> Iterator[Atom]:
        position = places.start
        while position < places.stop:
            child, field = children[position], fields.get(position)
            if field is not None:
                yield from self._field(children, field, fields)
                position = field.end
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

    def _field(self, children: Sequence[Element], field: _Field, fields: Mapping[int, _Field]) -> Iterator[Atom]:
        """A field from its begin to its end; only what a link is put on is language."""
        before, shown = children[field.begin : field.middle + 1], range(field.middle + 1, field.end)
        instruction = "".join(one.text or "" for element in before for one in element.iter("{*}instrText"))
        if not _is_link(instruction) or field.depth > _MAX_DEPTH:
            words = _text_of(children[place] for place in shown)
            yield Node(Role.POINT, tuple(children[field.begin : field.end + 1]), words)
            return
        atoms = list(self._of(children, shown, fields))
        if any(isinstance(atom, Node) and atom.role in (Role.BREAK, Role.INLINE) for atom in atoms):
            yield from (Node(Role.BREAK, (element,)) for element in before)
            yield from atoms
            yield Node(Role.BREAK, (children[field.end],))
        else:
            yield Node(Role.OPEN, tuple(before))
            yield from atoms
            yield Node(Role.CLOSE, (children[field.end],))


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


def _fields(children: Sequence[Element]) -> dict[int, _Field]:
    """The fields that are whole, by where they begin."""
    found: dict[int, _Field] = {}
    opened: list[tuple[int, int | None]] = []
    for place, child in enumerate(children):
        char = _field_char(child)
        if char == "begin":
            opened.append((place, None))
        elif char == "separate" and opened and opened[-1][1] is None:
            opened[-1] = (opened[-1][0], place)
        elif char == "end" and opened:
            begin, middle = opened.pop()
            found[begin] = _Field(begin, place - 1 if middle is None else middle, place, len(opened))
    return found


def _attribute(element: Element, name: str) -> str:
    return next((str(value) for key, value in element.attrib.items() if str(key).endswith("}" + name)), "")


def _is_link(instruction: str) -> bool:
    return instruction.split()[:1] == ["HYPERLINK"]


def _text_of(elements: Iterable[Element]) -> str:
    return "".join(one.text or "" for element in elements for one in element.iter("{*}t"))
