"""The fields of a translation request in DeepL's dialect -> a checked request as the service knows it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, TypeVar

from app.api.body import Fields
from app.api.deepl.errors import TEXT_MISSING, DeepLRefusal, not_supported
from app.api.deepl.languages import deepl_code, served_code
from app.api.fields import check_unicode, kind, shown, string
from app.api.libretranslate.translation_request import Asked
from app.errors import InvalidRequest, RequestTooLarge, UnsupportedLanguage
from app.serving.registry import Registry
from app.settings import Settings
from app.text.inline import Splitting, TextFormat
from app.text.tag_roles import TagRules

# DeepL has one name for what it falls back to; there is one model here.
MODEL_TYPES: Final[dict[str, str]] = {
    "quality_optimized": "quality_optimized",
    "prefer_quality_optimized": "quality_optimized",
    "latency_optimized": "latency_optimized",
}
# None: as the text has it. In HTML a line break is a space, unless somebody says otherwise.
SPLIT_SENTENCES: Final[dict[str, Splitting | None]] = {
    "": None,
    "0": "none",
    "1": "lines",
    "nonewlines": "sentences",
}
FORMALITIES: Final = ("default", "more", "less", "prefer_more", "prefer_less")
_TAG_HANDLING: Final[dict[str, TextFormat]] = {"": "text", "xml": "xml", "html": "html"}
_Value = TypeVar("_Value")
_TRUTHS: Final = {"0": False, "1": True, "false": False, "true": True}


@dataclass(frozen=True, slots=True)
class DeepLAsked:
    """``model_type``: what is said of the model that was used; ``glossary_id``: whose terms are to be used. Empty where
    the request names none.
    """

    asked: Asked
    model_type: str
    glossary_id: str


def parse_deepl(fields: Fields, settings: Settings, registry: Registry) -> DeepLAsked:
    """Check every field; unknown ones are ignored, and so is ``context``.

    :raises DeepLRefusal: a value that is not known or not served.
    :raises InvalidRequest: a field is malformed.
    :raises RequestTooLarge: too many texts, or too many characters.
    """
    texts = _texts(fields)
    _check_amount(texts, settings)
    source, target = _languages(fields, registry)
    splitting = _choice(fields, "split_sentences", SPLIT_SENTENCES, "")
    keeps_form = _flag(fields, "preserve_formatting", absent=False)
    _flag(fields, "show_billed_characters", absent=False)
    text_format = _choice(fields, "tag_handling", _TAG_HANDLING, "")
    model_type = _choice(fields, "model_type", {"": "", **MODEL_TYPES}, "")
    tags = _tag_rules(fields, text_format)
    asked = Asked(texts, True, source, target, text_format, tags=tags, splitting=splitting, keeps_form=keeps_form)
    return DeepLAsked(asked, model_type, string(fields, "glossary_id").strip())


def parse_document(fields: Fields, registry: Registry) -> tuple[str | None, str, str]:
    """Source (None: to be detected), target and glossary (empty: none) of a document; what else is asked is checked.

    :raises DeepLRefusal: a value that is not known or not served.
    """
    source, target = _languages(fields, registry)
    return source, target, string(fields, "glossary_id").strip()


def _languages(fields: Fields, registry: Registry) -> tuple[str | None, str]:
    """Source (None: to be detected) and target, of which there is a bundle, and no form of politeness is asked for."""
    target = _language(fields, "target_lang", registry)
    source = _language(fields, "source_lang", registry)
    if target is None:
        raise not_supported("target_lang", "Parameter 'target_lang' not specified")
    _check_pair(source, target, registry)
    _check_formality(fields, target)
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


def _flag(fields: Fields, name: str, absent: bool) -> bool:
    value = fields.get(name)
    if value is None or isinstance(value, bool):
        return absent if value is None else value
    given = str(value).strip().lower() if isinstance(value, (str, int)) else "no flag"
    if given and given not in _TRUTHS:
        raise not_supported(name, "it must be true, false, 1 or 0")
    return _TRUTHS.get(given, absent)


def _tag_rules(fields: Fields, text_format: TextFormat) -> TagRules:
    return TagRules(
        ignored=_tags(fields, "ignore_tags", text_format),
        splitting=_tags(fields, "splitting_tags", text_format),
        joining=_tags(fields, "non_splitting_tags", text_format),
        outline=_flag(fields, "outline_detection", absent=True),
    )


def _tags(fields: Fields, name: str, text_format: TextFormat) -> frozenset[str]:
    """From a list of names, or a string of them with commas; a form may repeat the field."""
    value = fields.get(name)
    names: list[str] = []
    for entry in value if isinstance(value, list) else [value]:
        if entry is not None and not isinstance(entry, str):
            raise InvalidRequest(f"Invalid request: {name} has {kind(entry)}, it must be a list of strings")
        names += [one.strip() for one in (entry or "").split(",") if one.strip()]
    return frozenset(names) if text_format == "xml" else frozenset(one.lower() for one in names)
