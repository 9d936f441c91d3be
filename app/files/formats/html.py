"""HTML: the translator reads HTML itself; a long page is cut into parts where a block ends."""

from itertools import pairwise
from typing import Final

from app.files.document import Document, PageParser, Passage, join_pieces
from app.files.raw_file import decode
from app.text.tag_roles import TagRole, select_tags

# Pages up to this length are not cut, and no part but the last is shorter. A block is never cut.
PART_CHARACTERS: Final = 10_000
_BLOCKS: Final = select_tags(TagRole.PAGE_CUT)
_KEPT: Final = select_tags(TagRole.PAGE_KEPT)
_VOID: Final = select_tags(TagRole.PAGE_VOID)


def read_html(data: bytes) -> Document:
    """Read a page as passages of whole blocks.

    Raises:
        UnusableFile: The page is in an encoding that is not read.
    """
    text, encode = decode(data)
    cuts = [0, *(_Cutter(text).cuts if len(text) > PART_CHARACTERS else []), len(text)]
    parts = [text[start:end] for start, end in pairwise(cuts)]
    return join_pieces([Passage(part, "html") for part in parts if part], encode)


class _Cutter(PageParser):
    """Finds the offsets at which a page may be cut: behind the end of a block that is not within untranslated content.

    Attributes:
        cuts: The offsets.
    """

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=False)
        self.cuts: list[int] = []
        self._text = text
        self._lines = [0]
        for line in text.split("\n"):
            self._lines.append(self._lines[-1] + len(line) + 1)
        self._kept: str | None = None
        self._depth = 0
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _VOID:
            return
        values = dict(attrs)
        is_kept = (
            tag in _KEPT or values.get("translate") == "no" or "notranslate" in (values.get("class") or "").split()
        )
        if self._kept is None and is_kept:
            self._kept = tag
        if tag == self._kept:
            self._depth += 1

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        if tag == self._kept:
            self._depth -= 1
            self._kept = self._kept if self._depth else None
        if self._kept is not None or tag not in _BLOCKS:
            return
        line, column = self.getpos()
        end = self._text.find(">", self._lines[line - 1] + column) + 1
        if end - (self.cuts[-1] if self.cuts else 0) >= PART_CHARACTERS:
            self.cuts.append(end)
