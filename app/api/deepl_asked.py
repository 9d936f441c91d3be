"""The fields of a translation request in DeepL's dialect -> a checked request as the service knows it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, TypeVar

from app.api.asked import Asked
from app.api.body import Fields
from app.api.deepl_errors import GLOSSARY_NOT_FOUND, GLOSSARY_WITHOUT_SOURCE, TEXT_MISSING, DeepLRefusal, not_supported
from app.api.deepl_languages import deepl_code, served_code
from app.api.fields import check_unicode, kind, shown, string
from app.errors import InvalidRequest, RequestTooLarge, UnsupportedLanguage
from app.registry import Registry
from app.settings import Settings
from app.translator import TextFormat

# DeepL has one name for what it falls back to; there is one model here.
MODEL_TYPES: Final[dict[str, str]] = {
    "quality_optimized": "quality_optimized",
    "prefer_quality_optimized": "quality_optimized",
    "latency_optimized": "latency_optimized",
}
SPLIT_SENTENCES: Final = ("0", "1", "nonewlines")
FORMALITIES: Final = ("default", "more", "less", "prefer_more", "prefer_less")
_TAG_HANDLING: Final[dict[str, TextFormat]] = {"": "text", "xml": "html", "html": "html"}
_FLAGS: Final = ("preserve_formatting", "outline_detection", "show_billed_characters")
_TAG_LISTS: Final = ("ignore_tags", "splitting_tags", "non_splitting_tags")
_Value = TypeVar("_Value")
_TRUTHS: Final = ("", "0", "1", "false", "true")


@dataclass(frozen=True, slots=True)
class DeepLAsked:
    """``model_type``: what is said of the model that was used; empty if the request names none."""

    asked: Asked
    model_type: str


def parse_deepl(fields: Fields, settings: Settings, registry: Registry) -> DeepLAsked:
    """Check every field; unknown ones are ignored, and so is ``context``.

    :raises DeepLRefusal: a value that is not known or not served.
    :raises InvalidRequest: a field is malformed.
    :raises RequestTooLarge: too many texts, or too many characters.
    """
    texts = _texts(fields)
    _check_amount(texts, settings)
    target = _language(fields, "target_lang", registry)
    source = _language(fields, "source_lang", registry) if string(fields, "source_lang").strip() else None
    if target is None:
        raise not_supported("target_lang", "Parameter 'target_lang' not specified")
    _check_pair(source, target, registry)
    _check_formality(fields, target)
    _choice(fields, "split_sentences", dict.fromkeys(SPLIT_SENTENCES, True), "1")
    for name in _FLAGS:
        _check_flag(fields, name)
    for name in _TAG_LISTS:
        _check_tags(fields, name)
    if string(fields, "glossary_id").strip():
        raise DeepLRefusal(GLOSSARY_WITHOUT_SOURCE if source is None else GLOSSARY_NOT_FOUND)
    text_format = _choice(fields, "tag_handling", _TAG_HANDLING, "")
    model_type = _choice(fields, "model_type", {"": "", **MODEL_TYPES}, "")
    return DeepLAsked(Asked(texts, True, source, target, text_format), model_type)


def parse_document(fields: Fields, registry: Registry) -> tuple[str | None, str]:
    """Source (None: to be detected) and target of a document; what else is asked for it is checked.

    :raises DeepLRefusal: a value that is not known or not served.
    """
    target = _language(fields, "target_lang", registry)
    source = _language(fields, "source_lang", registry) if string(fields, "source_lang").strip() else None
    if target is None:
        raise not_supported("target_lang", "Parameter 'target_lang' not specified")
    _check_pair(source, target, registry)
    _check_formality(fields, target)
    if string(fields, "glossary_id").strip():
        raise DeepLRefusal(GLOSSARY_WITHOUT_SOURCE if source is None else GLOSSARY_NOT_FOUND)
    return source, target


def _texts(fields: Fields) -> tuple[str, ...]:
    found = fields.get("text")
    if found is None:
        found = fields.get("text[]")
    if found is None or found == []:
        raise DeepLRefusal(TEXT_MISSING)
    texts = found if isinstance(found, list) else [found]
    for index, text in enumerate(texts):
        if not isinstance(text, str):
            raise InvalidRequest(f"Invalid request: text[{index}] is {kind(text)}, it must be a string")
        check_unicode(text, f"text[{index}]")
    return tuple(texts)


def _check_amount(texts: tuple[str, ...], settings: Settings) -> None:
    for name, unit, limit, value in (
        ("max_items", "texts", settings.max_items, len(texts)),
        ("max_characters", "characters", settings.max_characters, sum(map(len, texts))),
    ):
        if value > limit:
            raise RequestTooLarge(name, limit, value, f"Request ({value} {unit}) exceeds {name} ({limit})")


def _language(fields: Fields, name: str, registry: Registry) -> str | None:
    """None where it is absent or empty."""
    given = string(fields, name).strip()
    if not given:
        return None
    served = served_code(given, registry.languages)
    if served is None:
        known = ", ".join(deepl_code(code) for code in registry.languages)
        raise not_supported(name, f"{shown(given)} is not among those served: {known}")
    return served


def _check_pair(source: str | None, target: str, registry: Registry) -> None:
    if source is None and not registry.sources_of(target):
        raise not_supported("target_lang", f"{deepl_code(target)} is not available as a target language")
    if source is not None and source != target:
        try:
            registry.find(source, target)
        except UnsupportedLanguage as error:
            raise not_supported("target_lang", str(error)) from None


def _check_formality(fields: Fields, target: str) -> None:
    formality = _choice(fields, "formality", {name: name for name in FORMALITIES}, "default")
    if formality in ("more", "less"):  # the others ask for no more than is possible
        raise DeepLRefusal(f"Target language '{deepl_code(target)}' doesn't support formality.")


def _choice(fields: Fields, name: str, known: Mapping[str, _Value], absent: str) -> _Value:
    """:param absent: the name that counts where the field is absent, null or empty."""
    value = fields.get(name)
    if isinstance(value, int):  # a number or a boolean, where the values are written as digits
        value = str(int(value))
    if value is not None and not isinstance(value, str):
        raise InvalidRequest(f"Invalid request: {name} parameter is {kind(value)}, it must be a string")
    given = (value or "").strip().lower() or absent
    if given not in known:
        allowed = ", ".join(one for one in known if one)
        raise not_supported(name, f"{shown(given)} is not among those known: {allowed}")
    return known[given]


def _check_flag(fields: Fields, name: str) -> None:
    value = fields.get(name)
    if value is None or isinstance(value, bool):
        return
    if not isinstance(value, (str, int)) or str(value).strip().lower() not in _TRUTHS:
        raise not_supported(name, "it must be true, false, 1 or 0")


def _check_tags(fields: Fields, name: str) -> None:
    """A list of names, or a string of them with commas; a form may repeat the field."""
    value = fields.get(name)
    for entry in value if isinstance(value, list) else [value]:
        if entry is not None and not isinstance(entry, str):
            raise InvalidRequest(f"Invalid request: {name} has {kind(entry)}, it must be a list of strings")
