"""Languages: their English names, and the letters they are written in; from CLDR, as Babel ships it."""

from collections.abc import Mapping
from functools import cache
from typing import Final

import regex
from babel.core import Locale, get_global

# Names that differ from CLDR's: clients show these, and some compare them.
_OTHER_NAMES: Final = {"bn": "Bengali", "pt-br": "Portuguese (Brazil)", "zh-hant": "Chinese (traditional)"}
# Scripts of CLDR that combine several scripts of Unicode.
_COMBINED_SCRIPTS: Final = {
    "Hans": r"\p{Han}",
    "Hant": r"\p{Han}",
    "Jpan": r"[\p{Han}\p{Hiragana}\p{Katakana}]",
    "Kore": r"[\p{Hangul}\p{Han}]",
}
# Languages whose texts are checked for their script. One that is written in several (Serbian, Persian in Latin letters)
# is not among them: CLDR gives only the likeliest script.
_CHECKED: Final = frozenset(
    """af az be bg br bs ca cs cy da de el en eo es et eu fi fr ga gl he hr hu hy id is it ja ka kk ko lb lt lv mk mn ms
    mt nb nl nn no oc pl pt ro ru sk sl so sq sv sw th tl tr uk uz vi xh zh zu""".split()  # noqa: SIM905
)


@cache
def _load_names() -> Mapping[str, str]:
    names: Mapping[str, str] = Locale("en").languages
    return names


def language_name(code: str) -> str:
    """Returns the English name of a language, as language lists show it.

    Args:
        code: A language code such as ``fr`` or ``pt-BR``; upper and lower case are the same.

    Returns:
        CLDR's name but for a few; the code itself where CLDR has none.
    """
    lower = code.lower()
    return _OTHER_NAMES.get(lower) or _load_names().get(lower, code)


def describe_letters(language: str) -> str | None:
    """Returns a pattern for one letter that a language is written in, None if its script is not checked."""
    language = language.split("-")[0].lower()
    if language not in _CHECKED:
        return None
    likely: str = get_global("likely_subtags")[language]  # "fr" -> "fr_Latn_FR"
    script = likely.split("_")[1]
    return _COMBINED_SCRIPTS.get(script, rf"\p{{Script={script}}}")


@cache
def _compile_letters(language: str) -> "regex.Pattern[str] | None":
    pattern = describe_letters(language)
    return None if pattern is None else regex.compile(pattern)


def is_legible(text: str, language: str) -> bool:
    """Tells whether a text has a letter that a language is written in.

    A model that never saw other letters can only invent something for them.

    Args:
        text: Any text.
        language: Its code; of a language whose script is not checked, every text is legible.
    """
    letters = _compile_letters(language)
    return letters is None or letters.search(text) is not None


# Letters beyond A to Z. A word with another one that the tokenizer spells in bytes is a name.
ALPHABETS: Final = {"de": "äöüß", "en": "", "es": "áéíñóúü", "fr": "àâæçèéêëîïôœùûüÿ"}
