"""Plain text: a line is a passage, and line ends stay."""

from app.files.document import Document, Passage, pieces_document
from app.files.encoding import decode


def read_text(data: bytes) -> Document:
    """:raises UnusableFile: an encoding that is not read."""
    text, encode = decode(data)
    return pieces_document((Passage(line) for line in text.splitlines(keepends=True)), encode)
