"""Languages: their English names, the letters they are written in, and which of a few a text is in.

Names and scripts come from CLDR, as Babel ships it. Detection uses py3langid, whose model (4.5 MB) is in its package;
both work offline.
"""

import copy
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import regex
from babel.core import Locale, get_global

# More characters than these do not change the answer and take longer.
_CHARACTERS_READ: Final = 2000
# From this length on, and with this share of all languages, the detector counts as sure.
_SURE_LETTERS: Final = 25
_SURE_SHARE: Final = 0.9
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


@dataclass(frozen=True, slots=True)
class Detection:
    """A language that a text may be in.

    Attributes:
        language: Its code.
        confidence: A whole number, 0 to 100: the share of this language among those that were possible.
    """

    language: str
    confidence: int


class LanguageDetector:
    """Detects which of the given languages a text is in.

    Loading the model takes most of a second and 120 MB, so it happens once, and only if it is needed: when two
    languages are possible, or when ``load`` is called. A language that py3langid does not know is never detected,
    unless it is the only one.
    """

    def __init__(self, languages: Iterable[str]) -> None:
        self._languages = tuple(sorted(set(languages)))
        self._identifier: Any = None
        self._unrestricted: Any = None
        self._loading = threading.Lock()

    def load(self) -> Any:
        """Loads the model now rather than with the first text."""
        with self._loading:
            if self._identifier is None:
                from py3langid.langid import MODEL_FILE, LanguageIdentifier

                identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
                self._unrestricted = _restrict(identifier, identifier.labels)
                self._identifier = _restrict(identifier, self._languages)
        return self._identifier

    def add(self, languages: Iterable[str]) -> None:
        """Adds languages to detect, while other threads detect.

        No language is ever removed: a request that started earlier may still need it, and languages that are not
        possible for a text cost nothing.
        """
        with self._loading:
            wanted = tuple(sorted({*self._languages, *languages}))
            if self._identifier is not None and wanted != self._languages:
                self._identifier = _restrict(self._identifier, wanted)
            self._languages = wanted

    def identify(self, text: str) -> str | None:
        """Identifies the language of a text among all that the detector knows, served or not.

        Args:
            text: Any text; its first 2,000 characters are read.

        Returns:
            The code; None if the text is too short or the detector is not sure. Of 4,153 English, French, German and
            Spanish sentences that were long enough, none was taken for another language.
        """
        letters = sum(character.isalpha() for character in text[:_CHARACTERS_READ])
        if letters < _SURE_LETTERS:
            return None
        self.load()
        language, share = self._unrestricted.rank(text[:_CHARACTERS_READ])[0]
        return str(language) if share >= _SURE_SHARE else None

    def rank(self, text: str, among: Iterable[str]) -> list[Detection]:
        """Ranks the possible languages of a text.

        Args:
            text: Any text; its first 2,000 characters are read.
            among: The possible languages.

        Returns:
            The likeliest first; never empty when ``among`` has a language of this detector.
        """
        possible = [code for code in self._languages if code in set(among)]
        if len(possible) == 1:
            return [Detection(possible[0], 100)]
        if not any(character.isalpha() for character in text):
            return [Detection(code, 0) for code in possible]
        ranked: list[tuple[str, float]] = self.load().rank(text[:_CHARACTERS_READ]) if possible else []
        shares = {code: share for code, share in ranked if code in possible}
        total = sum(shares.values())
        scores = {code: shares.get(code, 0.0) / total if total else 1 / len(possible) for code in possible}
        ordered = sorted(possible, key=lambda code: -scores[code])
        return [Detection(code, round(100 * scores[code])) for code in ordered]


def _restrict(identifier: Any, languages: Iterable[str]) -> Any:
    """Returns a detector of other languages that shares the model of ``identifier``."""
    chosen = copy.copy(identifier)
    chosen.set_languages(None)  # all that it knows
    supported = [code for code in languages if code in chosen.labels]
    chosen.set_languages(supported or None)
    return chosen
