"""Translation requests in DeepL's dialect: their fields, checked against the settings and the bundles served."""

from dataclasses import dataclass

from app.api.deepl.errors import DeepLRefusal, not_supported
from app.api.deepl.languages import deepl_code, has_formality
from app.api.deepl.models import DocumentFields, TranslateFields
from app.api.fields import Fields, shorten
from app.errors import RequestTooLarge, UnsupportedLanguage
from app.serving.jobs import TranslationRequest
from app.serving.registry import Registry
from app.settings import Settings
from app.text.codes import find_served
from app.text.tag_roles import TagRules
from app.translation.translator import TranslationOptions


@dataclass(frozen=True, slots=True)
class DeepLRequest:
    """A checked request to POST /v2/translate.

    Attributes:
        translation: What to translate, and how.
        model_type: The model type that the answer names; empty if the request names none.
        glossary_ids: The glossaries to use.
        formality: The register wanted; ``default`` if the request names none.
    """

    translation: TranslationRequest
    model_type: str
    glossary_ids: tuple[str, ...]
    formality: str


@dataclass(frozen=True, slots=True)
class DocumentRequest:
    """A checked request to POST /v2/document; ``source`` is None if it is to be detected."""

    source: str | None
    target: str
    glossary_ids: tuple[str, ...]
    filename: str
    output_format: str


def parse_translation(fields: Fields, settings: Settings, registry: Registry) -> DeepLRequest:
    """Check a request to POST /v2/translate. Unknown fields are ignored, and so is ``context``.

    Raises:
        DeepLRefusal: A value is not known or not served.
        InvalidRequest: A field is malformed.
        RequestTooLarge: There are too many texts, or too many characters.
    """
    found = TranslateFields.read(fields)
    _check_amount(found.text, settings)
    source, target = _check_languages(found, registry)
    options = TranslationOptions(
        text_format=found.tag_handling,
        tags=_tag_rules(found),
        splitting=found.split_sentences,
        keeps_form=bool(found.preserve_formatting),
    )
    if found.glossary_id.strip() and found.glossary_ids:
        raise DeepLRefusal("Parameters 'glossary_id' and 'glossary_ids' exclude each other")
    ids = found.glossary_ids or _ids(found.glossary_id)
    return DeepLRequest(TranslationRequest(found.text, source, target, options), found.model_type, ids, found.formality)


def parse_document(fields: Fields, registry: Registry) -> DocumentRequest:
    """Check a request to POST /v2/document, except its file.

    Raises:
        DeepLRefusal: A value is not known or not served.
        InvalidRequest: A field is malformed.
    """
    found = DocumentFields.read(fields)
    source, target = _check_languages(found, registry)
    return DocumentRequest(source, target, _ids(found.glossary_id), found.filename, found.output_format)


def check_language(code: str, name: str, registry: Registry) -> str | None:
    """Return the served language that a code means; None if the code is empty.

    Args:
        code: As DeepL's clients write it.
        name: The field, for the message.
        registry: The bundles.

    Raises:
        DeepLRefusal: The language is not served.
    """
    given = code.strip()
    if not given:
        return None
    served = find_served(given, registry.snapshot.languages)
    if served is None:
        served_codes = ", ".join(deepl_code(one) for one in registry.snapshot.languages)
        raise not_supported(name, f"{shorten(given)} is not among those served: {served_codes}")
    return served


def _check_languages(found: TranslateFields | DocumentFields, registry: Registry) -> tuple[str | None, str]:
    """Return the source, None if it is to be detected, and the target, if a bundle translates them as requested."""
    target = check_language(found.target_lang, "target_lang", registry)
    source = check_language(found.source_lang, "source_lang", registry)
    if target is None:
        raise not_supported("target_lang", "Parameter 'target_lang' not specified")
    if source is None and not registry.snapshot.sources_of(target):
        raise not_supported("target_lang", f"{deepl_code(target)} is not available as a target language")
    if source is not None and source != target:
        try:
            registry.snapshot.check(source, target)
        except UnsupportedLanguage as error:
            raise not_supported("target_lang", str(error)) from None
    # The other values permit an answer without it.
    if found.formality in ("more", "less") and not has_formality(target):
        raise DeepLRefusal(f"Target language '{deepl_code(target)}' doesn't support formality.")
    return source, target


def _ids(glossary_id: str) -> tuple[str, ...]:
    return (glossary_id.strip(),) if glossary_id.strip() else ()


def _check_amount(texts: tuple[str, ...], settings: Settings) -> None:
    for name, unit, limit, value in (
        ("max_items", "texts", settings.max_items, len(texts)),
        ("max_characters", "characters", settings.max_characters, sum(map(len, texts))),
    ):
        if value > limit:
            raise RequestTooLarge(name, limit, value, f"Request ({value} {unit}) exceeds {name} ({limit})")


def _tag_rules(found: TranslateFields) -> TagRules:
    """Make the rules of tags; names in HTML have no case."""

    def names(given: tuple[str, ...]) -> frozenset[str]:
        return frozenset(given if found.tag_handling == "xml" else (name.lower() for name in given))

    return TagRules(
        ignored=names(found.ignore_tags),
        splitting=names(found.splitting_tags),
        joining=names(found.non_splitting_tags),
        outline=found.outline_detection is not False,
    )
