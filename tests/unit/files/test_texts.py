"""Files that are text: everything but the words is kept byte for byte."""

import codecs

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import UnusableFile
from tests.support.file_samples import SAMPLES, identity, passages, read, translated, upper, without_tags

TEXTS = [name for name in SAMPLES if name.endswith((".txt", ".md", ".html", ".srt", ".vtt", ".csv", ".tsv"))]
ENCODINGS = {
    "UTF-8": (b"", "utf-8"),
    "UTF-8 with a BOM": (codecs.BOM_UTF8, "utf-8"),
    "UTF-16": (codecs.BOM_UTF16_LE, "utf-16-le"),
    "UTF-16, the other way round": (codecs.BOM_UTF16_BE, "utf-16-be"),
}
SOUP = st.text(st.sampled_from("ab \n\r\t*_[]()`#>-|\\<&;:!\"'12.~éX"), max_size=60)


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_encodings_and_line_ends(name: str, encoding: str) -> None:
    bom, codec = ENCODINGS[encoding]
    for end in ("\n", "\r\n"):
        text = SAMPLES[name].decode().replace("\r\n", "\n").replace("\n", end)
        data = bom + text.encode(codec)
        assert translated(name, data, identity) == data
        found = translated(name, data)
        assert found.startswith(bom)
        written = found[len(bom) :].decode(codec)
        assert "MORNING" in written or "WORDS" in written
        assert written.count("\n") == written.count(end) == text.count(end)


@given(SOUP, st.sampled_from(["a.txt", "a.md", "a.html", "a.csv", "a.tsv"]))
def test_what_is_not_changed_comes_back(text: str, name: str) -> None:
    assert translated(name, text.encode(), identity) == text.encode()


@given(SOUP, st.sampled_from(["a.txt", "a.md", "a.csv", "a.tsv"]))
def test_no_word_is_lost(text: str, name: str) -> None:
    found = translated(name, text.encode()).decode()

    def letters(of: str) -> str:
        return "".join(sorted(sign for sign in of.upper() if sign.isalpha() or sign.isdigit()))

    assert letters(found) == letters(text)


@given(st.lists(st.tuples(SOUP, SOUP), max_size=4))
def test_cues_come_back(cues: list[tuple[str, str]]) -> None:
    text = "".join(
        f"{number}\n00:00:01,000 --> 00:00:02,000\n{one}\n{two}\n\n" for number, (one, two) in enumerate(cues)
    )
    assert translated("a.srt", text.encode(), identity) == text.encode()
    times = "00:00:01,000 --> 00:00:02,000"
    assert translated("a.srt", text.encode()).decode().count(times) == len(cues)


def test_markdown() -> None:
    source = b"""---
title: kept
---
# My *great* title #

Some **bold words** and a [link to it](http://a.example/b_c "t") and `code x`, <kbd>Ctrl</kbd>,
going on & on with ***both***, ~~old~~, 5 \\* 3 and <http://a.example>.\\
After a break ![A picture](p.png) here[^1].

> quoted
> words

- [ ] one thing
- another
  thing

1. first

| Name | What |
|------|:----:|
| `a`  | This or \\| that |

```py
print("kept")
```

    indented = "kept"

<div>kept</div>

[ref]: http://a.example "kept"
[^1]: The note
"""
    wanted = b"""---
title: kept
---
# MY *GREAT* TITLE #

SOME **BOLD WORDS** AND A [LINK TO IT](http://a.example/b_c "t") AND `code x`, <kbd>Ctrl</kbd>,
GOING ON & ON WITH ***BOTH***, ~~OLD~~, 5 \\* 3 AND <http://a.example>.\\
AFTER A BREAK ![A PICTURE](p.png) HERE[^1].

> QUOTED
> WORDS

- [ ] ONE THING
- ANOTHER
  THING

1. FIRST

| NAME | WHAT |
|------|:----:|
| `a`  | THIS OR \\| THAT |

```py
print("kept")
```

    indented = "kept"

<div>kept</div>

[ref]: http://a.example "kept"
[^1]: THE NOTE
"""
    assert translated("a.md", source).decode() == wanted.decode()
    assert translated("a.md", source, identity) == source


def test_two_spaces_break_a_line() -> None:
    assert translated("a.md", b"One line  \nand another\n") == b"ONE LINE  \nAND ANOTHER\n"


def test_a_translation_does_not_become_markdown() -> None:
    for translation, written in {
        "- a": "\\- a",
        "2. b": "2\\. b",
        "# c": "\\# c",
        "a *b* `c` <d>": "a \\*b\\* \\`c\\` \\<d>",
        "snake_case _x_": "snake_case \\_x\\_",
        "[a](b)": "[a\\](b)",
    }.items():
        assert translated("a.md", b"Words\n", lambda _, said=translation: said).decode() == written + "\n"  # type: ignore[misc]
    table = b"| a |\n|---|\n| Words |\n"
    assert translated("a.md", table, lambda one: "x|y" if one.text == "Words" else one.text).endswith(b"| x\\|y |\n")


def test_long_paragraphs_of_markdown_are_wrapped_as_before() -> None:
    source = b"> some words that\n> go on and on\n"
    found = translated("a.md", source, lambda _: "these words are many more than there were before").decode()
    assert all(line.startswith("> ") and len(line) <= 19 for line in found.splitlines())
    assert len(found.splitlines()) == 4


def test_html_is_cut_where_blocks_end() -> None:
    rows = "".join(f"<div><p>Paragraph {number} here</p><pre><p>kept</p></pre></div>\n" for number in range(600))
    page = f"<html><body>{rows}</body></html>".encode()
    found = passages("a.html", page)
    assert len(found) > 2
    assert "".join(found).encode() == page
    assert all(part.count("<pre>") == part.count("</pre>") for part in found)
    kept = f"<div translate='no'>{rows}</div>"
    assert len(passages("a.html", kept.encode())) == 1


def test_subtitles() -> None:
    source = (
        b"1\r\n00:00:01,000 --> 00:00:02,000 X1:3\r\n{\\an8}<i>Good morning,</i> my good\r\nfriend of mine\r\n\r\n"
        b"2\r\n00:00:03,000 --> 00:00:04,000\r\n- Yes?\r\n- No!\r\n\r\n3\r\n00:00:05,000 --> 00:00:06,000\r\n12:30\r\n"
    )
    assert passages("a.srt", source) == [
        '<span data-n="1">Good morning,</span> my good friend of mine',
        "- Yes?",
        "- No!",
    ]
    assert translated("a.srt", source, identity) == source
    found = translated("a.srt", source)
    assert found == source.replace(b"Good morning", b"GOOD MORNING").replace(b"my good", b"MY GOOD").replace(
        b"friend of mine", b"FRIEND OF MINE"
    ).replace(b"Yes", b"YES").replace(b"No!", b"NO!")
    short = translated("a.srt", source, lambda _: "Oui").decode()
    assert short.startswith("1\r\n00:00:01,000 --> 00:00:02,000 X1:3\r\n{\\an8}<i>Oui</i>\r\n\r\n2\r\n")


def test_vtt() -> None:
    source = (
        b"WEBVTT\n\nSTYLE\n::cue { color: red }\n\nNOTE kept\n\nintro\n00:01.000 --> 00:02.000 align:start\n"
        b"<v Roger>Good <c.red>morning</c>\n"
    )
    found = translated("a.vtt", source)
    assert found == source.replace(b">Good", b">GOOD").replace(b"morning", b"MORNING")


def test_no_subtitles_at_all() -> None:
    with pytest.raises(UnusableFile, match="-->"):
        read("a.srt", b"just words\n")


def test_tables() -> None:
    source = (
        b'name;note;amount\r\n"Good; you";good day;"1,5"\r\nkey_1;"say ""hi"" now";2020-01-02\r\n'
        b"a@b.example;TRUE;12 May 2020\r\n;https://a.example/b;N/A\r\n"
    )
    assert passages("a.csv", source) == ["name", "note", "amount", "Good; you", "good day", 'say "hi" now']
    assert translated("a.csv", source) == source.replace(b"name;note;amount", b"NAME;NOTE;AMOUNT").replace(
        b"Good; you", b"GOOD; YOU"
    ).replace(b"good day", b"GOOD DAY").replace(b'say ""hi"" now', b'SAY ""HI"" NOW')
    assert translated("a.csv", source, identity) == source
    quoted = translated("a.csv", b"note,x\ngood day,2\n", lambda one: f'"{one.text}", yes')
    assert quoted.splitlines()[1] == b'"""good day"", yes",2'


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_separators(separator: str) -> None:
    rows = [["first name", "a note"], ["good day", "well, then; so"]]
    text = "\n".join(separator.join(f'"{cell}"' for cell in row) for row in rows)
    assert passages("a.csv", text.encode()) == [cell for row in rows for cell in row]


PO = r"""# A file
msgid ""
msgstr ""
"Language: \n"
"Content-Type: text/plain; charset=UTF-8\n"

#: a.c:1
#, c-format
msgid "Hello %s"
msgstr ""

msgctxt "menu"
msgid ""
"Two\n"
"lines \"here\"\n"
msgstr ""

# done
msgid "done"
msgstr "fait"

#, fuzzy
msgid "guessed"
msgstr "deviné"

msgid "%d file"
msgid_plural "%d files"
msgstr[0] ""
msgstr[1] ""

#~ msgid "old"
#~ msgstr ""
""".encode()


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_po(end: bytes) -> None:
    source = PO.replace(b"\n", end)
    found = translated("a.po", source).replace(end, b"\n").decode()
    assert passages("a.po", source) == ["Hello %s", 'Two\nlines "here"\n', "%d file", "%d files"]
    assert '"Language: fr\\n"' in found
    assert '#: a.c:1\n#, fuzzy, c-format\nmsgid "Hello %s"\nmsgstr "HELLO %S"\n' in found
    two = '"TWO\\n"\n"LINES \\"HERE\\"\\n"\n'
    assert f'#, fuzzy\nmsgctxt "menu"\nmsgid ""\n"Two\\n"\n"lines \\"here\\"\\n"\nmsgstr ""\n{two}' in found
    assert '# done\nmsgid "done"\nmsgstr "fait"\n' in found
    assert '#, fuzzy\nmsgid "guessed"\nmsgstr "deviné"\n' in found
    assert '#, fuzzy\nmsgid "%d file"\nmsgid_plural "%d files"\nmsgstr[0] "%D FILE"\nmsgstr[1] "%D FILES"\n' in found
    assert found.endswith('#~ msgid "old"\n#~ msgstr ""\n')
    # A second time nothing is left to do.
    assert passages("a.po", translated("a.po", source)) == []


def test_what_only_looks_like_po() -> None:
    for data in (b"/etc/passwd", b"hello", b'msgid "a"\n'):
        with pytest.raises(UnusableFile):
            read("a.po", data)


def test_a_translator_that_loses_tags_loses_no_words() -> None:
    assert translated("a.md", b"Some **bold** words\n", without_tags) == b"SOME BOLD WORDS\n"
    assert upper(read("a.md", b"Some **bold** words\n").passages[0]).startswith("SOME <span")


@pytest.mark.parametrize(
    "odd", ["<![", "<![ a", "<![5]>", "<![foo[ a ]]>", "<![[[[[", "<![CDATA[ a > b ]]>", "<![endif]-->", "<!"]
)
def test_long_html_with_declarations_that_are_none(odd: str) -> None:
    """A browser reads them as comments; Python's parser raises an error."""
    page = "<p>Some words.</p>\n" * 600 + odd + "<p>More words.</p>\n" * 600
    assert translated("a.html", page.encode(), identity).decode() == page
