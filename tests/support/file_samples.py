"""Small files of every format, and translators whose results are easy to check."""

import io
import re
import zipfile
from collections.abc import Callable, Iterator
from typing import Any, Final

import docx
import pptx
from ebooklib import epub
from odf import style, text
from odf.opendocument import OpenDocumentText

from app.files.document import Document, Passage
from app.files.formats.registry import read_document

UNPACKED: Final = 10**8
_TAG_OR_WORDS: Final = re.compile(r"(<code[^>]*>.*?</code>|<[^>]*>|&\w+;)|([^<&]+)", re.DOTALL)


def identity(passage: Passage) -> str:
    return passage.text


def upper(passage: Passage) -> str:
    """Translate to capitals; tags and code are kept, as every translator of HTML keeps them."""
    if passage.text_format == "text":
        return passage.text.upper()
    return _TAG_OR_WORDS.sub(lambda found: found[1] or found[2].upper(), passage.text)


def without_tags(passage: Passage) -> str:
    """Translate to capitals without the tags."""
    return passage.words.upper()


def read(name: str, data: bytes) -> Document:
    return read_document(name, data, UNPACKED)


def translated(name: str, data: bytes, translate: Callable[[Passage], str] = upper) -> bytes:
    document = read(name, data)
    translations: Iterator[str] = iter([translate(passage) for passage in document.passages])
    written = document.write(translations, "fr")
    assert next(translations, None) is None, "a translation was not used"
    return written


def passages(name: str, data: bytes) -> list[str]:
    return [passage.text for passage in read(name, data).passages]


def parts(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def with_part(data: bytes, name: str, content: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for other, old in parts(data).items():
            archive.writestr(other, content if other == name else old)
        if name not in parts(data):
            archive.writestr(name, content)
    return buffer.getvalue()


def _saved(save: Callable[[Any], object]) -> bytes:
    buffer = io.BytesIO()
    save(buffer)
    return buffer.getvalue()


def docx_bytes(paragraphs: int = 0) -> bytes:
    document = docx.Document()
    document.add_heading("A title", 1)
    mixed = document.add_paragraph("Plain ")
    mixed.add_run("bold").bold = True
    mixed.add_run(" and ")
    mixed.add_run("plain again.")
    broken = document.add_paragraph("before\tthe tab")
    broken.add_run("\nanother line")
    document.add_paragraph("12.5 %")
    document.add_table(1, 2).cell(0, 1).text = "In a cell"
    document.sections[0].header.paragraphs[0].text = "In the header"
    for number in range(paragraphs):
        document.add_paragraph(f"Paragraph number {number} is about trains.")
    return _saved(document.save)


def pptx_bytes() -> bytes:
    presentation = pptx.Presentation()
    slide = presentation.slides.add_slide(presentation.slide_layouts[1])
    slide.shapes.title.text = "A slide"
    frame = slide.placeholders[1].text_frame
    frame.text = "First point"
    paragraph = frame.add_paragraph()
    paragraph.add_run().text = "some "
    run = paragraph.add_run()
    run.text = "bold"
    run.font.bold = True
    paragraph.add_run().text = " words"
    slide.notes_slide.notes_text_frame.text = "A note"
    return _saved(presentation.save)


def odt_bytes() -> bytes:
    document = OpenDocumentText()
    bold = style.Style(name="Bold", family="text")
    bold.addElement(style.TextProperties(fontweight="bold"))
    document.automaticstyles.addElement(bold)
    document.text.addElement(text.H(outlinelevel=1, text="A heading"))
    paragraph = text.P(text="Some ")
    paragraph.addElement(text.Span(stylename=bold, text="bold"))
    paragraph.addText(" words,")
    paragraph.addElement(text.S(c=2))
    paragraph.addText("spaced.")
    paragraph.addElement(text.LineBreak())
    paragraph.addText("Another line")
    document.text.addElement(paragraph)
    return _saved(document.save)


def epub_bytes() -> bytes:
    book = epub.EpubBook()
    book.set_identifier("one")
    book.set_title("A book")
    book.set_language("en")
    page = epub.EpubHtml(title="Chapter", file_name="page.xhtml", lang="en")
    page.content = (
        "<h1>The chapter</h1><p>Some <b>bold</b> words &amp; more<br/>after\n a break, <code>a code</code> too.</p>"
        '<pre>kept here</pre><p translate="no">kept too</p><ul><li>An item</li></ul>'
    )
    book.add_item(page)
    book.toc = (page,)
    book.add_item(epub.EpubNcx())
    book.add_item(epub.EpubNav())
    book.spine = ["nav", page]
    return _saved(lambda buffer: epub.write_epub(buffer, book))


XLIFF: Final = b"""<?xml version='1.0' encoding="UTF-8"?>
<!-- a comment -->
<xliff xmlns="urn:oasis:names:tc:xliff:document:1.2" version="1.2">
  <file original="a" source-language="en" datatype="plaintext">
    <body>
      <trans-unit id="1"><source>One <g id="1">two</g><x id="2"/> and \
<bpt id="3">&lt;b></bpt>three<ept id="3">&lt;/b></ept> more</source></trans-unit>
      <trans-unit id="2"><source>Done</source>
        <target>Fait</target></trans-unit>
      <trans-unit id="3" translate="no"><source>Name</source></trans-unit>
      <trans-unit id="4"><source>A bb. Cc dd.</source><seg-source><mrk mtype="seg" mid="0">A bb.</mrk> \
<mrk mtype="seg" mid="1">Cc dd.</mrk></seg-source><target state="new"/></trans-unit>
    </body>
  </file>
</xliff>
"""

SAMPLES: Final[dict[str, bytes]] = {
    "a.txt": b"Good morning!\r\n\r\n\tHow are you?  \r\n42\r\n",
    "a.md": b"# A *title*\n\nSome [words](http://a.example/b).\n",
    "a.html": b"<!DOCTYPE html><html><body><p>Some <b>bold</b> words.</p><!-- kept --></body></html>\n",
    "a.srt": b"1\n00:00:01,000 --> 00:00:02,000\n<i>Good morning,</i> my\nfriend\n\n",
    "a.vtt": b"WEBVTT\n\nNOTE kept\n\n00:01.000 --> 00:02.000 align:start\nGood morning\n",
    "a.po": b'msgid ""\nmsgstr "Language: \\n"\n\nmsgid "Good morning"\nmsgstr ""\n',
    "a.xlf": XLIFF,
    "a.docx": docx_bytes(),
    "a.odt": odt_bytes(),
    "a.pptx": pptx_bytes(),
    "a.epub": epub_bytes(),
    "a.csv": b"name;note\r\nkey_1;Good morning\r\n",
    "a.tsv": b"name\tnote\nkey_1\tGood morning\n",
}
