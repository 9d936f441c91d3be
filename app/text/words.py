"""Words of a text: the units that a tag never cuts, the letters of capitals and headings, and what a model can read.

Signs that a tokenizer spells in bytes or rewrites are taken out of a sentence at their words (``app.text.asides``), and
words in other scripts come back as they are (``app.text.placeholder_finder``).
"""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import regex

from app.bundle.tokenizers import Tokenizer
from app.text.languages import ALPHABETS, describe_letters
from app.text.number_words import FOREIGN_NUMBERS
from app.text.placeholder_finder import PlaceholderFinder
from app.text.punctuation import compile_quiet

_SPACELESS: Final = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}"
_WORD_LETTER: Final = rf"[[\p{{L}}\p{{N}}]--[{_SPACELESS}]][\p{{M}}\u200C\u200D]*+"
# "l'école" is two words, because only one of them may be in bold; "Tom's" and "don't" are one each.
_UNIT: Final = regex.compile(
    rf"(?V1)[{_SPACELESS}]\p{{M}}*+"
    rf"|(?:{_WORD_LETTER})++(?:[-\u2010\u2011.,·_](?:{_WORD_LETTER})++)*+"
    r"(?:['’](?:s|t|re|ve|ll|d|m)(?![\p{L}\p{N}])|['’](?=\p{L}))?"
    r"|\S\p{M}*+"
)
_LONG_WORD: Final = regex.compile(r"\p{L}{2,}")
_LETTER: Final = regex.compile(r"\p{L}")
# A letter of a script without capitals, so that the capitals beside it are abbreviations.
_CASELESS: Final = regex.compile(r"[\p{Lo}--[ªº]]", regex.VERSION1)
_FINAL_SIGMA: Final = regex.compile(r"(?<=\p{L})σ(?!\p{L})")
_DOTTED: Final = frozenset({"az", "tr"})  # languages with an i of their own for each I
_PRONOUN: Final = regex.compile(r"(?<![\p{L}\p{N}])i(?![\p{L}\p{N}])")


@dataclass(frozen=True, slots=True)
class Unit:
    """A word, a character of a script without spaces, a punctuation character or a placeholder.

    Attributes:
        start: Offset of its first character in the text.
        end: Offset behind its last character.
        is_word: Whether it is no punctuation.
        is_name: Whether it is the same in any language, as a number is.
    """

    start: int
    end: int
    is_word: bool
    is_name: bool


def split_units(text: str, finder: PlaceholderFinder) -> list[Unit]:
    """Splits a text into its units.

    Args:
        text: Any text.
        finder: Finds placeholders; each of them is one unit.

    Returns:
        The units in order; together they hold all of the text but its white space.
    """
    units: list[Unit] = []
    done = 0
    for start, end in finder.find(text):
        units += _split_words(text, done, start)
        units.append(Unit(start, end, is_word=True, is_name=True))
        done = end
    return units + _split_words(text, done, len(text))


def _split_words(text: str, start: int, end: int) -> list[Unit]:
    found: list[Unit] = []
    for match in _UNIT.finditer(text, start, end):
        word = match.group()
        is_word = word[0].isalnum()
        is_name = is_word and (any(map(str.isdigit, word)) or (word[0].isupper() and len(word) > 2))
        found.append(Unit(match.start(), match.end(), is_word, is_name))
    return found


def is_in_capitals(text: str) -> bool:
    """Tells whether a text has two words or more and no small letter.

    A model that learned from ordinary sentences has few tokens for such a text and translates it badly, so it reads the
    text in ordinary letters instead (``lower_capitals``) and its translation is put in capitals: on Tatoeba chrF rises
    from 10 to 62. A single word in capitals is as likely an abbreviation.
    """
    return text.isupper() and len(_LONG_WORD.findall(text)) > 1 and _CASELESS.search(text) is None


def lower_capitals(text: str, language: str) -> str:
    """Writes a text in capitals with small letters and a capital at its beginning.

    The capitals of names are lost, since nothing in the text tells which words are names.

    Args:
        text: A text in capitals.
        language: Its code.

    Returns:
        A text of the same length.
    """
    read = text.replace("I", "ı").replace("İ", "i") if language in _DOTTED else text
    # A capital such as "İ", whose small letter is two characters, stays as it is.
    small = "".join(low if len(low := character.lower()) == 1 else character for character in read)
    if language == "el":
        small = _FINAL_SIGMA.sub("ς", small)
    if language == "en":
        small = _PRONOUN.sub("I", small)
    first = _LETTER.search(small)
    if first is None:
        return small
    return small[: first.start()] + text[first.start()] + small[first.end() :]


_SINGLE_QUOTE: Final = re.compile("[‘‚‛'’]")
_SINGLE_QUOTES: Final = regex.compile(
    r"(?<![\p{L}\p{N}\p{Co}])([‘‚‛']|(?<=\s)’)(?!(?:n|tis|twas|em|cause|til|bout|round|\d\ds?)\b)(?=[\p{L}\p{N}\p{Co}¿¡(\[])"
    r"([^‘‚‛\n]{1,400}?)(?<![\s'’])['’‘‛](?![\p{L}\p{N}])",
    regex.IGNORECASE,
)


def find_single_quote(text: str) -> str:
    """Returns the first of the single quotation marks in pairs, empty if there are none."""
    found = _SINGLE_QUOTES.search(text) if _SINGLE_QUOTE.search(text) else None
    return "" if found is None else found[1]


def double_quotes(text: str) -> str:
    """Writes a pair of single quotation marks as double ones, and a low one without its other half as a comma."""
    if not _SINGLE_QUOTE.search(text):
        return text
    if any(sign in text for sign in '"“”„«»'):  # pairs within pairs
        return text.replace("‚", ",")
    return _SINGLE_QUOTES.sub(r'"\2"', text).replace("‚", ",")


def raise_letter(character: str, language: str) -> str:
    """Writes a character as a capital: in Turkish the I of i has its dot, in Greek capitals have no accents."""
    if language in _DOTTED and character == "i":
        return "İ"
    if language == "el":
        plain = unicodedata.normalize("NFD", character).replace("\u0301", "")
        return unicodedata.normalize("NFC", plain.upper())
    return character.upper()


# Emoji with all that belongs to them (skin, gender, flags); a character that is a symbol of text by itself, such as
# "©", only where a variation selector makes it an emoji.
_EMOJI: Final = (
    r"(?:\p{Regional_Indicator}{2}|[0-9#*]\uFE0F?\u20E3"
    r"|(?:\p{Emoji_Presentation}|\p{Emoji}[\uFE0E\uFE0F]|[\u2600-\u27BF&&\p{Extended_Pictographic}])"
    r"[\uFE0E\uFE0F\p{Emoji_Modifier}\U000E0020-\U000E007F]*+"
    r"(?:\u200D\p{Extended_Pictographic}[\uFE0F\p{Emoji_Modifier}]*+)*+)"
)
EMOJIS: Final = rf"{_EMOJI}(?:\s?{_EMOJI})*+"
# Words of one letter; another letter alone ("Size L") is a name. A language that is not listed may have any.
_ONE_LETTER_WORDS: Final = {
    "de": "",
    "en": "AaIiOo",
    "es": "AaEeOoUuYyÁáÓó",
    "fr": "AaÀàYyÔôOoLDJMNSTldjmnst",
    "it": "AaEeÈèIiOo",
    "nl": "Uu",
    "pt": "AaEeOoÀàÉéÓó",
}
# What stands between words of a script, so that a phrase is kept as one.
_JOINT: Final = r"[\s\p{P}\p{S}]{1,3}+"
_IGNORED: Final = r"\p{Default_Ignorable_Code_Point}"
# A word of a heading that begins with a capital.
_HEADING_WORD: Final = regex.compile(r"\p{Lu}[\p{Ll}\p{M}'’]*+(?![\p{L}\p{N}_])")
_HEADING_START: Final = regex.compile(r"\P{L}*+\p{Lu}[^\s\p{Co}]*+\s(?:\P{L}*+\p{Ll}{1,4}+\s)?\P{L}*+[\p{Lu}\p{Co}]")
_WORD: Final = regex.compile(r"[\p{L}\p{N}\p{Co}][\p{L}\p{M}\p{N}\p{Co}'’_-]*+")
_SENTENCE_END: Final = regex.compile(r"[.!?]")
_SMALL_WORD_LETTERS: Final = 4  # "of", "the", "with" may begin with a small letter in a heading
_MIN_HEADING_WORDS: Final = 3


class Legibility:
    """Tells what a model can read.

    Args:
        tokenizer: That of the model.
        source: The code of the language that it reads.
        target: The code of the language that it writes.

    Attributes:
        signs: Finds in a text what may have to be taken out: ``emoji``, a ``sign`` that the model cannot read,
            and brackets and quotation marks (``pair``).
        quiet: Matches ordinary sentences, in which ``signs`` finds nothing.
        words: A pattern of words that the model cannot read; empty if it reads all.
    """

    def __init__(self, tokenizer: Tokenizer, source: str, target: str) -> None:
        self._readable = tokenizer.readable_characters()
        self._tokenizer = tokenizer
        self._source = source.split("-")[0].lower()
        self.signs = _compile_signs(self._readable, source)
        self.quiet = compile_quiet(self._readable)
        unreadable = (
            _describe_foreign(self._readable, source, target),
            _describe_spelled(self._readable, source),
            _describe_letter(source),
            FOREIGN_NUMBERS.get(self._source, ""),
        )
        self.words = "|".join(filter(None, unreadable))

    def is_readable(self, sign: str) -> bool:
        """Tells whether tokens stand for every character of a sign."""
        return self._readable.issuperset(sign)

    def lower_heading(self, text: str) -> str:
        """Writes a heading whose words all begin with capitals as a sentence.

        A word is written small if that takes fewer tokens, or only one; names take fewer with a capital.

        Returns:
            A text of the same length; ``text`` itself if it is no such heading.
        """
        if not _HEADING_START.match(text):  # most texts
            return text
        words = list(_WORD.finditer(text))
        if len(words) < _MIN_HEADING_WORDS or _SENTENCE_END.search(text, 0, len(text) - 1):
            return text
        headed = [word for word in words[1:] if _HEADING_WORD.fullmatch(word.group())]
        # English headings have small words ("of"); elsewhere a text with one is a sentence.
        longest = _SMALL_WORD_LETTERS if self._source == "en" else 0
        small = [word for word in words[1:] if len(word.group()) > longest and word.group()[0].islower()]
        if small or 2 * len(headed) < len(words) - 1 or len(headed) < 2:
            return text
        lowered = [word for word in headed if self._is_ordinary(word.group())]
        if 2 * len(lowered) <= len(headed):
            return text
        characters = list(text)
        for word in lowered:
            characters[word.start()] = characters[word.start()].lower()
        return "".join(characters)

    def _is_ordinary(self, word: str) -> bool:
        small = word[0].lower() + word[1:]
        if len(small) != len(word) or word == "I":
            return False
        count = self._count_tokens(small)
        return count == 1 or count < self._count_tokens(word)

    def _count_tokens(self, word: str) -> int:
        # As a source: the tokens of a target may be those of another model.
        return len(self._tokenizer.encode_source(word)) - len(self._tokenizer.encode_source(""))


def _compile_signs(readable: Iterable[str], source: str) -> "regex.Pattern[str]":
    spelled = "".join(regex.escape(one) for one in sorted(readable) if not one.isalnum() and not one.isspace())
    ignored = "".join(regex.escape(one) for one in sorted(readable) if regex.match(_IGNORED, one))
    sign = rf"[^{spelled}‘’‚‛\p{{L}}\p{{M}}\p{{Nd}}\p{{Co}}\p{{Cc}}\p{{Cs}}\s]|[ªºⁿⁱ]" + (
        rf"|(?![{ignored}]){_IGNORED}" if ignored else rf"|{_IGNORED}"
    )
    # French has a space before the others.
    alone, leading = (r"[/\-,.]", "") if source[:2] == "fr" else (r"[:;/\-,.!?%]", r"|(?<!\S)[:;/](?=\w)")
    free = rf"(?<!\S){alone}(?![^\s.!?…]){leading}|(?<=\p{{L}})/(?=\p{{L}})"
    return regex.compile(
        rf"(?V1)(?P<emoji>{EMOJIS})|(?P<pair>[[\p{{Ps}}\p{{Pe}}\p{{Pi}}\p{{Pf}}\"]--[‘’‚‛]])"
        rf"|(?P<sign>{sign})(?P=sign)*+|(?P<free>{free})"
    )


def _describe_foreign(readable: Iterable[str], source: str, target: str) -> str:
    """Returns a pattern of phrases in scripts that neither language has and the tokenizer spells in bytes."""
    scripts = [describe_letters(source), describe_letters(target)]
    if None in scripts:
        return ""
    letters = "".join(sorted(one for one in readable if one.isalpha() and not one.isascii()))
    of_languages = "|".join((*map(str, dict.fromkeys(scripts)), rf"[\p{{Latin}}{letters}]", _IGNORED))
    word = rf"(?:(?!{of_languages})(?:\p{{L}}|[^\P{{Nd}}0-9])[\p{{M}}\u200C\u200D]*+){{1,60}}+"
    return rf"{word}(?:{_JOINT}{word}){{0,20}}+"


def _describe_spelled(readable: Iterable[str], source: str) -> str:
    """Returns a pattern of words with a Latin letter that is spelled in bytes and that the language does not have."""
    alphabet = ALPHABETS.get(source.split("-")[0].lower())
    if alphabet is None:
        return ""
    read = sorted({case for one in (*readable, *alphabet) if one.isalpha() for case in (one, one.lower(), one.upper())})
    letters = "".join(one for one in read if len(one) == 1 and not one.isascii())
    # Ligatures and wide letters are read as ordinary ones.
    letter = rf"(?![A-Za-z{letters}ªºµ\uFB00-\uFB06\uFF00-\uFFEF])\p{{Latin}}"
    return rf"(?<![\p{{L}}\p{{N}}])\p{{Latin}}{{0,30}}?{letter}[\p{{L}}\p{{M}}'’-]{{0,40}}"


def _describe_letter(source: str) -> str:
    """Returns a pattern of letters that stand alone and are no words of the language."""
    words = _ONE_LETTER_WORDS.get(source.split("-")[0].lower())
    if words is None:
        return ""
    no_word = rf"(?![{words}])" if words else ""
    return rf"(?<![\p{{L}}\p{{M}}\p{{N}}'’.&-]){no_word}\p{{Latin}}(?![\p{{L}}\p{{M}}\p{{N}}'’&-]|\.(?!\s{{0,3}}\Z))"
