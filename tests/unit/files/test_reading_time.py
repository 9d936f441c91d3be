"""Reading and writing a file takes time that grows no faster than the file."""

from collections.abc import Callable

import pytest

from tests.support.file_samples import passages, read
from tests.support.growth import assert_no_faster_than_length
from tests.support.marked_files import book, open_document, slide_run, slides, units, word, word_run
from tests.unit.files.test_docx import paragraph

RAISED = '<w:vertAlign w:val="superscript"/>'
TIMES = "00:00:01,000 --> 00:00:02,000\n"
UNIT = '<xliff version="1.2"><trans-unit id="1"><source>a b{}</source></trans-unit></xliff>'

# By the name of the case: the name of the file, and its content for a number of repetitions.
CASES: dict[str, tuple[str, Callable[[int], bytes]]] = {
    "tags of a cue that close another tag": (
        "a.srt",
        lambda n: f"{TIMES}{'<i>' * n}a b{'</b>' * n}\n".encode(),
    ),
    "digits of a cue": ("a.srt", lambda n: f"{'1' * 8 * n}\n{TIMES}a b\n{'1' * 8 * n}\n".encode()),
    "tags and spaces of a cue of two lines": (
        "a.vtt",
        lambda n: f"WEBVTT\n\n{TIMES}{'<a> b ' * n}\n{'<a>' * n}b\n".encode(),
    ),
    "lines of a cue": ("a.vtt", lambda n: f"WEBVTT\n\n{TIMES}{'a <i>b</i> c' * 2}\n".encode() * n),
    "lines of one cue": ("a.srt", lambda n: f"{TIMES}{'a b' * 2}\n".encode() + b"a <i>b</i>\n" * n),
    "tags that close another tag in XLIFF": (
        "a.xlf",
        lambda n: UNIT.format('<bx id="1"/>' * n + '<ex id="2"/>' * n).encode(),
    ),
    "a cell of digits": ("a.csv", lambda n: b"1" * 8 * n + b" a"),
    "quotation marks that are not closed": ("a.csv", lambda n: b'"\n' * n),
    "one quoted column": ("a.csv", lambda n: b'"some words, and others"\n' * n),
    "tags and dollars of Markdown": ("a.md", lambda n: b"<kbd>$a \\\\$ </kbd><code>" * n),
    "dollars of Markdown": ("a.md", lambda n: b"a $" * n + b"\n" + b"$$ a=b\n" * n),
    "lines of text": ("a.txt", lambda n: b"Good night.\r" * n),
    "letters of another encoding": ("a.txt", lambda n: "Größe. ".encode("cp1252") * n),
    "cells of a table": ("a.tsv", lambda n: b'"a b"\tc d\n' * n),
    "entries of gettext": ("a.po", lambda n: "".join(f'msgid "a b {i}"\nmsgstr ""\n\n' for i in range(n)).encode()),
    "lines of an entry": ("a.po", lambda n: b'msgid ""\n' + b'"a b "\n' * n + b'msgstr ""\n'),
    "tags of a page": ("a.html", lambda n: b'<p title="a b">a b' * n),
    "attributes of a tag": ("a.html", lambda n: b"<p " + b' title="a b"' * n + b">a b</p>"),
    "elements of a page that are open": ("a.html", lambda n: b"<div><code>" * n + b"a b"),
    "comments of a page that are open": ("a.html", lambda n: b"<!-- <meta charset" * n),
    "line breaks of a cue": ("a.srt", lambda n: f"{TIMES}{'a<br>' * n}\n".encode()),
    "raised numbers of Markdown": ("a.md", lambda n: b"a<sup>1</sup>" * n + b"\n\n" + b"a<sup>" * n),
    "paragraphs of a text document": ("a.odt", lambda n: open_document("a b</text:p><text:p>" * n)),
    "spaces of a text document": ("a.odt", lambda n: open_document("a" + "<text:s/>" * n + "b")),
    "notes of a text document": ("a.odt", lambda n: open_document("a<text:note/> <text:a>1</text:a>" * n)),
    "raised numbers side by side": ("a.docx", lambda n: word(word_run("a") + word_run("1", RAISED) * n)),
    "raised numbers": ("a.docx", lambda n: word((word_run("a") + word_run("1", RAISED)) * n)),
    "runs of a slide": ("a.pptx", lambda n: slides((slide_run("a") + slide_run("1", 'baseline="1"')) * n)),
    "line breaks of a slide": ("a.pptx", lambda n: slides((slide_run("a b") + "<a:br/>") * n)),
    "raised numbers of a book": ("a.epub", lambda n: book("a<sup>1</sup> b" * n)),
    "pictures of a book": ("a.epub", lambda n: book('a<img alt="x y"/>' * n + "b")),
    "blocks of a book": ("a.epub", lambda n: book("<b><div>a b</div></b>" * n)),
    "line breaks of a unit": ("a.xlf", lambda n: units('a b<x id="1" ctype="lb"/>' * n)),
    "runs of a paragraph": ("a.docx", lambda n: paragraph("<w:r><w:t>a</w:t><w:tab/></w:r>" * n)),
    "content of a run": ("a.docx", lambda n: paragraph(f"<w:r>{'<w:t>a</w:t><w:tab/>' * n}</w:r>")),
}


@pytest.mark.parametrize("case", CASES)
def test_time_grows_with_length(case: str) -> None:
    name, make = CASES[case]

    def work(text: str) -> None:
        document = read(name, make(len(text)))
        document.write(iter([f"{passage.words} x" for passage in document.passages]), "fr")

    assert_no_faster_than_length(work, " " * 500)


@pytest.mark.parametrize(
    ("text", "cells"),
    [
        ("a note;x\nwell, then;y\n", ["a note", "x", "well, then", "y"]),
        ("well, then;x, too\nno, never;y\n", ["well, then", "x, too", "no, never", "y"]),
        ('a b,c d,e f\n"g;h",i;j,k\n', ["a b", "c d", "e f", "g;h", "i;j", "k"]),
        ("a b\tc, d; e\nf, g\th\n", ["a b", "c, d; e", "f, g", "h"]),
        ("only words\nand more\n", ["only words", "and more"]),
        ("some, words", ["some", " words"]),
    ],
)
def test_the_separator_divides_most_rows_alike(text: str, cells: list[str]) -> None:
    assert passages("a.csv", text.encode()) == cells
