"""Stand-ins: the words that a model reads instead of placeholders, and what it makes of them."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, count
from typing import Final

import regex

from app.text.number_words import is_spelled
from app.text.placeholder_kinds import COUNT_CHARACTER, NAME_CHARACTER, TERM_CHARACTER

# The words that come back most often, measured on both bundles of models/ over sentences in which they replaced any
# word: a number 97 of 100 times in the best hypothesis that has it, two numbers 97 to 100; "Tom" 96 from English and 81
# from French, and beside another name or number 66 to 83. From English "Tom" alone makes the better sentence.
_NUMBERS: Final = ("37", "250", "15", "12", "73", "30")
# A name also stands where a word in the genitive does ("37's brother" is read as an age).
_NAMES: Final = {"en": ("Tom", "John", "Bob")}
NAME_FORMS: Final = {  # what models make of a name
    "Tom": frozenset(("Toms", "Thomas", "Tomas", "Tomás", "Tommy")),
    "John": frozenset(("Johns", "Jean", "Juan", "Johann", "Johannes")),
    "Bob": frozenset(("Bobs", "Bobby", "Robert", "Roberto")),
}
_GENITIVE: Final = regex.compile(r"['’]s(?!\p{L})")
# Hidden placeholders that one stand-in is read for: those with nothing between them but a sign or a space, and digits
# that a sign joins to one. Two stand-ins there would be read as one number ("37,250").
_HIDDEN: Final = f"[{NAME_CHARACTER}-{TERM_CHARACTER}]"
_JOINED: Final = r"[^\s\p{L}\p{Co}\p{Ps}\p{Pe}\p{Pi}\p{Pf}\"'`]"  # digits and signs
CLUSTER: Final = regex.compile(
    rf"(?:(?<![\p{{L}}\p{{N}}])\d{_JOINED}{{1,30}}+)?{_HIDDEN}(?:(?: |{_JOINED}{{0,30}}+){_HIDDEN})*+"
    rf"(?:{_JOINED}{{1,30}}(?<=\d)(?![\p{{L}}\d])|[ \u00a0\u202f]\d{{3}}(?![\p{{L}}\d]))?"
)


def choose_stand_ins(hidden: str, language: str, prefix: str = "") -> list[str]:
    """Chooses a word for each hidden placeholder of a segment, or one for several that belong together.

    Args:
        hidden: The segment with private-use characters.
        language: Its code.
        prefix: The given beginning of the translation, whose words are avoided.

    Returns:
        The words in order: all different, and none of them in the segment or the prefix.
    """
    clusters = list(CLUSTER.finditer(hidden))
    avoided = hidden, prefix
    numbers = _find_free(chain(_NUMBERS, (str(number) for number in count(41, 2))), avoided)
    names = _find_free(_NAMES.get(language, ())[: len(clusters)], avoided)
    chosen: list[str] = []
    for cluster in clusters:
        is_name = len(clusters) == 1 or _GENITIVE.match(hidden, cluster.end()) is not None
        name = next(names, None) if is_name and not _is_count(cluster.group()) else None
        chosen.append(name or next(numbers))
    return chosen


def _find_free(words: Iterable[str], avoided: tuple[str, str]) -> Iterator[str]:
    return (word for word in words if not any(word in text for text in avoided))


def _is_count(cluster: str) -> bool:
    """Tells whether only a number may stand in for hidden placeholders."""
    return cluster == COUNT_CHARACTER or any(map(str.isdigit, cluster))


def is_stand_in(word: str) -> bool:
    """Tells whether a word is of the kind that stands for placeholders."""
    return word.isdecimal() or any(word in names for names in _NAMES.values())


_UNIT_WORD: Final = regex.compile(
    r"\s(?:ans|années?|heures?|h|años(?: de edad)?|Jahre(?: alt)?|Jahren|Uhr|years?(?: old)?|o'clock|[ap]\.m\.)"
    r"(?![\p{L}\p{N}])"
)
_TIME_WORD: Final = regex.compile(
    r"\b(?:years?|aged?|old(?:er)?|young(?:er)?|at|by|until|till|before|after|from|to|since|o'clock|hours?|[ap]\.?m\b"
    r"|ans?|années?|âgée?s?|à|heures?|jusqu|dès|vers|avant|après|años?|edad|horas?|las?|hasta|desde"
    r"|Jahren?|alt|älter|jünger|um|bis|ab|seit|vor|nach|Uhr|Stunden?)\b",
    regex.IGNORECASE,
)
_DIGITS: Final = regex.compile(r"\d+(?:[.,:]\d+)*+")
_CAPITALIZED: Final = regex.compile(r"(?<![\p{L}\p{N}])\p{Lu}\p{L}*+")


def find_unit_end(stand_in: str, end: int, text: str, own: str) -> int:
    """Returns the end of a number that stands in, with the unit that a model wrote behind it of its own accord.

    "It costs 37" became "Cuesta 37 años", because most numbers without a unit are ages and hours.

    Args:
        stand_in: The word.
        end: Where it ends in the text.
        text: What the model wrote.
        own: What the model read, without stand-ins.
    """
    if not stand_in.isdigit() or _TIME_WORD.search(own):
        return end
    unit = _UNIT_WORD.match(text, end)
    return end if unit is None else unit.end()


def find_remains(stand_ins: Sequence[str], own: str, text: str, language: str) -> list[tuple[tuple[int, int], str]]:
    """Finds the numbers and names of a translation that a model made of stand-ins.

    Such a number begins with the stand-in ("2500" of "250"), ends with it or is the beginning of it, and such a name is
    another form of the stand-in; the segment itself has neither.

    Args:
        stand_ins: Those of a segment.
        own: What the model read, without them.
        text: What the model wrote.
        language: The code of the source language.

    Returns:
        The offsets of each, with the stand-in.
    """
    names = [word for word in stand_ins if not word.isdigit()]
    numbers = [word for word in stand_ins if word.isdigit()]
    return sorted([*_find_numbers(numbers, own, text, language), *_find_names(names, own, text)])


def _find_numbers(stand_ins: list[str], own: str, text: str, language: str) -> list[tuple[tuple[int, int], str]]:
    of_source = set(map(_join_digits, _DIGITS.findall(own))) if stand_ins else set()
    found: list[tuple[tuple[int, int], str]] = []
    for number in _DIGITS.finditer(text) if stand_ins else ():
        digits = _join_digits(number.group())
        if digits in of_source or is_spelled(digits, own, language):
            continue
        for word in stand_ins:
            if digits.startswith(word) or digits.endswith(word) or word.startswith(digits):
                found.append((number.span(), word))
                break
    return found


def _find_names(stand_ins: list[str], own: str, text: str) -> list[tuple[tuple[int, int], str]]:
    of_source = set(_CAPITALIZED.findall(own)) if stand_ins else set()
    found: list[tuple[tuple[int, int], str]] = []
    for name in _CAPITALIZED.finditer(text) if stand_ins else ():
        if name.group() in of_source:
            continue
        for word in stand_ins:
            if name.group() in NAME_FORMS.get(word, ()):
                end = name.start() + len(word) if name.group() == word + "s" else name.end()
                found.append(((name.start(), end), word))
                break
    return found


def _join_digits(written: str) -> str:
    return "".join(filter(str.isdigit, written))
