"""/v2/document: shapes, statuses and sentences that DeepL's clients know."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.settings import Settings
from tests.support.deepl_requests import KEY, checked
from tests.support.engines import PATIENCE, until
from tests.support.service import FakeGraphs, RunningService, fake_models, running_service

FIELDS = {"source_lang": "EN", "target_lang": "FR"}
WHERE = {"file": ("a.txt", b"Hello")}


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of one pair: with more the service would load what detects languages, which takes a second."""
    return fake_models(tmp_path_factory.mktemp("models"), ("en", "fr"))


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    models = fake_models(tmp_path_factory.mktemp("both"), ("en", "fr"), ("fr", "en"))
    with running_service(Settings(models_dir=models)) as running:
        yield running


def upload(service: RunningService, content: bytes = b"Hello", name: str = "a.txt", **fields: str) -> dict[str, str]:
    answer = service.client.post(
        "/v2/document", files={"file": (name, content)}, data={**FIELDS, **fields}, headers=KEY
    )
    found: dict[str, str] = checked(answer)
    assert set(found) == {"document_id", "document_key"}
    return found


def status_of(service: RunningService, handle: dict[str, str]) -> Any:
    body = {"document_key": handle["document_key"]}
    found = checked(service.client.post(f"/v2/document/{handle['document_id']}", json=body, headers=KEY))
    assert found["document_id"] == handle["document_id"]
    assert set(found) <= {"document_id", "status", "seconds_remaining", "billed_characters", "error_message"}
    return found


def ended(service: RunningService, handle: dict[str, str]) -> Any:
    end = time.monotonic() + PATIENCE
    while (found := status_of(service, handle))["status"] not in ("done", "error"):
        assert time.monotonic() < end
    return found


def refused(service: RunningService, status: int = 400, name: str = "a.txt", **fields: str) -> Any:
    present = {key: value for key, value in {**FIELDS, **fields}.items() if value}
    answer = service.client.post("/v2/document", files={"file": (name, b"Hello")}, data=present, headers=KEY)
    return checked(answer, status)


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("how", ["json", "data", "params"])
def test_from_beginning_to_end(service: RunningService, method: str, how: str) -> None:
    handle = upload(service, b"Hello you\r\n", "a letter.txt")
    assert ended(service, handle) == {
        "document_id": handle["document_id"],
        "status": "done",
        "billed_characters": len("Hello you\r\n"),
    }
    url, key = f"/v2/document/{handle['document_id']}", {"document_key": handle["document_key"]}
    if method == "GET" and how == "json":
        how = "params"
    sent: dict[str, Any] = {how: key, "headers": KEY}
    assert checked(service.client.request(method, url, **sent))["status"] == "done"
    answer = service.client.request(method, f"{url}/result", **sent)
    assert answer.status_code == 200
    assert answer.content == b"HELLO YOU\r\n"
    assert "a%20letter.txt" in answer.headers["content-disposition"]
    for again in (url, f"{url}/result"):
        assert checked(service.client.request(method, again, **sent), 404) == {"message": "Document not found"}


def test_only_with_its_key(service: RunningService) -> None:
    handle, other = upload(service), upload(service)
    ended(service, handle)
    for key in (other["document_key"], "", handle["document_key"][:-1], handle["document_key"] + "0", "é"):
        for end in ("", "/result"):
            url = f"/v2/document/{handle['document_id']}{end}"
            answer = service.client.post(url, json={"document_key": key}, headers=KEY)
            assert checked(answer, 404) == {"message": "Document not found"}
    for end in ("", "/result"):
        answer = service.client.post(f"/v2/document/{'0' * 32}{end}", json={"document_key": "0" * 64}, headers=KEY)
        assert checked(answer, 404) == {"message": "Document not found"}
    url = f"/v2/document/{handle['document_id']}"
    assert service.client.post(url, json={"document_key": handle["document_key"]}).status_code == 403
    assert service.client.post("/v2/document", files=WHERE, data=FIELDS).status_code == 403
    assert checked(service.client.post("/v2/document", files=WHERE, data={**FIELDS, "auth_key": "any"}))


def test_detection(service: RunningService) -> None:
    text = "Où est la gare la plus proche, s'il vous plaît ?"
    handle = upload(service, text.encode(), source_lang="", target_lang="en-us")
    ended(service, handle)
    url = f"/v2/document/{handle['document_id']}/result"
    answer = service.client.post(url, json={"document_key": handle["document_key"]}, headers=KEY)
    assert answer.content.decode() == text.upper()


def test_refusals(service: RunningService) -> None:
    assert refused(service, target_lang="")["message"] == "Value for 'target_lang' not supported."
    assert refused(service, target_lang="ZZ")["message"] == "Value for 'target_lang' not supported."
    assert refused(service, source_lang="ZZ")["message"] == "Value for 'source_lang' not supported."
    assert refused(service, formality="rude")["message"] == "Value for 'formality' not supported."
    assert refused(service, glossary_id="a")["message"] == "Glossary not found"
    assert refused(service, name="a.exe")["message"] == "Invalid file"
    assert refused(service, output_format="pdf")["message"] == "Value for 'output_format' not supported."
    assert refused(service, filename="b.pdf")["message"] == "Invalid file"
    equal = {"message": "Source and target language are equal."}
    assert refused(service, source_lang="FR", target_lang="FR") == equal
    assert refused(service, source_lang="FR-CH", target_lang="fr") == equal
    answer = service.client.post("/v2/document", data=FIELDS, headers=KEY)
    assert checked(answer, 400) == {"message": "Parameter 'file' not specified"}
    assert upload(service, output_format="txt", filename="../b.txt")


@pytest.mark.parametrize("name", ["a\nb.txt", "a\0b.txt", "a\r\nX-Evil: 1.txt", "\u202ea.txt", "ü\u2028.txt"])
def test_a_name_with_control_characters_loses_no_document(service: RunningService, name: str) -> None:
    handle = upload(service, filename=name)
    assert ended(service, handle)["status"] == "done"
    key = {"document_key": handle["document_key"]}
    answer = service.client.post(f"/v2/document/{handle['document_id']}/result", json=key, headers=KEY)
    assert answer.status_code == 200
    assert answer.content
    shown = answer.headers["content-disposition"]
    assert shown.isprintable()
    assert "x-evil" not in answer.headers


def test_a_damaged_document(service: RunningService) -> None:
    handle = upload(service, b"no zip file", "a.docx")
    found = ended(service, handle)
    assert found["status"] == "error"
    assert "damaged" in found["error_message"]
    url = f"/v2/document/{handle['document_id']}/result"
    answer = service.client.post(url, json={"document_key": handle["document_key"]}, headers=KEY)
    assert checked(answer, 503)["message"] == "Document translation is not done"


def test_too_large(models: Path) -> None:
    with running_service(Settings(models_dir=models, max_file_bytes=1024)) as service:
        for size in (1025, 200_000):
            answer = service.client.post(
                "/v2/document", files={"file": ("a.txt", b"a" * size)}, data=FIELDS, headers=KEY
            )
            assert "max_file_bytes (1024)" in checked(answer, 413)["message"]


def test_the_quota(models: Path) -> None:
    with running_service(Settings(models_dir=models, deepl_character_limit=8)) as service:
        ended(service, upload(service, b"Hello"))
        assert checked(service.client.get("/v2/usage", headers=KEY))["character_count"] == 5
        found = ended(service, upload(service, b"Hello"))
        assert found["error_message"] == "Quota for this billing period has been exceeded."
        ended(service, upload(service, b"You"))
        found = refused(service, 456)
        assert found["message"] == "Quota for this billing period has been exceeded."
        assert "deepl_character_limit (8)" in found["detail"]


def test_while_it_is_translated(models: Path) -> None:
    graphs = FakeGraphs()
    with running_service(Settings(models_dir=models, max_files=3), graphs) as service:
        machine = graphs.opened["en-fr"]
        machine.hooks.gate = threading.Event()
        handles = [upload(service, b"Hello") for _ in range(3)]
        until(lambda: status_of(service, handles[1])["status"] == "translating")
        assert [status_of(service, handle)["status"] for handle in handles] == ["translating", "translating", "queued"]
        url = f"/v2/document/{handles[0]['document_id']}/result"
        answer = service.client.post(url, json={"document_key": handles[0]["document_key"]}, headers=KEY)
        assert checked(answer, 503) == {"message": "Document translation is not done"}
        found = refused(service, 429)
        assert found["message"] == "Too many documents: 3 files are translated or wait, max_files is 3"
        assert service.client.get("/health").status_code == 200, "the event loop must not wait"
        machine.hooks.gate.set()
        assert [ended(service, handle)["status"] for handle in handles] == ["done"] * 3


def test_a_cancelled_document_ends_and_frees_its_slot(models: Path) -> None:
    def cancel(service: RunningService, handle: dict[str, str], key: str | None = None) -> int:
        body = {"document_key": key or handle["document_key"]}
        return service.client.request(
            "DELETE", f"/v2/document/{handle['document_id']}", json=body, headers=KEY
        ).status_code

    graphs = FakeGraphs()
    with running_service(Settings(models_dir=models, max_files=3), graphs) as service:
        graphs.opened["en-fr"].hooks.gate = threading.Event()
        running, other, queued = [upload(service, b"Hello") for _ in range(3)]
        until(lambda: status_of(service, other)["status"] == "translating")
        assert cancel(service, running, "0" * 64) == 404
        assert [cancel(service, running), cancel(service, queued)] == [204, 204]
        assert cancel(service, running) == 404
        graphs.opened["en-fr"].hooks.gate.set()
        assert ended(service, other)["status"] == "done"
        handles = [upload(service, b"Hello") for _ in range(2)]
        assert [ended(service, handle)["status"] for handle in handles] == ["done"] * 2
        assert cancel(service, handles[0]) == 204, "with its translation"
        answer = service.client.post(
            f"/v2/document/{handles[0]['document_id']}/result",
            json={"document_key": handles[0]["document_key"]},
            headers=KEY,
        )
        assert answer.status_code == 404


def test_a_deadline(models: Path) -> None:
    graphs = FakeGraphs()
    with running_service(Settings(models_dir=models, file_timeout_seconds=0.3), graphs) as service:
        machine = graphs.opened["en-fr"]
        machine.hooks.gate = threading.Event()
        found = ended(service, upload(service))
        assert found["error_message"] == "The file was not translated within 0.3 seconds"
        machine.hooks.gate.set()


def test_a_failing_step(models: Path) -> None:
    graphs = FakeGraphs()
    with running_service(Settings(models_dir=models), graphs) as service:
        graphs.opened["en-fr"].hooks.fail_next = RuntimeError("secret")
        found = ended(service, upload(service))
        assert found["status"] == "error"
        assert "secret" not in found["error_message"]


def test_old_documents_are_forgotten(models: Path) -> None:
    with running_service(Settings(models_dir=models, file_keep_seconds=2)) as service:
        handle = upload(service)
        ended(service, handle)
        body, path = {"document_key": handle["document_key"]}, f"/v2/document/{handle['document_id']}"
        until(lambda: service.client.post(path, json=body, headers=KEY).status_code == 404)
        for end in ("", "/result"):
            answer = service.client.post(path + end, json=body, headers=KEY)
            assert checked(answer, 404) == {"message": "Document not found"}


def test_the_service_ends_while_it_translates(models: Path) -> None:
    graphs = FakeGraphs()
    with running_service(Settings(models_dir=models), graphs) as service:
        machine = graphs.opened["en-fr"]
        machine.hooks.delay_seconds = 0.02
        handle = upload(service, b"Hello you. " * 200)
        until(lambda: status_of(service, handle)["status"] == "translating")
        began = time.monotonic()
    assert time.monotonic() - began < PATIENCE
