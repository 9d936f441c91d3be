"""What no translation may change is found, and nothing else is; it is hidden and restored without loss."""

from itertools import pairwise

import pytest
import regex
from hypothesis import given, settings
from hypothesis import strategies as st

from app.text.masking import (
    TextRules,
    count_hidden,
    hide_placeholders,
    is_hidden,
    mask,
    mask_text,
    reveal_placeholders,
)
from app.text.placeholder_finder import BUILT_IN
from app.text.segmentation import split
from app.text.stand_ins import choose_stand_ins
from app.text.words import double_quotes
from tests.support.growth import assert_no_faster_than_length
from tests.support.placeholder_texts import PLACEHOLDERS, TEXTS

RULES = TextRules(("en", "fr"))


@pytest.mark.parametrize("placeholder", PLACEHOLDERS)
@pytest.mark.parametrize("around", ["{}", "{} one", "one {}.", "one {}, two", "« {} » ?", "({})", "see: {}!\n"])
def test_found_whole_and_without_the_punctuation_around(placeholder: str, around: str) -> None:
    text = around.replace("{}", placeholder)
    hidden, kept = hide_placeholders(text, RULES)
    assert kept == [placeholder]
    assert count_hidden(hidden) == 1
    assert len(hidden) == len(text) - len(placeholder) + 1


@pytest.mark.parametrize(
    "text",
    [
        "Hello, how are you? I'm fine; it's 3.50, 1,000.50 or 12/05.",
        "100% sure, 50 % des gens. 24/7 and/or 90 years",
        "One & two, J.R.R. Tolkien, U.S.A., e.g. this. At 10:30: that.",
        "C'est 12:30 ; note: ceci. It is {open, 5.5 x 3",
        "Mr.Smith... etc. and so on.Then",
    ],
)
def test_language_is_left_alone(text: str) -> None:
    assert hide_placeholders(text, RULES) == (text, [])


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("Dear {first} {last},", ["{first} {last}"]),
        ("{size}MB of file{n}.txt", ["{size}MB", "file{n}.txt"]),
        ("l'{thing} is {owner}'s", ["{thing}", "{owner}"]),
        ("%d%% of %s", ["%d%%", "%s"]),
        ("(see https://en.wikipedia.org/wiki/A_(b)).", ["https://en.wikipedia.org/wiki/A_(b)"]),
        ("“https://x.org/{id}?a=%s”", ["https://x.org/{id}?a=%s"]),
        ("a <b>c</b> d", ["<b>c</b>"]),
    ],
)
def test_what_belongs_together(text: str, kept: list[str]) -> None:
    assert hide_placeholders(text, RULES)[1] == kept


def read_as(text: str, language: str = "en") -> str:
    """Returns what the model reads for a segment."""
    return mask_text(hide_placeholders(text, RULES)[0], TextRules((language, "fr")))


def test_numbers_stand_in_and_alone_perhaps_a_name() -> None:
    assert read_as("{count} files of %s, %d left") == "37 files of 250, 15 left"
    assert read_as("Ask {name}, not 37") == "Ask Tom, not 37"
    assert read_as("Tom knows {name}, not 37") == "Tom knows 250, not 37"
    assert read_as("{count} files") == "37 files"
    assert read_as("{name} 来了", "zh") == "37 来了"


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("See %s,%s now", "See Tom now"),
        ("See {a}.{b}:{c} now", "See Tom now"),
        ("See {a}, {b} now", "See 37, 250 now"),
        ("See ({a})({b}) now", "See (37)(250) now"),
        ('See "{a}","{b}" now', 'See "37","250" now'),
        ("See 3.{name} and {count},5 now", "See 37 and 250 now"),
        ("See {count}:10 now", "See 37 now"),
        ("See {count} 500 now", "See 37 now"),
        ("See {count} 50 now", "See 37 50 now"),
        ("In 2024 {name} left", "In 2024 Tom left"),
    ],
)
def test_stand_ins_never_join(text: str, read: str) -> None:
    assert read_as(text) == read


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.sampled_from(["{a}", "{count}", "5", "1.5", ",", ".", "/", ":", " ", "-", "x", "(", ")"]), max_size=9)
)
def test_the_digits_of_a_stand_in_touch_no_other_number(parts: list[str]) -> None:
    text = "".join(parts)
    hidden, kept = hide_placeholders(text, RULES)
    masked = mask(text, hidden, kept, RULES)
    for stand_in in masked.stand_ins:
        before, behind = masked.read[: stand_in.start], masked.read[stand_in.end :]
        assert not regex.search(r"(?<![\p{L}\d.,:/-])\d+[.,]?\Z", before)
        assert not regex.match(r"[.,]?\d+(?![\p{L}\d])", behind)


@settings(max_examples=300, deadline=None)
@given(TEXTS, st.sampled_from(["en", "fr", "zh"]))
def test_nothing_is_lost_and_no_cut_divides_a_placeholder(text: str, language: str) -> None:
    rules = TextRules((language, "fr"))
    hidden, kept = hide_placeholders(text, RULES)
    found = list(reveal_placeholders(split(hidden, language), kept))
    assert "".join(piece.text for piece, _, _ in found) == text
    assert [placeholder for _, own, _ in found for placeholder in own] == kept
    for piece, own, part in found:
        words = choose_stand_ins(double_quotes(part), language)
        assert len(set(words)) == len(words) <= len(own)
        masked = mask(piece.text, part, own, rules)
        assert masked.read == mask_text(part, rules)
        assert [masked.get_word(stand_in) for stand_in in masked.stand_ins] == words
        offsets = masked.map_offsets()
        assert len(offsets) == len(masked.read) + 1
        assert offsets[-1] == len(piece.text)
        assert all(one <= other for one, other in pairwise(offsets))
        for stand_in in masked.stand_ins:
            assert piece.text[offsets[stand_in.start] : offsets[stand_in.end]] == stand_in.placeholder


@given(st.text(st.characters(categories=["Co", "L", "Zs"]), max_size=20))
def test_private_characters_of_a_text_are_told_apart(text: str) -> None:
    hidden, kept = hide_placeholders(text, RULES)
    left = iter(kept)
    assert "".join(next(left) if is_hidden(one) else one for one in hidden) == text
    assert next(left, None) is None


@pytest.mark.parametrize(
    "unit",
    ["{", "`", "<a ", "a@", "http://", "(", "%", "/a", "a.", "#", "@a", "1.", "&a", ":a", "{ ", "%(", "a/", "\\"],
)
@pytest.mark.parametrize("end", ["", "'", "(", " x {", "@", "\ue000"])
def test_work_grows_with_the_length_and_no_faster(unit: str, end: str) -> None:
    def find(text: str) -> None:
        hide_placeholders(text, RULES)
        BUILT_IN.count(text)

    assert_no_faster_than_length(find, (unit * 20 + end) * (6000 // (20 * len(unit))))


def test_what_joins_two_placeholders_comes_back_as_it_is_written() -> None:
    text = "See 42‚%s here."
    hidden, kept = hide_placeholders(text, RULES)
    (stand_in,) = mask(text, hidden, kept, RULES).stand_ins
    assert stand_in.placeholder == stand_in.written == "42‚%s"
