"""POST /translate_file and GET /download_file: what LibreTranslate's clients send, get and are refused."""

import re
import socket
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.files.formats.registry import SUFFIXES
from app.settings import Settings
from tests.support.engines import PATIENCE, until
from tests.support.file_samples import SAMPLES, docx_bytes, passages, translated
from tests.support.service import FakeGraphs, RunningService, fake_models, running_service

FIELDS = {"source": "en", "target": "fr"}
MAX_FILE_BYTES = 400_000


@pytest.fixture(autouse=True, scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where temporary files go."""
    found, before = tmp_path_factory.mktemp("temporary"), tempfile.tempdir
    tempfile.tempdir = str(found)
    yield found
    tempfile.tempdir = before


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of one pair: with more the service would load what detects languages, which takes a second."""
    return fake_models(tmp_path_factory.mktemp("models"), ("en", "fr"))


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, folder: Path) -> Iterator[RunningService]:
    models = fake_models(tmp_path_factory.mktemp("both"), ("en", "fr"), ("fr", "en"))
    with running_service(Settings(models_dir=models, max_file_bytes=MAX_FILE_BYTES, max_body_bytes=1024)) as running:
        yield running


def send(service: RunningService, name: str, content: bytes, **fields: str) -> httpx.Response:
    return service.client.post("/translate_file", files={"file": (name, content)}, data={**FIELDS, **fields})


def url_of(answer: httpx.Response) -> str:
    assert answer.status_code == 200, answer.text
    assert list(answer.json()) == ["translatedFileUrl"]
    found: str = answer.json()["translatedFileUrl"]
    return found


def refused(answer: httpx.Response, status: int = 400) -> str:
    assert answer.status_code == status, answer.text
    assert list(answer.json()) == ["error"]
    found: str = answer.json()["error"]
    return found


def on_disk(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.rglob("files.sqlite3"))


@pytest.mark.parametrize("name", SAMPLES)
def test_every_format(service: RunningService, name: str) -> None:
    answer = service.client.get(url_of(send(service, name, SAMPLES[name])))
    assert answer.status_code == 200
    found = answer.content
    if name.endswith((".docx", ".odt", ".pptx", ".epub")):
        assert (
            "".join(passages(name, found)).upper() == "".join(passages(name, translated(name, SAMPLES[name]))).upper()
        )
        assert found != SAMPLES[name]
    else:
        assert found == translated(name, SAMPLES[name])


def test_the_file_is_there_once(service: RunningService, folder: Path) -> None:
    url = url_of(send(service, "a letter é.txt", b"Good morning"))
    assert re.fullmatch(service.url + "/download_file/[0-9a-f-]{36}.a%20letter%20%C3%A9_fr.txt", url)
    assert service.client.get(url.replace("_fr", "_en")).status_code == 404
    answer = service.client.get(url)
    assert answer.content == b"GOOD MORNING"
    assert answer.headers["content-type"] == "text/plain"
    assert answer.headers["content-disposition"] == (
        "attachment; filename=\"a letter ?_fr.txt\"; filename*=UTF-8''a%20letter%20%C3%A9_fr.txt"
    )
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "fetched already" in refused(service.client.get(url), 404)
    assert b"GOOD MORNING" not in on_disk(folder)


@pytest.mark.parametrize("name", ["x", "%2e%2e%2fa.txt", "6f4a1d2c-52f5-4f3c-9b0e-2f6d1c8f3a77.a.txt"])
def test_no_other_file_is_given(service: RunningService, name: str) -> None:
    with httpx.Client(trust_env=False) as client:
        assert client.get(f"{service.url}/download_file/{name}").status_code == 404


def test_detection(service: RunningService) -> None:
    text = "Où est la gare la plus proche, s'il vous plaît ?\n".encode()
    assert service.client.get(url_of(send(service, "a.txt", text, source="auto", target="en"))).content == (
        text.decode().upper().encode()
    )
    # It is in French already.
    assert service.client.get(url_of(send(service, "a.txt", text, source="auto"))).content == text
    assert service.client.get(url_of(send(service, "a.txt", b"", source="auto"))).content == b""


def test_refusals(service: RunningService) -> None:
    assert refused(service.client.post("/translate_file", data=FIELDS)) == "Invalid request: missing file parameter"
    assert refused(send(service, "a.txt", b"a", source="")) == "Invalid request: missing source parameter"
    assert refused(send(service, "a.txt", b"a", target="")) == "Invalid request: missing target parameter"
    assert refused(send(service, "a.txt", b"a", target="zz")) == "zz is not supported"
    for name in ("a.exe", "a", "txt", ".txt", "a.txt.zip"):
        assert refused(send(service, name, b"a")) == "Invalid request: file format not supported"
    assert "damaged" in refused(send(service, "a.docx", b"a"))
    assert "UTF-8" in refused(send(service, "a.txt", b"a\x00\xe9"))
    field = {name: (None, value) for name, value in FIELDS.items()}
    assert "missing file" in refused(service.client.post("/translate_file", files={**field, "file": (None, "a")}))
    two = [("file", ("a.txt", b"a")), ("file", ("b.txt", b"b"))]
    assert "Too many files" in refused(service.client.post("/translate_file", files=two, data=FIELDS))


def test_limits(service: RunningService) -> None:
    # What is a little over is read, what is far over is not.
    for size in (MAX_FILE_BYTES + 1, MAX_FILE_BYTES + 100_000):
        assert f"max_file_bytes ({MAX_FILE_BYTES})" in refused(send(service, "a.txt", b"a " * (size // 2 + 1)), 413)
    assert url_of(send(service, "a.txt", b"1 " * (MAX_FILE_BYTES // 2)))
    # Elsewhere the limit of texts holds.
    assert "max_body_bytes" in refused(service.client.post("/translate", json={"q": "a" * 2000, **FIELDS}), 413)


def test_a_long_document(service: RunningService) -> None:
    data = docx_bytes(2000)
    found = service.client.get(url_of(send(service, "long.docx", data))).content
    texts = passages("long.docx", found)
    assert sum("ABOUT TRAINS" in text for text in texts) == 2000
    assert texts.index("PARAGRAPH NUMBER 7 IS ABOUT TRAINS.") < texts.index("PARAGRAPH NUMBER 1999 IS ABOUT TRAINS.")


def test_what_a_page_is_told(service: RunningService) -> None:
    found = service.client.get("/frontend/settings").json()
    assert found["filesTranslation"] is True
    assert found["supportedFilesFormat"] == list(SUFFIXES)


def test_behind_a_proxy(models: Path) -> None:
    headers = {"Host": "example.com", "X-Forwarded-Host": "public.example"}
    sent: dict[str, Any] = {"files": {"file": ("a.txt", b"Hello")}, "data": FIELDS, "headers": headers}
    with running_service(Settings(models_dir=models, root_path="/translate-api")) as service:
        url = url_of(service.client.post("/translate_file", **sent))
        assert url.startswith("http://example.com/translate-api/download_file/"), "a stranger's header is not believed"
        assert service.client.get(url.removeprefix("http://example.com")).content == b"HELLO"
    with running_service(Settings(models_dir=models, trusted_proxies="127.0.0.1")) as service:
        assert url_of(service.client.post("/translate_file", **sent)).startswith("http://public.example/download_file/")


def test_too_many_files_and_too_slow_ones(models: Path) -> None:
    graphs = FakeGraphs()
    with running_service(Settings(models_dir=models, max_files=1), graphs) as service:
        machine = graphs.opened["en-fr"]
        machine.hooks.gate = threading.Event()
        answers: list[httpx.Response] = []
        thread = threading.Thread(target=lambda: answers.append(send(service, "a.txt", b"Hello")))
        thread.start()
        engine_busy = len(machine.hooks.step_rows)
        until(lambda: len(machine.hooks.step_rows) > engine_busy)
        with httpx.Client(base_url=service.url, trust_env=False) as other:
            answer = other.post("/translate_file", files={"file": ("b.txt", b"Hello")}, data=FIELDS)
            assert refused(answer, 429) == "1 files are translated or wait, max_files is 1"
            assert int(answer.headers["retry-after"]) > 0
            assert other.get("/health").status_code == 200, "the event loop must not wait"
            machine.hooks.gate.set()
            thread.join(PATIENCE)
            assert answers[0].status_code == 200
            machine.hooks.gate = threading.Event()
            slow = other.post(
                "/translate_file",
                files={"file": ("b.txt", b"Hello")},
                data=FIELDS,
                headers={"X-Request-Timeout-Seconds": "0.3"},
            )
            assert "not translated within" in refused(slow, 504)
            machine.hooks.gate.set()


def test_a_client_that_leaves(models: Path) -> None:
    graphs = FakeGraphs()
    with running_service(Settings(models_dir=models, max_files=1), graphs) as service:
        machine = graphs.opened["en-fr"]
        machine.hooks.gate = threading.Event()
        before = len(machine.hooks.step_rows)
        body = (
            b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\nHello\r\n'
            b'--x\r\nContent-Disposition: form-data; name="source"\r\n\r\nen\r\n'
            b'--x\r\nContent-Disposition: form-data; name="target"\r\n\r\nfr\r\n--x--\r\n'
        )
        head = (
            "POST /translate_file HTTP/1.1\r\nHost: a\r\nContent-Type: multipart/form-data; boundary=x\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        with socket.create_connection(service.address) as connection:
            connection.sendall(head.encode() + body)
            until(lambda: len(machine.hooks.step_rows) > before)
        machine.hooks.gate.set()
        end = time.monotonic() + PATIENCE
        while send(service, "b.txt", b"Hello").status_code != 200:  # there is room again
            assert time.monotonic() < end


def test_files_that_nobody_fetches(models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    chosen = Settings(models_dir=models, file_keep_seconds=0.3, max_stored_bytes=1024)
    with running_service(chosen) as service:
        url = url_of(send(service, "a.txt", b"Hello " * 150))
        assert b"HELLO" in on_disk(folder)
        assert "max_stored_bytes (1024)" in refused(send(service, "a.txt", b"Hello " * 150), 429)
        until(lambda: b"HELLO" not in on_disk(folder))
        assert service.client.get(url).status_code == 404
        url_of(send(service, "a.txt", b"Hello " * 150))
    assert list(folder.iterdir()) == [], "nothing is left behind when the service ends"
