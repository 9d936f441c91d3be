"""Scripts: which one a text is mostly written in, and which languages are written in it."""

from collections import Counter
from functools import lru_cache
from typing import Final

import regex
from babel.core import get_global

_NAMES: Final = (
    "Latin", "Cyrillic", "Greek", "Arabic", "Hebrew", "Devanagari", "Bengali", "Gurmukhi", "Gujarati", "Tamil",
    "Telugu", "Kannada", "Malayalam", "Sinhala", "Thai", "Lao", "Khmer", "Myanmar", "Tibetan", "Georgian",
    "Armenian", "Ethiopic", "Hangul", "Hiragana", "Katakana", "Han", "Oriya", "Thaana", "Syriac", "Cherokee",
    "Mongolian",
)  # fmt: skip
_LETTERS: Final = regex.compile("|".join(rf"(?P<{name}>\p{{Script={name}}}+)" for name in _NAMES))
# One of these characters says as much as several letters.
_DENSE: Final = {"Han": 3, "Hiragana": 2, "Katakana": 2, "Hangul": 2}
# By CLDR's codes: the scripts of Unicode that they stand for.
_SCRIPTS: Final = {
    "Arab": {"Arabic"}, "Armn": {"Armenian"}, "Beng": {"Bengali"}, "Cher": {"Cherokee"}, "Cyrl": {"Cyrillic"},
    "Deva": {"Devanagari"}, "Ethi": {"Ethiopic"}, "Geor": {"Georgian"}, "Grek": {"Greek"}, "Gujr": {"Gujarati"},
    "Guru": {"Gurmukhi"}, "Hans": {"Han"}, "Hant": {"Han"}, "Hebr": {"Hebrew"}, "Jpan": {"Han", "Hiragana", "Katakana"},
    "Khmr": {"Khmer"}, "Knda": {"Kannada"}, "Kore": {"Hangul", "Han"}, "Laoo": {"Lao"}, "Latn": {"Latin"},
    "Mlym": {"Malayalam"}, "Mymr": {"Myanmar"}, "Orya": {"Oriya"}, "Sinh": {"Sinhala"}, "Syrc": {"Syriac"},
    "Taml": {"Tamil"}, "Telu": {"Telugu"}, "Thaa": {"Thaana"}, "Thai": {"Thai"}, "Tibt": {"Tibetan"},
}  # fmt: skip
# Languages that are also written in a script that is not their likeliest.
_ALSO: Final = {
    "az": {"Cyrillic", "Arabic"}, "bs": {"Cyrillic"}, "kk": {"Latin", "Arabic"}, "ku": {"Arabic"}, "ky": {"Latin"},
    "mn": {"Mongolian"}, "ms": {"Arabic"}, "pa": {"Arabic"}, "sr": {"Latin"}, "tg": {"Latin", "Arabic"},
    "tk": {"Cyrillic"}, "tt": {"Latin"}, "ug": {"Cyrillic", "Latin"}, "uz": {"Cyrillic", "Arabic"},
}  # fmt: skip


def find_script(text: str) -> str | None:
    """The script that most of a text's letters have, by Unicode's name; None if it has none that is known here.

    With a fifth of kana a text is Japanese, however much Han it has, so the answer is then ``Hiragana``.
    """
    counts: Counter[str] = Counter()
    for match in _LETTERS.finditer(text):
        name = str(match.lastgroup)
        counts[name] += len(match.group()) * _DENSE.get(name, 1)
    if not counts:
        return None
    kana = counts["Hiragana"] + counts["Katakana"]
    if kana and 5 * kana >= counts["Han"] + kana:
        counts["Hiragana"], counts["Katakana"], counts["Han"] = kana + counts["Han"], 0, 0
    return max(counts, key=lambda name: counts[name])


@lru_cache(4096)
def could_be_written_in(language: str, script: str | None) -> bool:
    """Tells whether a language is written in a script; True of a language whose script is not listed.

    Chinese is not written in kana, nor Korean mostly in Han.
    """
    if script is None:
        return True
    likely: str = get_global("likely_subtags").get(language, "")
    code = likely.split("_")[1] if likely.count("_") else ""
    if code not in _SCRIPTS:
        return True
    if script == "Han":
        return code in ("Hans", "Hant", "Jpan")
    return script in _SCRIPTS[code] | _ALSO.get(language, set())


def is_traditional(text: str) -> bool:
    """Tells whether a Chinese text is written in traditional characters: more that only Big5 has than only GB 2312."""
    balance = 0
    for character in text:
        if character >= "\u3400":
            balance += _is_in(character, "big5") - _is_in(character, "gb2312")
    return balance > 0


@lru_cache(16384)
def _is_in(character: str, encoding: str) -> bool:
    try:
        character.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True
