"""Tags of a file are written as HTML and restored, also if a translation changed them."""

from html import escape

from hypothesis import given
from hypothesis import strategies as st

from app.files.fragment import CloseTag, Fragment, OpenTag, Piece, PointTag
from tests.support.file_samples import identity, upper, without_tags

WORDS = st.text("ab é<>&;\n ", max_size=8)


@st.composite
def nested(draw: st.DrawFn) -> list[Piece]:
    """Draw well nested pieces with a number for each tag."""
    numbers = iter(range(1000))

    def level(depth: int) -> list[Piece]:
        pieces: list[Piece] = []
        for _ in range(draw(st.integers(0, 4))):
            kind = draw(st.sampled_from(["words", "words", "point", "word", "element"]))
            if kind == "words":
                pieces.append(draw(WORDS))
            elif kind == "element" and depth:
                number = next(numbers)
                pieces += [OpenTag(number), *level(depth - 1), CloseTag(number)]
            else:
                pieces.append(PointTag(next(numbers), draw(WORDS) if kind == "word" else ""))
        return pieces

    return level(3)


def tags(pieces: list[Piece]) -> list[Piece]:
    return [piece for piece in pieces if not isinstance(piece, str)]


def words(pieces: list[Piece]) -> str:
    return "".join(piece for piece in pieces if isinstance(piece, str))


@given(nested())
def test_what_is_not_changed_comes_back(pieces: list[Piece]) -> None:
    fragment = Fragment(pieces)
    found = fragment.restore(identity(fragment.passage))
    assert tags(found) == tags(pieces)
    assert words(found) == words(pieces)


@given(nested(), st.text("ab <>&\"'/=", max_size=20))
def test_no_tag_is_lost_whatever_comes_back(pieces: list[Piece], soup: str) -> None:
    fragment = Fragment(pieces)
    for translation in (without_tags(fragment.passage), soup, fragment.passage.text + "<span data-n='7'>", "</span>"):
        found = fragment.restore(translation)
        assert sorted(map(repr, tags(found))) == sorted(map(repr, tags(pieces)))


def test_only_the_words_are_shown() -> None:
    pieces: list[Piece] = [
        " ",
        OpenTag(0),
        PointTag(1),
        "Some ",
        OpenTag(2),
        "words",
        CloseTag(2),
        " & ",
        PointTag(3, "x<y"),
        CloseTag(0),
    ]
    fragment = Fragment(pieces)
    passage = fragment.passage
    assert passage.text == 'Some <span data-n="2">words</span> &amp; <code data-n="3">x&lt;y</code>'
    assert passage.text_format == "html"
    assert words(fragment.restore(upper(passage))) == " SOME WORDS & "


def test_without_tags_it_is_plain_text() -> None:
    passage = Fragment([OpenTag(0), "a < b", CloseTag(0), PointTag(1)]).passage
    assert (passage.text, passage.text_format) == ("a < b", "text")


def test_tags_may_move() -> None:
    fragment = Fragment(["a ", OpenTag(0), "red", CloseTag(0), " house ", PointTag(1), "here"])
    moved = f'{escape("une maison")} <span data-n="0">rouge</span><img data-n="1"> ici'
    assert fragment.restore(moved) == ["une maison ", OpenTag(0), "rouge", CloseTag(0), PointTag(1), " ici"]


def test_a_lost_tag_moves_and_no_word_is_lost() -> None:
    fragment = Fragment(["a ", OpenTag(0), "red", CloseTag(0), " house"])
    assert fragment.restore("une maison rouge") == ["une maison rouge", OpenTag(0), CloseTag(0)]
    assert words(fragment.restore('une <span data-n="9">maison</span>')) == "une maison"
