"""Word files: formatting, fields, links and text boxes are kept, and nothing else than the words changes."""

import io
import re

import docx
from lxml import etree

from tests.support.file_samples import SAMPLES, parts, passages, read, translated, with_part, without_tags
from tests.support.growth import assert_no_faster_than_length

W = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
DOCUMENT = "word/document.xml"


def paragraph(xml: str) -> bytes:
    """Return the smallest Word file with one paragraph."""
    body = f'<w:document xmlns:w="{W}"><w:body><w:p>{xml}</w:p></w:body></w:document>'
    return with_part(SAMPLES["a.docx"], DOCUMENT, body.encode())


def words_of(xml: str) -> list[str]:
    """Return the passages of a paragraph without that of the header."""
    *found, header = passages("a.docx", paragraph(xml))
    assert header == "In the header"
    return found


def translated_paragraph(xml: str, wanted: dict[str, str]) -> str:
    """Return the translated paragraph without its own tag.

    Args:
        xml: The content of the paragraph.
        wanted: Translations by the texts of passages; other passages are put in capitals.
    """
    document = read("a.docx", paragraph(xml))
    translations = [wanted.get(one.text, one.text.upper()) for one in document.passages]
    root = etree.fromstring(parts(document.write(iter(translations), "fr"))[DOCUMENT])
    (written,) = root.iter(f"{{{W}}}p")
    text = "".join(str(etree.tostring(child, encoding="unicode")) for child in written)
    return re.sub(r' xmlns:\w+="[^"]*"', "", text)


def test_docx() -> None:
    assert passages("a.docx", SAMPLES["a.docx"]) == [
        "A title",
        'Plain <span data-n="0">bold</span> and plain again.',
        "before",
        "the tab",
        "another line",
        "In a cell",
        "In the header",
    ]
    found = docx.Document(io.BytesIO(translated("a.docx", SAMPLES["a.docx"])))
    assert [one.text for one in found.paragraphs] == [
        "A TITLE",
        "PLAIN BOLD AND PLAIN AGAIN.",
        "BEFORE\tTHE TAB\nANOTHER LINE",
        "12.5 %",
    ]
    runs = [(run.text, run.bold) for run in found.paragraphs[1].runs]
    assert runs == [("PLAIN ", None), ("BOLD", True), (" AND PLAIN AGAIN.", None)]
    assert found.paragraphs[0].style is not None
    assert found.paragraphs[0].style.name == "Heading 1"
    assert found.tables[0].cell(0, 1).text == "IN A CELL"
    assert found.sections[0].header.paragraphs[0].text == "IN THE HEADER"
    lost = docx.Document(io.BytesIO(translated("a.docx", SAMPLES["a.docx"], without_tags)))
    assert [run.text for run in lost.paragraphs[1].runs] == ["PLAIN BOLD AND PLAIN AGAIN."]


def test_a_word_file_with_a_field_a_link_and_bookmarks() -> None:
    link = '<w:hyperlink w:anchor="x"><w:r><w:t>a link</w:t></w:r></w:hyperlink>'
    begin, separate, end = (f'<w:r><w:fldChar w:fldCharType="{kind}"/></w:r>' for kind in ("begin", "separate", "end"))
    page = f"{begin}<w:r><w:instrText>PAGE</w:instrText></w:r>{separate}<w:r><w:t>7</w:t></w:r>{end}"
    note = '<w:r><w:footnoteReference w:id="2"/></w:r>'
    bookmarks = '<w:bookmarkStart w:id="1" w:name="m"/>', '<w:bookmarkEnd w:id="1"/>'
    xml = (
        '<w:pPr><w:jc w:val="center"/></w:pPr><w:r><w:t xml:space="preserve">See </w:t></w:r>'
        f'{bookmarks[0]}{link}<w:proofErr w:type="spellStart"/>{note}'
        f'<w:r><w:t xml:space="preserve"> on page </w:t></w:r>{page}{bookmarks[1]}<w:r><w:t>.</w:t></w:r>'
    )
    (found,) = words_of(xml)
    assert re.sub(r"\d+", "N", found) == (
        'See <span data-n="N">a link</span><sup data-n="N">N</sup> on page <code data-n="N">N</code>.'
    )
    swapped = found.replace("See ", "").replace(".", "") + " voir"
    written = translated_paragraph(xml, {found: swapped})
    assert written.startswith('<w:pPr><w:jc w:val="center"/></w:pPr><w:bookmarkStart w:id="1" w:name="m"/>')
    assert written.endswith('<w:bookmarkEnd w:id="1"/>')
    assert link in written
    assert note in written
    assert page in written
    assert "proofErr" not in written
    assert '<w:t xml:space="preserve"> voir</w:t>' in written


def test_a_link_made_of_a_field() -> None:
    begin, separate, end = (f'<w:r><w:fldChar w:fldCharType="{kind}"/></w:r>' for kind in ("begin", "separate", "end"))
    code = '<w:r><w:instrText>HYPERLINK "http://a.example"</w:instrText></w:r>'
    xml = f"<w:r><w:t>Go</w:t></w:r>{begin}{code}{separate}<w:r><w:t>here</w:t></w:r>{end}"
    assert words_of(xml) == ['Go<span data-n="0">here</span>']
    written = translated_paragraph(xml, {'Go<span data-n="0">here</span>': '<span data-n="0">ici</span> va'})
    assert written.startswith(f"{begin}{code}{separate}<w:r><w:t>ici</w:t></w:r>{end}")


def test_fields_in_fields_and_over_paragraphs() -> None:
    def char(kind: str) -> str:
        return f'<w:r><w:fldChar w:fldCharType="{kind}"/></w:r>'

    begin, separate, end = char("begin"), char("separate"), char("end")
    page = f"{begin}<w:r><w:instrText>PAGEREF a</w:instrText></w:r>{separate}<w:r><w:t>7</w:t></w:r>{end}"
    link = f"{begin}<w:r><w:instrText>HYPERLINK a</w:instrText></w:r>{separate}"
    entry = f"{link}<w:r><w:t>Chapter one</w:t></w:r><w:r><w:tab/></w:r>{page}{end}"
    for xml in (entry, begin + entry, entry + end, entry.removesuffix(end)):
        assert words_of(xml) == ["Chapter one"]
        assert translated_paragraph(xml, {}) == xml.replace("Chapter one", "CHAPTER ONE")
    (found,) = words_of(f"<w:r><w:t>Words</w:t></w:r>{link * 1000 + end * 1000}")
    assert found.startswith("Words")
    for deep in (begin, link):
        assert_no_faster_than_length(lambda xml: words_of(f"<w:r><w:t>Words</w:t></w:r>{xml}"), deep * 400)


def test_runs_of_one_formatting_are_one() -> None:
    def run(words: str, properties: str = "") -> str:
        return f'<w:r w:rsidR="{words[0]}"><w:rPr>{properties}</w:rPr><w:t xml:space="preserve">{words}</w:t></w:r>'

    bold, proofed = "<w:b/><w:sz w:val='20'/>", '<w:sz w:val="20"/><w:lang w:val="en-US"/><w:b/>'
    xml = run("Some ") + run("words in ", '<w:lang w:val="en-GB"/>') + run("bo", bold) + run("ld", proofed)
    (found,) = words_of(xml)
    assert found == 'Some words in <span data-n="0">bold</span>'


def test_a_text_box_in_a_paragraph() -> None:
    box = "<w:r><w:pict><w:txbxContent><w:p><w:r><w:t>In the box</w:t></w:r></w:p></w:txbxContent></w:pict></w:r>"
    xml = f"<w:r><w:t>Around </w:t></w:r>{box}<w:r><w:t> it</w:t></w:r>"
    data = paragraph(xml)
    assert words_of(xml) == ['Around <img data-n="0"> it', "In the box"]
    written = parts(translated("a.docx", data))[DOCUMENT].decode()
    assert written.index("AROUND") < written.index("IN THE BOX") < written.index(" IT")
