"""Chooses the one translation of each phrase that a table holds."""

import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import regex

from training.phrases.extract import PhraseCounts

# A pair of its own shows that the phrase is translated so where nothing else is there; a lexicon has each entry once.
_WHOLE_WEIGHT: Final = 3
_ENOUGH_WHOLE: Final = 5  # pairs that count as much as all sentences together
_LEXICON_WEIGHT: Final = 5
# The commonest words are left to the model unless they were found whole: within sentences, "no" is no "Nein".
_COMMONEST: Final = 50
_USABLE: Final = regex.compile(r".*\p{L}.*\p{L}.*(?<!['’])")
_COPY_WEIGHT: Final = 0.2  # of a translation that is the source, as interfaces that are translated in part have them
# What must speak for a translation, and its least share of all that speaks for any: of a word, of a phrase that was
# found whole, and of a phrase that was found within sentences only.
_WORD_LIMITS: Final = (2.0, 0.12)
_PHRASE_LIMITS: Final = (3.0, 0.2)
_ALIGNED_LIMITS: Final = (3.0, 0.4)
_LEADING: Final[Mapping[str, regex.Pattern[str]]] = {
    "fr": regex.compile(r"\A(?:les? |la |l['’]|une? |des |d['’]|de |du |aux? |à )+(?=.)", regex.IGNORECASE),
    "de": regex.compile(
        r"\A(?:d(?:er|ie|as|em|en|es) |eine?[mnrs]? |(?:i[mn]|am|zum|zur|zu|vom|beim|ans|ins) )+(?=.)", regex.IGNORECASE
    ),
    "es": regex.compile(r"\A(?:el |las? |los |un[ao]?s? |al? |del? |en )+(?=.)", regex.IGNORECASE),
    "en": regex.compile(r"\A(?:the |an? |of |in |at |to )+(?=.)", regex.IGNORECASE),
}
_INFINITIVE: Final = "to "
# What a verb ends with; a phrase with "to" is a verb's infinitive in the dictionary's sense.
_VERB: Final[Mapping[str, regex.Pattern[str]]] = {
    "fr": regex.compile(r"(?:s['’]|se )?\p{Ll}{2,}(?:er|ir|re)"),
    "de": regex.compile(r"(?:sich )?\p{Ll}{2,}n"),
    "es": regex.compile(r"\p{Ll}{2,}[aeií]r(?:se)?"),
}
_VERB_WEIGHT: Final = 4
# Endings of forms that count for the form without them, which a dictionary has: gender, number, case.
_ENDINGS: Final[Mapping[str, tuple[tuple[str, str], ...]]] = {
    "fr": (("es", ""), ("e", ""), ("s", ""), ("x", "")),
    "de": (("en", ""), ("er", ""), ("es", ""), ("em", ""), ("e", "")),
    "es": (("as", "o"), ("os", "o"), ("a", "o"), ("es", ""), ("s", "")),
    "en": (("s", ""),),
}
_MIN_BASE_SHARE: Final = 0.2  # of the weight of the form with an ending


@dataclass(slots=True)
class _Candidate:
    """A translation in all its spellings.

    Attributes:
        weight: How much speaks for it.
        forms: Its spellings, counted.
    """

    weight: float
    forms: Counter[str]


def choose_phrases(counts: PhraseCounts, source: str, target: str, max_phrases: int) -> Iterator[tuple[str, str]]:
    """Returns phrases with their translations, words and what most speaks for first.

    Words that a translation has beside its own within a sentence, as articles, are left out of it.

    Args:
        counts: What was found.
        source: The code of the language of the phrases.
        target: That of the translations.
        max_phrases: How many are returned at most.
    """
    totals = {phrase: found.total() for phrase, found in counts.aligned.items() if " " not in phrase}
    usual = set(sorted(totals, key=lambda word: (-totals[word], word))[:_COMMONEST]) - counts.whole.keys()
    known = Counter[str]()
    for found in counts.aligned.values():
        for translation, count in found.items():
            known[translation.casefold()] += count
    infinitives = {_INFINITIVE + word for word in counts.aligned if " " not in word} if source == "en" else set()
    chosen: list[tuple[bool, float, str, str]] = []
    for phrase in counts.aligned.keys() | counts.whole.keys() | counts.lexicon.keys() | infinitives:
        is_left_out = phrase in usual or _USABLE.fullmatch(phrase) is None
        candidates = {} if is_left_out else _weigh(counts, known, phrase, (source, target))
        if not candidates:
            continue
        best = max(candidates.values(), key=lambda one: (one.weight, max(one.forms)))
        total = sum(one.weight for one in candidates.values())
        is_word = _count_words(phrase, source) == 1
        limits = _PHRASE_LIMITS if phrase in counts.whole or phrase in counts.lexicon else _ALIGNED_LIMITS
        min_weight, min_share = _WORD_LIMITS if is_word else limits
        if best.weight >= min_weight and best.weight >= min_share * total:
            chosen.append((not is_word, -best.weight, phrase, _choose_form(best.forms, target)))
    return ((phrase, translation) for _, _, phrase, translation in sorted(chosen)[:max_phrases])


def _weigh(counts: PhraseCounts, known: Counter[str], phrase: str, languages: tuple[str, str]) -> dict[str, _Candidate]:
    """Returns the translations of a phrase by their spelling without case.

    Args:
        counts: What was found.
        known: How often each translation was found within sentences, of any phrase; of several in a lexicon, the
            commonest word is the likeliest.
        phrase: In small letters.
        languages: Codes of source and target.
    """
    source, target = languages
    candidates: dict[str, _Candidate] = defaultdict(lambda: _Candidate(0.0, Counter()))
    verb = _VERB.get(target) if source == "en" and phrase.startswith(_INFINITIVE) and phrase.count(" ") == 1 else None

    def add(translation: str, weight: float) -> None:
        if translation.casefold() == phrase:
            weight *= _COPY_WEIGHT
        if verb is not None and verb.fullmatch(translation):
            weight *= _VERB_WEIGHT
        candidate = candidates[translation.casefold()]
        candidate.weight += weight
        candidate.forms[translation] += 1 + int(weight)

    leading = _LEADING.get(target) if _count_words(phrase, source) == 1 else None
    for translation, count in counts.aligned.get(phrase, {}).items():
        add(translation if leading is None else leading.sub("", translation), count)
    whole = counts.whole.get(phrase, Counter[str]())
    # The more pairs the phrase has to itself, the more they count: it is for such sources that the table is read.
    each = _WHOLE_WEIGHT + counts.aligned.get(phrase, Counter[str]()).total() / max(_ENOUGH_WHOLE, whole.total())
    for translation, count in whole.items():
        add(translation, each * count)
    for translation in counts.lexicon.get(phrase, {}):
        add(translation, _LEXICON_WEIGHT + min(1.0, math.log1p(known[translation.casefold()]) / 10))
    if _count_words(phrase, source) == 1 and not phrase.endswith("s"):
        _join_forms(candidates, target)
    if verb is not None:  # other forms of the word may be translated by the verb too
        for translation, count in counts.aligned.get(phrase[len(_INFINITIVE) :], {}).items():
            if verb.fullmatch(translation):
                add(translation, count / _VERB_WEIGHT)
        verbs = {key: one for key, one in candidates.items() if any(map(verb.fullmatch, one.forms))}
        return verbs if phrase not in counts.lexicon else dict(candidates)
    return candidates


def _join_forms(candidates: dict[str, _Candidate], language: str) -> None:
    """Counts the forms of a word with an ending for the form without it, where this one is found often enough."""
    for form, candidate in list(candidates.items()):
        for ending, other in _ENDINGS.get(language, ()):
            base = candidates.get(form[: -len(ending)] + other) if form.endswith(ending) else None
            if base is not None and base.weight >= _MIN_BASE_SHARE * candidate.weight:
                base.weight += candidate.weight
                break


def _count_words(phrase: str, language: str) -> int:
    """Counts the words of a phrase; an English infinitive is one."""
    if language == "en" and phrase.startswith(_INFINITIVE):
        phrase = phrase[len(_INFINITIVE) :]
    return phrase.count(" ") + 1


def _choose_form(forms: Counter[str], language: str) -> str:
    """Returns the spelling to store: the commonest one, but with a small letter where it also begins with one.

    At the beginning of a sentence and on a button every word has a capital. German nouns have it everywhere.
    """
    best = max(forms, key=lambda form: (forms[form], form))
    small = best[:1].lower() + best[1:]
    total = sum(forms.values())
    seldom = 0.3 if language == "de" else 0.05
    return small if small in forms and forms[small] > seldom * total else best
