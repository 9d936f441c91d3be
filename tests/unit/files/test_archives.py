"""Files that are XML, or zip files of it: formatting kept, and nothing else changed."""

import io
import re
import zipfile
from collections.abc import Callable

import pptx
import pytest
from ebooklib import epub
from lxml import etree
from odf.opendocument import load

from app.errors import FileTooLarge, UnusableFile
from app.files.formats.registry import read_document
from tests.support.file_samples import (
    SAMPLES,
    XLIFF,
    identity,
    parts,
    passages,
    read,
    translated,
    with_part,
)

ARCHIVES = ("a.docx", "a.odt", "a.pptx", "a.epub")
W = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
DOCUMENT = "word/document.xml"
Change = Callable[[bytes], bytes]


@pytest.mark.parametrize("name", ARCHIVES)
def test_only_words_change(name: str) -> None:
    before, after = parts(SAMPLES[name]), parts(translated(name, SAMPLES[name]))
    assert list(before) == list(after)
    changed = {part for part in before if before[part] != after[part]}
    assert changed
    assert all(part.endswith((".xml", ".xhtml", ".opf", ".ncx")) for part in changed)
    for part in changed:
        old, new = (
            " ".join("".join(map(str, etree.fromstring(of[part]).itertext())).split()) for of in (before, after)
        )
        assert old.upper() == new.upper().replace("FR", "EN"), part
        is_language_changed = after[part].count(b"fr") > before[part].count(b"fr")
        assert old != new or is_language_changed


@pytest.mark.parametrize("name", ARCHIVES)
def test_a_zip_file_keeps_its_order_and_its_dates(name: str) -> None:
    found = [zipfile.ZipFile(io.BytesIO(data)).infolist() for data in (SAMPLES[name], translated(name, SAMPLES[name]))]
    before, after = ([(one.filename, one.date_time, one.compress_type) for one in entries] for entries in found)
    assert before == after


def test_pptx() -> None:
    found = pptx.Presentation(io.BytesIO(translated("a.pptx", SAMPLES["a.pptx"])))
    title, body = found.slides[0].shapes
    assert title.text_frame.text == "A SLIDE"
    assert [[(run.text, run.font.bold) for run in paragraph.runs] for paragraph in body.text_frame.paragraphs] == [
        [("FIRST POINT", None)],
        [("SOME ", None), ("BOLD", True), (" WORDS", None)],
    ]
    assert found.slides[0].notes_slide.notes_text_frame.text == "A NOTE"


def test_odt() -> None:
    assert passages("a.odt", SAMPLES["a.odt"]) == [
        "A heading",
        'Some <span data-n="0">bold</span> words,',
        "spaced.",
        "Another line",
    ]
    data = translated("a.odt", SAMPLES["a.odt"])
    load(io.BytesIO(data))
    content = parts(data)["content.xml"].decode()
    assert 'SOME <text:span text:style-name="Bold">BOLD</text:span> WORDS,<text:s text:c="2"/>SPACED.' in content
    assert "<text:line-break/>ANOTHER LINE</text:p>" in content


def test_spans_that_only_tell_when_words_were_typed() -> None:
    content = parts(SAMPLES["a.odt"])["content.xml"].decode()
    style = (
        '<style:style style:name="T1" style:family="text"><style:text-properties '
        'xmlns:o="http://openoffice.org/2009/office" o:rsid="00a1"/></style:style></office:automatic-styles>'
    )
    changed = content.replace("</office:automatic-styles>", style)
    changed = changed.replace("A heading", 'A <text:span text:style-name="T1">head</text:span>ing')
    assert passages("a.odt", with_part(SAMPLES["a.odt"], "content.xml", changed.encode()))[0] == "A heading"


def test_epub() -> None:
    assert set(passages("a.epub", SAMPLES["a.epub"])) == {
        "A book",
        "Chapter",
        "The chapter",
        'Some <span data-n="0">bold</span> words &amp; more',
        'after a break, <code data-n="1">a code</code> too.',
        "An item",
    }
    data = translated("a.epub", SAMPLES["a.epub"])
    book = epub.read_epub(io.BytesIO(data), {"ignore_ncx": True})
    page = book.get_item_with_href("page.xhtml").get_content().decode()
    assert "<h1>THE CHAPTER</h1>" in page
    assert "SOME <b>BOLD</b> WORDS &amp; MORE<br/>AFTER A BREAK, <code>a code</code> TOO." in page
    assert "<pre>kept here</pre>" in page
    assert "kept too" in page
    assert book.get_metadata("DC", "language")[0][0] == "fr"
    assert zipfile.ZipFile(io.BytesIO(data)).infolist()[0].filename == "mimetype"


def test_entities_of_old_pages() -> None:
    name = "EPUB/page.xhtml"
    page = (
        '<?xml version="1.0" encoding="utf-8"?>\r\n<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.1//EN" '
        '"http://www.w3.org/TR/xhtml11/DTD/xhtml11.dtd">\r\n<html xmlns="http://www.w3.org/1999/xhtml">\r\n'
        "<body><p>caf&eacute;&nbsp;noir</p>\r\n<p>&nbsp;</p></body></html>\r\n"
    )
    written = parts(translated("a.epub", with_part(SAMPLES["a.epub"], name, page.encode())))[name].decode()
    assert written == page.replace("caf&eacute;&nbsp;noir", "CAFÉ\u00a0NOIR")


def test_xliff_1_2() -> None:
    found = translated("a.xlf", XLIFF)
    assert found.startswith(b"<?xml version='1.0' encoding=\"UTF-8\"?>\n<!-- a comment -->\n<xliff ")
    text = found.decode()
    one = 'ONE <g id="1">TWO</g><x id="2"/> AND <bpt id="3">&lt;b&gt;</bpt>THREE<ept id="3">&lt;/b&gt;</ept> MORE'
    assert f'<target state="needs-review-translation">{one}</target>' in text
    assert '<trans-unit id="3" translate="no"><source>Name</source></trans-unit>' in text
    assert "<target>Fait</target>" in text
    four = '<mrk mtype="seg" mid="0">A BB.</mrk> <mrk mtype="seg" mid="1">CC DD.</mrk>'
    assert f'</seg-source><target state="needs-review-translation">{four}</target>' in text
    assert 'target-language="fr"' in text
    assert passages("a.xlf", found) == []
    same = re.findall(
        r"<source>(.*?)</source>.*?<target[^>]*>(.*?)</target>", translated("a.xlf", XLIFF, identity).decode()
    )
    assert same[0][0] == same[0][1]


def test_xliff_2() -> None:
    source = b"""<xliff xmlns="urn:oasis:names:tc:xliff:document:2.0" version="2.0" srcLang="en">\r
<file id="f"><unit id="1"><segment><source>One <pc id="1">two</pc> <sc id="2"/>three<ec startRef="2"/>\
<ph id="3"/> <mrk id="m" translate="no">Name</mrk> end</source></segment>\r
<segment state="final"><source>Done</source><target>Fait</target></segment></unit></file>\r
</xliff>\r
"""
    found = translated("a.xliff", source).decode()
    assert passages("a.xliff", source) == [
        'One <span data-n="0">two</span> <span data-n="1">three</span><img data-n="2"> <code data-n="3">Name</code> end'
    ]
    target = (
        '<target>ONE <pc id="1">TWO</pc> <sc id="2"/>THREE<ec startRef="2"/><ph id="3"/> '
        '<mrk id="m" translate="no">Name</mrk> END</target>'
    )
    assert target in found
    assert '<segment state="translated">' in found
    assert "<target>Fait</target>" in found
    assert 'trgLang="fr"' in found
    assert found.count("\r\n") == found.count("\n") == 4


def test_what_is_no_zip_file() -> None:
    for name in ARCHIVES:
        for data in (b"", b"hello", SAMPLES[name][:200], SAMPLES[name][:-30]):
            with pytest.raises(UnusableFile):
                read(name, data)


@pytest.mark.parametrize("name", ARCHIVES)
def test_another_zip_file(name: str) -> None:
    with pytest.raises(UnusableFile, match="no part"):
        read(name, with_part(b"PK\x05\x06" + b"\0" * 18, "a.txt", b"hello"))


@pytest.mark.parametrize("name", ARCHIVES)
def test_damaged_parts(name: str) -> None:
    entry = max(zipfile.ZipFile(io.BytesIO(SAMPLES[name])).infolist(), key=lambda one: one.compress_size)
    data = bytearray(SAMPLES[name])
    offset = entry.header_offset + 30 + len(entry.filename) + entry.compress_size // 2
    data[offset : offset + 8] = b"\xff" * 8
    with pytest.raises(UnusableFile):
        translated(name, bytes(data))


@pytest.mark.parametrize("name", ARCHIVES)
def test_broken_xml(name: str) -> None:
    part = next(part for part in parts(SAMPLES[name]) if part.endswith(("ontent_Types].xml", "ntent.xml", "ainer.xml")))
    with pytest.raises(UnusableFile, match="is not valid XML"):
        read(name, with_part(SAMPLES[name], part, b"<a><b></a>"))


def test_a_bomb() -> None:
    with pytest.raises(UnusableFile, match="at most 200 times"):
        read("a.docx", with_part(SAMPLES["a.docx"], "word/media/a.bin", b"\0" * 3_000_000))


def test_too_much_in_all() -> None:
    with pytest.raises(FileTooLarge, match=r"max_unpacked_bytes \(1000\)"):
        read_document("a.docx", SAMPLES["a.docx"], 1000)


def test_too_many_parts() -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for number in range(10_001):
            archive.writestr(str(number), b"")
    with pytest.raises(UnusableFile, match="10001 parts"):
        read("a.odt", buffer.getvalue())


def test_a_part_that_lies_about_its_length() -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("content.xml", b"<a>" + b" " * 5000 + b"</a>")
    data = buffer.getvalue().replace((5007).to_bytes(4, "little"), (7).to_bytes(4, "little"))
    with pytest.raises(UnusableFile):
        read("a.odt", data)


def test_a_path_that_leads_out_is_no_path() -> None:
    data = with_part(SAMPLES["a.docx"], "../../escaped.txt", b"hello")
    assert parts(translated("a.docx", data))["../../escaped.txt"] == b"hello"


ENTITIES = (
    b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]>',
    b'<!DOCTYPE a [<!ENTITY x "boom"><!ENTITY y "&x;&x;&x;&x;">]>',
    b'<!DOCTYPE a [<!ENTITY % x SYSTEM "http://a.example/"> %x;]>',
)


@pytest.mark.parametrize("declaration", ENTITIES)
def test_entities_are_refused(declaration: bytes) -> None:
    with pytest.raises(UnusableFile, match="entities"):
        read("a.xlf", declaration + XLIFF.split(b"?>", 1)[1].lstrip())
    wide = (declaration.decode() + "<xliff/>").encode("utf-16")
    with pytest.raises(UnusableFile, match="entities"):
        read("a.xlf", wide)
    for name, part in {"a.docx": DOCUMENT, "a.odt": "content.xml", "a.epub": "EPUB/page.xhtml"}.items():
        with pytest.raises(UnusableFile, match="entities"):
            read(name, with_part(SAMPLES[name], part, declaration + b"<a/>"))


def test_a_document_type_from_elsewhere_is_not_fetched() -> None:
    declared = b'<!DOCTYPE xliff SYSTEM "http://192.0.2.1/a.dtd">' + XLIFF.split(b"?>", 1)[1].lstrip()
    assert len(passages("a.xlf", declared)) == 3


@pytest.mark.parametrize("tag", ["div", "i"])
def test_deep_nesting(tag: str) -> None:
    def page(depth: int) -> bytes:
        inner = f"<{tag}>" * depth + "deep <b>words</b>" + f"</{tag}>" * depth
        text = f'<html xmlns="http://www.w3.org/1999/xhtml"><body>{inner}</body></html>'
        return with_part(SAMPLES["a.epub"], "EPUB/page.xhtml", text.encode())

    assert "DEEP <b>WORDS</b>" in parts(translated("a.epub", page(240)))["EPUB/page.xhtml"].decode()
    with pytest.raises(UnusableFile, match="depth"):
        read("a.epub", page(2000))
