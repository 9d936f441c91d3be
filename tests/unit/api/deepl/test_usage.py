"""What DeepL's clients ask for beside translations: languages, usage, and the key they bring."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.settings import Settings
from tests.support.deepl_requests import HELLO, KEY, checked
from tests.support.service import RunningService, fake_models, running_service


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    pairs = (("en", "fr"), ("fr", "en"), ("de", "en"), ("en", "pt"))
    with running_service(Settings(models_dir=fake_models(tmp_path_factory.mktemp("models"), *pairs))) as running:
        yield running


def translate(service: RunningService, status: int, **fields: Any) -> Any:
    return checked(service.client.post("/v2/translate", json={**HELLO, **fields}, headers=KEY), status)


@pytest.mark.parametrize("path", ["/v2/translate", "/v2/languages", "/v2/usage", "/v2/glossary-language-pairs"])
def test_without_a_key(service: RunningService, path: str) -> None:
    for headers in ({}, {"Authorization": ""}, {"Authorization": "Basic x"}, {"Authorization": "DeepL-Auth-Key"}):
        assert checked(service.client.get(path, headers=headers), 403) is None
    assert checked(service.client.get(path, params={"auth_key": ""}), 403) is None


def test_every_form_of_the_key(service: RunningService) -> None:
    post = service.client.post
    checked(post("/v2/translate", json=HELLO, headers={"Authorization": "deepl-auth-key  any"}))
    checked(post("/v2/translate", json=HELLO, headers={"Authorization": "Bearer any"}))
    checked(post("/v2/translate", json={**HELLO, "auth_key": "any"}))
    checked(post("/v2/translate", data={**HELLO, "auth_key": "any"}))
    checked(post("/v2/translate", params={"auth_key": "any"}, json=HELLO))
    checked(service.client.get("/v2/usage", params={"auth_key": "any"}))


def test_source_languages(service: RunningService) -> None:
    sources = [
        {"language": "DE", "name": "German"},
        {"language": "EN", "name": "English"},
        {"language": "FR", "name": "French"},
    ]
    for query in ({}, {"type": "source"}, {"type": "SOURCE"}, {"type": ""}):
        assert checked(service.client.get("/v2/languages", params=query, headers=KEY)) == sources


def test_target_languages(service: RunningService) -> None:
    targets = [
        {"language": "EN-GB", "name": "English (British)", "supports_formality": False},
        {"language": "EN-US", "name": "English (American)", "supports_formality": False},
        {"language": "FR", "name": "French", "supports_formality": True},
        {"language": "PT-BR", "name": "Portuguese (Brazilian)", "supports_formality": True},
        {"language": "PT-PT", "name": "Portuguese (European)", "supports_formality": True},
    ]
    assert checked(service.client.get("/v2/languages", params={"type": "target"}, headers=KEY)) == targets
    # A form with a GET, as the official client sends it.
    assert checked(service.client.request("GET", "/v2/languages", data={"type": "target"}, headers=KEY)) == targets
    assert checked(service.client.post("/v2/languages", data={"type": "target"}, headers=KEY)) == targets
    for target in targets:
        translate(service, 200, source_lang="", target_lang=target["language"])


def test_a_type_that_is_none(service: RunningService) -> None:
    answer = service.client.get("/v2/languages", params={"type": "both"}, headers=KEY)
    message = "Parameter 'type' is invalid. 'source' and 'target' are valid values."
    assert checked(answer, 400) == {"message": message}


def test_every_pair_can_have_a_glossary(service: RunningService) -> None:
    found = checked(service.client.get("/v2/glossary-language-pairs", headers=KEY))["supported_languages"]
    assert {(one["source_lang"], one["target_lang"]) for one in found} == {
        ("en", "fr"),
        ("fr", "en"),
        ("de", "en"),
        ("en", "pt"),
        ("de", "fr"),  # by two bundles, as the next two
        ("de", "pt"),
        ("fr", "pt"),
    }


def test_usage_without_a_limit(service: RunningService) -> None:
    before = checked(service.client.get("/v2/usage", headers=KEY))
    assert before["character_limit"] == 10**12  # as DeepL answers for accounts without a limit
    translate(service, 200, text=["Hello", "you"])
    after = checked(service.client.get("/v2/usage", headers=KEY))
    assert after == {**before, "character_count": before["character_count"] + 8}


def test_usage_with_a_limit(tmp_path: Path) -> None:
    limited = Settings(models_dir=fake_models(tmp_path, ("en", "fr")), deepl_character_limit=12)

    def used(service: RunningService) -> Any:
        found = checked(service.client.get("/v2/usage", headers=KEY))
        assert found["character_limit"] == 12
        return found["character_count"]

    with running_service(limited) as service:
        assert used(service) == 0
        translate(service, 200, text=["Hello", "you"])
        assert used(service) == 8
        translate(service, 400, target_lang="ZZ")
        assert translate(service, 456) == {
            "message": "Quota for this billing period has been exceeded.",
            "detail": "8 characters are counted, and 5 more exceed deepl_character_limit (12)",
        }
        service.graphs.opened["en-fr"].hooks.fail_encode = RuntimeError("broken")
        translate(service, 500, text="many")
        service.graphs.opened["en-fr"].hooks.fail_encode = None
        assert used(service) == 8  # what was not translated is not counted
        # The quota is DeepL's clients' alone.
        assert service.client.post("/translate", json={"q": "H" * 50, "source": "en", "target": "fr"}).is_success


def test_under_a_path_prefix(tmp_path: Path) -> None:
    with running_service(Settings(models_dir=fake_models(tmp_path, ("en", "fr")), root_path="/tr")) as service:
        for prefix in ("", "/tr"):
            checked(service.client.post(f"{prefix}/v2/translate", json=HELLO, headers=KEY))
            assert list(checked(service.client.get(f"{prefix}/v2/nothing"), 404)) == ["message"]
