"""Reading and writing a file takes time that grows no faster than the file."""

from collections.abc import Callable

import pytest

from tests.support.file_samples import passages, read
from tests.support.growth import assert_no_faster_than_length
from tests.unit.files.test_docx import paragraph

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
