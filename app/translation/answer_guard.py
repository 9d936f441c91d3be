"""The guard of the answer: judges each translation of a segment before it is used.

What is wrong is repaired from the alignment where that is possible. A translation in which something wrong remains is
not used: the next hypothesis of the search takes its place, and where there is none, the source itself. A correct
translation may write a number in words or in another form, so what ``app.text.numbers`` can explain is not wrong.
"""

import re
from collections import Counter
from dataclasses import dataclass
from typing import Final

import regex

from app.bundle.tokenizers import Range
from app.engine.sequence import FinishReason
from app.text.masking import TextRules
from app.text.numbers import find_number_faults
from app.text.placeholder_finder import PlaceholderFinder
from app.translation.assembly import Repair, TranslatedSegment
from app.translation.postedit import apply_repair
from app.translation.unmasking import include_space

_LETTER: Final = regex.compile(r"\p{L}")
_WORD: Final = regex.compile(r"[\p{L}\p{M}\p{N}]+")
_SIMPLE_WORD: Final = re.compile(r"[^\W_]+")
_COMBINING: Final = "\u0300"
_BRACKET: Final = re.compile(r"[()\[\]{}]")
_CLOSING: Final = {")": "(", "]": "[", "}": "{"}
_OPENING: Final = {opening: closing for closing, opening in _CLOSING.items()}
_QUOTE: Final = re.compile('["“”„«»]')
_END: Final = regex.compile(r"(?<![\s.!?…:;,])[\s.!?…:;,]*\Z")
_BROKEN: Final = "\ufffd"
# The log probability of a token, in the mean, below which the translation of one or two words is not used. Of 1,500
# such sources of a lexicon, to three languages, 781 are below; 16 of these were right, and 131 of the others.
_MIN_WORD_SCORE: Final = -1.2
_MAX_BRACKETS: Final = 20  # that are closed
_MAX_REPEATED: Final = 4  # times that the same three words may not stand in a translation, if not in its source
_SHORT: Final = regex.compile(r"\W*[\p{L}\p{M}'’-]+(?:\s+[\p{L}\p{M}'’-]+)?\W*")
_REPAIRED: Final = re.compile(r"[\d()\[\]{}\"“”„‟«»‹›]")


def may_change(source: str) -> bool:
    """Tells whether the translation of a segment may be repaired in its midst, so that it is shown only when whole."""
    return _REPAIRED.search(source) is not None or _SHORT.fullmatch(source) is not None


@dataclass(frozen=True, slots=True)
class Judged:
    """A translation after the repairs of the guard.

    Attributes:
        translated: The translation.
        faults: What remains wrong with it.
        is_guessed: Whether the offset of a repair was guessed, or quotation marks are missing; a hypothesis without
            that is better.
    """

    translated: TranslatedSegment
    faults: tuple[Repair, ...] = ()
    is_guessed: bool = False


def judge(translated: TranslatedSegment, rules: TextRules, is_masked: bool = False, is_shown: bool = False) -> Judged:
    """Repairs a translation, and tells what remains wrong with it.

    Args:
        translated: A segment with its translation, after ``postedit``.
        rules: Give the languages and the placeholders.
        is_masked: Whether its placeholders were restored, so that it has no others.
        is_shown: Whether its beginning may have been shown already, so that a repetition must stay.
    """
    source = translated.source
    if not translated.text or (_LETTER.search(translated.text) is None and _LETTER.search(source) is not None):
        return Judged(translated, (Repair.LETTERS,))
    if translated.text == source or translated.finish_reason is not FinishReason.STOP:
        return Judged(translated)
    faults: list[Repair] = []
    if not is_masked and _is_invented(translated):
        faults.append(Repair.WORD)
    if _BROKEN in translated.text and _BROKEN not in source:
        faults.append(Repair.CHARACTER)
    if not is_masked:
        faults += _find_invented(source, translated.text, rules.finder)
    if _BRACKET.search(translated.text):
        translated = _pair_brackets(translated, rules.finder)
    # What is said by another may as well be written without quotation marks.
    is_guessed = len(_QUOTE.findall(source)) > 1 and not _QUOTE.search(translated.text)
    if any(map(str.isdigit, source + translated.text)):
        found = find_number_faults(source, translated.text, rules.languages, rules.finder)
        if found.invented:
            faults.append(Repair.NUMBER)
        elif found.missing:
            edits = _place_numbers(translated, found.missing)
            is_guessed = True
            if len(edits) < len(found.missing):
                faults.append(Repair.NUMBER)
            else:
                translated = apply_repair(translated, edits, Repair.NUMBER)
    if not is_shown and _is_repeated(source, translated.text):
        faults.append(Repair.REPETITION)
    return Judged(translated, tuple(faults), is_guessed)


def _is_invented(translated: TranslatedSegment) -> bool:
    """Tells whether the translation of one or two words is so improbable that it is likely an invented word."""
    scores = translated.token_scores
    if not scores or _SHORT.fullmatch(translated.source) is None:
        return False
    return sum(scores) / len(scores) < _MIN_WORD_SCORE


def _find_invented(source: str, target: str, finder: PlaceholderFinder) -> list[Repair]:
    """Returns what is wrong with the placeholders of a translation whose source has none, as "2.5.5" of "2.5"."""
    found = [target[start:end] for start, end in finder.find_syntax(target)]
    return [Repair.NUMBER if one[0].isdigit() else Repair.STAND_IN for one in found if one not in source]


def _place_numbers(translated: TranslatedSegment, missing: tuple[Range, ...]) -> dict[Range, str]:
    """Returns the edits that write missing numbers behind what the model wrote while it attended to them."""
    alignment = translated.alignment
    if alignment is None:
        return {}
    edits: dict[Range, str] = {}
    for start, end in missing:
        own = {number for number, one in enumerate(alignment.source_ranges) if one[0] < end and start < one[1]}
        ends = [
            target[1]
            for source, target in zip(alignment.sources, alignment.target_ranges, strict=True)
            if source in own and target[0] < target[1]
        ]
        if ends:
            word = _WORD.match(translated.text, max(ends))
            offset = max(ends) if word is None else word.end()
            written = translated.source[start:end]
            edits[offset, offset] = " ".join(filter(None, (edits.get((offset, offset)), written)))
        else:
            return {}
    return edits


def _pair_brackets(translated: TranslatedSegment, finder: PlaceholderFinder) -> TranslatedSegment:
    """Gives each bracket its other half, if those of the source are paired.

    A bracket that was opened is closed where the last word of the source's brackets went, or at the end if the source
    closes it there; any other one without its half is removed.
    """
    target = translated.text
    alone = _find_unpaired(target, finder)
    if not alone or _find_unpaired(translated.source, finder):
        return translated
    removing = {include_space(target, (offset, offset + 1)): "" for offset in alone}
    edits: dict[Range, str] = {}
    for offset in reversed(alone[-_MAX_BRACKETS:]):
        end = _find_closing_offset(translated, target[offset], offset) if target[offset] in _OPENING else None
        if end is None:
            edits[include_space(target, (offset, offset + 1))] = ""
        else:
            edits[end - 1, end] = edits.get((end - 1, end), target[end - 1]) + _OPENING[target[offset]]
    closed = apply_repair(translated, edits, Repair.BRACKET)
    return apply_repair(translated, removing, Repair.BRACKET) if _find_unpaired(closed.text, finder) else closed


def _find_closing_offset(translated: TranslatedSegment, opening: str, offset: int) -> int | None:
    """Returns where in the target a bracket is closed that was opened there at an offset."""
    source, target = translated.source, translated.text
    start = source.find(opening)
    behind = source.rfind(_OPENING[opening])
    if not 0 <= start < behind:
        return None
    end = _END.search(target)
    if end is not None and _END.match(source, behind + 1) is not None:
        return end.start() if end.start() > offset + 1 else None
    alignment = translated.alignment
    if alignment is None:
        return None
    ends = [
        range_[1]
        for number, range_ in zip(alignment.sources, alignment.target_ranges, strict=True)
        if number < len(alignment.source_ranges)
        and start + 1 < alignment.source_ranges[number][1]
        and alignment.source_ranges[number][0] < behind
        and offset + 1 < range_[1]
    ]
    if not ends:
        return None
    word = _WORD.match(target, max(ends))
    return max(ends) if word is None else word.end()


def _find_unpaired(text: str, finder: PlaceholderFinder) -> list[int]:
    """Returns the offsets of the brackets outside placeholders that have no other half."""
    opened: list[int] = []
    alone: list[int] = []
    for bracket in finder.search_outside(_BRACKET, text):
        offset = bracket.start()
        if bracket.group() in _OPENING:
            opened.append(offset)
        elif opened and text[opened[-1]] == _CLOSING[bracket.group()]:
            opened.pop()
        else:
            alone.append(offset)
    return sorted(alone + opened)


def _is_repeated(source: str, target: str) -> bool:
    """Tells whether a translation says the same again and again, and its source does not."""
    most = _count_repeats(target)
    return most >= _MAX_REPEATED and _count_repeats(source) < most


def _count_repeats(text: str) -> int:
    """Counts how often the same three words stand in a text, or the same word three times in a row."""
    # Letters below the first combining character are the same for both modules, of which one is four times as fast.
    words = (_WORD if max(text, default="") >= _COMBINING else _SIMPLE_WORD).findall(text.lower())
    if len(words) < _MAX_REPEATED or len(words) - len(set(words)) < 2:  # no word stands there three times
        return 0
    phrases = Counter(zip(words, words[1:], words[2:], strict=False))
    is_row = any(one == other == third for one, other, third in phrases)
    return max(max(phrases.values()), _MAX_REPEATED * is_row)
