"""Remains of stand-ins: numbers and names that a model made of the words that it read for placeholders."""

from typing import Final

import regex

from app.bundle.tokenizers import Range
from app.text.masking import Masked
from app.text.numbers import is_spelled
from app.text.stand_ins import NAME_FORMS

_DIGITS: Final = regex.compile(r"\d+(?:[.,:]\d+)*+")
_CAPITALIZED: Final = regex.compile(r"(?<![\p{L}\p{N}])\p{Lu}\p{L}*+")


def find_remains(masked: Masked, text: str) -> list[tuple[Range, str]]:
    """Finds the numbers and names of a translation that a model made of stand-ins.

    Such a number begins with the stand-in ("2500" of "250"), ends with it or is the beginning of it, and such a name
    is another form of the stand-in; the segment itself has neither.

    Args:
        masked: The segment as the model read it.
        text: What the model wrote.

    Returns:
        The offsets of each, with the stand-in.
    """
    stand_ins = [masked.get_word(stand_in) for stand_in in masked.stand_ins]
    if not stand_ins:
        return []
    own: list[str] = []
    done = 0
    for start, end in [*((one.start, one.end) for one in masked.stand_ins), (len(masked.read), len(masked.read))]:
        own.append(masked.read[done:start])
        done = end
    read = "\n".join(own)
    names = [word for word in stand_ins if not word.isdigit()]
    numbers = [word for word in stand_ins if word.isdigit()]
    return sorted([*_find_numbers(numbers, read, text, masked.rules.source), *_find_names(names, read, text)])


def _find_numbers(stand_ins: list[str], read: str, text: str, language: str) -> list[tuple[Range, str]]:
    own = set(map(_join_digits, _DIGITS.findall(read))) if stand_ins else set()
    found: list[tuple[Range, str]] = []
    for number in _DIGITS.finditer(text) if stand_ins else ():
        digits = _join_digits(number.group())
        if digits in own or is_spelled(digits, read, language):
            continue
        for word in stand_ins:
            if digits.startswith(word) or digits.endswith(word) or word.startswith(digits):
                found.append((number.span(), word))
                break
    return found


def _find_names(stand_ins: list[str], read: str, text: str) -> list[tuple[Range, str]]:
    own = set(_CAPITALIZED.findall(read)) if stand_ins else set()
    found: list[tuple[Range, str]] = []
    for name in _CAPITALIZED.finditer(text) if stand_ins else ():
        if name.group() in own:
            continue
        for word in stand_ins:
            if name.group() in NAME_FORMS.get(word, ()):
                end = name.start() + len(word) if name.group() == word + "s" else name.end()
                found.append(((name.start(), end), word))
                break
    return found


def _join_digits(written: str) -> str:
    return "".join(filter(str.isdigit, written))
