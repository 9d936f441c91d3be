"""Gettext's PO: what has no translation yet gets one, marked as fuzzy; every other line stays byte for byte.

polib reads the entries; they are not written by it, because it would wrap the lines of all of them anew.
"""

import re
from collections.abc import Iterator
from typing import Final

import polib

from app.errors import UnusableFile
from app.files.document import Document, Passage
from app.files.encoding import decode

_MSGSTR: Final = re.compile(r"msgstr(?:\[(\d+)\])?\s*\"")
_CONTINUED: Final = re.compile(r"\s*\"")
_FLAGS: Final = re.compile(r"#,\s*")
_LANGUAGE: Final = re.compile(r"^(\"Language:)[ \t]*(\\n\")", re.MULTILINE)


class _Entry:
    """An entry without a translation: which lines hold its msgstr, and which forms of it are empty."""

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
        self._forms: list[tuple[int, int, int]] = []  # number, first line, line behind
        while first < len(lines) and (found := _MSGSTR.match(lines[first])) is not None:
            last = first + 1
            while last < len(lines) and _CONTINUED.match(lines[last]):
                last += 1
            self._forms.append((int(found.group(1) or 0), first, last))
            first = last
        self._filled = {number for number, text in entry.msgstr_plural.items() if text}

    def put(self, translated: list[str], lines: list[str]) -> None:
        """Change some of the lines; their number stays."""
        for number, first, last in self._forms:
            if number in self._filled:
                continue
            is_first = number == 0 and len(self._forms) > 1
            text = translated[0] if is_first or len(self.texts) == 1 else translated[1]
            end = _end_of(lines[last - 1])
            name = "msgstr" if len(self.texts) == 1 else f"msgstr[{number}]"
            lines[first:last] = [_written(name, text, end or "\n") + end, *[""] * (last - first - 1)]
        if not self._is_fuzzy:
            self._mark(lines)

    def _mark(self, lines: list[str]) -> None:
        place = self._msgid
        while place > 0 and lines[place - 1].startswith(("msgctxt", '"', "#|")):
            place -= 1
        for above in range(place - 1, -1, -1):
            if not lines[above].startswith("#"):
                break
            if _FLAGS.match(lines[above]):
                lines[above] = _FLAGS.sub("#, fuzzy, ", lines[above], count=1)
                return
        lines[place] = f"#, fuzzy{_end_of(lines[self._msgid])}{lines[place]}"


def read_po(data: bytes) -> Document:
    """:raises UnusableFile: no PO file, or an encoding that is not read."""
    text, encode = decode(data)
    if not re.search(r"^msgid ", text, re.MULTILINE):  # polib would take it for the name of a file
        raise UnusableFile("The file has no msgid in it, so it is no PO file")
    try:
        catalogue = polib.pofile(text)
        lines = text.splitlines(keepends=True)
        entries = [_Entry(entry, lines) for entry in catalogue if _is_missing(entry)]
    except (OSError, ValueError, IndexError) as error:
        raise UnusableFile(f"The file cannot be read as PO: {error}") from None

    def write(translations: Iterator[str], target: str) -> bytes:
        for entry in entries:
            entry.put([next(translations) for _ in entry.texts], lines)
        return encode(_LANGUAGE.sub(rf"\g<1> {target}\g<2>", "".join(lines), count=1))

    return Document(tuple(Passage(one) for entry in entries for one in entry.texts), write)


def _is_missing(entry: polib.POEntry) -> bool:
    if entry.obsolete or not entry.msgid:
        return False
    return not all(entry.msgstr_plural.values()) if entry.msgid_plural else not entry.msgstr


def _written(name: str, text: str, end: str) -> str:
    lines = [f'"{polib.escape(line)}"' for line in text.splitlines(keepends=True)] or ['""']
    return f"{name} {lines[0]}" if len(lines) == 1 else end.join([f'{name} ""', *lines])


def _end_of(line: str) -> str:
    return line[len(line.rstrip("\r\n")) :]
