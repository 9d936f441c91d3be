"""Gettext's PO: entries without a translation get one, with the flag ``fuzzy``, and the header gets the language and
its plural forms. Every other line is kept byte for byte.

polib only reads the entries. If it wrote them, it would wrap the lines of all of them again.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Final

import polib

from app.errors import UnusableFile
from app.files.declarations import Declaration
from app.files.document import Document, Passage
from app.files.raw_file import check_elements

_MAX_ENTRIES: Final = 100_000  # polib takes up to 2 KB an entry
_MSGSTR: Final = re.compile(r"msgstr(?:\[(\d+)\])?\s*\"")
_CONTINUED: Final = re.compile(r"\s*\"")
_FLAGS: Final = re.compile(r"#,\s*")
_DECLARATION: Final = Declaration(re.compile(r"Content-Type:[^\"\n]{0,200}?charset=([^\s;\"\\]{1,40})", re.IGNORECASE))
_LINES: Final = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+\Z")
# Python takes these characters for line ends and gettext does not, so polib reads private characters instead.
_OTHER_LINE_ENDS: Final = "\v\f\x1c\x1d\x1e\x85\u2028\u2029"
_HIDDEN: Final = {ord(character): 0x10FF00 + index for index, character in enumerate(_OTHER_LINE_ENDS)}
_RESTORED: Final = {private: character for character, private in _HIDDEN.items()}
_HEADER: Final = re.compile(r"msgid[ \t]+\"\"\s*\Z")
_FORMS: Final = re.compile(r"nplurals\s*=\s*([1-6])\b")
_TENS: Final = "n%10>=2 && n%10<=4 && (n%100<10 || n%100>=20)"
_ENGLISH_FORMS: Final = "nplurals=2; plural=(n != 1);"
# The plural forms of languages in the words of the manual of gettext.
_PLURALS: Final = {
    "nplurals=1; plural=0;": "ja ko zh vi th id ms my lo km",
    _ENGLISH_FORMS: "en de nl sv da nb nn no fi et el es it pt bg hu tr he ca eu gl eo af sq",
    "nplurals=2; plural=(n > 1);": "fr oc pt-br wa",
    f"nplurals=3; plural=(n%10==1 && n%100!=11 ? 0 : {_TENS} ? 1 : 2);": "ru uk be sr hr bs",
    f"nplurals=3; plural=(n==1 ? 0 : {_TENS} ? 1 : 2);": "pl",
    "nplurals=3; plural=(n==1) ? 0 : (n>=2 && n<=4) ? 1 : 2;": "cs sk",
    "nplurals=3; plural=(n==1 ? 0 : (n==0 || (n%100>0 && n%100<20)) ? 1 : 2);": "ro",
    "nplurals=3; plural=(n%10==1 && n%100!=11 ? 0 : n%10>=2 && (n%100<10 || n%100>=20) ? 1 : 2);": "lt",
    "nplurals=3; plural=(n%10==1 && n%100!=11 ? 0 : n != 0 ? 1 : 2);": "lv",
    "nplurals=4; plural=(n%100==1 ? 0 : n%100==2 ? 1 : n%100==3 || n%100==4 ? 2 : 3);": "sl",
}
_PLURALS_OF: Final = {language: forms for forms, languages in _PLURALS.items() for language in languages.split()}


class _Entry:
    """An entry without a translation: the lines of its msgstr, and the plural forms that are empty.

    Attributes:
        texts: The passages: the msgid and, if there is one, the msgid_plural.
    """

    def __init__(self, entry: polib.POEntry, lines: list[str]) -> None:
        texts = [entry.msgid, *([entry.msgid_plural] if entry.msgid_plural else [])]
        self.texts = [text.translate(_RESTORED) for text in texts]
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

    def write(self, translations: list[str], lines: list[str], plurals: int) -> None:
        """Change the lines of the entry. The list keeps its length, so that the lines of other entries do not move.

        Args:
            translations: Those of ``texts``.
            lines: All lines of the file.
            plurals: The number of plural forms of the language; 0 for the number that the entry has.
        """
        for number, first, last in self._forms:
            if number not in self._filled:
                text = translations[0] if number == 0 and len(self._forms) > 1 else translations[-1]
                name = "msgstr" if len(self.texts) == 1 else f"msgstr[{number}]"
                _replace_lines(lines, first, last, [(name, text)])
        if plurals not in (0, len(self._forms)) and len(self.texts) == 2 and not self._filled:
            texts = [translations[0], *[translations[1]] * (plurals - 1)] if plurals > 1 else [translations[1]]
            named = [(f"msgstr[{number}]", text) for number, text in enumerate(texts)]
            _replace_lines(lines, self._forms[0][1], self._forms[-1][2], named)
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


class _Header:
    """The entry with an empty msgid, whose fields describe the file."""

    def __init__(self, lines: list[str]) -> None:
        """Find the lines of its msgstr.

        Args:
            lines: All lines of the file, which are changed.
        """
        self._added: list[str] = []
        self._lines = lines
        pairs = enumerate(pairwise(lines), 1)
        self._first = next((at for at, (one, next_) in pairs if _HEADER.match(one) and _MSGSTR.match(next_)), 0)
        self._last = self._first + bool(self._first)
        while self._first and self._last < len(lines) and _CONTINUED.match(lines[self._last]):
            self._last += 1

    def get(self, name: str) -> str | None:
        """Return the value of a field; None if there is no such field."""
        return next((value for _, _, value, _ in self._find(name)), None)

    def set(self, name: str, value: str) -> None:
        """Change a field or add it. A header whose fields do not stand on lines of their own is kept."""
        for index, start, _, end in self._find(name):
            self._lines[index] = f"{start} {value}{end}"
            return
        if not any(f"{name}:" in line for line in self._lines[self._first : self._last]):
            self._added.append(f'"{name}: {value}\\n"')

    def add_fields(self) -> None:
        """Write the fields that ``set`` added, behind the last one; the list of lines keeps its length."""
        last = self._lines[self._last - 1].rstrip() if self._first else ""
        if last.endswith('\\n"'):
            end = _end_of(self._lines[self._last - 1])
            self._lines[self._last - 1] = (end or "\n").join([last, *self._added]) + end

    def _find(self, name: str) -> Iterator[tuple[int, str, str, str]]:
        """Yield of each line of a field its index, its text before and behind the value, and between them the value."""
        pattern = re.compile(rf'(\s*(?:msgstr\s+)?"{name}:)([^"\\]*)((?:\\n)?"\s*)\Z')
        for index in range(self._first, self._last):
            if found := pattern.match(self._lines[index]):
                yield index, found[1], found[2].strip(), found[3]


def read_po(data: bytes, languages: Sequence[str] = ()) -> Document:
    """Read the messages that have no translation.

    Raises:
        UnusableFile: The file is no PO file, or is in an encoding that is not read.
    """
    text, encode = _DECLARATION.decode(data, languages)
    check_elements(text.count("msgid"), "entries", _MAX_ENTRIES)
    if not re.search(r"^msgid ", text, re.MULTILINE):  # polib would read such a text as a file name
        raise UnusableFile("The file has no msgid in it, so it is no PO file")
    try:
        catalogue = polib.pofile(text.translate(_HIDDEN))
        lines: list[str] = _LINES.findall(text)
        entries = [_Entry(entry, lines) for entry in catalogue if _is_missing(entry)]
    except (OSError, ValueError, IndexError) as error:
        raise UnusableFile(f"The file cannot be read as PO: {error}") from None

    def write(translations: Iterator[str], target: str) -> bytes:
        plurals = _update_header(_Header(lines), target, catalogue)
        for entry in entries:
            entry.write([next(translations) for _ in entry.texts], lines, plurals)
        return encode("".join(lines))

    return Document(tuple(Passage(one) for entry in entries for one in entry.texts), write)


def _update_header(header: _Header, target: str, catalogue: Iterable[polib.POEntry]) -> int:
    """Set the language and its plural forms where the file has no translation that they would contradict.

    Returns:
        The number of plural forms by the header; 0 if it tells none.
    """
    entries = [entry for entry in catalogue if not entry.obsolete and entry.msgid]
    is_empty = not any(entry.msgstr or any(entry.msgstr_plural.values()) for entry in entries)
    language, old = header.get("Language"), header.get("Plural-Forms")
    if not language or is_empty:
        header.set("Language", target)
    wanted = _PLURALS_OF.get(target.lower()) or _PLURALS_OF.get(target.lower().split("-")[0])
    if wanted and (old is not None or any(entry.msgid_plural for entry in entries)):
        count = _count_forms(old or "")
        is_other = is_empty and language != target and count != _count_forms(wanted)
        is_filled = any(any(entry.msgstr_plural.values()) for entry in entries)
        is_default = not count or _normalize_forms(old or "") == _normalize_forms(_ENGLISH_FORMS)
        is_changed = _normalize_forms(old or "") != _normalize_forms(wanted)
        if is_changed and (is_default or is_other) and not (is_filled and count not in (0, _count_forms(wanted))):
            header.set("Plural-Forms", wanted)
            old = wanted
    header.add_fields()
    return _count_forms(old or "")


def _count_forms(forms: str) -> int:
    found = _FORMS.match(forms)
    return int(found[1]) if found is not None else 0


def _normalize_forms(forms: str) -> str:
    return re.sub(r"[\s();]", "", forms)


def _replace_lines(lines: list[str], first: int, last: int, messages: list[tuple[str, str]]) -> None:
    """Replace lines by named messages; the list keeps its length."""
    end = _end_of(lines[first]) or "\n"
    texts = [_format_message(name, text, end) for name, text in messages]
    lines[first:last] = [end.join(texts) + _end_of(lines[last - 1]), *[""] * (last - first - 1)]


def _is_missing(entry: polib.POEntry) -> bool:
    if entry.obsolete or not entry.msgid:
        return False
    return not all(entry.msgstr_plural.values()) if entry.msgid_plural else not entry.msgstr


def _format_message(name: str, text: str, end: str) -> str:
    lines = [f'"{polib.escape(line)}"' for line in _LINES.findall(text)] or ['""']
    return f"{name} {lines[0]}" if len(lines) == 1 else end.join([f'{name} ""', *lines])


def _end_of(line: str) -> str:
    """Return the line end of a line."""
    return line[len(line.rstrip("\r\n")) :]
