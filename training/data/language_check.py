"""Detection of pairs with a side in an unexpected language, such as untranslated text or a title that was kept."""

from typing import Final

from app.text.detection import LanguageDetector

REASON: Final = "another language"
# Languages that are common in text from the web, considered besides the run's own. If all languages it knows were
# considered, some short French sentences would be classified as Walloon or Occitan.
LOOKED_FOR: Final = ("de", "en", "es", "fr", "it", "nl", "pl", "pt", "ru", "sv", "zh")
# For short texts and names the detector is uncertain, or certain and wrong. A Chinese or Japanese character carries
# more information than a Latin letter, hence the second limit in bytes.
MIN_LETTERS: Final = 20
MIN_BYTES: Final = 24
MIN_CONFIDENCE: Final = 90


class LanguageCheck:
    """Finds pairs with a side that is certainly in another language.

    A side is only checked if it has ``MIN_LETTERS`` letters, or non-Latin letters of ``MIN_BYTES`` bytes, and if
    the detector knows the expected language.

    Args:
        source: Expected language of the sources.
        target: Expected language of the targets.
    """

    def __init__(self, source: str, target: str) -> None:
        considered = (*LOOKED_FOR, source, target)
        self._detector = LanguageDetector(considered)
        self._supported = frozenset(language for language in considered if self._detector.knows(language))
        self._looked_for = tuple(sorted(self._supported))
        self._languages = (source, target)

    def objection(self, source: str, target: str) -> str | None:
        """Returns the reason to drop the pair, or None."""
        sides = zip((source, target), self._languages, strict=True)
        return REASON if any(self._is_other(text, language) for text, language in sides) else None

    def _is_other(self, text: str, language: str) -> bool:
        if language not in self._supported:
            return False
        letters = [character for character in text if character.isalpha()]
        wide = sum(len(character.encode()) for character in letters if ord(character) > 0x2FF)
        if len(letters) < MIN_LETTERS and wide < MIN_BYTES:
            return False
        best = self._detector.rank(text, self._looked_for)[0]
        return best.language != language and best.confidence >= MIN_CONFIDENCE
