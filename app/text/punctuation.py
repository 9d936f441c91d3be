"""What ends a sentence in a language, which quotation marks it has, and what stands between its sentences."""

from typing import Final

import regex

_WIDE: Final = {".": "。", "?": "？", "!": "！"}
# How a language writes the ends of sentences; a language that is not listed has those of ASCII.
_ENDS: Final = {
    "ar": {"?": "؟"}, "bn": {".": "।"}, "el": {"?": ";"}, "fa": {"?": "؟"}, "hi": {".": "।"}, "ja": _WIDE,
    "ur": {".": "۔", "?": "؟"}, "zh": _WIDE,
}  # fmt: skip
_PLAIN: Final = str.maketrans("。｡．।۔？؟！", ".....??!")
_END: Final = regex.compile(r"(?r)[\s\u00a0\u202f]*[.!?…。｡．！？؟।۔]++\Z")
_GREEK_END: Final = regex.compile(r"(?r)[\s\u00a0\u202f]*[.!?…;\u037E]++\Z")
# The quotation marks of a language, with the spaces inside them; other languages get straight ones.
_QUOTATION_STYLES: Final = {
    "bg": ("„", "“"), "bs": ("„", "”"), "ca": ("«", "»"), "cs": ("„", "“"), "da": ("»", "«"), "de": ("„", "“"),
    "el": ("«", "»"), "es": ("«", "»"), "et": ("„", "“"), "fa": ("«", "»"), "fi": ("”", "”"), "fr": ("« ", " »"),
    "hr": ("„", "”"), "hu": ("„", "”"), "is": ("„", "“"), "it": ("«", "»"), "lt": ("„", "“"), "lv": ("„", "”"),
    "nb": ("«", "»"), "nn": ("«", "»"), "no": ("«", "»"), "pl": ("„", "”"), "pt": ("“", "”"), "ro": ("„", "”"),
    "ru": ("«", "»"), "sk": ("„", "“"), "sl": ("„", "“"), "sq": ("„", "“"), "sr": ("„", "“"), "sv": ("”", "”"),
    "tr": ("“", "”"), "uk": ("«", "»"), "vi": ("“", "”"), "zh": ("“", "”"),
}  # fmt: skip
# Languages without spaces between sentences.
_SPACELESS: Final = frozenset({"ja", "zh"})
_SPACES: Final = " \u00a0\u202f"
_PAUSE: Final = regex.compile(r"[.!?…,;:。！？][\p{Pe}\p{Pf}\"'’”]*+\Z")
_CLOSING_TAGS: Final = regex.compile(r"(?:</[^<>]*+>)*+")


def _base(language: str) -> str:
    return language.partition("-")[0].lower()


def find_end(text: str, language: str) -> "regex.Match[str] | None":
    """Finds the punctuation that ends a sentence, with the space before it."""
    if text[-1:].isalnum():
        return None
    return (_GREEK_END if _base(language) == "el" else _END).search(text)


def plain_end(end: str, language: str) -> str:
    """The same in the signs of ASCII, so that ends of two languages can be compared."""
    plain = end.strip().translate(_PLAIN)
    return plain.replace(";", "?").replace("\u037e", "?") if _base(language) == "el" else plain


def write_end(plain: str, language: str) -> str:
    """The punctuation of ``plain_end`` as a language writes it."""
    signs = _ENDS.get(_base(language), {})
    if len(plain) > 1 and plain.strip(".") == "":
        return plain  # three points are no three full stops
    return "".join(signs.get(sign, sign) for sign in plain)


def quotation_style(language: str) -> tuple[str, str]:
    """The opening and the closing quotation mark, with the spaces inside them."""
    return _QUOTATION_STYLES.get(_base(language), ('"', '"'))


def space_sentences(kept: str, between: str, before: str, languages: tuple[str, str]) -> str:
    """What the answer has between two segments.

    Args:
        kept: What the document has there, markup too.
        between: The text of it.
        before: The end of the segment before; empty for the first.
        languages: Codes of source and target.

    Returns:
        ``kept`` with a space where only the target has one between sentences, or without the one that only the source
        has; line breaks and more stay.
    """
    source, target = (_base(language) in _SPACELESS for language in languages)
    if source == target or not before:
        return kept
    if source and not between:
        closing = _CLOSING_TAGS.match(kept)
        end = 0 if closing is None else closing.end()
        return f"{kept[:end]} {kept[end:]}"
    if target and between and not between.strip(_SPACES) and _PAUSE.search(before):
        return kept.removeprefix(between) if kept.startswith(between) else kept.removesuffix(between)
    return kept
