"""Which files are read, by how their names end."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final

from app.errors import UnusableFile
from app.files.archive import Archive
from app.files.document import Document
from app.files.formats.docx import read_docx
from app.files.formats.epub import read_epub
from app.files.formats.html import read_html
from app.files.formats.markdown import read_markdown
from app.files.formats.odt import read_odt
from app.files.formats.plain import read_text
from app.files.formats.po import read_po
from app.files.formats.pptx import read_pptx
from app.files.formats.subtitles import read_subtitles
from app.files.formats.tables import read_csv, read_tsv
from app.files.formats.xliff import read_xliff


@dataclass(frozen=True, slots=True)
class _Format:
    """One of the two readers is there: of the bytes, or of the parts of a zip file."""

    media_type: str
    read: Callable[[bytes], Document] | None = None
    read_archive: Callable[[Archive], Document] | None = None


_OFFICE: Final = "application/vnd.openxmlformats-officedocument"
_FORMATS: Final = {
    ".txt": _Format("text/plain", read_text),
    ".md": _Format("text/markdown", read_markdown),
    ".html": _Format("text/html", read_html),
    ".htm": _Format("text/html", read_html),
    ".srt": _Format("application/x-subrip", read_subtitles),
    ".vtt": _Format("text/vtt", read_subtitles),
    ".po": _Format("text/x-gettext-translation", read_po),
    ".xlf": _Format("application/xliff+xml", read_xliff),
    ".xliff": _Format("application/xliff+xml", read_xliff),
    ".docx": _Format(f"{_OFFICE}.wordprocessingml.document", read_archive=read_docx),
    ".odt": _Format("application/vnd.oasis.opendocument.text", read_archive=read_odt),
    ".pptx": _Format(f"{_OFFICE}.presentationml.presentation", read_archive=read_pptx),
    ".epub": _Format("application/epub+zip", read_archive=read_epub),
    ".csv": _Format("text/csv", read_csv),
    ".tsv": _Format("text/tab-separated-values", read_tsv),
}
SUFFIXES: Final = tuple(_FORMATS)


def suffix_of(name: str) -> str:
    """How the name of a file that is read here ends, with its dot, in lower case.

    :raises UnusableFile: no such file is read.
    """
    suffix = PurePosixPath(name).suffix.lower()
    if suffix not in _FORMATS:
        raise UnusableFile("Invalid request: file format not supported")
    return suffix


def media_type_of(name: str) -> str:
    """:raises UnusableFile: no such file is read."""
    return _FORMATS[suffix_of(name)].media_type


def read_document(name: str, data: bytes, max_unpacked_bytes: int) -> Document:
    """What is to be translated in a file.

    :raises UnusableFile: it is of another format, damaged or unsafe.
    :raises FileTooLarge: it unpacks to more than ``max_unpacked_bytes``.
    """
    form = _FORMATS[suffix_of(name)]
    if form.read_archive is not None:
        return form.read_archive(Archive(data, max_unpacked_bytes))
    assert form.read is not None
    return form.read(data)
