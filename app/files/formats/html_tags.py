"""What a page of HTML has beside its texts: where it may be cut, attributes that people read, and its language."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

import regex

from app.files.declarations import is_language, primary_of, with_region
from app.text.markup import Kind, Token, tokenize_markup, unescape
from app.text.segmentation import needs_translation
from app.text.tag_roles import TagRole, select_tags

# Pages up to this length are not cut, and no part but the last is shorter. A block is never cut.
PART_CHARACTERS: Final = 10_000
_BLOCKS: Final = select_tags(TagRole.PAGE_CUT)
_KEPT: Final = select_tags(TagRole.PAGE_KEPT) | select_tags(TagRole.KEPT)
_ATTRIBUTE: Final = regex.compile(
    r"(?<=[\s\"'/])(?P<name>[^\s\"'<>/=]++)\s*+=\s*+(?P<written>\"(?P<value>[^\"]*+)\"|'(?P<value>[^']*+)'"
    r"|(?P<value>[^\s\"'=<>`]++))"
)
# Attributes that people read, as browsers' translators know them: in every element, and in some.
READ_ANYWHERE: Final = frozenset(
    ("title", "alt", "placeholder", "aria-label", "aria-description", "aria-placeholder", "aria-roledescription",
     "aria-valuetext", "aria-braillelabel")
)  # fmt: skip
READ_IN: Final = frozenset((("option", "label"), ("optgroup", "label"), ("track", "label"), ("table", "summary")))
_WITHOUT_TITLE: Final = ("link", "style")  # there it is the name of a style sheet
_BUTTONS: Final = ("submit", "button", "reset")
_READ_META: Final = frozenset(
    ("description", "og:title", "og:description", "og:image:alt", "twitter:title", "twitter:description",
     "twitter:image:alt")
)  # fmt: skip
_DECLARING: Final = ("html", "body", "meta")  # elements whose language is that of the page
_LANGUAGE_META: Final = ("content-language", "og:locale")


@dataclass(frozen=True, slots=True)
class Attribute:
    """The value of an attribute in a page, from the offset ``start`` to ``end`` (exclusive).

    Attributes:
        start: The first offset of the value with its quotation marks.
        end: The offset behind it.
        written: The value with its quotation marks.
        value: The value as it is written between them.
        language: The language that it declares; None for a value that people read.
        separator: What stands between a language and its region; None where the region is left out.
    """

    start: int
    end: int
    written: str
    value: str
    language: str | None = None
    separator: str | None = None

    def declare(self, target: str) -> str:
        """Return the attribute's value as it declares the target language, in quotation marks."""
        language = target if self.separator is None else self.separator.join(filter(None, with_region(target)))
        mark = "'" if self.written.startswith("'") else '"'
        return f"{mark}{language}{mark}"


@dataclass(slots=True)
class PageScan:
    """What was found in a page.

    Attributes:
        cuts: Offsets at which it may be cut: behind a block that is not within untranslated content.
        attributes: The attributes that people read or that declare its language, in their order.
    """

    cuts: list[int] = field(default_factory=list)
    attributes: list[Attribute] = field(default_factory=list)


def scan_page(text: str) -> PageScan:
    """Find the cuts of a page and its attributes. What is not to be translated keeps its attributes."""
    scan = PageScan()
    kept, depth = "", 0  # the outermost element that is kept, and how many of its name are open
    declared: str | None = None
    for token in tokenize_markup(text):
        if token.kind in (Kind.OPEN, Kind.VOID, Kind.RAW):
            values = _read_attributes(text, token) if not kept else {}
            if not kept and (token.name in _KEPT or _is_untranslated(values)):
                kept = token.name if token.kind is Kind.OPEN else ""
                values = {} if _is_untranslated(values) or token.name != "textarea" else values
            for one in _select_attributes(token.name, values):
                if one.language is not None and declared is None and token.name in _DECLARING:
                    declared = primary_of(one.language)
                if one.language is None or primary_of(one.language) == declared:
                    scan.attributes.append(one)
            depth += token.kind is Kind.OPEN and token.name == kept
        elif token.kind is Kind.CLOSE and kept:
            depth -= token.name == kept
            kept = kept if depth else ""
        is_cut = token.kind is Kind.CLOSE and not kept and token.name in _BLOCKS and len(text) > PART_CHARACTERS
        if is_cut and token.end - (scan.cuts[-1] if scan.cuts else 0) >= PART_CHARACTERS:
            scan.cuts.append(token.end)
    return scan


def _read_attributes(text: str, token: Token) -> dict[str, Attribute]:
    """Return the attributes of a tag by their names in lower case; of a repeated one the first, as browsers do."""
    end = text.find(">", token.start) if token.kind is Kind.RAW else token.end
    found: dict[str, Attribute] = {}
    for one in _ATTRIBUTE.finditer(text, token.start, max(end, token.start)):
        start, stop = one.span("written")
        found.setdefault(one["name"].lower(), Attribute(start, stop, one["written"], one["value"] or ""))
    return found


def _is_untranslated(attributes: Mapping[str, Attribute]) -> bool:
    is_no = "translate" in attributes and attributes["translate"].value.lower() == "no"
    return is_no or ("class" in attributes and "notranslate" in attributes["class"].value.split())


def _select_attributes(tag: str, attributes: Mapping[str, Attribute]) -> Iterator[Attribute]:
    """Yield the attributes of a tag that people read or that declare a language, in their order."""
    named = [attributes[name].value.lower() for name in ("name", "property", "http-equiv") if name in attributes]
    for name, one in attributes.items():
        is_button = tag == "input" and name == "value" and _value_of(attributes, "type") in _BUTTONS
        is_read_meta = tag == "meta" and name == "content" and not _READ_META.isdisjoint(named)
        is_read = name in READ_ANYWHERE and not (name == "title" and tag in _WITHOUT_TITLE)
        if name in ("lang", "xml:lang") and is_language(one.value):
            yield _declaring(one)
        elif tag == "meta" and name == "content" and not set(_LANGUAGE_META).isdisjoint(named):
            if is_language(one.value) and "," not in one.value:
                yield _declaring(one, separator="_" if "og:locale" in named else None)
        elif (is_read or is_button or is_read_meta or (tag, name) in READ_IN) and needs_translation(
            unescape(one.value)
        ):
            yield one


def _value_of(attributes: Mapping[str, Attribute], name: str) -> str:
    return attributes[name].value.lower() if name in attributes else ""


def _declaring(one: Attribute, separator: str | None = None) -> Attribute:
    return Attribute(one.start, one.end, one.written, one.value, one.value, separator)
