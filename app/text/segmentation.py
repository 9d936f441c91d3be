"""Text -> pieces: segments for the model, and the text between them. Joined, the pieces are the text.

Sentences are found by sentencex (Wikimedia; about 300 languages, a compiled core). This module adds three things:

- sentencex reads a *shadow* of the text, of the same length, in which every exotic space or control character is a
  plain space, because its core counts bytes and panicked on some Unicode spaces. A private-use character is a capital
  there, and no "X", because a full stop behind an "X" may be that of an initial.
- It reads at most ``WINDOW_CHARACTERS`` at once, because it takes quadratic time in some languages.
- Boundaries after a title ("M. Dupont") or inside a word ("L'U.E.") are removed.
"""

import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

import regex
import sentencex

from app.text.placeholder_kinds import TERM_CHARACTER

WINDOW_CHARACTERS: Final = 4000

# The layout of a text, which the model does not read: control characters (newlines, tabs, NUL), Unicode's line and
# paragraph separators, and three or more spaces in a row, which make columns rather than prose.
_LAYOUT: Final = regex.compile(r"[\p{Cc}\p{Zl}\p{Zp}]+|\p{Zs}{3,}")
# White space, and characters of no width that mean nothing at the edge of a segment (byte order mark, zero-width
# space).
_BLANK: Final = r"[\s\p{Cc}\u200B\u2060\uFEFF]"
_EDGES: Final = regex.compile(rf"\A({_BLANK}*+)(.*?)({_BLANK}*)\Z", regex.DOTALL)
# Punctuation that a tag parts from its words, a dash of a dialogue, a bullet, a letter or number of a list, and what
# quotes a line of a message or begins a heading.
_LINE_START: Final = regex.compile(
    r"(?:(?:[-–—―•·‣◦▪■●○*+>»#~=|]{1,6}+|[,;:.!?…]{1,3}+"
    r"|\(?(?:\p{L}|\d{1,3}|[ivxIVX]{1,5})\)|[\p{L}](?=\)\s)\))\s++|[-–—―•](?=\p{Lu})){1,3}+"
)
_LINE_START_CHARACTERS: Final = 7  # of one that begins with a letter or digit, and the bracket behind it
_EXOTIC: Final = regex.compile(r"[\p{C}\p{Z}\s]")
_PRIVATE_USE: Final = regex.compile(r"\p{Co}")
_GRAPHEME: Final = regex.compile(r"\X")
# Tried only where a run of punctuation begins: tried at each of its characters, it would be quadratic.
_CLAUSE_END: Final = regex.compile(r"(?:(?<![,;:—–)\]»”])[,;:—–)\]»”]++(?=\s)|[、，；：]|(?<=\s)(?=[—–(\[«“]))")
_SPACE: Final = regex.compile(r"\s+")
_ADDRESS_ALONE: Final = regex.compile(r"(?:[a-z][a-z0-9+.-]*://|www\.)\S+|[^\s@]+@[^\s@]+\.[^\s@]+", regex.IGNORECASE)
_TITLE: Final = regex.compile(
    r"(?:\A|[\s(\[«“\"'’])(?:MM?|Mmes?|Mlles?|Mgr|Me|Pr|Dr|Drs|Ste?|Mr|Mrs|Ms|Prof|Hr|Fr|Sr|Sra|Dña?|[A-Z])\.\s*\Z"
)

Fits = Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a text.

    Attributes:
        text: Its characters.
        is_segment: Whether the model translates it; otherwise it comes back as it is.
    """

    text: str
    is_segment: bool


def split(text: str, language: str, is_whole: bool = False) -> list[Piece]:
    """Splits a text into segments of at most a sentence and the pieces between.

    Args:
        text: Any text; placeholders may be private-use characters.
        language: The code of its language.
        is_whole: Whether the caller says that the text is one sentence.

    Returns:
        The pieces in order; ``"".join(piece.text for piece in pieces)`` is ``text``.
    """
    if is_whole:
        return list(_trim(text))
    if text.isprintable() and "   " not in text:  # most texts; no layout is printable but spaces
        return list(_split_line(text, language))
    pieces: list[Piece] = []
    done = 0
    for layout in _LAYOUT.finditer(text):
        pieces.extend(_split_line(text[done : layout.start()], language))
        pieces.append(Piece(layout.group(), is_segment=False))
        done = layout.end()
    pieces.extend(_split_line(text[done:], language))
    return pieces


def shorten(piece: Piece, fits: Fits) -> list[Piece]:
    """Splits a segment that is too long for the model near its middle, again and again until every part fits.

    The cut is at the end of a clause if there is one in the middle half, else at a space, else between two graphemes;
    only a single character that does not fit stays as it is.

    Args:
        piece: A segment, or a piece that comes back unchanged.
        fits: Tells whether the model can read a text.

    Returns:
        The pieces in order; joined, they are the piece.
    """
    if not piece.is_segment or fits(piece.text) or len(piece.text) == 1:
        return [piece]
    cut = _find_cut(piece.text)
    return [
        part
        for half in (piece.text[:cut], piece.text[cut:])
        for trimmed in _trim(half)
        for part in shorten(trimmed, fits)
    ]


def needs_translation(text: str) -> bool:
    """Returns False for what no language changes: numbers, punctuation, emoji, a single web or mail address."""
    is_language = any(character.isalpha() or character == TERM_CHARACTER for character in text)
    return is_language and (" " in text or not _ADDRESS_ALONE.fullmatch(text))


def _split_line(line: str, language: str) -> Iterator[Piece]:
    for sentence in _find_sentences(line, language):
        yield from _trim(sentence)


def _trim(text: str) -> Iterator[Piece]:
    """Splits off the white space at both edges and what begins a line, which the model does not read."""
    if text[:1].isalnum() and ")" not in text[:_LINE_START_CHARACTERS] and _ends_visibly(text):  # most sentences
        yield Piece(text, is_segment=needs_translation(text))
        return
    edges = _EDGES.match(text)
    assert edges is not None  # every text matches
    before, middle, after = edges.groups()
    line_start = _LINE_START.match(middle)
    if line_start is not None and line_start.end() < len(middle):
        before, middle = before + line_start.group(), middle[line_start.end() :]
    for part, is_middle in ((before, False), (middle, True), (after, False)):
        if part:
            yield Piece(part, is_segment=is_middle and needs_translation(part))


def _ends_visibly(text: str) -> bool:
    """Tells whether no white space and no character without a width ends a text."""
    return text[-1].isprintable() and text[-1] != " "


def _find_sentences(line: str, language: str) -> Iterator[str]:
    """Yields the sentences of one line, each with the spaces after it, found in windows of bounded size."""
    start = 0
    while start < len(line):
        window = line[start : start + WINDOW_CHARACTERS]
        found = _join_false_ends(_split_window(window, language))
        is_last = start + len(window) == len(line)
        if not is_last and len(found) > 1:
            found.pop()  # it may go on behind the window, so the next window begins with it
        elif not is_last:
            found = [window[: _find_window_end(window)]]
        yield from found
        start += sum(map(len, found))


def _split_window(window: str, language: str) -> list[str]:
    """Splits a window with sentencex; it is one sentence where sentencex fails or loses characters."""
    # Printable characters are neither exotic nor of private use.
    shadow = window if window.isprintable() else _EXOTIC.sub(" ", _PRIVATE_USE.sub("É", window))
    try:
        lengths = [len(sentence) for sentence in sentencex.segment(language, shadow)]
    except BaseException as error:
        # A panic of the compiled core is no Exception, and its class cannot be imported; the window is one sentence.
        if type(error).__name__ != "PanicException":
            raise
        return [window]
    if sum(lengths) != len(window):
        return [window]
    sentences, start = [], 0
    for length in lengths:
        if length:
            sentences.append(window[start : start + length])
        start += length
    return sentences


def _join_false_ends(sentences: list[str]) -> list[str]:
    """Joins sentences that sentencex split after a title or inside a word."""
    joined: list[list[str]] = []
    for sentence in sentences:
        if joined and _is_false_end(joined[-1][-1], sentence):
            joined[-1].append(sentence)
        else:
            joined.append([sentence])
    return ["".join(parts) for parts in joined]


def _is_false_end(before: str, after: str) -> bool:
    inside_word = before.endswith(".") and after[0].isalnum() and unicodedata.name(after[0], "").startswith("LATIN")
    return inside_word or _TITLE.search(before[-12:]) is not None


def _find_window_end(window: str) -> int:
    """Returns where to cut a window that is one sentence: at its last space, else before its last grapheme."""
    space = window.rfind(" ", len(window) // 2)
    if space > 0:
        return space + 1
    # Only the end is searched: the search would go through the whole window at each character of a long grapheme.
    tail = max(0, len(window) - 64)
    start = tail
    for grapheme in _GRAPHEME.finditer(window, tail):
        start = grapheme.start()
    return start if start > tail else len(window)


def _find_cut(text: str) -> int:
    """Returns the offset of the best cut near the middle of a text."""
    middle, quarter = len(text) / 2, len(text) // 4
    for pattern in (_CLAUSE_END, _SPACE, _GRAPHEME):
        cuts = [match.end() for match in pattern.finditer(text)]
        if pattern is not _GRAPHEME:
            cuts = [cut for cut in cuts if quarter <= cut <= len(text) - quarter]
        cuts = [cut for cut in cuts if 0 < cut < len(text)]
        if cuts:
            return min(cuts, key=lambda cut: abs(cut - middle))
    return len(text) // 2
