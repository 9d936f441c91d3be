"""Pairs of which a side is in another language than its file says: text nobody translated, a title left as it was."""

from typing import Final

from app.text.languages import LanguageDetector

REASON: Final = "another language"
# What turns up in text from the web, besides the run's own languages. Among all that py3langid knows, a short French
# sentence is Walloon or Occitan now and then.
LOOKED_FOR: Final = ("de", "en", "es", "fr", "it", "nl", "pl", "pt", "ru", "sv", "zh")
# Of short texts and names it is not sure, or sure and wrong. One of Chinese or Japanese letters tells more.
MIN_LETTERS: Final = 20
MIN_BYTES: Final = 24
MIN_CONFIDENCE: Final = 90


class LanguageCheck:
    """Says of a pair whether a side is surely of another language.

    A side is only judged if it has ``MIN_LETTERS`` letters, or letters of ``MIN_BYTES`` bytes that are not Latin, and
    if py3langid knows the language that it should be in.
    """

    def __init__(self, source: str, target: str) -> None:
        self._detector = LanguageDetector((*LOOKED_FOR, source, target))
        self._known = frozenset(self._detector.load().nb_classes)
        self._looked_for = tuple(sorted(self._known))
        self._languages = (source, target)

    def objection(self, source: str, target: str) -> str | None:
        """The reason to drop the pair, if there is one."""
        sides = zip((source, target), self._languages, strict=True)
        return REASON if any(self._is_other(text, language) for text, language in sides) else None

    def _is_other(self, text: str, language: str) -> bool:
        if language not in self._known:
            return False
        letters = [character for character in text if character.isalpha()]
        wide = sum(len(character.encode()) for character in letters if ord(character) > 0x2FF)
        if len(letters) < MIN_LETTERS and wide < MIN_BYTES:
            return False
        best = self._detector.rank(text, self._looked_for)[0]
        return best.language != language and best.confidence >= MIN_CONFIDENCE
