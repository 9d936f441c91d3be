"""The encoding of a text file that declares none: by its byte order mark, UTF-8, or the encodings of its language.

A text in another encoding than UTF-8 rarely says so. The language that it is in leaves few encodings, often one; among
several, charset-normalizer tells which one gives words. The translation is written in the same encoding.
"""

import codecs
import re
from collections.abc import Callable, Sequence
from typing import Final

from charset_normalizer import from_bytes

from app.errors import UnusableFile

_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # begins with the mark of UTF-16
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
# The encodings that texts of a language were written in before Unicode, by the lists of browsers (WHATWG, section
# "Determining the character encoding"); every other language: Windows' encoding of western Europe.
_WESTERN: Final = "cp1252"
_ENCODINGS: Final = {
    **dict.fromkeys(("bs", "cs", "hr", "hu", "pl", "ro", "sk", "sl", "sq"), ("cp1250", "iso8859-2")),
    **dict.fromkeys(("be", "bg", "kk", "mk", "mn", "sr", "uk"), ("cp1251", "koi8-u")),
    "ru": ("cp1251", "koi8-r", "cp866"),
    "el": ("cp1253",),
    **dict.fromkeys(("az", "ku", "tr"), ("cp1254",)),
    **dict.fromkeys(("he", "yi"), ("cp1255",)),
    **dict.fromkeys(("ar", "fa", "ur"), ("cp1256",)),
    **dict.fromkeys(("et", "lt", "lv"), ("cp1257",)),
    "vi": ("cp1258",),
    "th": ("cp874",),
    "ja": ("cp932", "euc-jp"),
    "ko": ("cp949",),
    "zh": ("gb18030", "big5"),
}
_DETECTED_BYTES: Final = 64 * 1024
_MULTIBYTE: Final = re.compile(rb"[\xc2-\xf4][\x80-\xbf]+")
_CONTROLS: Final = re.compile("[\x00-\x08\x0e-\x1a]")  # in no text but in other kinds of files


def decode(data: bytes, languages: Sequence[str] = (), errors: str = "strict") -> tuple[str, Callable[[str], bytes]]:
    """Decode a text in the encoding that it is in.

    Args:
        data: The text.
        languages: The languages that it may be in.
        errors: How characters are written that the encoding lacks. With ``strict`` such a text is written in UTF-8 with
            a byte order mark.

    Returns:
        The text without its byte order mark, and a function that encodes another text in the same way.

    Raises:
        UnusableFile: The text is damaged, or is no text.
    """
    mark, encoding = next(((mark, name) for mark, name in _MARKS if data.startswith(mark)), (b"", "utf-8"))
    if not mark and (wide := _find_wide(data)):
        encoding = wide
    try:
        text = data[len(mark) :].decode(encoding)
    except UnicodeDecodeError as error:
        found = None if mark or encoding != "utf-8" or _is_damaged_utf_8(data) else _detect(data, languages)
        if found is None:
            raise UnusableFile(
                f"The file is not valid {encoding.upper()} (at byte {len(mark) + error.start}), and in no other "
                "encoding that is read"
            ) from None
        text, encoding = found
    if (control := _CONTROLS.search(text)) is not None:
        raise UnusableFile(
            f"The file is no text: it has the control character U+{ord(control[0]):04X} at character {control.start()}"
        )
    return text, lambda changed: _encode(changed, mark, encoding, errors)


def _encode(text: str, mark: bytes, encoding: str, errors: str) -> bytes:
    if encoding.startswith("utf"):
        return mark + text.encode(encoding, "replace")
    try:
        return text.encode(encoding, errors)
    except UnicodeEncodeError:
        return codecs.BOM_UTF8 + text.encode("utf-8", "replace")


def _find_wide(data: bytes) -> str | None:
    """Return UTF-16's name where every second byte of a text without a mark is zero, as of Latin letters."""
    sample = data[:_DETECTED_BYTES]
    if not sample or len(data) % 2 or b"\0" not in sample:
        return None
    even, odd = (part.count(0) / max(1, len(part)) for part in (sample[::2], sample[1::2]))
    if max(even, odd) < 0.5 or min(even, odd) > 0.05:
        return None
    return "utf-16-le" if odd > even else "utf-16-be"


def _is_damaged_utf_8(data: bytes) -> bool:
    """Tell whether a text that is not valid UTF-8 has more letters in UTF-8 than bytes that are in none."""
    sample = data[:_DETECTED_BYTES]
    letters = len(_MULTIBYTE.findall(sample))
    return letters > sample.decode("utf-8", "replace").count("\ufffd") - sample.count("\ufffd".encode())


def _detect(data: bytes, languages: Sequence[str]) -> tuple[str, str] | None:
    """Return a text with its encoding, None if it is in none of the encodings of the languages, nor of any other."""
    known = dict.fromkeys(
        name for language in languages for name in _ENCODINGS.get(language.partition("-")[0].lower(), (_WESTERN,))
    )
    for candidates in (list(known), [_WESTERN, *(name for names in _ENCODINGS.values() for name in names)]):
        if len(candidates) > 1:
            best = from_bytes(data[:_DETECTED_BYTES], cp_isolation=list(dict.fromkeys(candidates))).best()
            candidates = [*([best.encoding] if best is not None else []), *candidates]
        for name in candidates:
            try:
                text = data.decode(name)
            except UnicodeDecodeError:
                continue
            if _CONTROLS.search(text) is None:
                return text, name
    return None
