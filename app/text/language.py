"""Which language a text is in, chosen among a few: py3langid, offline, its model (4.5 MB) in the package."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

# Behind this many characters the answer does not change any more, but the time goes on.
_CHARACTERS_READ: Final = 2000


@dataclass(frozen=True, slots=True)
class Detection:
    """``confidence`` is a whole number, 0 to 100: the share of this language among those that were possible."""

    language: str
    confidence: int


class LanguageDetector:
    """Detects among the languages given. Loading takes most of a second, so it is done once, and only if needed.

    A language that py3langid does not know is never detected, unless it is the only one.
    """

    def __init__(self, languages: Iterable[str]) -> None:
        self._languages = tuple(sorted(set(languages)))
        self._identifier: Any = None
        if len(self._languages) > 1:
            from py3langid.langid import MODEL_FILE, LanguageIdentifier

            self._identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
            known = [code for code in self._languages if code in self._identifier.labels]
            self._identifier.set_languages(known or None)

    def rank(self, text: str, among: Iterable[str]) -> list[Detection]:
        """The possible languages, the likeliest first; never empty when ``among`` has a language of this detector."""
        possible = [code for code in self._languages if code in set(among)]
        if len(possible) == 1:
            return [Detection(possible[0], 100)]
        if not any(character.isalpha() for character in text):
            return [Detection(code, 0) for code in possible]
        ranked: list[tuple[str, float]] = self._identifier.rank(text[:_CHARACTERS_READ]) if self._identifier else []
        shares = {code: share for code, share in ranked if code in possible}
        total = sum(shares.values())
        scores = {code: shares.get(code, 0.0) / total if total else 1 / len(possible) for code in possible}
        ordered = sorted(possible, key=lambda code: -scores[code])
        return [Detection(code, round(100 * scores[code])) for code in ordered]
