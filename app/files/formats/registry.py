"""The formats of files that are read, by the suffixes of their names; plain text, which needs no module of its own."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final

from app.errors import UnusableFile
from app.files.document import Document, Passage, join_pieces
from app.files.encoding import decode
from app.files.formats.docx import read_docx
from app.files.formats.epub import read_epub
from app.files.formats.html import read_html
from app.files.formats.markdown import read_markdown
from app.files.formats.odt import read_odt
from app.files.formats.office import read_pptx
from app.files.formats.po import read_po
from app.files.formats.subtitles import read_subtitles
from app.files.formats.tables import read_csv, read_tsv
from app.files.formats.xliff import read_xliff
from app.files.raw_file import Archive, check_elements
from app.text.wrapped_lines import find_soft_breaks


@dataclass(frozen=True, slots=True)
class _Format:
    """A format with one of two readers.

    Attributes:
        media_type: The media type of its files.
        read: Reads the bytes of a file in one of the languages.
        read_archive: Reads the parts of a zip file.
    """

    media_type: str
    read: Callable[[bytes, Sequence[str]], Document] | None = None
    read_archive: Callable[[Archive], Document] | None = None


def _read_text(data: bytes, languages: Sequence[str]) -> Document:
    """Read plain text, in which each line is a passage, or some paragraphs if lines were wrapped; line ends are kept.

    Raises:
        UnusableFile: The text is in an encoding that is not read.
    """
    text, encode = decode(data, languages)
    check_elements(sum(map(text.count, _LINE_ENDS)), "lines")
    lines = text.splitlines(keepends=True)
    return join_pieces(map(Passage, _group_lines(lines) if find_soft_breaks(text) else lines), encode)


def _group_lines(lines: Iterable[str]) -> Iterator[str]:
    """Yields groups of whole paragraphs, in which the translator finds the breaks that are only spaces."""
    group: list[str] = []
    for line in lines:
        group.append(line)
        if line.isspace() and sum(map(len, group)) >= _GROUP_CHARACTERS:
            yield "".join(group)
            group = []
    yield "".join(group)


_GROUP_CHARACTERS: Final = 2000
_LINE_ENDS: Final = "\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029"  # of str.splitlines
_OFFICE: Final = "application/vnd.openxmlformats-officedocument"
_FORMATS: Final = {
    ".txt": _Format("text/plain", _read_text),
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
    """Return the suffix of a file name with its dot, in lower case.

    Raises:
        UnusableFile: The suffix belongs to no format that is read.
    """
    suffix = PurePosixPath(name).suffix.lower()
    if suffix not in _FORMATS:
        raise UnusableFile("Invalid request: file format not supported")
    return suffix


def media_type_of(name: str) -> str:
    """Return the media type of a file by its name.

    Raises:
        UnusableFile: The suffix belongs to no format that is read.
    """
    return _FORMATS[suffix_of(name)].media_type


def read_document(name: str, data: bytes, max_unpacked_bytes: int, languages: Sequence[str] = ()) -> Document:
    """Read the passages of a file.

    Args:
        name: The name of the file; its suffix tells the format.
        data: The file.
        max_unpacked_bytes: The size to which an archive may decompress.
        languages: The languages that the file may be in, which tell the encoding of a text that declares none.

    Raises:
        UnusableFile: The file has another format, is damaged or is unsafe.
        FileTooLarge: An archive decompresses to more than ``max_unpacked_bytes``.
    """
    form = _FORMATS[suffix_of(name)]
    if form.read_archive is not None:
        return form.read_archive(Archive(data, max_unpacked_bytes))
    assert form.read is not None
    return form.read(data, languages)
