"""Pages and PO files that declare their encoding: what comes back is what they declare."""

import re
from collections.abc import Callable

import pytest

from app.errors import UnusableFile
from app.files.document import Passage
from tests.support.file_samples import identity, passages, translated

PAGES = {
    "charset": '<html><head><meta charset="{}"></head><body><p>The summer</p></body></html>',
    "charset without quotes": "<head><META charset={}></head><p>The summer</p>",
    "http-equiv": '<head><meta http-equiv="Content-Type" content="text/html; charset={}"/></head><p>The summer</p>',
    "XHTML": '<?xml version="1.0" encoding="{}"?>\n<html><body><p>The summer</p></body></html>',
    "behind a comment": '<!-- <meta charset="utf-16"> --><meta charset="{}"><p>The summer</p>',
}
PO = 'msgid ""\nmsgstr ""\n"Content-Type: text/plain; charset={}\\n"\n\nmsgid "The summer"\nmsgstr ""\n'
ENCODINGS = (
    "windows-1252",
    "ISO-8859-1",
    "iso-8859-15",
    "utf-8",
    "UTF8",
    "windows-1251",
    "Shift_JIS",
    "us-ascii",
    "big5",
)
NONE = ("CHARSET", "utf-16", "utf-7", "x-user-defined", "rot13", "cp037")


def put(words: str) -> Callable[[Passage], str]:
    return lambda passage: passage.text.replace("The summer", words)


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("kind", PAGES)
def test_pages_are_written_as_they_declare(kind: str, encoding: str) -> None:
    page = PAGES[kind].format(encoding)
    assert translated("a.html", page.encode(), identity) == page.encode()
    found = translated("a.html", page.encode(), put("L'été 😀 œ"))
    shown = found.decode(encoding if encoding != "ISO-8859-1" else "cp1252")
    characters = re.sub(r"&#(\d+);", lambda one: chr(int(one[1])), shown)
    assert characters == page.replace("The summer", "L'été 😀 œ")


@pytest.mark.parametrize("encoding", NONE)
@pytest.mark.parametrize("kind", PAGES)
def test_declarations_that_cannot_be_true_become_utf_8(kind: str, encoding: str) -> None:
    found = translated("a.html", PAGES[kind].format(encoding).encode(), put("L'été")).decode()
    assert found == PAGES[kind].format("UTF-8").replace("The summer", "L'été")
    found = translated("a.po", PO.format(encoding).encode(), put("L'été")).decode()
    assert "charset=UTF-8\\n" in found
    assert 'msgstr "L\'été"' in found


def test_pages_in_the_encoding_that_they_declare_are_read() -> None:
    for encoding, words in {
        "windows-1252": "Öl – “gut”",
        "ISO-8859-1": "“gut”",
        "windows-1251": "Лето",
        "gb2312": "夏天",
    }.items():
        page = f'<meta charset="{encoding}"><p>{words}</p>'
        data = page.encode({"ISO-8859-1": "cp1252"}.get(encoding, encoding))
        assert passages("a.html", data) == [page]
        assert translated("a.html", data, identity) == data


def test_utf_8_under_another_declaration() -> None:
    page = '<meta charset="windows-1252"><p>Übung</p>'
    assert translated("a.html", page.encode(), identity).decode() == page.replace("windows-1252", "UTF-8")


def test_a_byte_order_mark_counts_more_than_the_declaration() -> None:
    page = '<meta charset="windows-1252"><p>Übung</p>'
    for data in (page.encode("utf-8-sig"), page.encode("utf-16")):
        assert translated("a.html", data, identity) == data


def test_bytes_that_are_not_in_the_declared_encoding() -> None:
    with pytest.raises(UnusableFile, match="not valid big5"):
        passages("a.html", b'<meta charset="big5"><p>\xff\xff</p>')


def test_po() -> None:
    found = translated("a.po", PO.format("ISO-8859-1").encode(), put("L'été"))
    assert "charset=ISO-8859-1\\n" in found.decode("iso-8859-1")
    assert 'msgstr "L\'été"' in found.decode("iso-8859-1")
    found = translated("a.po", PO.format("ISO-8859-1").encode(), put("L'œuvre"))
    assert "charset=UTF-8\\n" in found.decode()
    assert 'msgstr "L\'œuvre"' in found.decode()
    data = PO.format("ISO-8859-1").replace("The", "Thé").encode("iso-8859-1")
    assert passages("a.po", data) == ["Thé summer"]
