"""Hard-wrapped paragraphs, as in a PDF or a mail: which line breaks of a plain text are only spaces.

A text whose lines end where the next word would not have fitted was wrapped. Lines belong to one paragraph if they
quote as deeply and are indented alike; an item of a list goes on with lines that are indented as its words are. Lists,
verses, addresses, dialogue, code, tables and headings stay line by line.
"""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import regex

# A line: what quotes it, its indentation, what begins an item of a list, and its words.
_LINE: Final = regex.compile(
    r"(?P<quote>(?:[ ]{0,3}>[ ]?){0,8}+)(?P<indent>[ ]{0,20}+)"
    r"(?P<item>(?:[-*+•‣◦–—·]|\(?\d{1,3}[.)]|\(?[a-zA-Z][.):]|\(?[ivx]{1,5}\)|#{1,6})[ ]{1,4})?+(?P<words>.*)"
)
# Words as of prose, without columns.
_WORDS: Final = regex.compile(r"[\p{L}\p{N}\p{Ps}\p{Pi}\"'«»“„¿¡][^\t|]{27,158}")
_NO_PROSE: Final = regex.compile(r"[ ]{3,}|\t|\||[{}]\Z|[)\]\"'];\Z|\w\([^)]*\)[:;]?\Z|[=!<>]=")  # columns, code
_SENTENCE_IN_LINE: Final = regex.compile(r"[.!?][\p{Pe}\p{Pf}\"'»]*[ ]\p{Lu}")
_PUNCTUATED: Final = regex.compile(r"\p{Po}\Z")
_GOES_ON: Final = regex.compile(r"[\p{L}\p{N}\p{Ps}\p{Pi}\"'«»“„¿¡]")
_ENDED: Final = regex.compile(r"[.!?:…][\p{Pe}\p{Pf}\"'»]*\Z")
_DIVIDED_WORD: Final = regex.compile(r"\p{Ll}[-\u00AD\u2010]\Z")
_MIN_LETTERS: Final = 0.75  # of the characters of prose
_MIN_CHARACTERS: Final = 39  # of a line that was wrapped, with its indentation
_SLACK: Final = 8  # characters by which the lines of justified text differ
_MIN_SHARE: Final = 0.6  # of the width, of a line that was wrapped
_MIN_WIDTH: Final = 60  # characters, of prose whose lines begin with capitals as verses do
_MAX_HANGING: Final = 8  # characters

Break = tuple[int, int]
Pair = tuple["_Line", "_Line"]


@dataclass(frozen=True, slots=True)
class _Line:
    """A line that is not blank.

    Attributes:
        start: Offset of its first character in the text.
        length: Number of its characters, without white space at its end.
        depth: How deeply it quotes.
        indent: Number of characters before its item, or its words.
        margin: Number of characters before its words.
        is_item: Whether an item of a list begins there.
        words: The rest.
    """

    start: int
    length: int
    depth: int
    indent: int
    margin: int
    is_item: bool
    words: str

    @property
    def first_word(self) -> str:
        """The first word of the line."""
        return self.words.split(" ", 1)[0]


def find_soft_breaks(text: str) -> list[Break]:
    """Finds the line breaks of hard-wrapped paragraphs.

    Args:
        text: Plain text. A blank line ends a paragraph.

    Returns:
        The offsets of begin and end of each break, with the hyphen of a word that it divides and with what quotes or
        indents the next line.
    """
    if "\n" not in text or len(text) < _MIN_CHARACTERS:
        return []
    pairs = [pair for lines in _read_paragraphs(text) for pair in _find_wrapped(lines)]
    certain = [pair for pair, is_certain in pairs if is_certain]
    if not certain:
        return []
    # The other lines of such a text were wrapped at the same width.
    width = max(line.length for line, _ in certain)
    return [_make_break(*pair) for pair, is_certain in pairs if is_certain or _is_full(*pair, width)]


def is_in_break(breaks: Sequence[Break], offset: int) -> bool:
    """Tells whether a character stands in one of the breaks, as one that quotes the next line does."""
    number = bisect_left(breaks, (offset, 0)) - 1
    return number >= 0 and offset < breaks[number][1]


def _read_paragraphs(text: str) -> list[list[_Line]]:
    """Returns the runs of lines that may be one paragraph each."""
    paragraphs: list[list[_Line]] = [[]]
    offset = 0
    for raw in text.split("\n"):
        found = _LINE.match(raw.rstrip("\r \u00a0"))
        assert found is not None  # every line matches
        if not found["words"]:
            paragraphs.append([])
        else:
            line = _Line(
                offset,
                found.end(),
                found["quote"].count(">"),
                found.start("item") if found["item"] else found.start("words"),
                found.start("words"),
                found["item"] is not None,
                found["words"],
            )
            if paragraphs[-1] and not _belongs(line, paragraphs[-1]):
                paragraphs.append([])
            paragraphs[-1].append(line)
        offset += len(raw) + 1
    return [lines for lines in paragraphs if lines]


def _belongs(line: _Line, lines: list[_Line]) -> bool:
    """Tells whether a line may go on with a paragraph: quoted alike, no item, and indented alike."""
    first, last = lines[0], lines[-1]
    if line.is_item or line.depth != last.depth:
        return False
    if len(lines) > 1:
        return line.margin == last.margin
    # The first line of a paragraph may be indented, and an item may go on at its own margin or that of its words.
    hangs = line.margin <= first.margin + _MAX_HANGING and line.words[0].islower() and not _ENDED.search(first.words)
    return line.margin in (first.margin, first.indent) or (not first.is_item and (line.margin < first.margin or hangs))


def _find_wrapped(lines: list[_Line]) -> Iterator[tuple[Pair, bool]]:
    """Yields each two lines of a paragraph, and whether the break between them is surely soft."""
    width = max(line.length for line in lines)
    first = 0
    for last, line in enumerate(lines):
        if last + 1 < len(lines) and _may_go_on(line, lines[last + 1], width):
            continue
        run = lines[first : last + 1]
        # A paragraph may follow another one, or a heading, without a blank line between them.
        end = len(run)
        while end and last + 1 < len(lines) and not _ENDED.search(run[end - 1].words):
            end -= 1
        is_wrapped = _is_wrapped(run[:end])
        yield from ((pair, is_wrapped and number < end) for number, pair in enumerate(pairwise(run), 1))
        if last + 1 < len(lines):
            yield (line, lines[last + 1]), False
        first = last + 1


def _may_go_on(line: _Line, following: _Line, width: int) -> bool:
    """Tells whether a line of prose is as long as lines of a width are at least."""
    is_long = line.length >= _MIN_CHARACTERS and line.length + 1 + len(following.first_word) + _SLACK > width
    return is_long and bool(_WORDS.fullmatch(line.words) and _GOES_ON.match(following.words))


def _is_wrapped(lines: list[_Line]) -> bool:
    """Tells of full lines whether they are one paragraph: most sentences go on in small letters."""
    if len(lines) < 2 or not _is_prose(lines):
        return False
    within = [following for line, following in pairwise(lines) if not _ENDED.search(line.words)]
    going_on = sum(line.words[0].islower() for line in within)
    against = sum(line.words[0].isupper() for line in within)
    return going_on > against or _is_wrapped_in_capitals(lines)


def _is_wrapped_in_capitals(lines: list[_Line]) -> bool:
    """Tells the same of lines that go on with nouns in capitals, as in German, and may be verses.

    Prose has the ends of sentences within its lines, and most lines end without punctuation.
    """
    width = max(line.length for line in lines[:-1])
    if len(lines) < 3 or width < _MIN_WIDTH or not any(_SENTENCE_IN_LINE.search(line.words) for line in lines):
        return False
    punctuated = sum(_PUNCTUATED.search(line.words) is not None for line in lines[:-1])
    return 2 * punctuated < len(lines) - 1 and all(
        line.length + 1 + len(following.first_word) > width for line, following in pairwise(lines)
    )


def _is_full(line: _Line, following: _Line, width: int) -> bool:
    """Tells whether a line ends because the next word did not fit into the width of the text."""
    if not (_MIN_SHARE * width < line.length <= width < line.length + 1 + len(following.first_word)):
        return False
    # Behind the end of a sentence there may be a heading, or the number of a page.
    if _ENDED.search(line.words) and not (_ENDED.search(following.words) or following.length > _MIN_SHARE * width):
        return False
    return bool(_WORDS.fullmatch(line.words) and _GOES_ON.match(following.words)) and _is_prose([line, following])


def _is_prose(lines: list[_Line]) -> bool:
    words = [line.words for line in lines]
    letters = sum(character.isalpha() or character == " " for one in words for character in one)
    return letters >= _MIN_LETTERS * sum(map(len, words)) and not any(map(_NO_PROSE.search, words))


def _make_break(line: _Line, following: _Line) -> Break:
    is_divided = following.words[0].islower() and _DIVIDED_WORD.search(line.words) is not None
    return line.start + line.length - is_divided, following.start + following.margin
