"""What no language changes comes back as it was, and the sentence around it is read as if it were not there."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.bundle.store import load_bundle
from app.bundle.tokenizers import Tokenizer, load_tokenizer
from app.text.inline import TagKind, TextFormat, extract_flows
from app.text.markup import escape
from app.text.masking import TextRules
from app.text.placeholder_finder import BUILT_IN
from app.text.tag_roles import NO_RULES
from app.text.words import Legibility
from app.translation.preparation import SegmentList
from tests.support.growth import assert_no_faster_than_length
from tests.support.kept_texts import INVISIBLE, KEPT_WORDS, LINE_STARTS, SEPARATORS, SIGNS, TAKEN_OUT

MODELS = Path(__file__).parents[3] / "models"
BUNDLES = {name: load_bundle(MODELS / name) for name in ("en-fr", "en-de-es")}


def rules_of(tokenizer: Tokenizer, source: str = "en", target: str = "fr") -> TextRules:
    legibility = Legibility(tokenizer, source, target)
    return TextRules((source, target), BUILT_IN.with_words(legibility.words), legibility=legibility)


RULES = {name: rules_of(bundle.tokenizer) for name, bundle in BUNDLES.items()}


def read(text: str, name: str = "en-fr", text_format: TextFormat = "text") -> list[str]:
    """Returns what a model reads of a text, segment by segment."""
    rules = RULES[name]
    segments = SegmentList(BUNDLES[name].tokenizer, 200, rules)
    found = []
    for flow in extract_flows(text, text_format, NO_RULES, None, rules):
        for piece in segments.split(flow.text):
            if piece.is_segment:
                number = segments.number(piece.text)
                masked = segments.masked[number]
                found.append(piece.text if masked is None else masked.read)
    return found


@pytest.mark.parametrize("name", BUNDLES)
@pytest.mark.parametrize(("kind", "kept"), [(kind, one) for kind, examples in KEPT_WORDS.items() for one in examples])
def test_a_word_stands_in(kind: str, kept: str, name: str) -> None:
    for text_format in ("text", "html"):
        written = kept if text_format == "text" else escape(kept)
        (sentence,) = read(f"Now open {written} and go to sleep.", name, text_format)
        assert sentence in (f"Now open {word} and go to sleep." for word in ("Tom", "37")), kind


@pytest.mark.parametrize("name", BUNDLES)
@pytest.mark.parametrize("sign", [*SIGNS, *TAKEN_OUT, *INVISIBLE])
@pytest.mark.parametrize(
    "sentence", ["I like it {} you like it.", "{} I like it you like it.", "I like it you like it {}."]
)
def test_a_sign_is_taken_out(sign: str, sentence: str, name: str) -> None:
    for text_format in ("text", "html"):
        text = sentence.replace("{}", sign if text_format == "text" else escape(sign))
        whole = " ".join(read(text, name, text_format)).rstrip(".")
        readable = RULES[name].legibility
        assert readable is not None
        if sign in INVISIBLE or (text_format == "html" and readable.is_readable(sign)):
            whole = "".join(one for one in whole if one not in sign).replace("  ", " ").strip()
        assert whole == "I like it you like it"


@pytest.mark.parametrize("start", LINE_STARTS)
@pytest.mark.parametrize("name", BUNDLES)
def test_what_begins_a_line_is_not_read(start: str, name: str) -> None:
    assert read(f"{start}Are you ready? I am.\n{start}No, I have eaten.", name) == [
        "Are you ready?",
        "I am.",
        "No, I have eaten.",
    ]


@pytest.mark.parametrize("separator", SEPARATORS)
def test_what_separates_ends_a_segment(separator: str) -> None:
    assert read(f"Good night{separator}See you") == ["Good night", "See you"]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("How To Choose The Right Bicycle", "How to choose the right bicycle"),
        ("Where To Buy Fresh Bread", "Where to buy fresh bread"),
        ("Ten Ways to Save Money at Home", "Ten ways to save money at home"),
        ("Tom Went To Boston", "Tom went to Boston"),
        ("Good night", "Good night"),
        ("New York City", "New York City"),
        ("I saw Tom and Mary in Boston.", "I saw Tom and Mary in Boston."),
        ("Stop. Go. Wait.", "Stop. Go. Wait."),
    ],
)
def test_headings(text: str, wanted: str) -> None:
    assert " ".join(read(text)) == wanted


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("He came (late).", [(TagKind.OPEN, "("), (TagKind.CLOSE, ")")]),
        ("He said « stop » now.", [(TagKind.OPEN, "« "), (TagKind.CLOSE, " »")]),
        ("Read our <1>terms</1> now.", [(TagKind.OPEN, "<1>"), (TagKind.CLOSE, "</1>")]),
        ("Read our [b]terms[/b] now.", [(TagKind.OPEN, "[b]"), (TagKind.CLOSE, "[/b]")]),
        ("Read our **terms** now.", [(TagKind.OPEN, "**"), (TagKind.CLOSE, "**")]),
        ("Pay € now", [(TagKind.POINT, "€")]),
        ("Pay €him", [(TagKind.LEAD, "€")]),
        ("The gadget® is", [(TagKind.POINT, "®")]),
        ("Hello \u2068Anna\u2069, he", [(TagKind.LEAD, "\u2068"), (TagKind.POINT, "\u2069")]),
        ("The file(s) are", [(TagKind.POINT, "(s)")]),
        ("Open ★★★☆☆ before", [(TagKind.POINT, "★★★☆☆")]),
        ("Open ½ of it", [(TagKind.LEAD, "½")]),
    ],
)
def test_how_signs_stand(text: str, wanted: list[tuple[TagKind, str]]) -> None:
    (flow,) = extract_flows(text, "text", NO_RULES, None, RULES["en-de-es"])
    assert [(tag.kind, tag.written) for tag in flow.tags] == wanted


@pytest.mark.parametrize(
    "text",
    [
        "Hello, how are you? I'm fine; it's 3.50, 1,000.50 or 12/05.",
        'He said "stop" (twice) and “left”: that\'s all!',
        "At 10:30 a.m. he came, e.g. from the U.S.A. on the 3rd.",
        "Is it 5pm? It's the 1990s; a well-known man, 20th of May.",
        "Mr.Smith and J.R.R. Tolkien are here. I am a man.",
        "See PAGE 300 of ROOM 101.",
    ],
)
def test_language_is_read(text: str) -> None:
    assert " ".join(read(text)) == text


_PARTS = st.one_of(
    st.sampled_from([one for examples in KEPT_WORDS.values() for one in examples]),
    st.sampled_from([*SIGNS, *TAKEN_OUT, *INVISIBLE, *LINE_STARTS, *SEPARATORS]),
    st.sampled_from(["one", "Two", "is", "the door", ".", ",", " ", "\n", "5"]),
    st.text(max_size=3),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(_PARTS, max_size=10).map("".join), st.sampled_from(["text", "html", "xml"]))
def test_every_character_is_in_a_flow_a_tag_or_between_flows(text: str, text_format: TextFormat) -> None:
    behind = 0
    for flow in extract_flows(text, text_format, NO_RULES, None, RULES["en-de-es"]):
        assert len(flow.text) == len(flow.starts) == len(flow.ends)
        for start, end in zip(flow.starts, flow.ends, strict=True):
            assert behind <= start <= end <= len(text)
            behind = start
        assert all(text.startswith(tag.written, tag.start) for tag in flow.tags)


@settings(max_examples=300, deadline=None)
@given(st.lists(_PARTS, max_size=8).map(" ".join))
def test_the_model_reads_no_sign_that_it_cannot(text: str) -> None:
    legibility = RULES["en-de-es"].legibility
    assert legibility is not None
    for sentence in read(text, "en-de-es"):
        for one in sentence:
            assert (
                one.isalnum() or one.isspace() or legibility.is_readable(one) or not one.isprintable() or one > "\u0300"
            )


_UNITS = [
    "€ ",
    "(",
    '"a ',
    "«",
    "*a",
    "_",
    "**a** ",
    "[b]",
    "<1>",
    "</1>",
    "- ",
    "a…",
    "a(s)",
    "北 ",
    "x ",
    "Aa To ",
    "\\n",
]
_UNITS += [
    "{n, plural, one {",
    "{n, plural, one {a} ",
    "12:00:00 ",
    "[12:00] ",
    "5 €",
    "\u2068a\u2069",
    "a&b ",
    "A1-",
    "a_",
]
_UNITS += ["a.", "::", "+1 ", "0 ", "1=", "{a{", "{% ", "$a(", "%1", "1:", "http://a", "--a", "aB", "😀 ", "\u200d"]


@pytest.mark.parametrize("unit", _UNITS)
def test_work_grows_with_the_length_and_no_faster(unit: str) -> None:
    def work(text: str) -> None:
        for text_format in ("text", "html"):
            list(extract_flows(text, text_format, NO_RULES, None, RULES["en-de-es"]))

    assert_no_faster_than_length(work, unit * (1000 // len(unit)))


def test_a_larger_vocabulary_loses_less() -> None:
    small, large = (
        Legibility(load_tokenizer(MODELS / name / "tokenizer.model", "sentencepiece"), "en", "fr") for name in BUNDLES
    )
    assert small.is_readable("(") != large.is_readable("(")
