"""DeepL's own client package and replayed requests of existing programs, against the service on a real socket."""

import io
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import deepl
import pytest

from app.settings import Settings
from tests.support.file_samples import SAMPLES, passages, read, translated
from tests.support.service import RunningService, fake_models, running_service


@pytest.fixture
def client(service: RunningService) -> Iterator[deepl.DeepLClient]:
    with closing(deepl.DeepLClient("any key", server_url=service.url)) as found:
        yield found


@pytest.mark.program("deepl (PyPI)", "package")
def test_one_text(client: deepl.DeepLClient) -> None:
    found: Any = client.translate_text("Where is the station, please?", target_lang="FR")
    assert found.text == "WHERE IS THE STATION, PLEASE?"
    assert found.detected_source_lang == "EN"
    assert found.billed_characters == len(found.text)


def test_a_list(client: deepl.DeepLClient) -> None:
    texts = ["one", " two\n", "100%", "three"]
    found: Any = client.translate_text(texts, source_lang="FR", target_lang="EN-US")
    assert [one.text for one in found] == [text.upper() for text in texts]
    assert {one.detected_source_lang for one in found} == {"FR"}


@pytest.mark.parametrize("handling", ["xml", "html"])
def test_every_option(client: deepl.DeepLClient, handling: str) -> None:
    found: Any = client.translate_text(
        '<p>Hello <b>you</b>, <x id="1"></x></p>',
        source_lang="EN",
        target_lang="FR",
        context="A greeting.",
        split_sentences=deepl.SplitSentences.NO_NEWLINES,
        preserve_formatting=True,
        formality=deepl.Formality.PREFER_LESS,
        tag_handling=handling,
        outline_detection=False,
        ignore_tags=["x"],
        splitting_tags="p,h1",
        non_splitting_tags=["b"],
        model_type="prefer_quality_optimized",
    )
    assert found.text == '<p>HELLO <b>YOU</b>, <x id="1"></x></p>'
    assert found.model_type_used == "quality_optimized"


@pytest.mark.parametrize(
    ("text", "options", "answer"),
    [
        ("One\ntwo", {}, "ONE\nTWO"),
        ("One\ntwo", {"split_sentences": "0"}, "ONE\nTWO"),
        ("a dog", {"preserve_formatting": True}, "a DOG"),
        ("<p>One <code>x</code> &lt; 2</p>", {"tag_handling": "html"}, "<p>ONE <code>x</code> &lt; 2</p>"),
        ("<p>One <code>xy</code> &lt; 2</p>", {"tag_handling": "xml"}, "<p>ONE <code>XY</code> &lt; 2</p>"),
        ("One <m>two</m>", {"tag_handling": "xml", "ignore_tags": "m"}, "ONE <m>two</m>"),
        ("One <m>two</m>", {"tag_handling": "html", "ignore_tags": ["m", "n"]}, "ONE <m>two</m>"),
        (
            "<t>One</t><t>two</t>",
            {"tag_handling": "xml", "outline_detection": False, "splitting_tags": ["t"]},
            "<t>ONE</t><t>TWO</t>",
        ),
    ],
)
def test_options_that_change_something(
    client: deepl.DeepLClient, text: str, options: dict[str, Any], answer: str
) -> None:
    found: Any = client.translate_text(text, source_lang="EN", target_lang="FR", **options)
    assert found.text == answer


def test_languages(client: deepl.DeepLClient) -> None:
    assert [(one.code, one.name) for one in client.get_source_languages()] == [("EN", "English"), ("FR", "French")]
    targets = {one.code: one.supports_formality for one in client.get_target_languages()}
    assert targets == {"EN-GB": False, "EN-US": False, "FR": True}
    pairs = {(one.source_lang, one.target_lang) for one in client.get_glossary_languages()}
    assert pairs == {("en", "fr"), ("fr", "en")}


def test_a_glossary(client: deepl.DeepLClient) -> None:
    terms = {"dear": "cher", "cottage cheese": "faisselle"}
    made = client.create_glossary("Cheese", "EN", "FR", terms)
    assert made.ready
    assert made.entry_count == 2
    assert client.get_glossary_entries(made) == terms
    assert [one.glossary_id for one in client.list_glossaries()] == [made.glossary_id]
    found = client.translate_text(
        ["Dear you", "cottage cheese, hello"], source_lang="EN", target_lang="FR", glossary=made
    )
    assert isinstance(found, list)
    assert [one.text for one in found] == ["Cher YOU", "faisselle, HELLO"]
    with pytest.raises(deepl.DeepLException, match="No dictionary found for language pair"):
        client.translate_text("dear", source_lang="FR", target_lang="EN-GB", glossary=made.glossary_id)
    client.delete_glossary(made)
    with pytest.raises(deepl.DeepLException, match="Glossary not found"):
        client.translate_text("dear", source_lang="EN", target_lang="FR", glossary=made.glossary_id)


@pytest.mark.parametrize("name", SAMPLES)
def test_documents(client: deepl.DeepLClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr("time.sleep", _shortly)  # else the client waits five seconds between two questions
    source, target = tmp_path / name, tmp_path / f"translated_{name}"
    source.write_bytes(SAMPLES[name])
    status: Any = client.translate_document_from_filepath(source, target, source_lang="EN", target_lang="FR")
    assert status.done
    assert status.billed_characters == read(name, SAMPLES[name]).characters
    found, wanted = target.read_bytes(), translated(name, SAMPLES[name])
    if name.endswith((".docx", ".odt", ".pptx", ".epub")):
        assert "".join(passages(name, found)).upper() == "".join(passages(name, wanted)).upper()
    else:
        assert found == wanted


def test_a_document_with_a_glossary(client: deepl.DeepLClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", _shortly)
    made = client.create_glossary("Dogs", "EN", "FR", {"dog": "chien"})
    output = io.BytesIO()
    client.translate_document(
        b"my dog", output, source_lang="EN", target_lang="FR", filename="a.txt", glossary=made.glossary_id
    )
    assert output.getvalue() == b"MY chien"
    client.delete_glossary(made)


def test_a_document_step_by_step(client: deepl.DeepLClient) -> None:
    handle = client.translate_document_upload("Good morning", target_lang="FR", filename="a.txt")
    end = time.monotonic() + 20
    while not client.translate_document_get_status(handle).done:
        assert time.monotonic() < end
    output = io.BytesIO()
    client.translate_document_download(handle, output)
    assert output.getvalue() == b"GOOD MORNING"
    for ask in (client.translate_document_download, client.translate_document_get_status):
        with pytest.raises(deepl.DeepLException, match="Not found"):
            ask(handle)


def test_documents_that_are_refused(client: deepl.DeepLClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", _shortly)
    with pytest.raises(deepl.DeepLException, match="Invalid file"):
        client.translate_document_upload(b"a", target_lang="FR", filename="a.exe")
    with pytest.raises(deepl.DocumentTranslationException, match="damaged"):
        client.translate_document(b"a", io.BytesIO(), target_lang="FR", filename="a.docx")


def _shortly(_: float) -> None:
    threading.Event().wait(0.01)


def test_usage(client: deepl.DeepLClient, tmp_path: Path) -> None:
    unlimited = client.get_usage()
    assert unlimited.character.valid
    assert unlimited.character.count is not None
    assert unlimited.character.limit == 10**12
    assert not unlimited.any_limit_reached
    limited = Settings(models_dir=fake_models(tmp_path, ("en", "fr")), deepl_character_limit=5)
    with running_service(limited) as service, closing(deepl.DeepLClient("any key", server_url=service.url)) as other:
        other.translate_text("Hello", source_lang="EN", target_lang="FR")
        usage = other.get_usage()
        assert (usage.character.count, usage.character.limit) == (5, 5)
        assert usage.any_limit_reached
        with pytest.raises(deepl.QuotaExceededException, match=r"deepl_character_limit \(5\)"):
            other.translate_text("Hello", source_lang="EN", target_lang="FR")


def test_a_glossary_of_two_directions(client: deepl.DeepLClient) -> None:
    there = deepl.api_data.MultilingualGlossaryDictionaryEntries("EN", "FR", {"cottage cheese": "faisselle"})
    back = deepl.api_data.MultilingualGlossaryDictionaryEntries("FR", "EN", {"faisselle": "cottage cheese"})
    made = client.create_multilingual_glossary("Cheese", [there, back])
    found = client.get_multilingual_glossary(made.glossary_id)
    assert [(one.source_lang, one.target_lang, one.entry_count) for one in found.dictionaries] == [
        ("EN", "FR", 1),
        ("FR", "EN", 1),
    ]
    one: Any = client.translate_text("My cottage cheese.", source_lang="EN", target_lang="FR", glossary=found)
    assert one.text == "MY faisselle."
    other: Any = client.translate_text("Ma faisselle.", source_lang="FR", target_lang="EN-GB", glossary=found)
    assert other.text == "MA cottage cheese."
    more = deepl.api_data.MultilingualGlossaryDictionaryEntries("EN", "FR", {"dear": "cher"})
    assert client.update_multilingual_glossary_dictionary(found, more).dictionaries[0].entry_count == 2
    assert client.update_multilingual_glossary_name(found, "New").name == "New"
    assert client.replace_multilingual_glossary_dictionary(found, more).entry_count == 1
    entries: Any = client.get_multilingual_glossary_entries(found, "EN", "FR").dictionaries[0].entries
    assert entries == "dear\tcher"
    client.delete_multilingual_glossary_dictionary(found, source_lang="EN", target_lang="FR")
    assert [one.name for one in client.list_multilingual_glossaries()].count("New") == 1
    # It has one dictionary now, so the earlier version of the interface knows it too.
    assert [one.name for one in client.list_glossaries()].count("New") == 1
    client.delete_multilingual_glossary(found)
    with pytest.raises(deepl.GlossaryNotFoundException):
        client.get_multilingual_glossary(found.glossary_id)


def test_a_glossary_as_a_form(service: RunningService) -> None:
    """As DeepL's client for Node sends it."""
    fields = {"name": "Cheese"}
    for number, (source, target) in enumerate((("EN", "FR"), ("FR", "EN"))):
        pair = {"source_lang": source, "target_lang": target, "entries": "a\tb", "entries_format": "tsv"}
        fields |= {f"dictionaries[{number}].{name}": value for name, value in pair.items()}
    headers = {"Authorization": "DeepL-Auth-Key any"}
    made = service.client.post("/v3/glossaries", data=fields, headers=headers).json()
    assert [one["source_lang"] for one in made["dictionaries"]] == ["en", "fr"]
    assert service.client.delete(f"/v3/glossaries/{made['glossary_id']}", headers=headers).status_code == 204


def test_a_document_in_the_target_language_is_an_error(client: deepl.DeepLClient) -> None:
    french = "La maison rouge se trouve derrière la vieille église."
    handle = client.translate_document_upload(french, target_lang="FR", filename="a.txt")
    status = client.translate_document_wait_until_done(handle)
    assert not status.ok
    assert str(status.error_message) == "Source and target language are equal."


def test_refusals(client: deepl.DeepLClient) -> None:
    with pytest.raises(deepl.DeepLException, match="'target_lang' not supported"):
        client.translate_text("Hello", target_lang="ZZ")
    with pytest.raises(deepl.DeepLException, match="doesn't support formality"):
        client.translate_text("Hello", target_lang="EN-US", formality="more")
    with pytest.raises(deepl.GlossaryNotFoundException):
        client.get_glossary("17d1a1f5-3f2f-4e36-8b2b-6f3c9f3b1d5e")


@pytest.mark.program("Weblate", "replay")
@pytest.mark.parametrize("is_json", [True, False])
def test_weblate(service: RunningService, is_json: bool) -> None:
    """Newer versions send JSON, older ones a form."""
    headers = {"Authorization": "DeepL-Auth-Key any"}
    for kind, codes in (("source", {"EN", "FR"}), ("target", {"EN-GB", "EN-US", "FR"})):
        known = service.client.get("/v2/languages", params={"type": kind}, headers=headers).json()
        assert {language["language"] for language in known} == codes
    pairs = service.client.get("/v2/glossary-language-pairs", headers=headers).json()["supported_languages"]
    assert {(one["source_lang"], one["target_lang"]) for one in pairs} == {("en", "fr"), ("fr", "en")}
    fields = {
        "text": ['Hello <x id="7"></x>, you', "Bye"],
        "source_lang": "EN",
        "target_lang": "FR",
        "formality": "default",
        "tag_handling": "xml",
        "ignore_tags": ["x"],
        "context": "A greeting.",
        "model_type": "prefer_quality_optimized",
    }
    json, form = (fields, None) if is_json else (None, fields)
    answer = service.client.post("/v2/translate", headers=headers, json=json, data=form)
    assert answer.status_code == 200
    assert [one["text"] for one in answer.json()["translations"]] == ['HELLO <x id="7"></x>, YOU', "BYE"]


def test_mastodon(service: RunningService) -> None:
    form = "text[]=%3Cp%3EHello%3C%2Fp%3E&text[]=A+warning&source_lang&target_lang=FR&tag_handling=html"
    headers = {"Authorization": "DeepL-Auth-Key any", "Content-Type": "application/x-www-form-urlencoded"}
    answer = service.client.post("/v2/translate", content=form, headers=headers, timeout=10)
    assert answer.status_code == 200
    found = answer.json()["translations"]
    assert [one["text"] for one in found] == ["<p>HELLO</p>", "A WARNING"]
    assert all(one["detected_source_language"] for one in found)
