"""Counts the translations of words and short phrases in parallel text.

From aligned sentences come the target words that the words of a phrase are aligned with, if they stand together (Koehn,
Och, Marcu 2003, "Statistical Phrase-Based Translation"); pairs that are short enough are counted whole.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import regex

from training.phrases.word_alignment import NULL, Ids, align_words

Counts = defaultdict[str, Counter[str]]

MAX_PHRASE_WORDS: Final = 4  # of the source of a pair that is counted whole
_MAX_ALIGNED_WORDS: Final = 2  # of a source phrase within a sentence
_MAX_TARGET_WORDS: Final = 4
_MAX_SOURCE_LENGTH: Final = 16  # words of a pair that is aligned
_MAX_TARGET_LENGTH: Final = 18
_WORD: Final = regex.compile(r"[\p{L}\p{M}\p{N}]+(?:-[\p{L}\p{M}\p{N}]+)*+['’]?+")
_END: Final = regex.compile(r"\s*[.!?…:。]+\Z")
_PLAIN: Final = regex.compile(r"[¿¡]?[\p{L}\p{M}\p{N}][\p{L}\p{M}\p{N}\p{Zs}'’,&/-]*+")


@dataclass(frozen=True, slots=True)
class PhraseCounts:
    """How often each translation of a phrase was found. Sources are in small letters, targets as they stand there.

    Attributes:
        aligned: Within sentences.
        whole: As a pair of their own.
        lexicon: As an entry of a lexicon.
    """

    aligned: Counts = field(default_factory=lambda: defaultdict(Counter))
    whole: Counts = field(default_factory=lambda: defaultdict(Counter))
    lexicon: Counts = field(default_factory=lambda: defaultdict(Counter))


def count_phrases(pairs: Iterable[tuple[str, str]], lexicon: Iterable[tuple[str, str]]) -> PhraseCounts:
    """Counts phrases in the pairs of a corpus and in the entries of lexicons.

    Args:
        pairs: Sources and targets of one pair of languages. Those of more than 16 words are not aligned.
        lexicon: Words and phrases with their translations.
    """
    counts = PhraseCounts()
    aligned: list[tuple[list[str], list[str]]] = []
    for source, target in pairs:
        add_whole(counts.whole, source, target)
        words = [word.lower() for word in _WORD.findall(source)], _WORD.findall(target)
        if 1 <= len(words[0]) <= _MAX_SOURCE_LENGTH and 1 <= len(words[1]) <= _MAX_TARGET_LENGTH:
            aligned.append(words)
    for source, target in lexicon:
        add_whole(counts.lexicon, source, target)
    for (source_words, target_words), links in zip(aligned, _align(aligned), strict=True):
        for phrase, translation in _extract(source_words, target_words, links.tolist()):
            counts.aligned[phrase][translation] += 1
    return counts


def add_whole(counts: Counts, source: str, target: str) -> None:
    """Counts a pair if it is short and nothing but words; what ends a sentence is left out."""
    source, target = _END.sub("", source), _END.sub("", target)
    if source.count(" ") < MAX_PHRASE_WORDS and _PLAIN.fullmatch(source) and _PLAIN.fullmatch(target):
        counts[source.lower()][target.lstrip("¿¡")] += 1


def _align(pairs: Sequence[tuple[list[str], list[str]]]) -> list[Ids]:
    sources: dict[str, int] = {"": NULL}
    targets: dict[str, int] = {}
    return align_words(
        [np.array([sources.setdefault(word, len(sources)) for word in source], np.int32) for source, _ in pairs],
        [
            np.array([targets.setdefault(word.lower(), len(targets)) for word in target], np.int32)
            for _, target in pairs
        ],
    )


def _extract(source: Sequence[str], target: Sequence[str], links: Sequence[int]) -> Iterator[tuple[str, str]]:
    """Yields the phrases of a sentence with their translations.

    A translation has all words that are aligned with the phrase, one of them with its longest word ("to swim" is not
    "à"), and at most one other between them, which must be aligned with nothing.
    """
    of_word: dict[int, list[int]] = defaultdict(list)
    for offset, link in enumerate(links):
        of_word[link].append(offset)
    for start in range(len(source)):
        for end in range(start + 1, min(start + _MAX_ALIGNED_WORDS, len(source)) + 1):
            own = sorted(offset for word in range(start, end) for offset in of_word.get(word, ()))
            longest = max(range(start, end), key=lambda word: len(source[word]))
            if longest not in of_word or own[-1] - own[0] >= min(_MAX_TARGET_WORDS, len(own) + 1):
                continue
            between = set(range(own[0], own[-1])) - set(own)
            if all(links[offset] < 0 for offset in between):
                yield " ".join(source[start:end]), _join(target[own[0] : own[-1] + 1])


def _join(words: Sequence[str]) -> str:
    """Joins words with spaces, but not behind an apostrophe."""
    return regex.sub(r"(?<=['’]) ", "", " ".join(words))
