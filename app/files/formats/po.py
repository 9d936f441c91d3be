"""Gettext's PO: entries without a translation get one, with the flag ``fuzzy``; every other line is kept byte for byte.

polib only reads the entries. If it wrote them, it would wrap the lines of all of them again.
"""

import re
from collections.abc import Iterator
from typing import Final

import polib

from app.errors import UnusableFile
from app.files.document import Document, Passage
from app.files.formats.html import Declaration

_MSGSTR: Final = re.compile(r"msgstr(?:\[(\d+)\])?\s*\"")
_CONTINUED: Final = re.compile(r"\s*\"")
_FLAGS: Final = re.compile(r"#,\s*")
_DECLARATION: Final = Declaration(re.compile(r"Content-Type:[^\"\n]{0,200}?charset=([^\s;\"\\]{1,40})", re.IGNORECASE))
_LANGUAGE: Final = re.compile(r"^(\"Language:)[ \t]*(\\n\")", re.MULTILINE)


class _Entry:
    """An entry without a translation: the lines of its msgstr, and the plural forms that are empty.

    Attributes:
        texts: The passages: the msgid and, if there is one, the msgid_plural.
    """

    def __init__(self, entry: polib.POEntry, lines: list[str]) -> None:
        self.texts = [entry.msgid, *([entry.msgid_plural] if entry.msgid_plural else [])]
        self._is_fuzzy = "fuzzy" in entry.flags
        first = (entry.linenum or 1) - 1
        while _MSGSTR.match(lines[first]) is None:
            first += 1
            if first == len(lines):
                raise ValueError(f"the entry of line {entry.linenum} has no msgstr")
        self._msgid = first
        while not lines[self._msgid].startswith("msgid "):
            self._msgid -= 1
        self._forms: list[tuple[int, int, int]] = []  # number, first line, line behind the last
        while first < len(lines) and (found := _MSGSTR.match(lines[first])) is not None:
            last = first + 1
            while last < len(lines) and _CONTINUED.match(lines[last]):
                last += 1
            self._forms.append((int(found.group(1) or 0), first, last))
            first = last
        self._filled = {number for number, text in entry.msgstr_plural.items() if text}

    def write(self, translations: list[str], lines: list[str]) -> None:
        """Change the lines of the entry. The list keeps its length, so that the lines of other entries do not move.

        Args:
            translations: Those of ``texts``.
            lines: All lines of the file.
        """
        for number, first, last in self._forms:
            if number in self._filled:
                continue
            is_first = number == 0 and len(self._forms) > 1
            text = translations[0] if is_first or len(self.texts) == 1 else translations[1]
            end = _end_of(lines[last - 1])
            name = "msgstr" if len(self.texts) == 1 else f"msgstr[{number}]"
            lines[first:last] = [_format_message(name, text, end or "\n") + end, *[""] * (last - first - 1)]
        if not self._is_fuzzy:
            self._add_fuzzy(lines)

    def _add_fuzzy(self, lines: list[str]) -> None:
        first = self._msgid
        while first > 0 and lines[first - 1].startswith(("msgctxt", '"', "#|")):
            first -= 1
        for above in range(first - 1, -1, -1):
            if not lines[above].startswith("#"):
                break
            if _FLAGS.match(lines[above]):
                lines[above] = _FLAGS.sub("#, fuzzy, ", lines[above], count=1)
                return
        lines[first] = f"#, fuzzy{_end_of(lines[self._msgid])}{lines[first]}"


def read_po(data: bytes) -> Document:
    """Read the messages that have no translation.

    Raises:
        UnusableFile: The file is no PO file, or is in an encoding that is not read.
    """
    text, encode = _DECLARATION.decode(data)
    if not re.search(r"^msgid ", text, re.MULTILINE):  # polib would read such a text as a file name
        raise UnusableFile("The file has no msgid in it, so it is no PO file")
    try:
        catalogue = polib.pofile(text)
        lines = text.splitlines(keepends=True)
        entries = [_Entry(entry, lines) for entry in catalogue if _is_missing(entry)]
    except (OSError, ValueError, IndexError) as error:
        raise UnusableFile(f"The file cannot be read as PO: {error}") from None

    def write(translations: Iterator[str], target: str) -> bytes:
        for entry in entries:
            entry.write([next(translations) for _ in entry.texts], lines)
        return encode(_LANGUAGE.sub(rf"\g<1> {target}\g<2>", "".join(lines), count=1))

    return Document(tuple(Passage(one) for entry in entries for one in entry.texts), write)


def _is_missing(entry: polib.POEntry) -> bool:
    if entry.obsolete or not entry.msgid:
        return False
    return not all(entry.msgstr_plural.values()) if entry.msgid_plural else not entry.msgstr


def _format_message(name: str, text: str, end: str) -> str:
    lines = [f'"{polib.escape(line)}"' for line in text.splitlines(keepends=True)] or ['""']
    return f"{name} {lines[0]}" if len(lines) == 1 else end.join([f'{name} ""', *lines])


def _end_of(line: str) -> str:
    """Return the line end of a line."""
    return line[len(line.rstrip("\r\n")) :]
