"""Text -> pieces: segments for the model, and all that stands between them. Joined, the pieces are the text.

Sentences are found by sentencex (Wikimedia; about 300 languages, a compiled core). Three things are done around it:

- It reads a *shadow* of the text, as long as the text, in which every exotic space or control character is a plain
  space: its core counts bytes, and some Unicode spaces made it panic. What stands for a placeholder is a capital,
  and no "X": behind that a full stop may be that of an initial.
- It reads at most ``WINDOW_CHARACTERS`` at once: it takes quadratic time in some languages.
- Boundaries after a title ("M. Dupont") or inside a word ("L'U.E.") are taken back.
"""

import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

import regex
import sentencex

WINDOW_CHARACTERS: Final = 4000

# The layout of a text, never the model's business: control characters (newlines, tabs, NUL), Unicode's own line and
# paragraph separators, and three or more spaces in a row, which are columns rather than prose.
_LAYOUT: Final = regex.compile(r"[\p{Cc}\p{Zl}\p{Zp}]+|\p{Zs}{3,}")
# White space, and marks of no width that carry nothing at the edge of a segment (byte order mark, zero-width space).
_BLANK: Final = r"[\s\p{Cc}\u200B\u2060\uFEFF]"
_EDGES: Final = regex.compile(rf"\A({_BLANK}*+)(.*?)({_BLANK}*)\Z", regex.DOTALL)
_EXOTIC: Final = regex.compile(r"[\p{C}\p{Z}\s]")
# In a text on its way to the model a character of the private use area stands for something that is to be left alone.
# Stands for a term of a glossary, which must be translated where nothing else is.
TERM_MARK: Final = "\ue002"
_MARK: Final = regex.compile(r"\p{Co}")
_GRAPHEME: Final = regex.compile(r"\X")
_CLAUSE_END: Final = regex.compile(r"(?:[,;:—–)\]»”]+(?=\s)|[、，；：]|(?<=\s)(?=[—–(\[«“]))")
_SPACE: Final = regex.compile(r"\s+")
_ADDRESS_ALONE: Final = regex.compile(r"(?:[a-z][a-z0-9+.-]*://|www\.)\S+|[^\s@]+@[^\s@]+\.[^\s@]+", regex.IGNORECASE)
_TITLE: Final = regex.compile(
    r"(?:\A|[\s(\[«“\"'’])(?:MM?|Mmes?|Mlles?|Mgr|Me|Pr|Dr|Drs|Ste?|Mr|Mrs|Ms|Prof|Hr|Fr|Sr|Sra|Dña?|[A-Z])\.\s*\Z"
)

Fits = Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of the text. ``is_segment``: it goes to the model; otherwise it comes back as it is."""

    text: str
    is_segment: bool


def split(text: str, language: str, is_whole: bool = False) -> list[Piece]:
    """Split into segments of at most a sentence and the pieces between; ``"".join(piece.text)`` is ``text``.

    :param is_whole: somebody says that the text is one sentence.
    """
    if is_whole:
        return list(_trim(text))
    pieces: list[Piece] = []
    position = 0
    for layout in _LAYOUT.finditer(text):
        pieces.extend(_split_line(text[position : layout.start()], language))
        pieces.append(Piece(layout.group(), is_segment=False))
        position = layout.end()
    pieces.extend(_split_line(text[position:], language))
    return pieces


def shorten(piece: Piece, fits: Fits) -> list[Piece]:
    """Split a segment that is too long for the model, again and again near its middle, until every part fits.

    The cut is at the end of a clause if there is one in the middle half, else at a space, else between two characters
    as a reader sees them; only a lone character that does not fit is left as it is.
    """
    if not piece.is_segment or fits(piece.text) or len(piece.text) == 1:
        return [piece]
    cut = _best_cut(piece.text)
    return [
        part
        for half in (piece.text[:cut], piece.text[cut:])
        for trimmed in _trim(half)
        for part in shorten(trimmed, fits)
    ]


def needs_translation(text: str) -> bool:
    """False for what no language changes: numbers, punctuation, emoji, a lone web or mail address."""
    is_language = any(character.isalpha() or character == TERM_MARK for character in text)
    return is_language and not _ADDRESS_ALONE.fullmatch(text)


def _split_line(line: str, language: str) -> Iterator[Piece]:
    for sentence in _sentences(line, language):
        yield from _trim(sentence)


def _trim(text: str) -> Iterator[Piece]:
    """The blank edges stay outside the model."""
    edges = _EDGES.match(text)
    assert edges is not None  # every text matches
    before, middle, after = edges.groups()
    for part, is_middle in ((before, False), (middle, True), (after, False)):
        if part:
            yield Piece(part, is_segment=is_middle and needs_translation(part))


def _sentences(line: str, language: str) -> Iterator[str]:
    """The sentences of one line, each with the spaces after it, found in windows of bounded size."""
    start = 0
    while start < len(line):
        window = line[start : start + WINDOW_CHARACTERS]
        found = _join_false_ends(_window_sentences(window, language))
        is_last = start + len(window) == len(line)
        if not is_last and len(found) > 1:
            found.pop()  # it may go on behind the window: it is looked at again, from its beginning
        elif not is_last:
            found = [window[: _last_grapheme_start(window)]]
        yield from found
        start += sum(map(len, found))


def _window_sentences(window: str, language: str) -> list[str]:
    shadow = _EXOTIC.sub(" ", _MARK.sub("É", window))
    try:
        lengths = [len(sentence) for sentence in sentencex.segment(language, shadow)]
    except BaseException as error:
        # A panic of the compiled core is no Exception, and its class cannot be imported. A window is then one sentence.
        if type(error).__name__ != "PanicException":
            raise
        return [window]
    if sum(lengths) != len(window):
        return [window]
    sentences, position = [], 0
    for length in lengths:
        if length:
            sentences.append(window[position : position + length])
        position += length
    return sentences


def _join_false_ends(sentences: list[str]) -> list[str]:
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


def _last_grapheme_start(window: str) -> int:
    """Where to cut a window that is one sentence: at its last space, else before its last whole character."""
    space = window.rfind(" ", len(window) // 2)
    if space > 0:
        return space + 1
    # Only the end is looked at: the whole window would be searched for each of its characters.
    tail = max(0, len(window) - 64)
    start = tail
    for grapheme in _GRAPHEME.finditer(window, tail):
        start = grapheme.start()
    return start if start > tail else len(window)


def _best_cut(text: str) -> int:
    middle, quarter = len(text) / 2, len(text) // 4
    for pattern in (_CLAUSE_END, _SPACE, _GRAPHEME):
        cuts = [match.end() for match in pattern.finditer(text)]
        if pattern is not _GRAPHEME:
            cuts = [cut for cut in cuts if quarter <= cut <= len(text) - quarter]
        cuts = [cut for cut in cuts if 0 < cut < len(text)]
        if cuts:
            return min(cuts, key=lambda cut: abs(cut - middle))
    return len(text) // 2
