"""The roles of HTML tags, one table for every module that reads HTML, and what a request says about tags itself.

The readers need different sets, so the table has a role for each need. The sets of the translator follow what a browser
shows; a page file is cut only behind the blocks that hold whole paragraphs, never behind a button; an EPUB is XHTML,
which an XML parser reads, so its roles say how a parsed element stands in a paragraph.
"""

from dataclasses import dataclass
from enum import Flag, auto
from typing import Final


class TagRole(Flag):
    """What a tag means for one reader of HTML."""

    # How a browser's parser reads the tag.
    VOID = auto()  # an element without an end tag
    RAW = auto()  # its content is read up to its end tag, and tags in it are text
    # How a sentence goes on at the tag, for requests in HTML.
    BLOCK = auto()  # ends a sentence
    KEPT = auto()  # its content is not translated
    INVISIBLE = auto()  # shows no word, so it does not stand for one in a sentence
    APART = auto()  # two elements side by side are two words, with or without a space, as in menus
    # Where a long page in a file is cut. A page's parser knows no obsolete void tags.
    PAGE_CUT = auto()  # a part of the page may end behind it
    PAGE_KEPT = auto()  # no part of the page ends in it
    PAGE_VOID = auto()
    # HTML within a paragraph of Markdown, where only void tags that may stand among words are taken for such.
    MARKDOWN_VOID = auto()
    # The content of an EPUB's page. Every other element is a block.
    EPUB_INLINE = auto()  # encloses words
    EPUB_WORD = auto()  # stands for a word and is not translated
    EPUB_POINT = auto()  # stands between words
    EPUB_BREAK = auto()  # ends a paragraph and is not translated


def _build_table() -> dict[str, TagRole]:
    role = TagRole
    groups = (
        (role.BLOCK | role.PAGE_CUT,
         "address article aside blockquote dd div dl dt figcaption figure footer form h1 h2 h3 h4 h5 h6 head header li "
         "main nav ol p section table tbody td tfoot th thead title tr ul"),
        (role.BLOCK,
         "body button caption center colgroup details dialog dir fieldset frameset hgroup html legend map menu "
         "noframes optgroup option search select summary"),
        (role.BLOCK | role.EPUB_BREAK, "audio canvas iframe noscript object video"),
        (role.BLOCK | role.VOID | role.PAGE_VOID | role.MARKDOWN_VOID | role.EPUB_BREAK, "br hr"),
        (role.BLOCK | role.VOID | role.PAGE_VOID, "col"),
        (role.BLOCK | role.VOID, "frame"),
        (role.BLOCK | role.KEPT | role.PAGE_KEPT | role.EPUB_BREAK, "pre"),
        (role.BLOCK | role.RAW | role.PAGE_KEPT | role.EPUB_BREAK, "textarea"),
        (role.VOID | role.PAGE_VOID | role.MARKDOWN_VOID | role.EPUB_POINT, "img input wbr"),
        (role.VOID | role.PAGE_VOID | role.MARKDOWN_VOID, "area"),
        (role.VOID | role.PAGE_VOID | role.EPUB_BREAK, "base embed link meta"),
        (role.VOID | role.PAGE_VOID, "param source track"),
        (role.VOID, "keygen"),
        (role.KEPT | role.PAGE_KEPT | role.EPUB_WORD, "code math"),
        (role.KEPT | role.EPUB_WORD, "kbd samp tt var"),
        (role.KEPT | role.INVISIBLE | role.PAGE_KEPT | role.EPUB_POINT, "svg"),
        (role.RAW | role.INVISIBLE | role.PAGE_KEPT | role.EPUB_BREAK, "script style template"),
        (role.APART | role.EPUB_INLINE, "a label"),
        (role.EPUB_INLINE,
         "abbr acronym b bdi bdo big cite data del dfn em font i ins mark q s small span strike strong sub sup time u"),
        (role.EPUB_POINT, "image ruby"),
    )  # fmt: skip
    return {name: roles for roles, names in groups for name in names.split()}


_ROLES: Final = _build_table()


def select_tags(role: TagRole) -> frozenset[str]:
    """Returns the names, in small letters, of all HTML tags that have a role."""
    return frozenset(name for name, roles in _ROLES.items() if role in roles)


@dataclass(frozen=True, slots=True)
class TagRules:
    """What a request says about tags, by their names, beside the table.

    Attributes:
        ignored: Elements that are not translated.
        splitting: Tags that end a sentence.
        joining: Tags that do not end a sentence.
        outline: In XML, elements that stand among other elements only, never among words, end a sentence too.
    """

    ignored: frozenset[str] = frozenset()
    splitting: frozenset[str] = frozenset()
    joining: frozenset[str] = frozenset()
    outline: bool = True


NO_RULES: Final = TagRules()
