"""Finds placeholders in a text, built-in ones and those of patterns that a setting adds.

Also defines the private-use characters that stand in a text for what the model does not read. A private-use character
that the text itself has is found as a placeholder, so the two are never confused.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Final

import regex

from app.errors import ConfigurationError

# Each of these stands for one placeholder while a text is split into segments, so that no cut divides it.
NAME_CHARACTER: Final = "\ue000"  # a name may stand in for it
COUNT_CHARACTER: Final = "\ue001"  # only a number may stand in for it
TERM_CHARACTER: Final = "\ue002"  # a glossary's term, which must be translated, unlike the others
PLACEHOLDER_CHARACTERS: Final = frozenset((NAME_CHARACTER, COUNT_CHARACTER, TERM_CHARACTER))
# Those from here on stand for elements that are kept from the model, such as <code>: characters of a plane for private
# use, so that one text may have many different ones.
FIRST_ELEMENT_CODE: Final = 0xF0000
MAX_ELEMENTS: Final = 1000

MAX_PATTERNS: Final = 100
MAX_PATTERN_CHARACTERS: Final = 500
_PROBE_SECONDS: Final = 0.5
# Texts for which patterns with nested repetitions took exponential time.
_PROBE_CHARACTERS: Final = 20_000
_PROBES: Final = tuple(
    unit * (_PROBE_CHARACTERS // len(unit)) + "\n" for unit in ("a", "0", " ", "A-", "{", "<a ", "a.", "_", "x1 ")
)
_CAPTURES: Final = "(?: ... ) in place of ( ... )"

_FILE_ENDING: Final = (
    r"(?:bat|bmp|bz2|cfg|conf|cpp|css|csv|dll|docx?|epub|exe|gif|gz|html?|ico|ini|iso|jar|java|jpe?g|js|json|log|md|mkv"
    r"|mp[34]|od[pst]|ogg|onnx|pdf|php|png|pot?|pptx?|py|rar|rs|rst|rtf|sh|sql|srt|svg|tar|tiff?|toml|ts|tsv|txt|wav"
    r"|webp|xlsx?|xml|ya?ml|zip)"
)
_DOMAIN_ENDING: Final = r"(?:com|org|net|edu|gov|io|dev|app|info|eu|fr|co\.uk)"
# What an address may hold and end with: a full stop behind it is the sentence's, and so is a bracket unless one opens
# in the address.
_IN_BRACKETS: Final = r"\([^\s()<>\p{Co}]{0,200}\)"
_ADDRESS: Final = (
    rf"(?:{_IN_BRACKETS}|[^\s<>\"«»“”()\p{{Co}}]){{0,2000}}"
    rf"(?:{_IN_BRACKETS}|[^\s<>\"«»“”()\p{{Co}}.,;:!?…'’\]}}|*])"
)
# Of two that match at the same offset, the first is taken. Every repetition is bounded, so that the time for hostile
# text grows only with its length.
_PATTERNS: Final = (
    r"`[^`\n\r\t\p{Co}]{1,200}`",
    rf"(?<![\w])(?:[A-Za-z][A-Za-z0-9+.-]{{0,20}}://|www\.|mailto:){_ADDRESS}",
    r"(?<![\w.+-])[\w.+-]{1,64}@[\w-]{1,64}(?:\.[\w-]{1,64}){1,8}",
    r"</?[A-Za-z](?:[^<>\"'\p{Cc}\p{Co}]|\"[^\"\p{Cc}\p{Co}]{0,200}\"|'[^'\p{Cc}\p{Co}]{0,200}'){0,200}+>",
    r"&(?:[A-Za-z][A-Za-z0-9]{1,30}|#[0-9]{1,7}|#[xX][0-9A-Fa-f]{1,6});",
    r"\{\{[^{}\p{Cc}\p{Co}]{1,100}\}\}|[%$#]\{[^{}\p{Cc}\p{Co}]{1,100}\}|\{ ?[\w.:,$#@|!%-]{0,100} ?\}",
    r"(?<![\d%])%(?:\(\w{1,60}\)|\d{1,3}\$)?[-+0#]{0,3}(?:\d{1,3}|\*)?(?:\.(?:\d{1,3}|\*))?(?:hh?|ll?|[Lqjzt])?"
    r"[diouxXeEfFgGcrsa@](?!\p{Ll}{2})",
    r"(?<!\w)%[A-Z_]{2,40}%|%%",
    r"(?<![\w:]):[a-z][a-z0-9_+-]{0,60}:(?![\w:])",
    r"(?<![\w@#&./])@\w[\w-]{0,60}(?:\.[\w-]{1,60}){0,4}(?:@[\w-]{1,60}(?:\.[\w-]{1,60}){1,4})?",
    r"(?<![\w@#&./])#\w[\w-]{0,100}",
    r"(?<![\w/\\])(?:[A-Za-z]:|\\)\\[^\s\"<>|*?\p{Co}]{0,250}[\w$]",
    r"(?<![\w/.~€$£%)*])(?:~|\.{1,2})?/(?:[\w.@+-]{1,100}/){0,30}[\w.@+-]{0,99}\w",
    rf"(?<![\w/.])\w[\w.+-]{{0,100}}(?:/[\w.+-]{{1,100}}){{0,30}}\.{_FILE_ENDING}(?![\w/])",
    rf"(?<![\w.@-])(?:[a-z0-9-]{{1,63}}\.){{1,4}}{_DOMAIN_ENDING}(?![\w-])(?:/{_ADDRESS})?",
    r"(?<![\w.])v?\d{1,9}(?:\.\d{1,9}){2,6}(?:[-+][\w.]{0,30}\w)?(?!\w)|(?<![\w.])v\d{1,9}(?:\.\d{1,9})?(?!\w)",
    r"\p{Co}",  # so that a text's own private-use character is not taken for one that stands for a placeholder
)
_PLACEHOLDER: Final = regex.compile("|".join(_PATTERNS))
# Without any of these there is no placeholder, so that most texts need one fast search.
_SIGN: Final = regex.compile(r"[`@<&{%#\\/\p{Co}]|:[\w/]|[.](?:\p{L}|\d+[.]\d)|v\d")
# What touches a placeholder belongs to it ("{size}MB"), but no clitic does ("l'{thing}", "{owner}'s"); placeholders
# with nothing between them that could be translated are one ("{first} {last}").
_GLUED: Final = regex.compile(r"(?:[\p{Latin}\p{N}_]|[.](?=\p{Ll}|\p{N})){1,40}+")
_GLUED_BEFORE: Final = regex.compile(r"(?r)[\p{Latin}\p{N}_]{1,40}")
_BETWEEN: Final = frozenset(("", " ", "/", "-", "–", "_", "=", "|", " / ", " | "))


class PlaceholderFinder:
    """Finds placeholders by own patterns first, then by the built-in ones.

    Args:
        own: Regular expressions of the ``regex`` module, without capturing groups.

    Raises:
        ConfigurationError: A pattern cannot be used; the message names it and says why.
    """

    def __init__(self, own: Sequence[str] = ()) -> None:
        if len(own) > MAX_PATTERNS:
            raise ConfigurationError(f"{len(own)} placeholder patterns, at most {MAX_PATTERNS} are possible")
        for pattern in own:
            _check(pattern)
        self._pattern = regex.compile("|".join((*(f"(?:{pattern})" for pattern in own), *_PATTERNS)))
        self._sign = None if own else _SIGN

    def count(self, text: str) -> "Counter[str]":
        """Counts how often each placeholder stands in a text."""
        return Counter(text[start:end] for start, end in self.find(text))

    def find(self, text: str) -> list[tuple[int, int]]:
        """Returns the offsets of each placeholder's begin and end, in order."""
        if self._sign is not None and not self._sign.search(text):
            return []
        return [found.span() for found in self._pattern.finditer(text) if found.end() > found.start()]

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
