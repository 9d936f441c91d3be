"""Which texts of a document are cut into sentences, and which tags are taken out of them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.text.inline import Flow, Splitting, TagKind, TextFormat, extract_flows
from app.text.masking import TextRules
from app.text.tag_roles import TagRules
from tests.support.growth import assert_no_faster_than_length
from tests.support.markup_texts import SOUPS, TREES


def flows(
    document: str,
    text_format: TextFormat = "html",
    rules: TagRules | None = None,
    splitting: Splitting | None = None,
    masking: bool = True,
) -> list[Flow]:
    text_rules = TextRules(("en", "fr"), masking=masking)
    return list(extract_flows(document, text_format, rules or TagRules(), splitting, text_rules))


def texts(document: str, text_format: TextFormat = "html", rules: TagRules | None = None) -> list[str]:
    """Returns the texts with the kept elements as they stand in the document."""
    return [
        "".join(flow.elements.get(character, character) for character in flow.text).strip()
        for flow in flows(document, text_format, rules)
        if flow.text.strip()
    ]


@pytest.mark.parametrize(
    ("document", "wanted"),
    [
        ("One <b>two</b> <i>three</i>", ["One two three"]),
        ("<p>One</p><div>two</div>three<br>four<hr>five", ["One", "two", "three", "four", "five"]),
        ("<P>One<P>two <B>three", ["One", "two three"]),
        ("<ul><li>one<li>two</ul><td>three</td>", ["one", "two", "three"]),
        ("one<pre>x <b>y</b></pre>two<textarea>z</textarea>three", ["one", "two", "three"]),
        ("one<pre>two", ["one"]),
        ("one <code>x</code> <kbd>y</kbd> two", ["one <code>x</code> <kbd>y</kbd> two"]),
        ("one <code>x two", ["one x two"]),
        ("one <code></code>two", ["one two"]),
        ('a <i translate="no">b <i>c</i> d</i> e', ['a <i translate="no">b <i>c</i> d</i> e']),
        ("a <b class='x notranslate y'>b</b> e", ["a <b class='x notranslate y'>b</b> e"]),
        ('a <b class="notranslated" data-translate="no">b</b> e', ["a b e"]),
        ("<div translate=no>one <p>two</p></div>three", ["three"]),
        ("one <svg><text>x</text></svg> <script>y</script><!-- z --> two", ["one two"]),
        ("a <b>{name}</b> c", ["a <b>{name}</b> c"]),
        ("a <b>{name} </b>c", ["a {name} c"]),
        ("a <a href='x'>@<span>user</span></a> c", ["a <a href='x'>@<span>user</span></a> c"]),
        ("<a>#<span>tag</span></a> is", ["<a>#<span>tag</span></a> is"]),
        ("<a><i>https://</i><i>a.org/x</i><i>?y</i></a>", ["<a><i>https://</i><i>a.org/x</i><i>?y</i></a>"]),
        ("<a>Home</a><a>About</a>", ["Home", "About"]),
        ("One\n  two", ["One\n  two"]),
        ("<b>One</b>\n  two\n\nthree", ["One two\n\nthree"]),
        ("&lt;name&gt; &amp; &eacute;", ["<name> & é"]),
        ("&lt;b&gt;one&lt;/b&gt; &amp; &eacute;", ["one & é"]),
    ],
)
def test_html(document: str, wanted: list[str]) -> None:
    assert texts(document) == wanted


@pytest.mark.parametrize(
    ("document", "rules", "wanted"),
    [
        ("One <p>two</p>", TagRules(), ["One two"]),
        ("<d><p>One</p><p>two <q>three</q></p></d>", TagRules(), ["One", "two three"]),
        ("<d><q>One</q><p>two <q>three</q></p></d>", TagRules(), ["One", "two three"]),
        ("<d><p>One</p><p>two</p></d>", TagRules(outline=False), ["Onetwo"]),
        ("<d><p>One</p><p>two</p></d>", TagRules(joining=frozenset(["p"])), ["Onetwo"]),
        ("a <b>c</b> <B>d</B>", TagRules(splitting=frozenset(["B"])), ["a c", "d"]),
        ("a <x>b <x>c</x></x> d", TagRules(ignored=frozenset(["x"])), ["a <x>b <x>c</x></x> d"]),
        ("a <x/> d", TagRules(ignored=frozenset(["x"])), ["a <x/> d"]),
        ("a <![CDATA[<b>]]> d", TagRules(), ["a <![CDATA[<b>]]> d"]),
        ("a <script>b</script> <code>c</code>", TagRules(), ["a b c"]),
    ],
)
def test_xml(document: str, rules: TagRules, wanted: list[str]) -> None:
    assert texts(document, "xml", rules) == wanted


def test_a_kept_element_is_a_boundary_without_masking() -> None:
    found = flows("one <code>x</code> two", masking=False)
    assert [flow.text for flow in found] == ["one ", " two"]


def test_text_is_one_flow_and_nothing_is_taken_out() -> None:
    (flow,) = flows("One <name>\n&amp;", "text")
    assert flow.text == "One <name>\n&amp;"
    assert not flow.tags


@pytest.mark.parametrize(
    ("text", "wanted", "kinds"),
    [
        ("Open the <b>door</b>.", ["Open the door."], "OPEN CLOSE"),
        ("<b>now</b>", ["now"], "OPEN CLOSE"),
        ("Close<b>the</b>window.", ["Close the window."], "OPEN CLOSE"),
        ('See <a href="http://a.com/b/">our <i>page</i></a>', ["See our page"], "OPEN OPEN CLOSE CLOSE"),
        ("I <I> would like </I> tea", ["I would like tea"], "OPEN CLOSE"),
        ("See <img src='a/b.png'/> here", ["See here"], "POINT"),
        ("One </b>two<b> three", ["One two three"], "LEAD POINT"),
        ("Where?<br />I go.<BR>Home<br>now", ["Where?", "I go.", "Home", "now"], ""),
        ("See <bold> and <file>, </name>", ["See <bold> and <file>, </name>"], ""),
    ],
)
def test_tags_of_words_are_taken_out_of_plain_text(text: str, wanted: list[str], kinds: str) -> None:
    found = flows(text, "text")
    assert [" ".join(flow.text.split()) for flow in found] == wanted
    assert [tag.kind.name for flow in found for tag in flow.tags] == kinds.split()


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("I am 😀 here", "I am here"),
        ("I am here 😀.", "I am here."),
        ("I❤️you", "I you"),
        ("👨‍👩‍👧 👍🏽 🇫🇷 1️⃣ ok", " ok"),
        ("© 2 # 3 * ™ → ok", "© 2 # 3 * ™ → ok"),
    ],
)
def test_emoji_are_taken_out(text: str, wanted: str) -> None:
    (flow,) = flows(text, "text")
    assert flow.text == wanted


@given(st.one_of(TREES, SOUPS), st.sampled_from(["text", "html", "xml"]), st.sampled_from([None, "lines", "none"]))
def test_offsets_are_in_order_and_in_the_document(
    document: str, text_format: TextFormat, splitting: Splitting | None
) -> None:
    behind = 0
    for flow in flows(document, text_format, splitting=splitting):
        assert len(flow.text) == len(flow.starts) == len(flow.ends)
        for start, end in zip(flow.starts, flow.ends, strict=True):
            assert behind <= start <= end <= len(document)
            behind = start
        offsets = [tag.offset for tag in flow.tags]
        assert offsets == sorted(offsets)
        assert all(document.startswith(tag.written, tag.start) for tag in flow.tags)
        opened = {tag.start: tag for tag in flow.tags if tag.kind is TagKind.OPEN}
        closed = [tag for tag in flow.tags if tag.kind is TagKind.CLOSE and tag.partner in opened]
        assert all(opened[tag.partner or 0].partner == tag.start for tag in closed)


@pytest.mark.parametrize("text_format", ["html", "xml"])
@pytest.mark.parametrize(
    "unit", ["<b>a ", "</b>", "<b>", "<p>a<b>", "<b>{n}</b>", "&amp;", "a\n", "😀 ", "<code>x</code>"]
)
def test_work_grows_with_the_length_and_no_faster(unit: str, text_format: TextFormat) -> None:
    assert_no_faster_than_length(lambda text: flows(text, text_format), unit * (8000 // len(unit)))


@pytest.mark.parametrize(
    ("document", "wanted", "kinds"),
    [
        ("The river is long<sup>1</sup> and wide.", "The river is long and wide.", "POINT"),
        ("We drink water.<sup>2</sup>", "We drink water.", "POINT"),
        ("We drink water.<a href='#n1'>[1]</a> It is", "We drink water. It is", "POINT"),
        ("It is long<sup><a href='#n'>[12]</a></sup> now", "It is long now", "POINT"),
        ("Water is H<sub>2</sub>O.", "Water is H<sub>2</sub>O.", ""),
        ("It has 20 m<sup>2</sup>.", "It has 20 m<sup>2</sup>.", ""),
        ("About 10<sup>-6</sup> of it", "About 10<sup>-6</sup> of it", ""),
        ("The 5<sup>th</sup> day", "The 5th day", "OPEN CLOSE"),
        ("See <a href='x'>2024</a> now", "See 2024 now", "OPEN CLOSE"),
    ],
)
def test_numbers_that_are_raised_or_lowered(document: str, wanted: str, kinds: str) -> None:
    assert texts(document) == [wanted]
    assert [tag.kind.name for flow in flows(document) for tag in flow.tags] == kinds.split()
