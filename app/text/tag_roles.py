"""Which tags end a sentence, which belong to words, and what is kept from the model; and which tags make one element.

In HTML the names say it. In XML no name is special: an element that stands among words belongs to them, one that
stands among other elements only is part of the outline, unless the request says otherwise.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Final

import regex

from app.text.markup import Kind, Token, unescape
from app.text.placeholder_patterns import PlaceholderFinder

_BLOCK: Final = frozenset(
    """address article aside audio blockquote body br button canvas caption center col colgroup dd details dialog dir
    div dl dt fieldset figcaption figure footer form frame frameset h1 h2 h3 h4 h5 h6 head header hgroup hr html iframe
    legend li main map menu nav noframes noscript object ol optgroup option p pre search section select summary table
    tbody td textarea tfoot th thead title tr ul video""".split()  # noqa: SIM905
)
_KEPT: Final = frozenset(("code", "kbd", "math", "pre", "samp", "svg", "tt", "var"))
_INVISIBLE: Final = frozenset(("script", "style", "svg", "template"))  # or a picture: no word of the sentence
_APART: Final = frozenset(("a", "label"))  # two side by side are two words, space or not
_MAX_TOKENS_OF_NAME: Final = 12
_UNTRANSLATED: Final = regex.compile(
    r"\stranslate\s*=\s*[\"']?no[\"'\s/>]|\sclass\s*=\s*(?:\"[^\"]*(?<=[\"\s])notranslate[\"\s]"
    r"|'[^']*(?<=['\s])notranslate['\s]|notranslate[\s/>])",
    regex.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class TagRules:
    """What a request says of tags, by their names. ``ignored``: elements that are not translated. ``splitting`` ends a
    sentence, ``joining`` does not. ``outline``: in XML, those that stand among elements only end a sentence too.
    """

    ignored: frozenset[str] = frozenset()
    splitting: frozenset[str] = frozenset()
    joining: frozenset[str] = frozenset()
    outline: bool = True


NO_RULES: Final = TagRules()


@dataclass(slots=True)
class _Level:
    """``names`` of the elements in an element, those further in too until they are known to stand among words."""

    names: set[str] = field(default_factory=set)
    has_words: bool = False


class Role(Enum):
    TEXT = auto()
    BOUNDARY = auto()  # ends a sentence
    OPEN = auto()  # belongs to words, as do the next two
    CLOSE = auto()
    POINT = auto()  # stands between words
    WORD = auto()  # stands for a word and comes back whole


@dataclass(frozen=True, slots=True)
class Item:
    """``start`` up to ``end`` of the document. ``partner``: where the other tag of an element begins, None where there
    is none. ``leads``: a point that belongs to what follows it.
    """

    role: Role
    start: int
    end: int
    partner: int | None = None
    leads: bool = False


def items_of(
    document: str, tokens: Sequence[Token], rules: TagRules, is_xml: bool, finder: PlaceholderFinder
) -> list[Item]:
    """The document as text and markup, with every element that is kept from the model as one item."""
    partners = _partners(tokens)
    blocks: set[str] = set() if is_xml else set(_BLOCK)
    if is_xml and rules.outline:
        blocks = _outline(document, tokens, partners)
    blocks = (blocks | rules.splitting) - rules.joining
    items: list[Item] = []
    number = 0
    while number < len(tokens):
        token = tokens[number]
        partner = partners.get(number)
        is_ignored = token.name in rules.ignored and (partner is not None or token.kind is Kind.VOID)
        if token.kind is Kind.TEXT:
            items.append(Item(Role.TEXT, token.start, token.end))
        elif token.kind is Kind.NOTE:
            role = Role.BOUNDARY if _is_broken(document, token) else Role.POINT
            items.append(Item(role, token.start, token.end))
        elif is_ignored or _is_kept(document, token, partner, is_xml):
            last = number if partner is None or partner < number else partner
            if partner is None and token.kind is Kind.OPEN and token.name == "pre" and not is_ignored:
                last = len(tokens) - 1  # an open <pre>: as with a script, all that follows is in it
            is_empty = last == number + 1 and not is_ignored
            role = Role.POINT if token.name in _INVISIBLE or is_empty else Role.WORD
            role = Role.BOUNDARY if token.name in blocks and not (is_xml and is_ignored) else role
            items.append(Item(role, token.start, tokens[last].end))
            number = last
        elif token.name in blocks or _is_apart(tokens, number, is_xml):
            items.append(Item(Role.BOUNDARY, token.start, token.end))
        elif (
            partner is not None
            and partner > number
            and _is_name(document, tokens[number + 1 : partner], blocks, finder)
        ):
            items.append(Item(Role.WORD, token.start, tokens[partner].end))
            number = partner
        elif partner == number + 1:  # nothing is in it
            items.append(Item(Role.POINT, token.start, tokens[partner].end))
            number = partner
        elif partner is not None:
            role = Role.OPEN if token.kind is Kind.OPEN else Role.CLOSE
            items.append(Item(role, token.start, token.end, tokens[partner].start))
        else:
            items.append(Item(Role.POINT, token.start, token.end, leads=token.kind is Kind.OPEN))
        number += 1
    return items


def _partners(tokens: Sequence[Token]) -> dict[int, int]:
    """Of each tag whose element is whole, the number of its other tag. Elements never cross: of two that do, the one
    that was opened last counts as not closed.
    """
    partners: dict[int, int] = {}
    opened: list[int] = []
    names: Counter[str] = Counter()
    for number, token in enumerate(tokens):
        if token.kind is Kind.OPEN:
            opened.append(number)
            names[token.name] += 1
        elif token.kind is Kind.CLOSE and names[token.name]:
            while True:
                candidate = opened.pop()
                names[tokens[candidate].name] -= 1
                if tokens[candidate].name == token.name:
                    break
            partners[candidate], partners[number] = number, candidate
    return partners


def _is_broken(document: str, token: Token) -> bool:
    """A comment that nothing closes must not come before one that is closed."""
    begun, end = document[token.start : token.start + 9], document[token.end - 3 : token.end]
    return (begun.startswith("<!--") and end != "-->") or (begun == "<![CDATA[" and end != "]]>")


def _is_kept(document: str, token: Token, partner: int | None, is_xml: bool) -> bool:
    if token.kind is Kind.RAW:
        return True
    if is_xml or token.kind is not Kind.OPEN or (partner is None and token.name != "pre"):
        return False
    return token.name in _KEPT or _UNTRANSLATED.search(document, token.start, token.end) is not None


def _is_name(document: str, within: Sequence[Token], blocks: Collection[str], finder: PlaceholderFinder) -> bool:
    """Is all that an element says a placeholder, such as ``@<span>user</span>``? Then it comes back as it is."""
    if not 0 < len(within) <= _MAX_TOKENS_OF_NAME or any(token.name in blocks for token in within):
        return False
    text = unescape("".join(document[token.start : token.end] for token in within if token.kind is Kind.TEXT))
    return bool(text) and finder.ranges(text) == [(0, len(text))]


def _is_apart(tokens: Sequence[Token], number: int, is_xml: bool) -> bool:
    """A link that begins where another ends: menus are made so, words never."""
    if is_xml or number == 0 or tokens[number].kind is not Kind.OPEN or tokens[number].name not in _APART:
        return False
    before = tokens[number - 1]
    return before.kind is Kind.CLOSE and before.name == tokens[number].name


def _outline(document: str, tokens: Sequence[Token], partners: Mapping[int, int]) -> set[str]:
    """The names of elements that stand nowhere among words, nor within an element that does."""
    outline: set[str] = set()
    inline: set[str] = set()
    levels = [_Level()]  # the whole, and each element that is open
    for number, token in enumerate(tokens):
        if token.kind is Kind.TEXT or (token.kind is Kind.RAW and not token.name):
            levels[-1].has_words |= not document[token.start : token.end].isspace()
        elif token.kind is Kind.VOID or (token.kind is Kind.OPEN and number not in partners):
            levels[-1].names.add(token.name)
        elif token.kind is Kind.OPEN:
            levels.append(_Level())
        elif number in partners:
            within = levels.pop()
            (inline if within.has_words else levels[-1].names).update(within.names)
            levels[-1].names.add(token.name)
    (inline if levels[0].has_words else outline).update(levels[0].names)
    return outline - inline
