"""What ends a sentence in a language, which quotation marks it has, and what stands between its sentences.

Most texts are ordinary sentences, which one quick expression of Python's own module recognises: they need no search for
what only other texts have.
"""

import re
from functools import lru_cache
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
_CLAUSE_ENDS: Final = {"": ":;,", "ar": ":؛،", "fa": ":؛،", "ur": ":؛،", "ja": "：；、", "zh": "：；，"}
_PLAIN_CLAUSE: Final = str.maketrans("：；，、؛،", ":;,,;,")
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


@lru_cache(maxsize=256)
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


def write_clause_end(sign: str, language: str) -> str:
    """A comma, colon or semicolon of any language as a language writes it."""
    place = _CLAUSE_ENDS[""].index(sign.translate(_PLAIN_CLAUSE))
    return _CLAUSE_ENDS.get(_base(language), _CLAUSE_ENDS[""])[place]


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


_LETTERS: Final = "abcdefghijklmnopqrstuvwxyzàáâãäåæçèéêëìíîïñòóôõöøœùúûüÿß"


@lru_cache(maxsize=64)
def compile_plain(words: str) -> "re.Pattern[str]":
    """Compiles a pattern of texts without placeholders: ordinary sentences in Latin letters.

    A search for placeholders, or for a sign of one, takes forty times as long.

    Args:
        words: A pattern of words that count as placeholders; empty for none.
    """
    found = regex.compile(words) if words else None

    def select(letters: str, *texts: str) -> str:
        """Returns the letters with which ``words`` finds nothing in the texts; "_" stands there for the letter."""
        return "".join(one for one in letters if not (found and any(found.search(t.replace("_", one)) for t in texts)))

    small = select(_LETTERS, "aa_aa", "_aa")
    letters = small + select(_LETTERS.upper().replace("SS", "").replace("Ÿ", ""), "_aa")
    if not small:  # Latin letters are kept as they are
        return re.compile("(?!)")
    alone = select(letters, "_ aa", "aa _ aa", "aa _, aa", "aa _! Aa", "aa _.")
    word = rf"(?:[{letters}][{small}]++|[{letters}](?=['’])" + (rf"|[{alone}](?![{letters}]))" if alone else ")")
    joined = rf"(?:['’][{letters}][{small}]*+|-[{letters}][{small}]++)*+"
    # What follows a number may be its unit.
    number = r"[0-9]++(?:,[0-9]++)*+(?![ \u00a0\u202f](?:[0-9-]|\w{1,4}+\b))"
    behind = rf"(?: (?=[{letters}¿¡0-9])|[ \u00a0\u202f]?[,;:!?](?: |\Z)|[.!?]{{1,3}}(?: |\Z)|\Z)"
    return re.compile(rf"(?:[¿¡]?(?:{word}{joined}|{number}){behind})*+")


def compile_quiet(readable: frozenset[str]) -> "re.Pattern[str]":
    """Compiles a pattern of ordinary sentences without any sign that is taken out of a text.

    Args:
        readable: The characters that the model can read.
    """
    letters = "A-Za-zÀ-ÖØ-öø-ÿœŒ" + "".join(one for one in "'" if one in readable)
    marks = "".join(re.escape(one) for one in ",.!?;:" if one in readable)
    behind = f"[{marks}]{{0,3}}+" if marks else ""
    return re.compile(rf"(?:[{letters}]++{behind}(?: |\Z))*+")
