"""The fields of a translation request -> a request that was checked, or an error that says what is wrong."""

import secrets
from dataclasses import dataclass
from typing import Final, Literal

from app.api.body import Fields
from app.api.fields import check_unicode, kind, number, shown, string, whole_number
from app.api.glossary_terms import given_terms
from app.engine.sequence import MAX_NGRAM, MAX_SEED, MAX_TEMPERATURE, MAX_TOP_K, Priority
from app.errors import InvalidRequest, LimitExceeded, UnsupportedLanguage
from app.serving.registry import Registry
from app.settings import Settings
from app.text.glossary_terms import Terms
from app.text.inline import Splitting, TextFormat
from app.text.tag_roles import NO_RULES, TagRules

AUTO: Final = "auto"
DEFAULT_CHOICES: Final = 5
DEFAULT_COMPLETIONS: Final = 3
Include = Literal["scores", "alignment", "timing"]
INCLUDES: Final[tuple[Include, ...]] = ("scores", "alignment", "timing")
_FORMATS: Final[dict[str, TextFormat]] = {"text": "text", "html": "html"}


@dataclass(frozen=True, slots=True)
class Asked:
    """A checked request. ``source`` is None for ``auto``; ``is_list`` says in which shape the answer goes back."""

    texts: tuple[str, ...]
    is_list: bool
    source: str | None
    target: str
    text_format: TextFormat = "text"
    alternatives: int = 0
    beam_size: int | None = None
    include: frozenset[Include] = frozenset()
    target_prefix: str = ""
    no_repeat_ngram: int = 0
    temperature: float = 0.0
    top_k: int = 50
    seed: int = 0
    alternatives_at: int | None = None
    choices: int = DEFAULT_CHOICES
    priority: Priority = Priority.INTERACTIVE
    stream: bool = False
    tags: TagRules = NO_RULES
    splitting: Splitting | None = None
    keeps_form: bool = False
    terms: Terms | None = None


@dataclass(frozen=True, slots=True)
class AskedCompletion:
    """A checked request to complete. ``source`` is None for ``auto``."""

    text: str
    source: str | None
    target: str
    typed: str
    count: int
    priority: Priority


def parse_asked(fields: Fields, settings: Settings, registry: Registry) -> Asked:
    """Check every field; unknown ones are ignored.

    :raises InvalidRequest: a field is missing or malformed.
    :raises LimitExceeded: a value is over a limit of the settings.
    :raises UnsupportedLanguage: a language that is not served.
    """
    texts, is_list = texts_of(fields.get("q"))
    source, target = _code(fields, "source"), _code(fields, "target")
    alternatives = whole_number(fields, "alternatives") or 0
    if alternatives > settings.max_alternatives:
        raise _over("alternatives", settings.max_alternatives, alternatives)
    beam_size = whole_number(fields, "beam_size")
    if beam_size is not None and beam_size < 1:
        raise InvalidRequest("Invalid request: beam_size parameter must be >= 1")
    if beam_size is not None and beam_size > settings.max_beam_size:
        raise _over("beam_size", settings.max_beam_size, beam_size)
    temperature = number(fields, "temperature", 0, MAX_TEMPERATURE, 0.0)
    check_amount(texts, settings)
    _check_languages(source, target, registry)
    return Asked(
        texts=texts,
        is_list=is_list,
        source=None if source == AUTO else source,
        target=target,
        text_format=_text_format(fields.get("format")),
        alternatives=max(0, alternatives),
        beam_size=beam_size,
        include=_include(fields.get("include")),
        target_prefix=_target_prefix(fields, settings, texts),
        no_repeat_ngram=_bounded(fields, "no_repeat_ngram", 0, MAX_NGRAM, 0),
        temperature=temperature,
        top_k=_bounded(fields, "top_k", 1, MAX_TOP_K, 50),
        seed=_bounded(fields, "seed", 0, MAX_SEED, None if temperature else 0),
        alternatives_at=_alternatives_at(fields, texts),
        choices=_bounded(fields, "choices", 1, settings.max_beam_size, min(DEFAULT_CHOICES, settings.max_beam_size)),
        priority=_priority(fields),
        stream=_stream(fields),
        terms=given_terms(fields, settings.max_glossary_entries),
    )


def parse_completion(fields: Fields, settings: Settings, registry: Registry) -> AskedCompletion:
    """As ``parse_asked``."""
    texts, is_list = texts_of(fields.get("q"))
    if is_list:
        raise InvalidRequest("Invalid request: q parameter is a list, it must be a string")
    source, target = _code(fields, "source"), _code(fields, "target")
    most = settings.max_beam_size
    check_amount(texts, settings)
    _check_languages(source, target, registry)
    return AskedCompletion(
        text=texts[0],
        source=None if source == AUTO else source,
        target=target,
        typed=_target_prefix(fields, settings, texts),
        count=_bounded(fields, "n", 1, most, min(DEFAULT_COMPLETIONS, most)),
        priority=_priority(fields),
    )


def languages_of(fields: Fields, registry: Registry) -> tuple[str | None, str]:
    """Source (None for ``auto``) and target of a request that has no texts of its own.

    :raises InvalidRequest: one is missing or malformed.
    :raises UnsupportedLanguage: one is not served.
    """
    source, target = _code(fields, "source"), _code(fields, "target")
    _check_languages(source, target, registry)
    return None if source == AUTO else source, target


def texts_of(q: object) -> tuple[tuple[str, ...], bool]:
    """The texts of a request, and whether they came as a list.

    :raises InvalidRequest: there is none, or it is no text.
    """
    if q is None or q == "" or q == []:
        raise InvalidRequest("Invalid request: missing q parameter")
    if isinstance(q, str):
        check_unicode(q, "q")
        return (q,), False
    if not isinstance(q, list):
        raise InvalidRequest(f"Invalid request: q parameter is {kind(q)}, it must be a string or a list of strings")
    for index, text in enumerate(q):
        if not isinstance(text, str):
            raise InvalidRequest(f"Invalid request: q[{index}] is {kind(text)}, it must be a string")
        check_unicode(text, f"q[{index}]")
    return tuple(q), True


def _code(fields: Fields, name: str) -> str:
    value = fields.get(name)
    if value is None or value == "":
        raise InvalidRequest(f"Invalid request: missing {name} parameter")
    if not isinstance(value, str):
        raise InvalidRequest(f"Invalid request: {name} parameter is {kind(value)}, it must be a string")
    return value.strip().lower()


def _bounded(fields: Fields, name: str, least: int, most: int, absent: int | None) -> int:
    """:param absent: what counts if the field is not given; None: any number, another each time."""
    value = whole_number(fields, name)
    if value is None:
        return secrets.randbelow(most + 1) if absent is None else absent
    if not least <= value <= most:
        raise InvalidRequest(f"Invalid request: {name} is {value}, it must be {least} to {most}")
    return value


def _priority(fields: Fields) -> Priority:
    name = string(fields, "priority").strip().lower() or Priority.INTERACTIVE
    if name not in tuple(Priority):
        raise InvalidRequest(f"Invalid request: priority is {shown(name)!r}, known are {', '.join(Priority)}")
    return Priority(name)


def _alternatives_at(fields: Fields, texts: tuple[str, ...]) -> int | None:
    place = whole_number(fields, "alternatives_at")
    if place is not None and place < 0:
        raise InvalidRequest(f"Invalid request: alternatives_at is {place}, it must be 0 or more")
    if place is not None and len(texts) > 1:
        raise InvalidRequest(f"Invalid request: alternatives_at goes with a single text, not with {len(texts)}")
    return place


def _stream(fields: Fields) -> bool:
    value = fields.get("stream")
    if isinstance(value, str):
        value = {"true": True, "1": True, "false": False, "0": False, "": False}.get(value.strip().lower(), value)
    if value is not None and not isinstance(value, bool):
        raise InvalidRequest(f"Invalid request: stream parameter is {kind(value)}, it must be true or false")
    return bool(value)


def _target_prefix(fields: Fields, settings: Settings, texts: tuple[str, ...]) -> str:
    prefix = string(fields, "target_prefix")
    if prefix and len(texts) > 1:
        raise InvalidRequest(f"Invalid request: target_prefix goes with a single text, not with {len(texts)}")
    if len(prefix) > settings.max_characters:
        raise LimitExceeded("target_prefix", settings.max_characters, len(prefix))
    return prefix


def _over(name: str, limit: int, value: int) -> LimitExceeded:
    return LimitExceeded(name, limit, value, f"Invalid request: {name} parameter must be <= {limit}")


def check_amount(texts: tuple[str, ...], settings: Settings) -> None:
    """:raises LimitExceeded: too many texts, or too many characters."""
    # Existing clients know this sentence, for characters and for the number of texts alike.
    for name, limit, value in (
        ("max_items", settings.max_items, len(texts)),
        ("max_characters", settings.max_characters, sum(map(len, texts))),
    ):
        if value > limit:
            raise LimitExceeded(name, limit, value, f"Invalid request: request ({value}) exceeds text limit ({limit})")


def _check_languages(source: str, target: str, registry: Registry) -> None:
    served = registry.languages
    if not served:
        return  # nothing is served at all, which is another answer than an unknown language
    for code in (source, target):
        if code not in served and not (code == AUTO and code is source):
            raise UnsupportedLanguage(f"{shown(code)} is not supported")
    if source != AUTO and source != target:
        registry.find(source, target)
    elif source == AUTO and not registry.sources_of(target):
        raise UnsupportedLanguage(f"{shown(target)} is not available as a target language")


def _text_format(value: object) -> TextFormat:
    if value is None or value == "":
        return "text"
    name = value.strip().lower() if isinstance(value, str) else kind(value)
    if name in _FORMATS:
        return _FORMATS[name]
    raise InvalidRequest(f"{shown(name)} format is not supported")


def _include(value: object) -> frozenset[Include]:
    """A list of names, or a string of them with commas; a form may repeat the field."""
    names: list[str] = []
    for entry in value if isinstance(value, list) else [value]:
        if entry is not None and not isinstance(entry, str):
            raise InvalidRequest(f"Invalid request: include has {kind(entry)}, it must be a list of strings")
        names += [name.strip().lower() for name in (entry or "").split(",") if name.strip()]
    unknown = [name for name in names if name not in INCLUDES]
    if unknown:
        raise InvalidRequest(f"Invalid request: include has {shown(unknown[0])!r}, known are {', '.join(INCLUDES)}")
    return frozenset(name for name in INCLUDES if name in names)
