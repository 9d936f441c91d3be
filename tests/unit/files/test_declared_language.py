"""The language that a file declares becomes that of its translation."""

import re

import pytest
from lxml import etree

from tests.support.file_samples import SAMPLES, identity, parts, passages, read, translated, with_part
from tests.support.marked_files import W, book, open_document, slides, word

FO = "urn:oasis:names:tc:opendocument:xmlns:xsl-fo-compatible:1.0"


def to(target: str, name: str, data: bytes) -> bytes:
    document = read(name, data)
    return document.write(iter([passage.text for passage in document.passages]), target)


@pytest.mark.parametrize(
    ("page", "wanted"),
    [
        ('<html lang="en"><p>One</p></html>', '<html lang="de"><p>One</p></html>'),
        ("<html lang=en-US><p>One</p></html>", '<html lang="de"><p>One</p></html>'),
        ("<HTML LANG='EN'><p>One</p></HTML>", "<HTML LANG='de'><p>One</p></HTML>"),
        (
            '<html lang="en" xml:lang="en"><p lang="en-GB">One</p></html>',
            '<html lang="de" xml:lang="de"><p lang="de">One</p></html>',
        ),
        ('<html lang="en"><i lang="la">One</i></html>', '<html lang="de"><i lang="la">One</i></html>'),
        ('<p><i lang="la">One</i></p>', '<p><i lang="la">One</i></p>'),
        (
            '<html lang="en"><p translate="no" lang="en">One</p><p>Two</p></html>',
            '<html lang="de"><p translate="no" lang="en">One</p><p>Two</p></html>',
        ),
        (
            '<meta http-equiv="content-language" content="en"><p>One</p>',
            '<meta http-equiv="content-language" content="de"><p>One</p>',
        ),
        (
            '<meta property="og:locale" content="en_US"><p>One</p>',
            '<meta property="og:locale" content="de_DE"><p>One</p>',
        ),
        ('<html lang="zxx"><p>One</p></html>', '<html lang="zxx"><p>One</p></html>'),
        ('<html lang=""><p>One</p></html>', '<html lang=""><p>One</p></html>'),
        ('<html data-lang="en"><p>One</p></html>', '<html data-lang="en"><p>One</p></html>'),
        (
            '<html lang="en"><!-- <p lang="en"> --><p>One</p></html>',
            '<html lang="de"><!-- <p lang="en"> --><p>One</p></html>',
        ),
        (
            '<html lang="en"><script>x = \'<p lang="en">\'</script><p>One</p></html>',
            '<html lang="de"><script>x = \'<p lang="en">\'</script><p>One</p></html>',
        ),
    ],
)
def test_pages(page: str, wanted: str) -> None:
    assert to("de", "a.html", page.encode()).decode() == wanted


@pytest.mark.parametrize(
    ("head", "wanted"),
    [
        ("WEBVTT\nLanguage: en\n\n", "WEBVTT\nLanguage: de\n\n"),
        ("WEBVTT - a film\r\nKind: captions\r\nLanguage: en-US\r\n\r\n", None),
        ("WEBVTT\n\nNOTE\nLanguage: en\n\n", "WEBVTT\n\nNOTE\nLanguage: en\n\n"),
        ("WEBVTT\n\n", "WEBVTT\n\n"),
    ],
)
def test_subtitles(head: str, wanted: str | None) -> None:
    cue = "00:01.000 --> 00:02.000\nGood night.\n"
    expected = head.replace("en-US", "de") if wanted is None else wanted
    assert to("de", "a.vtt", (head + cue).encode()).decode() == expected + cue


def test_front_matter() -> None:
    for line, wanted in (("lang: en", "lang: de"), ('language: "en-US"', 'language: "de"'), ("slang: en", "slang: en")):
        data = f"---\ntitle: x\n{line}\n---\n\nGood night.\n"
        assert to("de", "a.md", data.encode()).decode() == data.replace(line, wanted)


def values(part: bytes, name: str) -> list[str]:
    return re.findall(rf'\b{name}="([^"]*)"', part.decode())


@pytest.mark.parametrize(
    ("target", "kind", "wanted"), [("fr", "val", "fr-FR"), ("ja", "eastAsia", "ja-JP"), ("ar", "bidi", "ar-EG")]
)
def test_words(target: str, kind: str, wanted: str) -> None:
    run = '<w:r><w:rPr><w:lang w:val="en-US"/></w:rPr><w:t>Good night.</w:t></w:r>'
    styles = (
        f'<w:styles {W}><w:docDefaults><w:rPrDefault><w:rPr><w:lang w:val="en-US" w:eastAsia="en-US" w:bidi="ar-SA"/>'
        '</w:rPr></w:rPrDefault></w:docDefaults><w:style><w:lang w:val="x-none" w:eastAsia="x-none" w:bidi="x-none"/>'
        "</w:style></w:styles>"
    )
    data = with_part(word(run), "word/styles.xml", styles.encode())
    written = parts(to(target, "a.docx", data))
    default, kept = etree.fromstring(written["word/styles.xml"]).iter("{*}lang")
    assert default.get(f"{{{default.nsmap['w']}}}{kind}") == wanted
    assert values(written["word/document.xml"], f"w:{kind}")[0] == wanted
    assert set(kept.attrib.values()) == {"x-none"}
    unchanged = word('<w:r><w:rPr><w:lang w:val="en-US"/></w:rPr><w:t>12</w:t></w:r>')
    assert b"en-US" in parts(to(target, "a.docx", unchanged))["word/document.xml"]


def test_slides() -> None:
    data = slides('<a:r><a:rPr lang="en-US" dirty="0"/><a:t>Good night.</a:t></a:r><a:endParaRPr lang="en-US"/>')
    assert values(parts(to("de", "a.pptx", data))["ppt/slides/slide1.xml"], "lang") == ["de-DE", "de-DE"]


def test_text_documents() -> None:
    style = (
        '<style:style style:name="S" style:family="text"><style:text-properties fo:language="{}" fo:country="{}"/>'
        "</style:style>"
    )
    data = open_document("Good night.")
    content = (
        parts(data)["content.xml"]
        .decode()
        .replace(
            "<office:automatic-styles>",
            f'<office:automatic-styles xmlns:fo="{FO}">' + style.format("en", "US") + style.format("zxx", "none"),
        )
    )
    written = parts(to("de", "a.odt", with_part(data, "content.xml", content.encode())))["content.xml"]
    assert values(written, "fo:language") == ["de", "zxx"]
    assert values(written, "fo:country") == ["DE", "none"]


def test_books() -> None:
    data = book('Good <i lang="en-GB">night</i>, <i xml:lang="la">vale</i>.')
    data = with_part(data, "EPUB/nav.xhtml", parts(data)["EPUB/nav.xhtml"].replace(b"<html ", b'<html lang="en" '))
    written = parts(to("de", "a.epub", data))
    assert values(written["EPUB/nav.xhtml"], "lang") == ["de", "de", "la"]
    assert re.findall(rb"<dc:language>(.*?)</dc:language>", written["EPUB/content.opf"]) == [b"de"]
    assert b"<dc:title>A BOOK</dc:title>" in parts(translated("a.epub", data))["EPUB/content.opf"]


READ = [
    '<img src="a.png" alt="{}">',
    '<p title="{}">x1</p>',
    "<input placeholder='{}'>",
    '<button aria-label="{}">1</button>',
    '<meta name="description" content="{}">',
    '<meta property="og:title" content="{}">',
    '<input type="submit" value="{}">',
    '<INPUT VALUE="{}" TYPE=Button>',
    '<textarea placeholder="{}">1</textarea>',
    '<option label="{}">1</option>',
    '<br title="{}"/>',
]
NOT_READ = [
    '<input value="{}">',
    '<input type="hidden" value="{}">',
    '<p class="{}">1</p>',
    '<p data-title="{}">1</p>',
    '<code title="{}">1</code>',
    '<pre><b title="{}">1</b></pre>',
    '<p translate="no"><b title="{}">1</b></p>',
    '<p class="a notranslate" title="{}">1</p>',
    '<link rel="stylesheet" title="{}">',
    '<meta name="author" content="{}">',
    '<!-- <p title="{}"> -->',
    '<script><p title="{}"></script>',
]


@pytest.mark.parametrize("markup", READ)
def test_attributes_that_people_read(markup: str) -> None:
    page = "<p>Good night.</p>" + markup.format("An open door") + "<p>Good day.</p>"
    assert "An open door" in passages("a.html", page.encode())
    assert translated("a.html", page.encode()).decode() == (
        "<p>GOOD NIGHT.</p>" + markup.format("AN OPEN DOOR").replace("x1", "X1") + "<p>GOOD DAY.</p>"
    )
    assert translated("a.html", page.encode(), identity).decode() == page


@pytest.mark.parametrize("markup", NOT_READ)
def test_other_attributes(markup: str) -> None:
    page = "<p>Good night.</p>" + markup.format("An open door") + "<p>Good day.</p>"
    assert len(passages("a.html", page.encode())) == 1


def test_attributes_with_references_and_quotes() -> None:
    page = '<img alt="My &quot;red&quot; door &amp; more"><img alt=Door><img alt=\'It&#39;s "here"\'>'
    assert passages("a.html", page.encode())[1:] == ['My "red" door & more', "Door", 'It\'s "here"']
    assert translated("a.html", page.encode(), identity).decode() == page
    document = read("a.html", page.encode())
    written = document.write(iter([document.passages[0].text, 'a "b" & <c>', 'the "d"', 'it\'s "e"']), "fr").decode()
    assert written == (
        '<img alt="a &quot;b&quot; &amp; &lt;c&gt;"><img alt="the &quot;d&quot;"><img alt=\'it&#39;s "e"\'>'
    )


def test_attributes_of_a_page_that_is_cut() -> None:
    blocks = "".join(f'<p title="A title {number}">{"Some words. " * 40}</p>' for number in range(100))
    page = f'<html lang="en">{blocks}</html>'
    assert translated("a.html", page.encode(), identity).decode() == page.replace('lang="en"', 'lang="fr"')
    assert translated("a.html", page.encode()).decode().count("A TITLE") == 100


def test_attributes_of_books() -> None:
    data = book('Good <img src="a.png" alt="An open door"/> night <code title="Not this">x</code>.')
    assert "An open door" in passages("a.epub", data)
    assert "Not this" not in passages("a.epub", data)
    assert b'alt="AN OPEN DOOR"' in parts(translated("a.epub", data))["EPUB/nav.xhtml"]
    assert b'lang="fr"' in parts(translated("a.epub", SAMPLES["a.epub"]))["EPUB/page.xhtml"]
