"""Where placeholders stand in a text: those of everybody, and those of one's own that a setting adds."""

from collections import Counter
from collections.abc import Sequence
from typing import Final

import regex

from app.errors import ConfigurationError

MAX_PATTERNS: Final = 100
MAX_PATTERN_CHARACTERS: Final = 500
_PROBE_SECONDS: Final = 0.5
# Text that has brought down patterns with nested repetitions.
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
# What an address may hold, and may end with: a full stop behind it is the sentence's, a bracket only if it opened one.
_IN_BRACKETS: Final = r"\([^\s()<>\p{Co}]{0,200}\)"
_ADDRESS: Final = (
    rf"(?:{_IN_BRACKETS}|[^\s<>\"«»“”()\p{{Co}}]){{0,2000}}"
    rf"(?:{_IN_BRACKETS}|[^\s<>\"«»“”()\p{{Co}}.,;:!?…'’\]}}|*])"
)
# Of two that begin at the same place, the first is taken. Every repetition has an end, so that hostile text takes no
# longer than its length.
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
    r"\p{Co}",  # so that a mark in a text is not taken for one of these
)
_PLACEHOLDER: Final = regex.compile("|".join(_PATTERNS))
# Without any of these there is no placeholder: most texts are looked through once, quickly.
_SIGN: Final = regex.compile(r"[`@<&{%#\\/\p{Co}]|:[\w/]|[.](?:\p{L}|\d+[.]\d)|v\d")
# What is glued to a placeholder goes with it ("{size}MB"), but no clitic ("l'{thing}", "{owner}'s"); and those with
# nothing between them that could be translated are one ("{first} {last}").
_GLUED: Final = regex.compile(r"(?:[\p{Latin}\p{N}_]|[.](?=\p{Ll}|\p{N})){1,40}+")
_GLUED_BEFORE: Final = regex.compile(r"(?r)[\p{Latin}\p{N}_]{1,40}")
_BETWEEN: Final = frozenset(("", " ", "/", "-", "–", "_", "=", "|", " / ", " | "))


class PlaceholderFinder:
    """Finds the placeholders that everybody has, and those of ``own`` patterns first.

    :param own: regular expressions of the ``regex`` module, without capturing groups.
    :raises ConfigurationError: one that cannot be used: names it and says why.
    """

    def __init__(self, own: Sequence[str] = ()) -> None:
        if len(own) > MAX_PATTERNS:
            raise ConfigurationError(f"{len(own)} placeholder patterns, at most {MAX_PATTERNS} are possible")
        for pattern in own:
            _check(pattern)
        self._pattern = regex.compile("|".join((*(f"(?:{pattern})" for pattern in own), *_PATTERNS)))
        self._sign = None if own else _SIGN

    def counted(self, text: str) -> "Counter[str]":
        """Every placeholder of a text and how often it stands there."""
        return Counter(text[start:end] for start, end in self.ranges(text))

    def ranges(self, text: str) -> list[tuple[int, int]]:
        """Where they stand, in order."""
        if self._sign is not None and not self._sign.search(text):
            return []
        return [found.span() for found in self._pattern.finditer(text) if found.end() > found.start()]

    def groups(self, text: str) -> list[tuple[int, int]]:
        """The same, each with what is glued to it, and those with nothing between them as one."""
        groups: list[tuple[int, int]] = []
        for start, end in self.ranges(text):
            if groups and (start <= groups[-1][1] or text[groups[-1][1] : start] in _BETWEEN):
                start = groups.pop()[0]
            elif before := _GLUED_BEFORE.match(text, groups[-1][1] if groups else 0, start):
                start = before.start()
            behind = _GLUED.match(text, end)
            groups.append((start, behind.end() if behind else end))
        return groups


BUILT_IN: Final = PlaceholderFinder()


def own_patterns(lines: str) -> tuple[str, ...]:
    """Patterns as a setting gives them: one a line, empty lines aside."""
    return tuple(line.strip() for line in lines.splitlines() if line.strip())


def _check(pattern: str) -> None:
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
