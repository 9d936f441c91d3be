"""Requests in LibreTranslate's dialect: their fields, checked against the settings and the bundles that are served."""

import secrets
from dataclasses import dataclass
from typing import Final

from app.api.fields import Fields, check_unicode, kind_of, out_of_bounds, shorten
from app.api.libretranslate.models import (
    DEFAULT_CHOICES,
    DEFAULT_COMPLETIONS,
    CompleteFields,
    DetectFields,
    FileFields,
    Include,
    TranslateFields,
)
from app.engine.sequence import MAX_SEED, Priority
from app.errors import InvalidGlossary, InvalidRequest, LimitExceeded, UnsupportedLanguage
from app.serving.glossaries import Entry, check_entry, compile_terms
from app.serving.jobs import TranslationRequest
from app.serving.registry import Registry
from app.settings import Settings
from app.text.codes import find_served
from app.text.placeholder_finder import Terms
from app.translation.translator import TranslationOptions

AUTO: Final = "auto"
# Of a term and its translation, on average; more than enough to tell long glossaries from short ones.
_CHARACTERS_OF_A_TERM: Final = 20


@dataclass(frozen=True, slots=True)
class TranslateRequest:
    """A checked request to POST /translate.

    Attributes:
        translation: What to translate, and how.
        is_list: The texts came as a list, and the answer is one.
        include: What to answer beside the translations.
        alternatives_at: The offset in the translation at which other words are wanted.
        choices: The number of those words.
        stream: Answer with server-sent events.
    """

    translation: TranslationRequest
    is_list: bool
    include: frozenset[Include]
    alternatives_at: int | None
    choices: int
    stream: bool


@dataclass(frozen=True, slots=True)
class CompletionRequest:
    """A checked request to POST /complete. ``source`` is None if it is to be detected."""

    text: str
    source: str | None
    target: str
    typed: str
    count: int
    priority: Priority


def parse_translation(fields: Fields, settings: Settings, registry: Registry) -> TranslateRequest:
    """Check a request to POST /translate.

    Raises:
        InvalidRequest: A field is missing or malformed.
        LimitExceeded: A value is over a limit of the settings.
        UnsupportedLanguage: A language is not served.
    """
    found = TranslateFields.read(fields)
    texts = (found.q,) if isinstance(found.q, str) else tuple(found.q)
    _check_limits(found, settings)
    check_amount(texts, settings)
    source, target = _check_languages(found.source, found.target, registry)
    _check_prefix(found.target_prefix, texts, settings)
    if found.alternatives_at is not None and len(texts) > 1:
        raise InvalidRequest(f"Invalid request: alternatives_at goes with a single text, not with {len(texts)}")
    options = TranslationOptions(
        beam_size=found.beam_size,
        alternatives=max(0, found.alternatives),
        text_format=found.format,
        alignment="alignment" in found.include,
        target_prefix=found.target_prefix,
        no_repeat_ngram=found.no_repeat_ngram,
        temperature=found.temperature,
        top_k=found.top_k,
        seed=_seed(found),
        terms=_terms(found.glossary, settings.max_glossary_entries),
    )
    return TranslateRequest(
        TranslationRequest(texts, source, target, options, found.priority),
        is_list=not isinstance(found.q, str),
        include=found.include,
        alternatives_at=found.alternatives_at,
        choices=_count("choices", found.choices, DEFAULT_CHOICES, settings),
        stream=found.stream,
    )


def parse_completion(fields: Fields, settings: Settings, registry: Registry) -> CompletionRequest:
    """Check a request to POST /complete; raises as ``parse_translation``."""
    found = CompleteFields.read(fields)
    check_amount((found.q,), settings)
    source, target = _check_languages(found.source, found.target, registry)
    _check_prefix(found.target_prefix, (found.q,), settings)
    count = _count("n", found.n, DEFAULT_COMPLETIONS, settings)
    return CompletionRequest(found.q, source, target, found.target_prefix, count, found.priority)


def parse_detection(fields: Fields, settings: Settings) -> tuple[tuple[str, ...], bool]:
    """Check a request to POST /detect.

    Returns:
        The texts, and whether they came as a list.
    """
    found = DetectFields.read(fields)
    texts = (found.q,) if isinstance(found.q, str) else tuple(found.q)
    check_amount(texts, settings)
    return texts, not isinstance(found.q, str)


def parse_file(fields: Fields, registry: Registry) -> tuple[str | None, str]:
    """Check the fields of a request to POST /translate_file, except the file.

    Returns:
        The source, None if it is to be detected, and the target.
    """
    found = FileFields.read(fields)
    return _check_languages(found.source, found.target, registry)


def check_amount(texts: tuple[str, ...], settings: Settings) -> None:
    """Check the size of a request.

    Raises:
        LimitExceeded: There are too many texts, or too many characters.
    """
    # LibreTranslate's clients expect this sentence, for characters and for the number of texts alike.
    for name, limit, value in (
        ("max_items", settings.max_items, len(texts)),
        ("max_characters", settings.max_characters, sum(map(len, texts))),
    ):
        if value > limit:
            raise LimitExceeded(name, limit, value, f"Invalid request: request ({value}) exceeds text limit ({limit})")


def _check_limits(found: TranslateFields, settings: Settings) -> None:
    _check_most("alternatives", found.alternatives, settings.max_alternatives)
    if found.beam_size is not None:
        if found.beam_size < 1:
            raise InvalidRequest("Invalid request: beam_size parameter must be >= 1")
        _check_most("beam_size", found.beam_size, settings.max_beam_size)


def _check_most(name: str, value: int, limit: int) -> None:
    if value > limit:
        raise LimitExceeded(name, limit, value, f"Invalid request: {name} parameter must be <= {limit}")


def _check_languages(source: str, target: str, registry: Registry) -> tuple[str | None, str]:
    """Find the served languages that codes mean, in any spelling, and check that the pair is translated.

    Returns:
        The source, None if it is to be detected, and the target.
    """
    snapshot = registry.snapshot
    is_detected = source.strip().lower() == AUTO
    if not snapshot.languages:  # the answer is then another error than that of an unknown language
        return (None if is_detected else source), target
    found = []
    for code in (target,) if is_detected else (source, target):
        served = find_served(code, snapshot.languages)
        if served is None:
            raise UnsupportedLanguage(f"{shorten(code)} is not supported")
        found.append(served)
    target = found[-1]
    if is_detected:
        if not snapshot.sources_of(target):
            raise UnsupportedLanguage(f"{shorten(target)} is not available as a target language")
        return None, target
    if found[0] != target:
        snapshot.check(found[0], target)
    return found[0], target


def _check_prefix(prefix: str, texts: tuple[str, ...], settings: Settings) -> None:
    if prefix and len(texts) > 1:
        raise InvalidRequest(f"Invalid request: target_prefix goes with a single text, not with {len(texts)}")
    if len(prefix) > settings.max_characters:
        raise LimitExceeded("target_prefix", settings.max_characters, len(prefix))


def _count(name: str, value: int | None, default: int, settings: Settings) -> int:
    most = settings.max_beam_size
    if value is None:
        return min(default, most)
    if not 1 <= value <= most:
        raise out_of_bounds(name, value, 1, most)
    return value


def _seed(found: TranslateFields) -> int:
    if found.seed is None:
        return secrets.randbelow(MAX_SEED + 1) if found.temperature else 0
    return found.seed


def glossary_size(fields: Fields) -> int:
    """Return about how many characters the glossary has that a request brings; 0 if it brings none."""
    glossary = fields.get("glossary")
    return (
        len(glossary)
        if isinstance(glossary, str)
        else _CHARACTERS_OF_A_TERM * len(glossary)
        if isinstance(glossary, dict)
        else 0
    )


def _terms(glossary: dict[str, object] | None, max_entries: int) -> Terms | None:
    """Compile the glossary that a request brings."""
    if glossary is None:
        return None
    if len(glossary) > max_entries:
        raise LimitExceeded("max_glossary_entries", max_entries, len(glossary))
    entries = []
    for index, (term, translation) in enumerate(glossary.items()):
        if not isinstance(translation, str):
            raise InvalidRequest(f"Invalid request: glossary has {kind_of(translation)}, it must hold strings")
        for text in (term, translation):
            check_unicode(text, "glossary")
        entry = Entry(term.strip(), translation.strip())
        try:
            check_entry(entry, index)
        except InvalidGlossary as error:
            raise InvalidRequest(f"Invalid request: glossary: {error}") from None
        entries.append(entry)
    return compile_terms(tuple(entries))
