"""Documents with markup, well-formed trees and tag soup, and what must be true of their translations."""

from collections import Counter
from random import Random
from typing import Final

from hypothesis import strategies as st

from app.text.markup import Kind, tokenize_markup
from app.translation.translator import Translation, TranslationOptions, Translator

HTML: Final = TranslationOptions(text_format="html")
INLINE: Final = ("b", "i", "em", "a", "span", "u", "sub", "q")
BLOCK: Final = ("p", "div", "li", "td", "h1", "blockquote")
KEPT: Final = (
    "<code>a &lt; b</code>",
    "<kbd>Ctrl</kbd>",
    '<span translate="no">Le <b>Monde</b></span>',
    '<b class="x notranslate">Tom</b>',
    "<script>if (a < b) x('</b>')</script>",
    "<svg><path d='1'/></svg>",
    "<pre>\n  two\n</pre>",
    "<textarea><b></textarea>",
    "<!-- a <b> comment -->",
    "<br/>",
    '<img alt="a > b">',
    "<wbr>",
    "<input disabled>",
    "<i class=icon></i>",
)
WORDS: Final = (
    "One", "two", "the cat", "is", "Stop.", "Really?", "3.5 ", "&amp;", "&eacute;t&eacute;", "&nbsp;", "é", "l'",
    "{name} ", "%s ", "https://example.com/?a=b&amp;c=d ", "😀", "👍🏽", "AND SO", "(no)", ",", "!",
    "&#xF0000;", "&lt;b&gt;",
)  # fmt: skip
SPACES: Final = ("", " ", " ", " ", "\n", "\n  ", "  ", "\t", "\n\n")
SOUP: Final = (
    "<", ">", "</", "<b", "<b>", "</b>", "<i>", "</i>", "<p>", "</p>", "<a href='x>y'>", "</a>", '<a title="', "&",
    "<!--", "-->", "<code>", "</code>", "<pre>", "</pre>", "<script>", "</script>", "</nosuch>", "<x/>", "<br>", "'",
    '<i translate="no">', "<svg>", "<![CDATA[", "]]>", "<?php", "?>",
)  # fmt: skip


def _attributes(kind: int) -> str:
    return ("", "", " class='a > b'", ' href="/x?a=1&b=2"', ' id="é"')[kind]


def _joined(parts: list[tuple[str, str]]) -> str:
    return "".join(part + space for part, space in parts)


def _element(name: str, attributes: int, inside: str) -> str:
    return f"<{name}{_attributes(attributes)}>{inside}</{name}>"


TREES = st.recursive(
    st.sampled_from(WORDS + KEPT),
    lambda inner: (
        st.builds(
            _element,
            st.sampled_from(INLINE + BLOCK),
            st.integers(0, 4),
            st.lists(st.tuples(inner, st.sampled_from(SPACES)), max_size=5).map(_joined),
        )
        | st.lists(st.tuples(inner, st.sampled_from(SPACES)), max_size=5).map(_joined)
    ),
    max_leaves=25,
)
SOUPS = st.lists(st.tuples(st.sampled_from(WORDS + KEPT + SOUP), st.sampled_from(SPACES)), max_size=25).map(_joined)


def random_tree(random: Random, depth: int = 4) -> str:
    """Returns a document as ``TREES`` has them, faster than hypothesis."""
    parts = []
    for _ in range(random.randrange(1, 6)):
        if depth and random.random() < 0.4:
            name = random.choice(INLINE + BLOCK)
            part = _element(name, random.randrange(5), random_tree(random, depth - 1))
        else:
            part = random.choice(KEPT if random.random() < 0.15 else WORDS)
        parts.append((part, random.choice(SPACES)))
    return _joined(parts)


def random_soup(random: Random) -> str:
    """Returns a document as ``SOUPS`` has them, faster than hypothesis."""
    words = random.choices(WORDS + KEPT + SOUP, k=random.randrange(20))
    return _joined([(word, random.choice(SPACES)) for word in words])


def markup_in(document: str, is_xml: bool = False) -> "Counter[str]":
    """Counts every tag, comment and the like."""
    tokens = tokenize_markup(document, is_xml)
    return Counter(document[token.start : token.end] for token in tokens if token.kind is not Kind.TEXT)


def is_well_nested(document: str, is_xml: bool = False) -> bool:
    opened: list[str] = []
    for token in tokenize_markup(document, is_xml):
        if token.kind is Kind.OPEN:
            opened.append(token.name)
        elif token.kind is Kind.CLOSE and (not opened or opened.pop() != token.name):
            return False
    return not opened


def check(document: str, translation: Translation, is_xml: bool = False) -> None:
    """Checks that a translation has the document's tags, nested as they were, and ranges within its text."""
    for answer in (translation.text, *translation.alternatives):
        assert markup_in(answer, is_xml) == markup_in(document, is_xml), answer
        if is_well_nested(document, is_xml):
            assert is_well_nested(answer, is_xml), answer
    for group in translation.alignment:
        for token in group.source:
            assert 0 <= token.start < token.end <= len(document)
        for token in group.target:
            assert 0 <= token.start <= token.end <= len(translation.text)


def check_tree(document: str, translation: Translation) -> None:
    """Checks a tree, in which no tag is broken, so that kept elements and emoji can be counted as well."""
    check(document, translation)
    for answer in (translation.text, *translation.alternatives):
        kept = (*KEPT, "{name}", "😀", "👍🏽")
        assert not Counter({one: document.count(one) for one in kept}) - Counter(
            {one: answer.count(one) for one in kept}
        ), answer


def check_many(translator: Translator, count: int) -> None:
    """Checks ``count`` documents, half of them trees and half soup, the same every time."""
    random = Random(6)
    for _ in range(count // 100):
        trees = [random_tree(random) for _ in range(50)]
        for document, translation in zip(trees, translator.translate(trees, HTML), strict=True):
            check_tree(document, translation)
        soups = [random_soup(random) for _ in range(50)]
        for document, translation in zip(soups, translator.translate(soups, HTML), strict=True):
            check(document, translation)
