"""Spans for OpenTelemetry: one for each request, in the trace that it brings, without values of the caller."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("opentelemetry.sdk")

import httpx
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from app.api.observability.spans import Spans
from app.settings import Settings
from tests.support.engines import until
from tests.support.service import fake_models, running_service

HELLO = {"q": "Secretword", "source": "en", "target": "fr"}
TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = "b7ad6b7169203331"
VARIABLES = ("OTEL_TRACES_EXPORTER", "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*VARIABLES, "OTEL_SDK_DISABLED", "OTEL_EXPORTER_OTLP_PROTOCOL"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fake_models(tmp_path_factory.mktemp("models"), ("en", "fr"))


@pytest.fixture
def exporter() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def client(models: Path, exporter: InMemorySpanExporter) -> Iterator[httpx.Client]:
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    with running_service(Settings(models_dir=models), spans=Spans(provider)) as service:
        yield service.client


def finished(exporter: InMemorySpanExporter, count: int) -> tuple[ReadableSpan, ...]:
    """A span ends after its answer, so the caller may be here first."""
    until(lambda: len(exporter.get_finished_spans()) >= count)
    found = exporter.get_finished_spans()
    assert len(found) == count
    return found


def only(exporter: InMemorySpanExporter) -> ReadableSpan:
    (span,) = finished(exporter, 1)
    return span


def attributes(span: ReadableSpan) -> dict[str, Any]:
    return dict(span.attributes or {})


def test_a_request_is_a_span_of_its_trace(client: httpx.Client, exporter: InMemorySpanExporter) -> None:
    headers = {"traceparent": f"00-{TRACE}-{PARENT}-01", "tracestate": "a=b"}
    answer = client.post(
        "/v2/translate", json={"text": ["Hello"], "target_lang": "FR", "auth_key": "k"}, headers=headers
    )
    assert answer.status_code == 200
    span = only(exporter)
    assert span.context is not None
    assert span.parent is not None
    assert (f"{span.context.trace_id:032x}", f"{span.parent.span_id:016x}") == (TRACE, PARENT)
    assert span.context.trace_state.to_header() == "a=b"
    assert answer.headers["x-trace-id"] == TRACE
    assert (span.name, span.kind.name) == ("POST /v2/translate", "SERVER")
    found = attributes(span)
    assert found["http.response.status_code"] == 200
    assert (found["passerelle.characters"], found["passerelle.segments"]) == (5, 1)
    for name in ("queue_seconds", "encode_seconds", "decode_seconds"):
        assert 0 <= found[f"passerelle.{name}"] < 60
    assert found["passerelle.steps"] >= 1


def test_without_a_trace_log_and_span_name_the_same(client: httpx.Client, exporter: InMemorySpanExporter) -> None:
    answer = client.get("/health", headers={"traceparent": "00-no-trace-01"})
    span = only(exporter)
    assert span.context is not None
    assert span.parent is None
    assert answer.headers["x-request-id"] == f"{span.context.trace_id:032x}"


def test_a_stream_has_its_times(client: httpx.Client, exporter: InMemorySpanExporter) -> None:
    with client.stream("POST", "/translate", json={**HELLO, "stream": True}) as answer:
        assert "SECRETWORD" in answer.read().decode()
    assert attributes(only(exporter))["passerelle.steps"] >= 1


def test_nothing_that_somebody_wrote(client: httpx.Client, exporter: InMemorySpanExporter) -> None:
    client.post("/translate", json=HELLO, params={"api_key": "Secretkey"}, headers={"X-Request-ID": "Secretid"})
    client.get("/translate", params=HELLO)
    client.get("/v2/translate", params={"text": "Secretword", "target_lang": "FR", "auth_key": "Secretkey"})
    client.get("/download_file/key.Secretname.txt")
    client.get("/Secretpath")
    client.request("PROPFIND", "/translate")
    client.get("/health", headers={"Host": "secret.example", "X-Forwarded-For": "10.1.2.3", "baggage": "a=secret"})
    spans = finished(exporter, 7)
    assert {"GET /download_file/{name}", "_OTHER /translate"} <= {span.name for span in spans}
    for span in spans:
        said = json.dumps([span.name, attributes(span), len(span.events)]).lower()
        assert not any(word in said for word in ("secret", "10.1.2.3", "127.0.0.1")), said
        assert not span.events


def test_what_failed_is_an_error_without_its_words(
    client: httpx.Client, exporter: InMemorySpanExporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("Secretword")

    monkeypatch.setattr("app.api.libretranslate.translate.parse_translation", broken)
    assert client.post("/translate", json=HELLO).status_code == 500
    span = only(exporter)
    assert span.status.status_code.name == "ERROR"
    assert attributes(span)["error.type"] == "500"
    assert "Secret" not in str(span.to_json())
    assert client.post("/translate", json=[]).status_code == 400
    assert finished(exporter, 2)[1].status.status_code.name == "UNSET", "a caller's mistake is none of ours"


def test_another_provider_in_the_process_gets_nothing_of_ours(models: Path) -> None:
    """FastAPI's own spans would hold the query string, and with it texts and keys."""
    script = f"""
from pathlib import Path
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from app.settings import Settings
from tests.support.service import running_service
exporter = InMemorySpanExporter()
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(exporter))
trace.set_tracer_provider(provider)
fields = {{"text": "Hello", "target_lang": "FR", "auth_key": "k"}}
with running_service(Settings(models_dir=Path({str(models)!r}))) as service:
    assert service.client.get("/v2/translate", params=fields).status_code == 200
print(len(exporter.get_finished_spans()))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=False)
    assert done.stdout.strip() == "0", done.stderr


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"},
        {"OTEL_SDK_DISABLED": "true", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"},
    ],
)
def test_off_unless_asked_for(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    spans, threads = Spans(), threading.active_count()
    spans.start("1")
    assert spans.begin({"type": "http", "method": "GET", "headers": []}) is None
    assert threading.active_count() == threads
    spans.stop()


@pytest.mark.parametrize(
    ("name", "value"), [("OTEL_TRACES_EXPORTER", "zipkin"), ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")]
)
def test_what_cannot_be_done_is_said(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
    monkeypatch.setenv(name, value)
    spans = Spans()
    spans.start("1")
    assert value in caplog.text
    assert spans.begin({"type": "http", "method": "GET", "headers": []}) is None


def test_without_the_extra_the_service_goes_on(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    spans = Spans()
    spans.start("1")
    assert "pip install '.[otel]'" in caplog.text
    spans.stop()


def test_spans_reach_a_collector(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    received: list[tuple[str, bytes]] = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.append((self.path, self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Collector) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{server.server_address[1]}")
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "none")
        with running_service(Settings(models_dir=models)) as service:
            assert service.client.post("/translate", json=HELLO).status_code == 200
        until(lambda: bool(received))  # by the end of the service at the latest
        server.shutdown()
        thread.join(20)
    path, body = received[0]
    assert path == "/v1/traces"
    assert b"POST /translate" in body
    assert b"passerelle" in body
    assert b"Secretword" not in body
