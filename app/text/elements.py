"""Markup -> items: the text between tags, the boundaries between sentences, and the tags that belong to words.

In HTML the name of a tag gives its role. In XML no name is special: an element that stands among words belongs to them,
and one that stands among other elements only is part of the outline and ends a sentence, unless the request gives other
rules.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Final

import regex

from app.text.markup import Kind, Span, Token, tokenize_markup, unescape
from app.text.placeholder_finder import PlaceholderFinder
from app.text.tag_roles import TagRole, TagRules, select_tags

_BLOCK: Final = select_tags(TagRole.BLOCK)
_KEPT: Final = select_tags(TagRole.KEPT)
_INVISIBLE: Final = select_tags(TagRole.INVISIBLE)
_APART: Final = select_tags(TagRole.APART)
# Empty elements that stand for white space in the formats of XML that people send: TEI, ODF, OOXML, DITA, IDML, TMX.
_WHITE_SPACE: Final = frozenset(
    ("br", "lb", "cr", "nl", "newline", "linebreak", "line-break", "pb", "hr", "s", "sp", "space", "tab", "nbsp")
)
_MAX_TOKENS_OF_NAME: Final = 12
_INDEX: Final = frozenset(("sup", "sub", "a"))
_NUMBER_OF_INDEX: Final = regex.compile(r"\s?[(\[]?[\d,;–+*†‡§-]{1,8}[)\]]?\s?")
# A unit, a chemical symbol or a number before its index.
_SYMBOL: Final = regex.compile(r"(?<![\p{L}\p{M}])(?:[cdkmµ]?m|[A-Z][a-z]?|\p{L})\Z|[\p{Lu}\d]\Z")
_UNTRANSLATED: Final = regex.compile(
    r"\stranslate\s*=\s*[\"']?no[\"'\s/>]|\sclass\s*=\s*(?:\"[^\"]*(?<=[\"\s])notranslate[\"\s]"
    r"|'[^']*(?<=['\s])notranslate['\s]|notranslate[\s/>])",
    regex.IGNORECASE,
)


class Role(Enum):
    """How an item stands among the words of a document."""

    TEXT = auto()
    BOUNDARY = auto()  # ends a sentence
    OPEN = auto()  # belongs to words, as do the next two
    CLOSE = auto()
    POINT = auto()  # stands between words
    WORD = auto()  # stands for a word and comes back whole
    SPACE = auto()  # stands for white space


@dataclass(frozen=True, slots=True)
class Item:
    """A part of a document with one role.

    Attributes:
        role: How it stands among words.
        start: Offset of its first character in the document.
        end: Offset behind its last character.
        partner: Offset of the other tag of its element, None where there is none.
        leads: Whether a point belongs to what follows it.
    """

    role: Role
    start: int
    end: int
    partner: int | None = None
    leads: bool = False


def assign_roles(document: str, rules: TagRules, is_xml: bool, finder: PlaceholderFinder) -> list[Item]:
    """Reads a document as text and markup; every element that is kept from the model becomes one item.

    Args:
        document: HTML or XML, well formed or not.
        rules: What the request says about tags.
        is_xml: Whether names are case-sensitive and have no meaning of their own.
        finder: Finds placeholders, since an element that holds nothing else is kept from the model.

    Returns:
        The items in order. Joined, they are the document.
    """
    reader = _Reader(document, list(tokenize_markup(document, is_xml)), rules, is_xml, finder)
    return reader.read_items()


class _Reader:
    """Assigns roles to the tokens of one document."""

    def __init__(
        self, document: str, tokens: Sequence[Token], rules: TagRules, is_xml: bool, finder: PlaceholderFinder
    ) -> None:
        self._document = document
        self._tokens = tokens
        self._rules = rules
        self._is_xml = is_xml
        self._finder = finder
        self._partners = _match_tags(tokens)
        blocks: set[str] = set() if is_xml else set(_BLOCK)
        if is_xml and rules.outline:
            blocks = _find_outline(document, tokens, self._partners)
        self._blocks = (blocks | rules.splitting) - rules.joining

    def read_items(self) -> list[Item]:
        """Returns the items of the whole document."""
        items: list[Item] = []
        number = 0
        while number < len(self._tokens):
            item, last = self._read(number)
            items.append(item)
            number = last + 1
        return items

    def _read(self, number: int) -> tuple[Item, int]:
        """Returns the item that begins with a token, and the number of the item's last token."""
        token, partner = self._tokens[number], self._partners.get(number)
        if token.kind is Kind.TEXT:
            return Item(Role.TEXT, token.start, token.end), number
        if token.kind is Kind.NOTE:
            role = Role.BOUNDARY if _is_broken(self._document, token) else Role.POINT
            return Item(role, token.start, token.end), number
        is_ignored = token.name in self._rules.ignored and (partner is not None or token.kind is Kind.VOID)
        if is_ignored or self._is_kept(token, partner):
            return self._keep(number, is_ignored)
        if token.name in self._blocks or self._is_apart(number):
            return Item(Role.BOUNDARY, token.start, token.end), number
        if partner is not None and partner > number and (index_role := self._find_index_role(number, partner)):
            return Item(index_role, token.start, self._tokens[partner].end), partner
        if partner is not None and partner > number and self._is_placeholder(number, partner):
            return Item(Role.WORD, token.start, self._tokens[partner].end), partner
        if partner == number + 1:  # the element is empty
            return Item(self._find_empty_role(number, partner), token.start, self._tokens[partner].end), partner
        if partner is not None:
            role = Role.OPEN if token.kind is Kind.OPEN else Role.CLOSE
            return Item(role, token.start, token.end, self._tokens[partner].start), number
        role = self._find_empty_role(number, number) if token.kind is Kind.VOID else Role.POINT
        return Item(role, token.start, token.end, leads=token.kind is Kind.OPEN), number

    def _keep(self, number: int, is_ignored: bool) -> tuple[Item, int]:
        """An element that is kept from the model, from its first token to its last."""
        token, partner = self._tokens[number], self._partners.get(number)
        last = number if partner is None or partner < number else partner
        if partner is None and token.kind is Kind.OPEN and token.name == "pre" and not is_ignored:
            last = len(self._tokens) - 1  # without an end tag <pre> holds all that follows, as <script> does
        is_empty = last == number + 1 and not is_ignored
        role = Role.POINT if token.name in _INVISIBLE or is_empty else Role.WORD
        if token.name in self._blocks and not (self._is_xml and is_ignored):
            role = Role.BOUNDARY
        return Item(role, token.start, self._tokens[last].end), last

    def _is_kept(self, token: Token, partner: int | None) -> bool:
        if token.kind is Kind.RAW:
            return True
        if self._is_xml or token.kind is not Kind.OPEN or (partner is None and token.name != "pre"):
            return False
        return token.name in _KEPT or _UNTRANSLATED.search(self._document, token.start, token.end) is not None

    def _is_placeholder(self, opening: int, closing: int) -> bool:
        """Tells whether the text of an element is one placeholder, as in ``@<span>user</span>``."""
        if not 0 < closing - opening - 1 <= _MAX_TOKENS_OF_NAME:
            return False
        content = self._tokens[opening + 1 : closing]
        if any(token.name in self._blocks for token in content):
            return False
        texts = (self._document[token.start : token.end] for token in content if token.kind is Kind.TEXT)
        text = unescape("".join(texts))
        return bool(text) and self._finder.find(text) == [(0, len(text))]

    def _find_index_role(self, opening: int, closing: int) -> Role | None:
        """Returns the role of a raised or lowered number, or of the link of a note, that touches what precedes it.

        In a unit or a formula ("m<sup>2</sup>") it stands for a part of that word; behind any other word it is a note.
        """
        start, name = self._tokens[opening].start, self._tokens[opening].name
        if (
            name not in (_INDEX - {"a"} if self._is_xml else _INDEX)
            or not 0 < closing - opening - 1 <= _MAX_TOKENS_OF_NAME
        ):
            return None
        content = self._tokens[opening + 1 : closing]
        text = "".join(self._document[token.start : token.end] for token in content if token.kind is Kind.TEXT)
        if not _NUMBER_OF_INDEX.fullmatch(text) or any(token.name in self._blocks for token in content):
            return None
        if start == 0 or self._document[start - 1].isspace():
            return None
        is_symbol = name != "a" and _SYMBOL.search(self._document, max(0, start - 10), start) is not None
        return Role.WORD if is_symbol else Role.POINT

    def _find_empty_role(self, first: int, last: int) -> Role:
        """Returns the role of an element without content, which may be all that parts two words in XML."""
        if not self._is_xml or self._tokens[first].name not in _WHITE_SPACE:
            return Role.POINT
        before = self._document[max(0, self._tokens[first].start - 1) : self._tokens[first].start]
        behind = self._document[self._tokens[last].end : self._tokens[last].end + 1]
        return Role.POINT if before.isspace() or behind.isspace() else Role.SPACE

    def _is_apart(self, number: int) -> bool:
        """Tells whether a link begins where another ends, as in menus and never within a word."""
        token = self._tokens[number]
        if self._is_xml or number == 0 or token.kind is not Kind.OPEN or token.name not in _APART:
            return False
        before = self._tokens[number - 1]
        return before.kind is Kind.CLOSE and before.name == token.name


def _match_tags(tokens: Sequence[Token]) -> dict[int, int]:
    """Returns for each tag of a complete element the number of its other tag.

    Elements never cross: of two that do, the one that was opened last counts as not closed.
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
    """Tells whether a comment is not closed. It must not move before one that is, for that would close it."""
    opening, end = document[token.start : token.start + 9], document[token.end - 3 : token.end]
    return (opening.startswith("<!--") and end != "-->") or (opening == "<![CDATA[" and end != "]]>")


@dataclass(slots=True)
class _Level:
    """An open element.

    Attributes:
        names: Of the elements in it, with those further in until they turn out to stand among words.
        has_words: Whether it holds words itself.
    """

    names: set[str] = field(default_factory=set)
    has_words: bool = False


def _find_outline(document: str, tokens: Sequence[Token], partners: Mapping[int, int]) -> set[str]:
    """Returns the names of elements that stand nowhere among words, nor within an element that does."""
    outline: set[str] = set()
    inline: set[str] = set()
    levels = [_Level()]  # the document, then each open element
    for number, token in enumerate(tokens):
        if token.kind is Kind.TEXT or (token.kind is Kind.RAW and not token.name):
            levels[-1].has_words |= not document[token.start : token.end].isspace()
        elif token.kind is Kind.VOID or (token.kind is Kind.OPEN and number not in partners):
            levels[-1].names.add(token.name)
        elif token.kind is Kind.OPEN:
            levels.append(_Level())
        elif number in partners:
            closed = levels.pop()
            (inline if closed.has_words else levels[-1].names).update(closed.names)
            levels[-1].names.add(token.name)
    (inline if levels[0].has_words else outline).update(levels[0].names)
    return outline - inline


def cut_at_syntax(items: Sequence[Item], syntax: Sequence[Span]) -> Iterator[Item]:
    """Cuts the texts among the items of a document where there is message syntax, which becomes a boundary."""
    number = 0
    for item in items:
        if item.role is not Role.TEXT:
            yield item
            continue
        start = item.start
        while number < len(syntax) and syntax[number][1] <= start:
            number += 1
        ahead = number
        while ahead < len(syntax) and syntax[ahead][0] < item.end:
            first, last = max(start, syntax[ahead][0]), min(item.end, syntax[ahead][1])
            if start < first:
                yield Item(Role.TEXT, start, first)
            yield Item(Role.BOUNDARY, first, last)
            start = last
            ahead += 1
        if start < item.end:
            yield Item(Role.TEXT, start, item.end)
