"""What the dialects of extensions share: a list of texts, each translated by itself, and codes in any spelling.

An extension sends a web page as many short requests within a few seconds. A request whose segments do not fit into the
queue at once therefore waits for it, up to its deadline, and is not refused.
"""

import asyncio
import time
from dataclasses import dataclass
from typing import Final

from pydantic import ValidationInfo

from app.api.call import ApiCall
from app.api.fields import check_unicode, kind_of, shorten
from app.api.libretranslate.request import check_amount
from app.errors import EngineOverloaded, InvalidRequest, UnsupportedLanguage
from app.serving.container import detect_languages
from app.serving.jobs import Job, TranslationRequest
from app.text.codes import find_served
from app.text.inline import TextFormat
from app.translation.assembly import Translation
from app.translation.translator import TranslationOptions

_AUTO: Final = ("", "auto", "auto-detect", "autodetect", "detect")
_RETRY_SECONDS: Final = 0.1


@dataclass(frozen=True, slots=True)
class Wanted:
    """The texts of a request and what is wanted of them.

    Attributes:
        texts: The texts.
        source: Their language; None to detect it for each text.
        target: The language wanted.
        text_format: What the texts are.
        alternatives: The number of other translations of each text.
    """

    texts: tuple[str, ...]
    source: str | None
    target: str
    text_format: TextFormat = "text"
    alternatives: int = 0


@dataclass(frozen=True, slots=True)
class Answered:
    """One text of a request.

    Attributes:
        translation: The translation; the text itself where it is in no language that is translated to the target.
        source: The language of the text; None if it is unknown.
    """

    translation: Translation
    source: str | None

    @property
    def text(self) -> str:
        return self.translation.text


async def translate_texts(call: ApiCall, wanted: Wanted) -> list[Answered]:
    """Translate each text by itself.

    A text whose language is detected comes back as it is if it is in the target language, or in one that is not
    translated to it: one text must not fail the others.

    Raises:
        LimitExceeded: There are too many texts, characters or segments.
        UnsupportedLanguage: The pair of languages is not translated.
        DeadlineExceeded: Nothing was translated in time.
    """
    call.check_served()
    check_amount(wanted.texts, call.settings)
    if wanted.source is not None and wanted.source != wanted.target:
        call.serving.registry.snapshot.check(wanted.source, wanted.target)
    sources = [await _source_of(call, text, wanted) for text in wanted.texts]
    options = TranslationOptions(alternatives=wanted.alternatives, text_format=wanted.text_format)
    request = TranslationRequest(wanted.texts, wanted.source, wanted.target, options)
    with call.reserve(request.characters, len(wanted.texts)):
        job = await _start_when_there_is_room(call, request, [source or wanted.target for source in sources])
        translations, _ = await call.finish(job)
    return [Answered(one, source) for one, source in zip(translations, sources, strict=True)]


def find_languages(call: ApiCall, source: str, target: str) -> tuple[str | None, str]:
    """Find the served languages that a client means.

    Returns:
        The source, None if it is to be detected, and the target.

    Raises:
        UnsupportedLanguage: A language is not served.
    """
    call.check_served()
    served = call.serving.registry.snapshot.languages
    found_target = find_served(target, served)
    if found_target is None:
        raise UnsupportedLanguage(f"{shorten(target) or 'an empty target'} is not supported")
    if source.strip().lower() in _AUTO:
        return None, found_target
    found_source = find_served(source, served)
    if found_source is None:
        raise UnsupportedLanguage(f"{shorten(source)} is not supported")
    return found_source, found_target


def read_text_list(value: object, info: ValidationInfo) -> tuple[str, ...]:
    """Check a field that holds a text or a list of texts; null is an empty list."""
    texts = value if isinstance(value, list) else [] if value is None else [value]
    for index, text in enumerate(texts):
        if not isinstance(text, str):
            raise InvalidRequest(f"Invalid request: {info.field_name}[{index}] is {kind_of(text)}, it must be a string")
        check_unicode(text, f"{info.field_name}[{index}]")
    return tuple(texts)


def read_flag(value: object) -> bool:
    """Read a flag, which clients write in many ways."""
    return value is True or str(value).strip().lower() in ("true", "1")


async def _source_of(call: ApiCall, text: str, wanted: Wanted) -> str | None:
    """Return the language of a text; None if no bundle translates it to the target."""
    if wanted.source is not None:
        return wanted.source
    try:
        detections = await detect_languages(call.serving.registry, call.serving.detector, [text], wanted.target)
    except UnsupportedLanguage:
        return None
    return detections[0].language


async def _start_when_there_is_room(call: ApiCall, request: TranslationRequest, sources: list[str]) -> Job:
    """Queue the segments of a request, and wait for room in the queue until half of the time is over.

    Raises:
        EngineOverloaded: There was no room until then.
    """
    end = time.monotonic() + call.timeout.seconds / 2
    while True:
        try:
            return await call.start(request, sources)
        except EngineOverloaded:
            if time.monotonic() >= end or await call.request.is_disconnected():
                raise
            await asyncio.sleep(_RETRY_SECONDS)
