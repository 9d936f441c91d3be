"""Glossaries through DeepL's endpoints: make, list, read, delete, and what is refused."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.settings import Settings
from tests.support.deepl_requests import KEY, checked
from tests.support.service import RunningService, fake_models, running_service

CHEESE: dict[str, Any] = {
    "name": "Cheese",
    "source_lang": "EN",
    "target_lang": "fr",
    "entries": "cottage cheese\tfaisselle\nblue\tbleu",
    "entries_format": "tsv",
}
UNKNOWN = "/v2/glossaries/17d1a1f5-3f2f-4e36-8b2b-6f3c9f3b1d5e"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    folder = tmp_path_factory.mktemp("glossaries")
    models = fake_models(folder / "models", ("en", "fr"), ("fr", "en"))
    settings = Settings(models_dir=models, data_dir=folder / "data", max_glossaries=4, max_glossary_entries=3)
    with running_service(settings) as running:
        yield running


def test_from_the_beginning_to_the_end(service: RunningService) -> None:
    get = service.client.get
    made = checked(service.client.post("/v2/glossaries", json=CHEESE, headers=KEY), 201)
    assert made["entry_count"] == 2
    assert made["ready"] is True
    assert (made["source_lang"], made["target_lang"], made["name"]) == ("en", "fr", "Cheese")
    assert made["creation_time"].endswith("Z")
    path = f"/v2/glossaries/{made['glossary_id']}"
    assert checked(get(path, headers=KEY)) == made
    assert made in checked(get("/v2/glossaries", headers=KEY))["glossaries"]
    answer = get(path + "/entries", headers={**KEY, "Accept": "text/tab-separated-values"})
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/tab-separated-values")
    assert answer.text == CHEESE["entries"]
    assert checked(get(path + "/entries", headers={**KEY, "Accept": "application/json"}), 415)["message"]
    assert checked(service.client.delete(path, headers=KEY), 204) is None
    for method, gone in (("GET", path), ("GET", path + "/entries"), ("DELETE", path), ("GET", UNKNOWN)):
        assert checked(service.client.request(method, gone, headers=KEY), 404) == {"message": "Glossary not found"}


@pytest.mark.parametrize(
    ("changed", "message", "detail"),
    [
        ({"name": " "}, "Parameter 'name' not specified", None),
        ({"name": "x" * 1025}, "Parameter 'name' has 1025 characters, at most 1024 are allowed", None),
        ({"source_lang": ""}, "Parameter 'source_lang' not specified", None),
        ({"target_lang": "XX"}, "Value for 'target_lang' not supported.", "is not served"),
        ({"target_lang": "EN"}, "Unsupported glossary language pair", ""),
        ({"entries_format": "xls"}, "Value for 'entries_format' not supported.", "tsv, csv"),
        ({"entries": "no tab"}, "Invalid glossary entries provided", "misses tab separator"),
        ({"entries": "a\tb\nc\td\ne\tf\ng\th"}, "Too many glossaries or entries", "max_glossary_entries"),
    ],
)
def test_what_is_refused(service: RunningService, changed: dict[str, Any], message: str, detail: str | None) -> None:
    found = checked(service.client.post("/v2/glossaries", json={**CHEESE, **changed}, headers=KEY), 400)
    assert found["message"] == message
    assert ("detail" not in found) if detail is None else detail in found["detail"]


def test_as_a_form_and_no_more_than_may_be(service: RunningService) -> None:
    paths = []
    for number in range(4):
        form = {**CHEESE, "name": str(number), "entries": "a,b", "entries_format": "csv"}
        made = checked(service.client.post("/v2/glossaries", data=form, headers=KEY), 201)
        paths.append(f"/v2/glossaries/{made['glossary_id']}")
    refused = checked(service.client.post("/v2/glossaries", json=CHEESE, headers=KEY), 400)
    assert "max_glossaries (5) exceeds the limit (4)" in refused["detail"]
    for path in paths:
        checked(service.client.delete(path, headers=KEY), 204)


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_without_a_key(service: RunningService, method: str) -> None:
    assert service.client.request(method, "/v2/glossaries").status_code == 403


def test_two_services_share_the_file(tmp_path: Path) -> None:
    models = fake_models(tmp_path / "models", ("en", "fr"))
    settings = Settings(models_dir=models, data_dir=tmp_path / "data")
    with running_service(settings) as one, running_service(settings) as other:
        made = checked(one.client.post("/v2/glossaries", json=CHEESE, headers=KEY), 201)
        assert checked(other.client.get("/v2/glossaries", headers=KEY)) == {"glossaries": [made]}


def test_terms_of_several_glossaries(service: RunningService) -> None:
    ids = []
    for entries in ("one\tun", "one\tdeux\ntwo\tdeux"):
        fields = {"name": "Numbers", "dictionaries": [{**CHEESE, "entries": entries}]}
        ids.append(checked(service.client.post("/v3/glossaries", json=fields, headers=KEY), 201)["glossary_id"])
    body = {"text": "one and two", "source_lang": "EN", "target_lang": "FR", "glossary_ids": ids}
    found = checked(service.client.post("/v2/translate", json=body, headers=KEY))
    assert found["translations"][0]["text"] == "un AND deux"
    body["source_lang"], body["target_lang"] = "FR", "EN"
    refused = checked(service.client.post("/v2/translate", json=body, headers=KEY), 400)
    assert refused["message"] == "No dictionary found for language pair"
    for glossary_id in ids:
        checked(service.client.delete(f"/v3/glossaries/{glossary_id}", headers=KEY), 204)


@pytest.mark.parametrize(
    ("method", "path", "fields", "message"),
    [
        ("POST", "", {"name": "", "dictionaries": [CHEESE]}, "Parameter 'name' not specified"),
        (
            "POST",
            "",
            {"name": "x", "dictionaries": "y"},
            "Invalid request: dictionaries parameter must be a list of objects",
        ),
        ("POST", "", {"name": "x", "dictionaries": [{}]}, "Parameter 'source_lang' not specified"),
        ("PATCH", "/x", {}, "Parameter 'name' or 'dictionaries' not specified"),
        ("PATCH", "/x", {"name": " "}, "Parameter 'name' not specified"),
        ("PUT", "/x/dictionaries", {**CHEESE, "entries": "a"}, "Invalid glossary entries provided"),
    ],
)
def test_what_version_3_refuses(
    service: RunningService, method: str, path: str, fields: dict[str, Any], message: str
) -> None:
    answer = service.client.request(method, f"/v3/glossaries{path}", json=fields, headers=KEY)
    assert checked(answer, 400)["message"] == message


def test_version_3_finds_nothing(service: RunningService) -> None:
    for method, path, fields in (
        ("GET", "/x", None),
        ("PATCH", "/x", {"name": "y"}),
        ("PUT", "/x/dictionaries", CHEESE),
        ("DELETE", "/x", None),
        ("DELETE", "/x/dictionaries?source_lang=en&target_lang=fr", None),
        ("GET", "/x/entries?source_lang=en&target_lang=fr", None),
    ):
        answer = service.client.request(method, f"/v3/glossaries{path}", json=fields, headers=KEY)
        assert checked(answer, 404) == {"message": "Glossary not found"}


def test_languages_of_version_3(service: RunningService) -> None:
    found = checked(service.client.get("/v3/languages", params={"resource": "translate_text"}, headers=KEY))
    assert [(one["lang"], one["usable_as_source"], one["usable_as_target"]) for one in found] == [
        ("en", True, False),
        ("en-GB", False, True),
        ("en-US", False, True),
        ("fr", True, True),
    ]
    assert set(found[-1]["features"]) == {"formality", "tag_handling", "glossary", "auto_detection"}
    assert set(found[1]["features"]) == {"tag_handling", "glossary"}
    refused = checked(service.client.get("/v3/languages", params={"resource": "voice"}, headers=KEY), 400)
    assert refused["message"] == "Value for 'resource' not supported."
    resources = checked(service.client.get("/v3/languages/resources", headers=KEY))
    assert [one["name"] for one in resources] == ["translate_text", "translate_document", "glossary"]
