"""Short ways for ordinary sentences: each gives what the whole search gives, on texts that come close to both."""

from functools import cache
from pathlib import Path

import pytest
import regex
from hypothesis import given, settings
from hypothesis import strategies as st

from app.bundle import phrases
from app.bundle.phrases import PhraseTable
from app.bundle.store import load_bundle
from app.text import punctuation, segmentation
from app.text.masking import count_hidden, is_hidden
from app.text.placeholder_finder import BUILT_IN, PlaceholderFinder
from app.text.placeholder_kinds import Treatment
from app.text.words import Legibility
from app.translation.answer_guard import _MAX_REPEATED, _WORD, _count_repeats

MODELS = Path(__file__).parents[3] / "models"
DIRECTIONS = (("en-fr", "en", "fr"), ("fr-en", "fr", "en"), ("de-es-en", "de", "en"), ("de-es-en", "es", "en"))
WORDS = (
    *[
        "the",
        "The",
        "a",
        "A",
        "à",
        "y",
        "I",
        "Le",
        "My",
        "USA",
        "iPad",
        "œuvre",
        "ÿ",
        "Ÿ",
        "ß",
        "SS",
        "n'est",
        "l'École",
        "aujourd’hui",
        "a-t-il",
        "e-Mail",
        "X-y",
        "well-known",
    ],
    *[
        "-x",
        "--",
        "-foo",
        "3",
        "2nd",
        "5kg",
        "15",
        "1,000",
        "1,0,",
        "2.5",
        "10:30",
        "9-",
        "км",
        "naïve",
        "ŵ",
        "Mr",
        "etc",
        "qu'",
        "'tis",
        "d'",
        "ª",
        "fi",
        "µ",
        "日本",
        "{x}",
        "%s",
        "@a",
    ],
    *["a@b", "x_y", "a)", "(b)", "[1]", "§2"],
    *("7 kg", "12 people", "9 -", "1\u00a0000", "4 l'eau", "5 \u00e9t\u00e9s"),
)
SEPARATORS = (
    " ",
    ", ",
    ". ",
    "! ",
    "? ",
    "; ",
    ": ",
    " : ",
    " !",
    " ! ",
    "...",
    ".",
    ",",
    ":",
    "::",
    "  ",
    "\n",
    "\u00a0? ",
)
ENDS = ("", ".", "!", "?", "…", " !", " ?", "?!", ". ", "\n", ":", " :", "\u202f?", "。", "\u200b", "\t", ")")


@st.composite
def texts(draw: st.DrawFn) -> str:
    """Words and signs of both kinds in any order."""
    words = st.one_of(st.sampled_from(WORDS), st.text("abAÀàß'’-.,:;!?¿¡() \u00a01_{", max_size=6))
    chosen = draw(st.lists(st.tuples(words, st.sampled_from(SEPARATORS)), max_size=8))
    start = draw(st.sampled_from(("", "¿", "¡", " ", "- ", "(", "a) ", "iv) ", "1) ", '"')))
    return start + "".join(map("".join, chosen)) + draw(st.sampled_from(ENDS))


@cache
def legibility_of(bundle: str, source: str, target: str) -> Legibility:
    return Legibility(load_bundle(MODELS / bundle).tokenizer, source, target)


@cache
def finder(bundle: str, source: str, target: str) -> PlaceholderFinder:
    return BUILT_IN.with_words(legibility_of(bundle, source, target).words)


@pytest.mark.parametrize("direction", DIRECTIONS)
@settings(max_examples=700, deadline=None)
@given(text=texts())
def test_placeholders_are_those_of_the_whole_search(direction: tuple[str, str, str], text: str) -> None:
    own = finder(*direction)
    assert own._sign is not None
    matches = own._pattern.finditer(text) if own._sign.search(text) else ()
    whole = [(*one.span(), one.lastgroup or Treatment.SYNTAX) for one in matches if one.end() > one.start()]
    assert own.find_treated(text) == whole
    assert own.find_syntax(text) == [(start, end) for start, end, kind in whole if kind == Treatment.SYNTAX]


def test_latin_words_that_are_kept_have_no_short_way() -> None:
    assert not BUILT_IN.with_words(r"\p{Latin}+")._plain.fullmatch("Tom reads.")
    assert BUILT_IN.with_words(r"\p{Latin}+").find("Да Tom.") == [(3, 6)]


@pytest.mark.parametrize("direction", DIRECTIONS)
@settings(max_examples=700, deadline=None)
@given(text=texts())
def test_nothing_is_taken_out_of_a_quiet_text(direction: tuple[str, str, str], text: str) -> None:
    bundle, source, target = direction
    legibility = legibility_of(bundle, source, target)
    assert not (legibility.quiet.fullmatch(text) and legibility.signs.search(text))
    assert legibility.quiet.fullmatch("Tom lit, oder nicht.")


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_the_short_way_is_taken(direction: tuple[str, str, str]) -> None:
    plain = finder(*direction)._plain
    assert all(map(plain.fullmatch, ("", "Tom lit.", "Was ist das?", "Qui est-ce !", "Nun, Eva: es ist gut.")))
    assert not any(map(plain.fullmatch, ("Take {x}.", "x", "5 kg", "a@b.de", "iPad", "Go.Now")))


@settings(max_examples=700, deadline=None)
@given(text=texts(), language=st.sampled_from(("en", "fr", "de", "el")))
def test_pieces_are_those_of_the_whole_search(text: str, language: str) -> None:
    short = segmentation.split(text, language)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(segmentation, "_ends_visibly", lambda _: False)
        # With a line behind it the text is not printable.
        whole = segmentation.split(f"{text}\n\x00", language)
    assert "".join(piece.text for piece in short) == text
    assert [one for one in short if one.is_segment] == [one for one in whole if one.is_segment]


@settings(max_examples=1000, deadline=None)
@given(st.text(max_size=12))
def test_printable_text_has_nothing_exotic(text: str) -> None:
    if text.isprintable():
        assert segmentation._EXOTIC.sub(" ", segmentation._PRIVATE_USE.sub("É", text)) == text
        assert count_hidden(text) == sum(map(is_hidden, text))


@settings(max_examples=700, deadline=None)
@given(text=texts(), language=st.sampled_from(("en", "el", "zh")))
def test_ends_are_those_of_the_whole_search(text: str, language: str) -> None:
    signs = ".!?…;\u037e" if language == "el" else ".!?…。｡．！？؟।۔"
    whole = regex.search(rf"[\s\u00a0\u202f]*[{signs}]++\Z", text)
    found = punctuation.find_end(text, language)
    assert (found and found.span()) == (whole and whole.span())


def count_all_repeats(text: str) -> int:
    words = _WORD.findall(text.lower())
    threes = list(zip(words, words[1:], words[2:], strict=False))
    is_row = len(words) >= _MAX_REPEATED and any(len(set(one)) == 1 for one in threes)
    return max(max(map(threes.count, threes), default=0), _MAX_REPEATED * is_row)


@settings(max_examples=700, deadline=None)
@given(st.lists(st.sampled_from(("a", "b", "c", "A")), max_size=20).map(" ".join))
def test_repetitions_that_count_are_counted(text: str) -> None:
    found, whole = _count_repeats(text), count_all_repeats(text)
    assert (found >= _MAX_REPEATED) == (whole >= _MAX_REPEATED)
    assert found == whole or whole < _MAX_REPEATED


@settings(max_examples=1000, deadline=None)
@given(st.text("aA.。!? :\t-", max_size=8))
def test_a_text_with_a_full_stop_is_no_phrase(text: str) -> None:
    table = PhraseTable(b"a\tx\na a\tx\na-a\tx\na.a\tx\naa\tx\n")
    found = table.find(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(phrases, "_FULL_STOP", regex.compile("(?!)"))
        assert table.find(text) == found
