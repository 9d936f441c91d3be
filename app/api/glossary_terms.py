"""The glossary that a request names, or brings along."""

import json
from functools import lru_cache
from typing import Final
from urllib.parse import quote

from starlette.concurrency import run_in_threadpool

from app.api.body import Fields
from app.api.fields import check_unicode, kind
from app.api.service import Service
from app.errors import InvalidGlossary, InvalidRequest, LimitExceeded
from app.serving.glossaries import Entry, GlossaryInfo, check_entry
from app.text.glossary_terms import Terms
from app.translation.assembly import Translation

# Terms of the glossary that a translation lacks, or that stand where they were guessed to belong.
UNPLACED_HEADER: Final = "X-Glossary-Unplaced"


async def terms_of(service: Service, glossary: GlossaryInfo) -> Terms:
    """The terms of a glossary of the service."""
    # A glossary never changes, so what was made of it is good as long as somebody finds it.
    return _compiled(await run_in_threadpool(service.glossaries.entries, glossary.id))


def given_terms(fields: Fields, max_entries: int) -> Terms | None:
    """The field ``glossary``: an object of terms and translations, in a form its JSON.

    :raises InvalidRequest: it is none, or a term cannot be used.
    :raises LimitExceeded: more than ``max_entries``.
    """
    given = fields.get("glossary")
    if isinstance(given, str):
        try:
            given = json.loads(given) if given.strip() else None
        except ValueError as error:
            raise InvalidRequest(f"Invalid request: glossary parameter is no JSON: {error}") from None
    if given is None or given == {}:
        return None
    if not isinstance(given, dict):
        raise InvalidRequest(f"Invalid request: glossary parameter is {kind(given)}, it must be an object")
    if len(given) > max_entries:
        raise LimitExceeded("max_glossary_entries", max_entries, len(given))
    entries = []
    for index, (term, translation) in enumerate(given.items()):
        if not isinstance(translation, str):
            raise InvalidRequest(f"Invalid request: glossary has {kind(translation)}, it must hold strings")
        for text in (term, translation):
            check_unicode(text, "glossary")
        entry = Entry(term.strip(), translation.strip())
        try:
            check_entry(entry, index)
        except InvalidGlossary as error:
            raise InvalidRequest(f"Invalid request: glossary: {error}") from None
        entries.append(entry)
    return _compiled(tuple(entries))


@lru_cache(maxsize=64)
def _compiled(entries: tuple[Entry, ...]) -> Terms:
    return Terms({entry.source: entry.target for entry in entries})


def unplaced_header(translations: list[Translation]) -> dict[str, str]:
    """Says which terms have no place of their own, each percent-encoded; no header if there are none."""
    unplaced = [term for one in translations for segment in one.segments for term in segment.unaligned_terms]
    return {UNPLACED_HEADER: ", ".join(quote(term) for term in dict.fromkeys(unplaced))} if unplaced else {}
