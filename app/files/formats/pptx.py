"""PowerPoint's PPTX: paragraphs of slides, notes and diagrams. Charts stay as they are."""

from typing import Final

from app.files.archive import Archive
from app.files.document import Document
from app.files.formats.office_runs import office_document, run_of, split_runs, style_of, words_of
from app.files.formats.xml_paragraph import Atom, Codec, Content, Element, Node, Role, Style, Words
from app.files.formats.xml_part import name_of, namespace_of

_NAMESPACES: Final = frozenset(
    ("http://schemas.openxmlformats.org/drawingml/2006/main", "http://purl.oclc.org/ooxml/drawingml/main")
)
_CONTENT_TYPES: Final = (
    "presentationml.slide+xml",
    "presentationml.notesSlide+xml",
    "drawingml.diagramData+xml",
    "drawingml.diagramDrawing+xml",
)
_IGNORED: Final = frozenset(("lang", "altLang", "dirty", "err", "noProof", "smtClean"))  # of the formatting


class _Codec:
    def __init__(self, namespace: str) -> None:
        self._namespace = namespace

    def atoms(self, element: Element) -> list[Atom]:
        return [_atom(child) for child in element]

    def content(self, text: str, style: Style | None) -> Content:
        return run_of(text, style, self._namespace, keeps_spaces=False)


def read_pptx(archive: Archive) -> Document:
    """:raises UnusableFile: it is not what its name says, or damaged."""
    return office_document(archive, _CONTENT_TYPES, _prepare)


def _prepare(root: Element) -> tuple[list[Element], Codec]:
    split_runs(root, _NAMESPACES)
    paragraphs = [one for one in root.iter("{*}p") if namespace_of(one) in _NAMESPACES]
    return paragraphs, _Codec(namespace_of(paragraphs[0]) if paragraphs else "")


def _atom(element: Element) -> Atom:
    name = name_of(element)
    if name == "r":
        return Words(words_of(element), style_of(element, _IGNORED))
    if name in ("pPr", "endParaRPr", "br"):
        return Node(Role.BREAK, (element,))
    return Node(Role.POINT, (element,), words_of(element) if name == "fld" else "")
