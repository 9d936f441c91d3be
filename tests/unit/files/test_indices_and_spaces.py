"""Raised numbers and notes stay at their words, and an element that stands for white space glues no words."""

import re
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.files.fragment import CloseTag, Fragment, OpenTag, Piece, PointKind, PointTag
from tests.support.file_samples import parts, passages, read, with_part
from tests.support.marked_files import W, book, open_document, slide_run, slides, units, word, word_run

RAISED_WORD = tuple(
    f'<w:{name} w:val="{value}"/>'
    for name, value in (("vertAlign", "superscript"), ("vertAlign", "subscript"), ("position", "6"))
)
# Each way in which a format raises or lowers words: the file of "long{1} and wide."
RAISED: dict[str, tuple[str, Callable[[str, str, str], bytes]]] = {
    **{
        f"docx {number}": (
            "a.docx",
            lambda a, b, c, raised=raised: word(word_run(a) + word_run(b, raised) + word_run(c)),  # type: ignore[misc]
        )
        for number, raised in enumerate(RAISED_WORD)
    },
    **{
        f"odt {style}": (
            "a.odt",
            lambda a, b, c, style=style: open_document(  # type: ignore[misc]
                f'{a}<text:span text:style-name="{style}">{b}</text:span>{c}'
            ),
        )
        for style in ("UP", "DOWN", "HIGH")
    },
    "pptx": ("a.pptx", lambda a, b, c: slides(slide_run(a) + slide_run(b, 'baseline="30000"') + slide_run(c))),
    "epub sup": ("a.epub", lambda a, b, c: book(f"{a}<sup>{b}</sup>{c}")),
    "epub sub": ("a.epub", lambda a, b, c: book(f"{a}<sub>{b}</sub>{c}")),
    "epub sup in a link": ("a.epub", lambda a, b, c: book(f'{a}<a href="#n"><sup>{b}</sup></a>{c}')),
    "epub link in sup": ("a.epub", lambda a, b, c: book(f'{a}<sup><a href="#n">{b}</a></sup>{c}')),
}
# Where a number is a note only because it touches a word.
LINKED: dict[str, tuple[str, Callable[[str, str, str], bytes]]] = {
    "docx": (
        "a.docx",
        lambda a, b, c: word(f"{word_run(a)}<w:hyperlink>{word_run(b)}</w:hyperlink>{word_run(c)}"),
    ),
    "docx field": (
        "a.docx",
        lambda a, b, c: word(f'{word_run(a)}<w:fldSimple w:instr="NOTEREF x">{word_run(b)}</w:fldSimple>{word_run(c)}'),
    ),
    "odt link": ("a.odt", lambda a, b, c: open_document(f"{a}<text:a>{b}</text:a>{c}")),
    "odt reference": ("a.odt", lambda a, b, c: open_document(f"{a}<text:note-ref>{b}</text:note-ref>{c}")),
    "epub link": ("a.epub", lambda a, b, c: book(f'{a}<a href="#n">{b}</a>{c}')),
    "epub noteref": ("a.epub", lambda a, b, c: book(f'{a}<a epub:type="noteref">{b}</a>{c}')),
    "epub doc-noteref": ("a.epub", lambda a, b, c: book(f'{a}<a role="doc-noteref">{b}</a>{c}')),
    "xliff g": ("a.xlf", lambda a, b, c: units(f'{a}<g id="1">{b}</g>{c}')),
    "xliff pair": ("a.xlf", lambda a, b, c: units(f'{a}<bpt id="1"/>{b}<ept id="1"/>{c}')),
    "xliff 2": ("a.xlf", lambda a, b, c: units(f'{a}<pc id="1">{b}</pc>{c}', "2.0")),
}


def first_passage(name: str, data: bytes) -> str:
    return re.sub(r' data-n="\d+"', "", passages(name, data)[0])


@pytest.mark.parametrize("kind", [*RAISED, *LINKED])
@pytest.mark.parametrize("number", ["1", "23", "[4]", "5,6", "*", "†"])
def test_a_number_at_a_word_is_an_index(kind: str, number: str) -> None:
    name, make = {**RAISED, **LINKED}[kind]
    data = make("The river is long", number, " and wide.")
    shown = number if number.strip("[]").isdecimal() else "1"
    assert first_passage(name, data) == f"The river is long<sup>{shown}</sup> and wide."
    assert numbers_behind("LONGUE", name, data, "LA RIVIÈRE EST LONGUE{} ET LARGE.") == [number]


def numbers_behind(before: str, name: str, data: bytes, translation: str) -> list[str]:
    """Write a translation, in which ``{}`` is the tag, and return what stands between two of its words."""
    document = read(name, data)
    (tag,) = re.findall(r"<(?:sup|img)[^>]*>(?:[^<]*</sup>)?", document.passages[0].text)
    translations = [translation.format(tag), *(passage.text for passage in document.passages[1:])]
    written = document.write(iter(translations), "fr")
    text = "" if name == "a.xlf" else "".join(part.decode("utf-8", "replace") for part in parts(written).values())
    shown = re.sub(r"<[^<>]*>|\s(?=\s)", "", text or written.decode())
    return [found.strip() for found in re.findall(rf"{before}(.*?)ET", shown, re.DOTALL)]


@pytest.mark.parametrize("kind", RAISED)
def test_indices_of_formulas_and_units(kind: str) -> None:
    name, make = RAISED[kind]
    assert first_passage(name, make("Water is H", "2", "O.")) == "Water is H<sup>2</sup>O."
    assert first_passage(name, make("We drink water.", "2", " It is good.")) == (
        "We drink water.<sup>2</sup> It is good."
    )
    assert first_passage(name, make("", "3", "See the next page.")) == "See the next page."
    assert first_passage(name, make("This is the end.", "3", "")) == "This is the end."
    assert first_passage(name, make("The doctors", "a", " sleep.")) == "The doctors<sup>1</sup> sleep."


@pytest.mark.parametrize("kind", RAISED)
def test_raised_words_are_words(kind: str) -> None:
    name, make = RAISED[kind]
    assert "<sup>" not in first_passage(name, make("On the 1", "st", " day."))
    assert "raised words" in first_passage(name, make("There are", " raised words", " here."))
    assert "<sup>" not in first_passage(name, make("Pas le 1", "e", " jour."))


@pytest.mark.parametrize("kind", LINKED)
def test_a_number_that_stands_alone_is_a_word(kind: str) -> None:
    name, make = LINKED[kind]
    if "noteref" not in kind:
        assert "<sup>" not in first_passage(name, make("See page ", "12", " of it."))
        assert "12" in first_passage(name, make("See page ", "12", " of it."))


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.docx", word(word_run("A word") + '<w:r><w:footnoteReference w:id="2"/></w:r>' + word_run(" and more."))),
        ("a.docx", word(word_run("A word") + '<w:r><w:endnoteReference w:id="2"/></w:r>' + word_run(" and more."))),
        ("a.odt", open_document("A word<text:note><text:note-citation>1</text:note-citation></text:note> and more.")),
    ],
)
def test_notes_stay_at_their_words(name: str, data: bytes) -> None:
    assert first_passage(name, data) == "A word<sup>1</sup> and more."


def test_a_style_of_word_that_raises() -> None:
    """Note numbers that were typed have a character style of their own."""
    style = (
        f'<w:styles {W}><w:style w:type="character" w:styleId="Mark"><w:rPr><w:vertAlign w:val="superscript"/></w:rPr>'
        "</w:style></w:styles>"
    )
    data = word(word_run("A word") + word_run("7", '<w:rStyle w:val="Mark"/>') + word_run(" and more."))
    assert first_passage("a.docx", with_part(data, "word/styles.xml", style.encode())) == (
        "A word<sup>7</sup> and more."
    )


def test_the_reference_of_a_comment_stands_behind_its_range() -> None:
    comment = '<w:commentRangeEnd w:id="0"/><w:r><w:commentReference w:id="0"/></w:r>'
    data = word(f'<w:commentRangeStart w:id="0"/>{word_run("Good night.")}{comment}{word_run(" Go home.")}')
    document = read("a.docx", data)
    assert document.passages[0].text == "Good night. Go home."
    written = parts(document.write(iter(passage.text for passage in document.passages), "fr"))["word/document.xml"]
    names = re.findall(r"<w:(commentRangeStart|commentRangeEnd|commentReference|t)\b", written.decode())
    assert names == ["commentRangeStart", "t", "commentRangeEnd", "commentReference"]
    alone = word(f'{word_run("Good")}<w:r><w:commentReference w:id="5"/></w:r>{word_run(" night.")}')
    assert first_passage("a.docx", alone) == "Good<img> night."


SPACES: list[tuple[str, Callable[[str, str], bytes]]] = [
    ("a.odt", lambda a, b: open_document(f"{a}<text:s/>{b}")),
    ("a.odt", lambda a, b: open_document(f'{a}<text:s text:c="1"/>{b}')),
    ("a.odt", lambda a, b: open_document(f'{a}<text:span text:style-name="FLAT"><text:s/></text:span>{b}')),
    ("a.odt", lambda a, b: open_document(f"{a}<drawing:frame/>{b}")),
    ("a.docx", lambda a, b: word(f"{word_run(a)}<w:r><w:drawing/></w:r>{word_run(b)}")),
    ("a.epub", lambda a, b: book(f'{a}<img src="a.png"/>{b}')),
    ("a.xlf", lambda a, b: units(f'{a}<x id="1" equiv-text=" "/>{b}')),
    ("a.xlf", lambda a, b: units(f'{a}<x id="1" ctype="image"/>{b}')),
    ("a.xlf", lambda a, b: units(f'{a}<ph id="1" disp=" "/>{b}', "2.0")),
]


@pytest.mark.parametrize("number", range(len(SPACES)))
def test_what_stands_for_a_space_is_a_space(number: int) -> None:
    name, make = SPACES[number]
    assert without_tags(first_passage(name, make("The old", "bridge"))) == "The old bridge"
    assert without_tags(first_passage(name, make("The old ", "bridge"))) == "The old bridge"
    assert without_tags(first_passage(name, make("", "The old bridge"))) == "The old bridge"
    document = read(name, make("The old", "bridge"))
    found = re.search(r"(?:<span[^>]*>)?\s?<img[^>]*>(?:</span>)?", document.passages[0].text)
    assert found is not None
    tag = found[0].replace(" <img", "<img")
    for translation in (f"LE VIEUX {tag}PONT", f"LE VIEUX{tag} PONT"):
        document = read(name, make("The old", "bridge"))
        written = document.write(iter([translation, *(one.text for one in document.passages[1:])]), "fr")
        files = [written] if name == "a.xlf" else parts(written).values()
        text = "".join(part.decode() for part in files if part.lstrip().startswith(b"<"))
        assert "VIEUXPONT" in re.sub(r"<[^<>]*>", "", text)  # the element alone is the space again


def without_tags(text: str) -> str:
    return re.sub(r"<[^<>]*>", "", text)


@pytest.mark.parametrize(
    ("name", "data"),
    [
        *(("a.odt", open_document(f"The first{tag}The second")) for tag in ("<text:tab/>", "<text:line-break/>")),
        ("a.odt", open_document('The first<text:s text:c="4"/>The second')),
        *(
            ("a.docx", word(f"{word_run('The first')}<w:r><w:{tag}/></w:r>{word_run('The second')}"))
            for tag in ("tab", "br", "cr", "ptab")
        ),
        ("a.pptx", slides(f"{slide_run('The first')}<a:br/>{slide_run('The second')}")),
        ("a.epub", book("The first<br/>The second")),
        *(
            ("a.xlf", units(f"The first{tag}The second"))
            for tag in (
                '<x id="1" ctype="lb"/>',
                '<x id="1" ctype="x-br"/>',
                '<x id="1" equiv-text="&lt;br/&gt;"/>',
                '<ph id="1">&lt;br /&gt;</ph>',
                '<ph id="1">\\n</ph>',
            )
        ),
        ("a.xlf", units('The first<ph id="1" type="fmt" subType="xlf:lb"/>The second', "2.0")),
        ("a.xlf", units('The first<ph id="1" disp="&#10;"/>The second', "2.0")),
    ],
)
def test_a_line_break_divides_a_text(name: str, data: bytes) -> None:
    assert passages(name, data)[:2] == ["The first", "The second"]


def test_a_pair_of_xliff_tags_around_a_line_break() -> None:
    content = '<bpt id="1"/>The first<x id="2" ctype="lb"/>The second<ept id="1"/>'
    document = read("a.xlf", units(content))
    assert [passage.text for passage in document.passages] == ["The first", "The second"]
    assert (
        content.upper()
        .replace("BPT ID", "bpt id")
        .replace("X ID", "x id")
        .replace("CTYPE", "ctype")
        .replace('"LB"', '"lb"')
        .replace("EPT ID", "ept id")
        in document.write(iter(["THE FIRST", "THE SECOND"]), "fr").decode()
    )


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ("long<sup>1</sup> and", "long<sup>1</sup> and"),
        ("H<sub>2</sub>O here", "H<sup>2</sup>O here"),
        ("a word[^1] and", "a word<sup>1</sup> and"),
        ("a word[1](#n) and", "a word<sup>1</sup> and"),
        ("a word[\\[4\\]](#n) and", "a word<sup>1</sup> and"),
        ("see [12](#n) now", "see <span>12</span> now"),
        ("20 m^2^ and H~2~O", "20 m<sup>1</sup> and H<sup>1</sup>O"),
        ("the 1<sup>st</sup> day", "the 1<span>st</span> day"),
        ("**The old<br>bridge** is", "<span>The old <img>bridge</span> is"),
    ],
)
def test_markdown(source: str, shown: str) -> None:
    assert first_passage("a.md", source.encode()) == shown
    document = read("a.md", source.encode())
    assert document.write(iter(passage.text for passage in document.passages), "fr").decode() == source


@pytest.mark.parametrize("tag", ["<br>", "<br/>", "<br />", "<BR>", "\\N", "\\n", "\\h"])
@pytest.mark.parametrize("name", ["a.srt", "a.vtt"])
def test_line_breaks_of_subtitles(name: str, tag: str) -> None:
    head = "WEBVTT\n\n" if name == "a.vtt" else "1\n"
    time = "00:00:01.000 --> 00:00:02.000" if name == "a.vtt" else "00:00:01,000 --> 00:00:02,000"
    data = f"{head}{time}\nThe old{tag}Bridge\n".encode()
    assert first_passage(name, data) == "The old <img>Bridge"
    translated = read(name, data).write(iter(['LE VIEUX <img data-n="0">PONT']), "fr").decode()
    assert translated == f"{head}{time}\nLE VIEUX{tag}PONT\n"


KINDS = st.sampled_from(PointKind)
WORDS = st.text("ab é1. ", max_size=6)


@st.composite
def marked(draw: st.DrawFn) -> list[Piece]:
    pieces: list[Piece] = []
    for number in range(draw(st.integers(0, 6))):
        pieces.append(draw(WORDS))
        kind = draw(KINDS)
        word = draw(st.sampled_from(["", "1", "x"])) if kind is not PointKind.SPACE else ""
        if draw(st.booleans()):
            pieces += [OpenTag(100 + number), PointTag(number, word, kind), CloseTag(100 + number)]
        else:
            pieces.append(PointTag(number, word, kind))
    return [*pieces, draw(WORDS)]


@given(marked())
def test_a_passage_that_is_not_changed_gives_the_same_pieces(pieces: list[Piece]) -> None:
    fragment = Fragment(pieces)
    restored = fragment.restore(fragment.passage.text)

    def joined(found: list[Piece]) -> list[Piece]:
        merged: list[Piece] = []
        for piece in found:
            if isinstance(piece, str) and merged and isinstance(merged[-1], str):
                merged[-1] += piece
            elif piece != "":
                merged.append(piece)
        return merged

    assert joined(restored) == joined(pieces)
