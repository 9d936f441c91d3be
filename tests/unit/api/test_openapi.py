"""The description of the API is valid, its examples really work, and its page needs nothing from elsewhere."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from openapi_spec_validator import validate

from app.settings import Settings
from tests.support.deepl_requests import KEY
from tests.support.service import RunningService, fake_models, running_service

WEB = Path(__file__).parents[3] / "app" / "web"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    models = fake_models(tmp_path_factory.mktemp("models"), ("en", "fr"))
    with running_service(Settings(models_dir=models, root_path="/prefix")) as running:
        yield running


@pytest.fixture(scope="module")
def description(service: RunningService) -> dict[str, Any]:
    answer = service.client.get("/openapi.json")
    assert answer.status_code == 200
    found: dict[str, Any] = answer.json()
    return found


def test_it_is_valid_openapi_3_1(description: dict[str, Any]) -> None:
    assert description["openapi"].startswith("3.1")
    validate(description)


def test_it_describes_every_path_and_no_422(description: dict[str, Any]) -> None:
    assert set(description["paths"]) == {
        "/translate",
        "/translate_file",
        "/download_file/{name}",
        "/detect",
        "/languages",
        "/frontend/settings",
        "/suggest",
        "/spec",
        "/imme",
        "/kiss",
        "/hcfy",
        "/deeplx",
        "/translate/batch",
        "/language/translate/v2",
        "/language/translate/v2/languages",
        "/language/translate/v2/detect",
        "/translate_a/single",
        "/v2/translate",
        "/v2/document",
        "/v2/document/{document_id}",
        "/v2/document/{document_id}/result",
        "/v2/languages",
        "/v2/glossary-language-pairs",
        "/v2/glossaries",
        "/v2/glossaries/{glossary_id}",
        "/v2/glossaries/{glossary_id}/entries",
        "/v2/usage",
        "/v3/glossaries",
        "/v3/glossaries/{glossary_id}",
        "/v3/glossaries/{glossary_id}/dictionaries",
        "/v3/glossaries/{glossary_id}/entries",
        "/v3/languages",
        "/v3/languages/resources",
        "/complete",
        "/health",
        "/ready",
        "/metrics",
    }
    assert description["servers"] == [{"url": "/prefix"}]
    for operations in description["paths"].values():
        for operation in operations.values():
            assert "422" not in operation["responses"]
            assert operation["summary"]


def test_answers_in_json_are_described_as_json(description: dict[str, Any]) -> None:
    """FastAPI takes whatever it does not know to be JSON for a string."""
    for path, operations in description["paths"].items():
        for operation in operations.values():
            for response in operation["responses"].values():
                schema = response.get("content", {}).get("application/json", {}).get("schema", {})
                assert schema.get("type") != "string", path


def test_every_group_is_described_and_used(description: dict[str, Any]) -> None:
    used = {tag for path in description["paths"].values() for operation in path.values() for tag in operation["tags"]}
    assert {tag["name"] for tag in description["tags"]} == used
    assert all(tag["description"] for tag in description["tags"])


@pytest.mark.parametrize("path", ["/translate", "/complete"])
def test_every_error_status_has_an_example(description: dict[str, Any], path: str) -> None:
    responses = description["paths"][path]["post"]["responses"]
    assert set(responses) == {"200", "400", "403", "408", "413", "415", "429", "500", "503", "504"}
    for status, response in responses.items():
        examples = response["content"]["application/json"]["examples"]
        assert examples, status
        if status != "200":
            assert all(set(example["value"]) == {"error"} for example in examples.values())


def test_every_error_of_deepl_has_an_example(description: dict[str, Any]) -> None:
    responses = description["paths"]["/v2/translate"]["post"]["responses"]
    assert set(responses) == {"200", "400", "403", "408", "413", "415", "429", "456", "500", "503", "504"}
    for status in set(responses) - {"200", "403"}:
        examples = responses[status]["content"]["application/json"]["examples"]
        assert examples, status
        assert all(set(example["value"]) - {"detail"} == {"message"} for example in examples.values())


def test_deepl_asks_for_a_key(description: dict[str, Any]) -> None:
    (name,) = description["components"]["securitySchemes"]
    for path, operations in description["paths"].items():
        for operation in operations.values():
            assert operation.get("security") == ([{name: []}] if path.startswith(("/v2/", "/v3/")) else None), path


@pytest.mark.parametrize("path", ["/v2/languages", "/v2/usage", "/v2/glossary-language-pairs"])
def test_what_deepl_s_clients_get(description: dict[str, Any], service: RunningService, path: str) -> None:
    operation = description["paths"][path]["get"]
    query = {parameter["name"]: parameter["example"] for parameter in operation.get("parameters", ())}
    assert service.client.get(path, params=query, headers=KEY).status_code == 200


@pytest.mark.parametrize("path", ["/translate", "/detect", "/complete", "/v2/translate"])
def test_request_examples_work_in_every_encoding(
    description: dict[str, Any], service: RunningService, path: str
) -> None:
    content = description["paths"][path]["post"]["requestBody"]["content"]
    for example in content["application/json"]["examples"].values():
        answer = service.client.post(path, json=example["value"], headers=KEY)
        assert answer.status_code == 200, answer.text
    form = content["application/x-www-form-urlencoded"]["example"]
    assert service.client.post(path, data=form, headers=KEY).status_code == 200
    parts = {name: (None, value) for name, value in content["multipart/form-data"]["example"].items()}
    assert service.client.post(path, files=parts, headers=KEY).status_code == 200
    assert service.client.post(path, params=form, headers=KEY).status_code == 200


def test_the_examples_of_files_work(description: dict[str, Any], service: RunningService) -> None:
    for path in ("/translate_file", "/v2/document"):
        content = description["paths"][path]["post"]["requestBody"]["content"]["multipart/form-data"]
        fields = dict(content["example"])
        file = ("a.txt", fields.pop("file"))
        answer = service.client.post(path, files={"file": file}, data=fields, headers=KEY)
        assert answer.status_code == 200, answer.text
        shown = description["paths"][path]["post"]["responses"]["200"]["content"]["application/json"]["example"]
        assert set(answer.json()) == set(shown)
    for path in ("/v2/document/{document_id}", "/v2/document/{document_id}/result"):
        operation = description["paths"][path]["post"]
        (parameter,) = operation["parameters"]
        url = path.format(document_id=parameter["example"])
        body = operation["requestBody"]["content"]
        # There is no such document, which is what an example of a key can come to.
        answer = service.client.post(url, json=body["application/json"]["example"], headers=KEY)
        assert (answer.status_code, set(answer.json())) == (404, {"message"})
        form = body["application/x-www-form-urlencoded"]["example"]
        assert service.client.post(url, data=form, headers=KEY).status_code == 404


@pytest.mark.parametrize("path", ["/v2/document", "/v2/document/{document_id}", "/v2/document/{document_id}/result"])
def test_every_error_of_documents_has_an_example(description: dict[str, Any], path: str) -> None:
    responses = description["paths"][path]["post"]["responses"]
    for status in set(responses) - {"200", "403"}:
        examples = responses[status]["content"]["application/json"]["examples"]
        assert all(set(example["value"]) - {"detail"} == {"message"} for example in examples.values())


def test_the_page_and_its_files(service: RunningService) -> None:
    page = service.client.get("/docs")
    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")
    assert "default-src 'none'" in page.headers["content-security-policy"]
    addresses = re.findall(r"(?:href|src)=\"([^\"]+)\"", page.text)
    assert len(addresses) >= 4
    for address in addresses:
        assert not address.startswith(("/", "http:", "https:")), "only relative addresses work under a prefix"
        assert service.client.get(f"/{address}").status_code == 200, address
    assert "<script>" not in page.text  # the policy allows files alone


@pytest.mark.parametrize("name", ["..%2fmain.py", "index.html", "%2e%2e%2f%2e%2e%2fpyproject.toml", "VERSIONS.txt"])
def test_no_other_file_is_given(service: RunningService, name: str) -> None:
    with httpx.Client(trust_env=False) as client:
        answer = client.get(f"{service.url}/docs/{name}")
    assert answer.status_code == 404
    assert set(answer.json()) == {"error"}


def test_own_web_files_name_no_other_server() -> None:
    for path in WEB.rglob("*"):
        if path.suffix in (".html", ".js", ".css", ".svg") and not path.name.startswith("swagger-ui"):
            found = re.findall(r"https?://[^\s\"']+", path.read_text(encoding="utf-8"))
            assert set(found) <= {"http://www.w3.org/2000/svg"}, path
    # Swagger UI would ask a validator elsewhere, and nothing in its style sheet may be fetched from elsewhere.
    assert "validatorUrl: null" in (WEB / "docs" / "start.js").read_text(encoding="utf-8")
    assert not re.search(r"url\(\s*[\"']?(?:https?:)?//", (WEB / "docs" / "swagger-ui.css").read_text(encoding="utf-8"))
