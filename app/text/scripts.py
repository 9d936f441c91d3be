"""Which letters a language is written in: a model that never saw others can only invent something for them."""

from typing import Final

import regex

_LATIN: Final = (
    "af az br bs ca cs cy da de en eo es et eu fi fr ga gl hr hu id is it lb lt lv ms mt nb nl nn no oc pl pt ro sk sl "
    "so sq sv sw tl tr uz vi xh zu"
)
_SCRIPTS: Final = {
    **dict.fromkeys(_LATIN.split(), r"\p{Latin}"),
    **dict.fromkeys(("be", "bg", "kk", "mk", "mn", "ru", "uk"), r"\p{Cyrillic}"),
    "el": r"\p{Greek}",
    "he": r"\p{Hebrew}",
    "hy": r"\p{Armenian}",
    "ja": r"[\p{Han}\p{Hiragana}\p{Katakana}]",
    "ka": r"\p{Georgian}",
    "ko": r"[\p{Hangul}\p{Han}]",
    "th": r"\p{Thai}",
    "zh": r"\p{Han}",
}
_LETTERS: Final = {language: regex.compile(script) for language, script in _SCRIPTS.items()}


def is_legible(text: str, language: str) -> bool:
    """Has it a letter that the language is written in? Of a language that is not known here, every text has."""
    letters = _LETTERS.get(language.split("-")[0].lower())
    return letters is None or letters.search(text) is not None
