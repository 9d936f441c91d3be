"""Which language a text is in, chosen among a few: py3langid, offline, its model (4.5 MB) in the package."""

import copy
import threading
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
    """Detects among the languages given. Loading takes most of a second and 120 MB, so it is done once, and only if
    needed: when two languages are possible, or ``load`` is called.

    A language that py3langid does not know is never detected, unless it is the only one.
    """

    def __init__(self, languages: Iterable[str]) -> None:
        self._languages = tuple(sorted(set(languages)))
        self._identifier: Any = None
        self._loading = threading.Lock()

    def load(self) -> Any:
        """Do now what the first text would wait for."""
        with self._loading:
            if self._identifier is None:
                from py3langid.langid import MODEL_FILE, LanguageIdentifier

                identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
                self._identifier = _among(identifier, self._languages)
        return self._identifier

    def add(self, languages: Iterable[str]) -> None:
        """Detect these too from now on, while other threads detect. None is ever taken away: a request that began
        before may still ask for it, and those that are not possible cost nothing.
        """
        with self._loading:
            wanted = tuple(sorted({*self._languages, *languages}))
            if self._identifier is not None and wanted != self._languages:
                self._identifier = _among(self._identifier, wanted)
            self._languages = wanted

    def rank(self, text: str, among: Iterable[str]) -> list[Detection]:
        """The possible languages, the likeliest first; never empty when ``among`` has a language of this detector."""
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


def _among(identifier: Any, languages: Iterable[str]) -> Any:
    """The same model, which it shares, for other languages."""
    chosen = copy.copy(identifier)
    chosen.set_languages(None)  # all that it knows
    known = [code for code in languages if code in chosen.labels]
    chosen.set_languages(known or None)
    return chosen
