"""Finds what is kept from the model: the table's kinds, patterns of a setting, unreadable words, a glossary's terms."""

import copy
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Final

import regex

from app.errors import ConfigurationError
from app.text.placeholder_kinds import Begins, Treatment
from app.text.placeholder_patterns import KINDS
from app.text.punctuation import compile_plain

MAX_PATTERNS: Final = 100
MAX_PATTERN_CHARACTERS: Final = 500
_PROBE_SECONDS: Final = 0.5
# Texts for which patterns with nested repetitions took exponential time.
_PROBE_CHARACTERS: Final = 20_000
_PROBES: Final = tuple(
    unit * (_PROBE_CHARACTERS // len(unit)) + "\n" for unit in ("a", "0", " ", "A-", "{", "<a ", "a.", "_", "x1 ")
)
_MAX_REMEMBERED: Final = 16
_MAX_REMEMBERED_CHARACTERS: Final = 2000
_CAPTURES: Final = "(?: ... ) in place of ( ... )"
# Without any of these there is no placeholder, so that most texts need one fast search.
_SIGN: Final = (
    r"[`@<&{%#\\/\p{Co}\[|$_^~=+*\u2013\u2014]|[:;=][\w/:()*'-]|[.](?:\p{L}|\d)|\p{L}-?\d|\d[:-]\d|\p{Ll}\p{Lu}|[\w-]-[A-Za-z]\b|--"
    r"| -\p{L}{1,2}\b|\d\p{L}|\([)\d]|[§№°µ\p{Sc}\p{No}]|\d['′]|\b\w{1,4}\)|\p{L}\(|\(['\"]|\d [\d-]| !\p{Ll}|\(\("
    r"|>|[←-⇿⟰-⟿⤀-⥿⬀-⬑➔-➾▸▶►▹▻◂◀◄•∙▪■◆◦‣·]|\d[<>]|\d[ \u00a0]\p{L}{1,4}\b|\d/\d|[≤≥≠≈±×÷√∛]"
    r"|[⌘⌥⇧⌃⎋⏎⌫⇥↵]|\b[IVXLCDM]{2}|\p{Lu}{2} \d|\p{Lu}[+−-]"
    r"|\p{Lu}\p{Ll}{1,2}\.?[–—-]"
)
# A word with which no kind begins, because of what follows it; most words are such.
_ORDINARY: Final = r"\p{L}\p{Ll}{2,40}+(?:[ \n,;!?]|\.\s|\.?\Z)"
# What touches a placeholder belongs to it ("{size}MB"), but no clitic does ("l'{thing}", "{owner}'s"); placeholders
# with nothing between them that could be translated are one ("{first} {last}").
_GLUED: Final = regex.compile(r"(?:[\p{Latin}\p{N}_]|[.](?=\p{Ll}|\p{N})){1,40}+")
_GLUED_BEFORE: Final = regex.compile(r"(?r)[\p{Latin}\p{N}_]{1,40}")
_BETWEEN: Final = frozenset(("", " ", "/", "-", "–", "_", "=", "|", " / ", " | "))


class PlaceholderFinder:
    """Finds placeholders by own patterns first, then by the table, then by what a model cannot read.

    Args:
        own: Regular expressions of the ``regex`` module, without capturing groups.
        words: A pattern of words that are kept as they are, empty for none.

    Raises:
        ConfigurationError: A pattern cannot be used; the message names it and says why.
    """

    def __init__(self, own: Sequence[str] = (), words: str = "") -> None:
        if len(own) > MAX_PATTERNS:
            raise ConfigurationError(f"{len(own)} placeholder patterns, at most {MAX_PATTERNS} are possible")
        for pattern in own:
            _check(pattern)
        self._own = tuple(own)
        self._set_words(words)

    def _set_words(self, words: str) -> None:
        self._words = words
        if self._own:  # a pattern that cannot be used is refused at once
            _compile(self._own, words)
        self._sign = None if self._own else _compile_sign(words)
        self._plain = compile_plain(words)
        # A text is searched before it is cut and when its placeholders are masked, a segment and its translation at
        # each correction and by the guard of the answer.
        self._remembered: dict[str, list[tuple[int, int, Treatment]]] = {}

    @property
    def _pattern(self) -> "regex.Pattern[str]":
        """All patterns, compiled for the first text that may have a placeholder: that takes 40 milliseconds."""
        return _compile(self._own, self._words)

    def with_words(self, words: str) -> "PlaceholderFinder":
        """Returns a finder that also finds the words of a pattern, with the treatment ``WORD``."""
        finder = copy.copy(self)
        finder._set_words(words)
        return finder

    def count(self, text: str) -> "Counter[str]":
        """Counts how often each placeholder stands in a text."""
        return Counter(text[start:end] for start, end in self.find(text))

    def find(self, text: str) -> list[tuple[int, int]]:
        """Returns the offsets of each placeholder's begin and end, in order."""
        return [(start, end) for start, end, _ in self.find_treated(text)]

    def find_treated(self, text: str) -> list[tuple[int, int, Treatment]]:
        """Returns the same with how each placeholder is kept from the model."""
        known = self._remembered.get(text)
        if known is not None:
            return known
        if self._sign is not None and (self._plain.fullmatch(text) or not self._sign.search(text)):
            found = []
        else:
            found = [
                (*one.span(), Treatment(one.lastgroup or Treatment.SYNTAX))
                for one in self._pattern.finditer(text)
                if one.end() > one.start()
            ]
        if len(self._remembered) >= _MAX_REMEMBERED or len(text) > _MAX_REMEMBERED_CHARACTERS:
            self._remembered = {}  # a new one, since another thread may be reading the old one
        self._remembered[text] = found
        return found

    def find_syntax(self, text: str) -> list[tuple[int, int]]:
        """Returns the offsets of the placeholders that no translation has unless its source has them."""
        if self._sign is not None and _PLAIN.fullmatch(text):  # words that are kept as they are do not count
            return []
        return [(start, end) for start, end, treatment in self.find_treated(text) if treatment is Treatment.SYNTAX]

    def search_outside(
        self, pattern: "regex.Pattern[str] | re.Pattern[str]", text: str
    ) -> "Iterator[regex.Match[str] | re.Match[str]]":
        """Yields the matches of a pattern in the text between placeholders.

        A list item's ``a)`` at the end of brackets is no placeholder.
        """
        done = 0
        kept = [(start, end) for start, end, treatment in self.find_treated(text) if treatment is not Treatment.STAMP]
        for start, end in [*kept, (len(text), len(text))]:
            yield from pattern.finditer(text, done, start)
            done = end

    def find_groups(self, text: str) -> list[tuple[int, int]]:
        """Returns the same with what touches each placeholder, and those with nothing between them as one."""
        groups: list[tuple[int, int]] = []
        for start, end in self.find(text):
            if groups and (start <= groups[-1][1] or text[groups[-1][1] : start] in _BETWEEN):
                start = groups.pop()[0]
            elif before := _GLUED_BEFORE.match(text, groups[-1][1] if groups else 0, start):
                start = before.start()
            behind = _GLUED.match(text, end)
            groups.append((start, behind.end() if behind else end))
        return groups


@lru_cache(maxsize=64)
def _compile(own: tuple[str, ...], words: str) -> "regex.Pattern[str]":
    """Compiles all patterns as one; the name of the group that matches is the treatment.

    Of two that match at the same offset, the first is taken.
    """
    groups = [f"(?P<{Treatment.SYNTAX}>{pattern})" for pattern in own]
    groups.append(rf"(?<!\w)(?=\w)(?!{_ORDINARY})(?:{_describe_kinds(Begins.WORD)})")
    groups.append(rf"(?=[^\w\s])(?:{_describe_kinds(Begins.SIGN)})")
    if words:
        groups.append(f"(?P<{Treatment.WORD}>{words})")
    return regex.compile("|".join(groups))


def _describe_kinds(begins: Begins) -> str:
    return "|".join(f"(?P<{kind.treatment}>{kind.pattern})" for kind in KINDS if begins in kind.begins)


@lru_cache(maxsize=64)
def _compile_sign(words: str) -> "regex.Pattern[str]":
    return regex.compile(f"{_SIGN}|{words}" if words else _SIGN)


_PLAIN: Final = compile_plain("")
BUILT_IN: Final = PlaceholderFinder()


def split_patterns(lines: str) -> tuple[str, ...]:
    """Splits a setting into its patterns, one a line; empty lines are skipped."""
    return tuple(line.strip() for line in lines.splitlines() if line.strip())


def _check(pattern: str) -> None:
    """Compiles a pattern and tries it on texts that are slow for careless ones."""
    if len(pattern) > MAX_PATTERN_CHARACTERS:
        raise ConfigurationError(
            f"placeholder pattern {pattern[:40]!r}... has {len(pattern)} characters, at most {MAX_PATTERN_CHARACTERS} "
            f"are possible"
        )
    try:
        compiled = regex.compile(f"(?:{pattern})")
    except regex.error as error:
        raise ConfigurationError(f"placeholder pattern {pattern!r}: {error}") from error
    if compiled.groups:
        raise ConfigurationError(f"placeholder pattern {pattern!r} captures: write {_CAPTURES}")
    if compiled.flags & ~regex.compile("").flags:
        raise ConfigurationError(f"placeholder pattern {pattern!r} has flags that would change all patterns")
    try:
        found = [one.span() for probe in ("", *_PROBES) for one in compiled.finditer(probe, timeout=_PROBE_SECONDS)]
    except TimeoutError:
        raise ConfigurationError(
            f"placeholder pattern {pattern!r} takes over {_PROBE_SECONDS} s for {_PROBE_CHARACTERS:,} characters: give "
            f"every repetition an end, such as {{1,100}}, or make it possessive (*+)"
        ) from None
    if any(start == end for start, end in found):
        raise ConfigurationError(f"placeholder pattern {pattern!r} matches an empty text")


# Scripts without spaces between words: there a term may stand anywhere.
_SPACELESS_SET: Final = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}"
_SPACELESS: Final = regex.compile(f"[{_SPACELESS_SET}]")
_LETTER: Final = regex.compile(r"[\p{L}\p{N}]")
# Runs of letters and digits; every other character, and each one of a script without spaces, is a token of its own.
_TOKEN: Final = regex.compile(rf"[[\p{{L}}\p{{N}}]--[{_SPACELESS_SET}]]++|.", regex.DOTALL | regex.V1)


class Terms:
    """Finds terms as whole words, the longest first.

    A term in small letters is also found with a capital at its beginning and in capitals, and its translation is then
    written the same way.

    Args:
        translations: Each term's translation.
    """

    def __init__(self, translations: Mapping[str, str]) -> None:
        self.given = translations
        self._translations: dict[str, str] = {}
        for term, translation in translations.items():
            for variant, written in _capitalize(term, translation):
                self._translations.setdefault(variant, written)
        self._translations |= translations  # a term as it is given overrides the variants of others
        lengths: dict[str, set[int]] = {}
        for term in self._translations:
            tokens = _TOKEN.findall(term)
            lengths.setdefault(tokens[0], set()).add(len(tokens))
        self.size_characters = sum(map(len, self._translations)) + sum(map(len, self._translations.values()))
        self._lengths = {token: sorted(counts, reverse=True) for token, counts in lengths.items()}

    def find(self, text: str) -> Iterator[tuple[int, int]]:
        """Yields the offsets of each term's begin and end, in order and without overlap.

        A token names the lengths of the terms that start with it, and a dictionary says whether one of them stands
        there. So the time depends on these lengths, but not on the number of terms.
        """
        if not self._lengths:
            return
        tokens = [found.span() for found in _TOKEN.finditer(text)]
        index = 0
        while index < len(tokens):
            count = self._match(text, tokens, index)
            if count:
                yield tokens[index][0], tokens[index + count - 1][1]
            index += count or 1

    def _match(self, text: str, tokens: list[tuple[int, int]], index: int) -> int:
        """Returns the number of tokens of the longest term at a token, 0 if there is none."""
        start = tokens[index][0]
        counts = self._lengths.get(text[start : tokens[index][1]])
        if counts is None or not (_SPACELESS.match(text, start) or not _is_letter(text, start - 1)):
            return 0
        for count in counts:
            if index + count > len(tokens):
                continue
            end = tokens[index + count - 1][1]
            if text[start:end] in self._translations and (_SPACELESS.match(text, end - 1) or not _is_letter(text, end)):
                return count
        return 0

    def translate(self, term: str) -> str | None:
        """Returns the translation of a term as it is written in a text, None if it is no term."""
        return self._translations.get(term)


def add_terms(groups: Sequence[tuple[int, int]], terms: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Adds the ranges of terms to those of placeholders; a term that holds placeholders whole takes their place.

    Terms are searched in the whole text, so that a word that goes on in a placeholder is no term.
    """
    found: list[tuple[int, int]] = []
    ahead = 0
    for start, end in terms:
        while ahead < len(groups) and groups[ahead][1] <= start:
            found.append(groups[ahead])
            ahead += 1
        behind = ahead
        while behind < len(groups) and groups[behind][0] < end:
            behind += 1
        of_term = groups[ahead:behind]
        if all(start <= one and other <= end for one, other in of_term) and (start, end) not in of_term:
            found.append((start, end))
            ahead = behind
    return [*found, *groups[ahead:]]


def _capitalize(term: str, translation: str) -> Iterator[tuple[str, str]]:
    """Yields the variants of a term in small letters, each with its translation."""
    if term == term.lower() and term[:1] != term[:1].upper():
        yield term[0].upper() + term[1:], translation[:1].upper() + translation[1:]
        if len(term) > 1:
            yield term.upper(), translation.upper()


def _is_letter(text: str, offset: int) -> bool:
    """Whether there is a letter or digit at an offset, which may be outside the text."""
    return 0 <= offset < len(text) and _LETTER.match(text, offset) is not None
