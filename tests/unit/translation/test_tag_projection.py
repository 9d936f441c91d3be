"""Tags come back whatever the model writes: through one that copies, and one that writes anything."""

import time
from collections.abc import Iterator
from concurrent.futures import Future

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.bundle.store import Bundle
from app.engine.loop import Engine
from app.engine.model import DecodingModel
from app.text.inline import TextFormat, extract_flows
from app.text.masking import TextRules
from app.text.tag_roles import TagRules
from app.translation.alignment import SegmentAlignment
from app.translation.assembly import WholeParts
from app.translation.pending import Pending
from app.translation.tag_projection import project_tags
from app.translation.translator import TranslationOptions, Translator
from tests.support.fakes import fake_bundle, text_machine
from tests.support.markup_texts import SOUPS, TREES, check, check_many, check_tree
from tests.unit.translation.test_unmasking import Hostile, by_words

HTML = TranslationOptions(text_format="html")
RULES = TextRules(("en", "fr"))


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return fake_bundle(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="module")
def copier(bundle: Bundle) -> Iterator[Translator]:
    engine = Engine(text_machine(bundle, "copy"), DecodingModel.of(bundle.manifest))
    engine.start()
    yield Translator(bundle, engine)
    engine.stop(drain=False)


@pytest.fixture(scope="module")
def upper(bundle: Bundle) -> Iterator[Translator]:
    engine = Engine(text_machine(bundle, "upper"), DecodingModel.of(bundle.manifest))
    engine.start()
    yield Translator(bundle, engine)
    engine.stop(drain=False)


def project(document: str, target: str, *pairs: tuple[int, int], blind: bool = False) -> str:
    """Returns a translation of a document's only flow with its tags; each pair is (target word, source word)."""
    (flow,) = extract_flows(document, "html", TagRules(), None, RULES)
    alignment: SegmentAlignment | None = None if blind else by_words(flow.text, target, *pairs)
    found = target
    insertions = project_tags(flow.tags, flow.text, target, alignment, RULES)
    for insertion in reversed(insertions):
        found = found[: insertion.start] + insertion.written + found[insertion.end :]
    return found


def test_an_element_covers_the_words_that_come_from_its_words() -> None:
    pairs = ((0, 0), (1, 2), (2, 1))
    assert project("The <b>red</b> car", "La voiture rouge", *pairs) == "La voiture <b>rouge</b>"
    assert project("The <b>red</b> <i>car</i>", "La voiture rouge", *pairs) == "La <i>voiture</i> <b>rouge</b>"
    assert project("The <b>red </b>car", "La voiture rouge", *pairs) == "La voiture <b>rouge</b>"
    assert project("The <a><b>red</b> car</a> now", "La voiture rouge ici", *pairs, (3, 3)) == (
        "La <a>voiture <b>rouge</b></a> ici"
    )


def test_an_element_whose_words_are_torn_apart_covers_what_lies_between() -> None:
    pairs = ((0, 0), (1, 2), (2, 1), (3, 2))
    assert project("I am <b>not</b> old", "Je ne suis pas vieux", *pairs, (4, 3)) == "Je <b>ne suis pas</b> vieux"


def test_an_element_without_words_of_its_own_in_the_translation_gets_the_nearest() -> None:
    assert project("Do <b>you</b> know", "Sais vite cela", (0, 0), (1, 2), (2, 2)) == "Sais <b>vite</b> cela"
    assert project("I <b>do</b> <i>so</i> know", "Je", (0, 0)) in ("<b>Je</b><i></i>", "<b>Je</b> <i></i>")


def test_a_part_of_a_word_takes_the_word() -> None:
    assert project("Now <u>s</u>ave it", "Garde cela vite", (0, 1), (1, 2), (2, 0)) == "<u>Garde</u> cela vite"


def test_what_has_no_width_stays_behind_its_word_with_its_spaces() -> None:
    pairs = ((0, 0), (1, 1), (2, 2))
    assert project("See <img> the cat", "Voir le chat", *pairs) == "Voir <img> le chat"
    assert project("See<img> the cat", "Voir le chat", *pairs) == "Voir<img> le chat"
    assert project("See <img>the cat", "Voir le chat", *pairs) == "Voir <img>le chat"
    assert project("See the<wbr>se cats", "Voir ces chats", *pairs) == "Voir ces<wbr> chats"
    assert project("See <!-- x --> <img> the cat", "Voir le chat", *pairs) == "Voir <!-- x --> <img> le chat"


def test_a_point_before_punctuation_is_no_part_of_the_next_word() -> None:
    pairs = ((0, 0), (1, 2), (2, 3))
    assert project("and <img>, the river", "et la rivière", (0, 0), (1, 2), (2, 3)) == "et <img> la rivière"
    assert project("and <img>, the river", "et, la rivière", *pairs) == "et <img>, la rivière"
    assert project("and <img>. The river", "et la rivière", *pairs) == "et <img> la rivière"
    assert project("and <img>the river", "et la rivière", *pairs) == "et <img>la rivière"


def test_without_attention_offsets_are_in_proportion() -> None:
    assert project("one <b>two</b> three", "un deux trois", blind=True) == "un <b>deux</b> trois"


def test_a_number_or_a_name_is_its_own_wherever_the_model_looked() -> None:
    assert project("See <b>38</b> cats", "Les 38 chats", (0, 0), (1, 0), (2, 2)) == "Les <b>38</b> chats"
    assert project("<b>See</b> Berlin", "Berlin, vois", (0, 0), (1, 0)) == "Berlin, <b>vois</b>"


def test_a_line_break_replaces_a_space() -> None:
    pairs = ((0, 0), (1, 1), (2, 2))
    assert project("one\n  two <b>three</b> four", "un deux trois", *pairs).startswith("un\n  deux")
    assert project("one <wbr>two\nthree four five", "un deux trois !", blind=True) == "un <wbr>deux\ntrois !"
    # A line that would be empty is none.
    assert project("one\ntwo\nthree<wbr> four", "un", (0, 0)) == "un<wbr>"


@pytest.mark.parametrize(
    "document",
    [
        "<p>One <b>big</b> dog. <i>Two cats. Three</i> birds.</p>",
        "<div>A <a href='x'>link <b>in</b></a> here<br>and <img src=x> there</div>",
        "<ul><li>one <b>two</b><li>three</ul>",
        "Text with <b>bold</b> and <code>x &lt; y</code>, and <kbd>Ctrl</kbd>-<kbd>C</kbd>.",
        "<p>Hard\n  wrapped <b>text\nover</b> lines &mdash; &eacute;t&eacute;&nbsp;!</p>\n\n<p>More.</p>",
        "plain\ntext without tags",
        "I am 😀 here. 👍🏽 Good!",
    ],
)
def test_a_model_that_copies_gives_the_document_back(copier: Translator, document: str) -> None:
    assert copier.translate([document], HTML)[0].text == document


@settings(max_examples=150, deadline=None)
@given(TREES)
def test_a_model_that_copies_gives_any_document_back(copier: Translator, document: str) -> None:
    assert copier.translate([document], HTML)[0].text == document


def test_words_in_capitals(upper: Translator) -> None:
    document = (
        "<p>One <b>big</b> dog. <i>Two cats. Three</i> birds,\n my <code>x</code> <a href='x'>l'<u>ami</u></a> "
        "😀 is<!-- c --> here <img src=x> now.</p><pre>as it is</pre>"
    )
    assert upper.translate([document], HTML)[0].text == (
        "<p>ONE <b>BIG</b> DOG. <i>TWO CATS. THREE</i> BIRDS,\n MY <code>x</code> <a href='x'>L'<u>AMI</u></a> "
        "😀 IS<!-- c --> HERE <img src=x> NOW.</p><pre>as it is</pre>"
    )


@settings(max_examples=300, deadline=None)
@given(TREES, st.integers(0, 2**32), st.booleans(), st.integers(0, 2), st.sampled_from([1, 3]))
def test_whatever_the_model_does(
    bundle: Bundle, document: str, seed: int, align: bool, alternatives: int, beam_size: int
) -> None:
    options = TranslationOptions(beam_size, alternatives, text_format="html", alignment=align)
    (translation,) = Translator(bundle, Hostile(seed)).translate([document], options)
    check_tree(document, translation)


@settings(max_examples=300, deadline=None)
@given(SOUPS, st.integers(0, 2**32), st.booleans(), st.sampled_from(["html", "xml"]))
def test_whatever_the_markup_is(
    bundle: Bundle, document: str, seed: int, has_attention: bool, text_format: TextFormat
) -> None:
    hostile = Translator(bundle, Hostile(seed))
    hostile._planner.has_attention = has_attention
    (translation,) = hostile.translate([document], TranslationOptions(text_format=text_format))
    check(document, translation, text_format == "xml")


def test_many_documents_lose_nothing(bundle: Bundle) -> None:
    check_many(Translator(bundle, Hostile(6)), 1000)


@pytest.mark.parametrize("text_format", ["html", "xml"])
@pytest.mark.parametrize(
    "unit",
    ["<b>a ", "<b>", "a <b></b>", "</b>a", "<code>", "<code>a</code> ", "<pre>", "<a href='", '<a "', "<!-- ",
     "<p>a<b>", "<x1><y>", "&amp;", "&#xF0000;", "a\n<i>b</i>", "😀 ", "<svg>", "<script>", "<![CDATA["],
)  # fmt: skip
def test_hostile_documents_are_read_in_time(bundle: Bundle, unit: str, text_format: TextFormat) -> None:
    document = unit * (20_000 // len(unit)) + "> z"
    began = time.process_time()
    options = TranslationOptions(text_format=text_format)
    (translation,) = Translator(bundle, Hostile(1)).translate([document], options)
    assert time.process_time() - began < 10
    check(document, translation, text_format == "xml")


@settings(max_examples=60, deadline=None)
@given(TREES)
def test_what_is_sent_early_is_the_beginning_of_the_answer(copier: Translator, tree: str) -> None:
    plan = copier.prepare([f"<p>Before <i>it</i>.</p>{tree}<p>Behind <b>it</b> all. It ends.</p>"], HTML)
    pending = copier.submit(plan)
    pending.done.result(20)
    answer = copier.finish(plan, pending)[0].text
    for unfinished in range(len(plan.segments)):
        futures = list(pending._futures)
        futures[unfinished] = Future()
        settled = {unfinished: plan.sources[unfinished][:5]}
        assert answer.startswith(copier.read_settled(plan, 0, Pending(futures), settled, WholeParts()))


def test_more_tags_than_any_sentence_has(bundle: Bundle) -> None:
    document = "one " + "<b>a" * 3000 + " two" + "</b>" * 3000 + " three"
    (translation,) = Translator(bundle, Hostile(1)).translate([document], HTML)
    check(document, translation)
