"""Codes of languages: any common spelling of BCP 47 (``zh_CN``, ``ZH-HANS``, ``pt-BR``, ``nb``) finds the language that
is served, whichever spelling its bundle has."""

from collections.abc import Iterable
from functools import lru_cache
from typing import Final, NamedTuple

from babel.core import get_global

# Codes of their own that services use, and codes that BCP 47 replaced.
_ALIASES: Final = {
    "chinese-simplified": "zh-hans",
    "chinese-traditional": "zh-hant",
    "cmn": "zh",
    "fil": "tl",
    "gsw": "de",
    "in": "id",
    "iw": "he",
    "ji": "yi",
    "jw": "jv",
    "mo": "ro",
    "no": "nb",
    "pb": "pt-br",
    "sh": "sr-latn",
    "zh-chs": "zh-hans",
    "zh-cht": "zh-hant",
    "zs": "zh-hans",
    "zt": "zh-hant",
}
_MAX_CHARACTERS: Final = 35  # what RFC 5646 recommends to accept


class Tag(NamedTuple):
    """A language, in lower case; ``script`` and ``region`` are empty where a code does not name them."""

    language: str
    script: str = ""
    region: str = ""


@lru_cache(4096)
def parse_code(code: str) -> Tag:
    """The parts of a code; of a Chinese one also the script that its region implies."""
    plain = code.strip().lower().replace("_", "-")[: _MAX_CHARACTERS + 1]
    plain = _ALIASES.get(plain, plain)
    language, *subtags = plain.split("-")
    language, _, implied = _ALIASES.get(language, language).partition("-")
    script = next((one for one in subtags if len(one) == 4 and one.isalpha()), implied if len(implied) == 4 else "")
    region = next(
        (one for one in subtags if (len(one) == 2 and one.isalpha()) or (len(one) == 3 and one.isdecimal())),
        implied if len(implied) == 2 else "",
    )
    if language == "zh" and not script:
        likely = get_global("likely_subtags").get(f"zh_{region.upper()}", "zh_Hans_CN")
        script = likely.split("_")[1].lower()
    return Tag(language, script, region)


def find_served(code: str, served: Iterable[str]) -> str | None:
    """The served language that a code means.

    A region that is not served on its own is its language (``en-GB`` is ``en``); a language that is served only with a
    region is that one (``pt`` is ``pt-br``). Another script is another language (``zh-TW`` is never ``zh``).

    Args:
        code: In any spelling.
        served: Codes as bundles have them.

    Returns:
        One of ``served``, or None.
    """
    wanted = parse_code(code)
    best: tuple[tuple[bool, bool, str], str] | None = None
    for one in served:
        found = parse_code(one)
        if found.language != wanted.language or (found.script and wanted.script and found.script != wanted.script):
            continue
        if wanted.language != "zh" and wanted.script and not found.script and not _is_likely(wanted):
            continue
        rank = (found.region != wanted.region, bool(found.region), one)
        if best is None or rank < best[0]:
            best = rank, one
    return None if best is None else best[1]


def _is_likely(tag: Tag) -> bool:
    """Tells whether a script is the one that a language is mostly written in."""
    likely = get_global("likely_subtags").get(tag.language, "")
    return tag.script in likely.lower().split("_")


@lru_cache(4096)
def format_code(code: str) -> str:
    """A code as BCP 47 recommends to write it: ``pt-BR``, ``zh-Hant``."""
    language, *subtags = code.replace("_", "-").split("-")
    written = [one.title() if len(one) == 4 else one.upper() if len(one) == 2 else one.lower() for one in subtags]
    return "-".join((language.lower(), *written))
