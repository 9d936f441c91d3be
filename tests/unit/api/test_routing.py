"""Methods and paths: HEAD wherever GET is, a slash too many, and what browsers ask before they send."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from app.settings import Settings
from tests.support.service import RunningService, fake_models, running_service

HELLO = {"q": "Hello", "source": "en", "target": "fr"}
KEY = {"Authorization": "DeepL-Auth-Key any"}
GET_PATHS = (
    *("/", "/docs", "/openapi.json", "/health", "/ready", "/metrics", "/languages", "/frontend/settings"),
    *("/v2/usage", "/v2/languages", "/v2/glossaries", "/v2/glossary-language-pairs"),
)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    folder = tmp_path_factory.mktemp("routing")
    settings = Settings(models_dir=fake_models(folder, ("en", "fr")), data_dir=folder / "data")
    with running_service(settings) as running:
        yield running


@pytest.mark.parametrize("path", GET_PATHS)
def test_head_is_answered_as_get_is_without_a_body(service: RunningService, path: str) -> None:
    whole, head = (service.client.request(method, path, headers=KEY) for method in ("GET", "HEAD"))
    assert (whole.status_code, head.status_code) == (200, 200)
    assert head.content == b""
    assert head.headers["content-type"] == whole.headers["content-type"]
    if path not in ("/metrics", "/ready"):  # their lengths change
        assert head.headers["content-length"] == str(len(whole.content))


def test_head_of_what_takes_only_post_or_is_fetched_once(service: RunningService) -> None:
    assert service.client.head("/translate").status_code == 405
    files = {"file": ("a.txt", b"Hello", "text/plain")}
    answer = service.client.post("/translate_file", data={"source": "en", "target": "fr"}, files=files)
    path = answer.json()["translatedFileUrl"].partition(str(service.address[1]))[2]
    assert service.client.head(path).status_code == 405
    assert service.client.get(path).status_code == 200


@pytest.mark.parametrize("root_path", ["", "/translate-api"])
@pytest.mark.parametrize("prefix_is_stripped", [True, False])
def test_a_slash_at_the_end_is_answered_at_once(tmp_path: Path, root_path: str, prefix_is_stripped: bool) -> None:
    settings = Settings(models_dir=fake_models(tmp_path, ("en", "fr")), root_path=root_path)
    with running_service(settings) as service:
        prefix = "" if prefix_is_stripped else root_path
        answer = service.client.post(f"{prefix}/translate/", data=HELLO)
        assert (answer.status_code, answer.json()) == (200, {"translatedText": "HELLO"})
        assert service.client.get(f"{prefix}/languages/").status_code == 200
        assert service.client.get(f"{prefix}/").headers["content-type"].startswith("text/html")
        for path in ("/languages//", "//languages", "/nowhere/"):
            answer = service.client.get(service.url + prefix + path)
            assert (answer.status_code, list(answer.json())) == (404, ["error"])


def test_another_site_may_delete_a_glossary(service: RunningService) -> None:
    asked = {"Origin": "https://a.example", "Access-Control-Request-Method": "DELETE"}
    answer = service.client.options("/v2/glossaries/x", headers=asked)
    assert answer.status_code == 200
    assert "DELETE" in answer.headers["access-control-allow-methods"].split(", ")


@pytest.mark.parametrize(
    ("accepted", "target"),
    [
        ("fr-CH, fr;q=0.9, en;q=0.8", "fr"),
        ("en;q=0.3, fr;q=0.9", "fr"),
        ("en-GB", "en"),
        ("zz, *;q=0.5", "en"),
        ("", "en"),
        ("fr;q=x, ;;;, en", "en"),
        ("," * 5000, "en"),
    ],
)
def test_the_first_target_of_a_page_is_the_browser_s(tmp_path: Path, accepted: str, target: str) -> None:
    with running_service(Settings(models_dir=fake_models(tmp_path, ("en", "fr"), ("fr", "en")))) as service:
        found = service.client.get("/frontend/settings", headers={"Accept-Language": accepted}).json()
    assert found["language"]["target"]["code"] == target


def test_the_header_of_unplaced_terms_is_short(service: RunningService) -> None:
    terms = {f"term number {number}": "x" for number in range(5000)}
    text = " ".join(terms)
    answer = service.client.post("/translate", json={**HELLO, "q": text, "glossary": terms})
    assert answer.status_code == 200
    assert len(answer.headers.get("x-glossary-unplaced", "")) < 2200
