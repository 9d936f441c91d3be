"""Files that would take far more memory than their size are refused before they are parsed."""

import pytest

from app.errors import UnusableFile
from app.files.raw_file import MAX_ELEMENTS
from tests.support.file_samples import SAMPLES, parts, read, with_part
from tests.unit.files.test_docx import DOCUMENT, W, paragraph

HEADER = next(name for name in parts(SAMPLES["a.docx"]) if name.startswith("word/header"))


def elements(count: int) -> str:
    return f'<a xmlns:w="{W}">{"<w/>" * (count - 1)}</a>'


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_elements_of_one_file(encoding: str) -> None:
    with pytest.raises(UnusableFile, match=f"at most {MAX_ELEMENTS} are read"):
        read("a.xlf", elements(MAX_ELEMENTS + 1).encode(encoding))
    with pytest.raises(UnusableFile, match="no XLIFF"):
        read("a.xlf", elements(MAX_ELEMENTS // 2).encode(encoding))


def test_tags_that_end_nothing_hide_no_elements() -> None:
    hidden = elements(MAX_ELEMENTS + 1).replace("</a>", f"<!--{'</' * MAX_ELEMENTS}--></a>")
    with pytest.raises(UnusableFile, match=f"at most {MAX_ELEMENTS} are read"):
        read("a.xlf", hidden.encode())


def test_elements_of_several_parts() -> None:
    half = elements(MAX_ELEMENTS // 2 + 10).encode()
    data = with_part(SAMPLES["a.docx"], DOCUMENT, half)
    read("a.docx", data)
    with pytest.raises(UnusableFile, match=f"at most {MAX_ELEMENTS} are read"):
        read("a.docx", with_part(data, HEADER, half))


def test_formatting_that_is_copied() -> None:
    run = f"<w:r><w:rPr>{'<w:b/>' * 2000}</w:rPr>{'<w:t>a</w:t><w:tab/>' * 2000}</w:r>"
    with pytest.raises(UnusableFile, match=f"at most {MAX_ELEMENTS} are read"):
        read("a.docx", paragraph(run))


@pytest.mark.parametrize("encoding", ["utf-7", "cp037", "unicode-1-1-utf-7", "rot13"])
def test_encodings_that_hide_tags_are_refused(encoding: str) -> None:
    text = f'<?xml version="1.0" encoding="{encoding}"?>'
    data = text.encode(encoding) if encoding == "cp037" else text.encode() + b"+ADw-xliff/+AD4-"
    with pytest.raises(UnusableFile, match=r"not read|not valid XML"):
        read("a.xlf", data)


@pytest.mark.parametrize("encoding", ["windows-1252", "ISO-8859-1", "UTF-16", "GB18030", "Shift_JIS", "utf-8-sig"])
def test_other_encodings_of_xml_are_read(encoding: str) -> None:
    declared = encoding.removesuffix("-sig")
    with pytest.raises(UnusableFile, match="no XLIFF"):
        read("a.xlf", f'<?xml version="1.0" encoding="{declared}"?>\n<a>b</a>'.encode(encoding))


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.txt", "a\n" * 500_001, "500001 lines, at most 500000"),
        ("a.csv", "a,b\n" * 500_001, "1000002 cells, at most 1000000"),
        ("a.tsv", "a\t" * 1_000_001, "1000001 cells, at most 1000000"),
        ("a.srt", "00:00:01,000 --> 00:00:02,000\n" + "<i>" * 500_000, "500001 lines and tags, at most 500000"),
        ("a.html", "<p>" * 500_001, "500001 tags, at most 500000"),
        ("a.md", "a\n" * 200_001, "200001 lines, at most 200000"),
        ("a.md", "*a* " * 250_001, "500002 marks, at most 500000"),
        ("a.po", 'msgid "a"\n' * 100_001, "100001 entries, at most 100000"),
    ],
)
def test_more_elements_than_are_read(name: str, content: str, reason: str) -> None:
    with pytest.raises(UnusableFile, match=reason):
        read(name, content.encode())
