"""Deadlines, overload, and clients that leave, as the caller of POST /translate meets them."""

import json
import logging
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.settings import Settings
from tests.support.engines import until
from tests.support.hooks import Hooks
from tests.support.service import RunningService, fake_models, running_service

HELLO = {"q": "Hello", "source": "en", "target": "fr"}


@pytest.fixture
def models(tmp_path: Path) -> Path:
    return fake_models(tmp_path / "models", ("en", "fr"))


@pytest.fixture
def service(models: Path) -> Iterator[RunningService]:
    with running_service(Settings(models_dir=models, probe_seconds=0.1, request_timeout_seconds=5)) as running:
        yield running


def hooks_of(service: RunningService) -> Hooks:
    return service.graphs.opened["en-fr"].hooks


@pytest.mark.parametrize(("setting_seconds", "header"), [(1.5, None), (1.5, "9"), (20, "1.5")])
def test_the_deadline(models: Path, setting_seconds: float, header: str | None) -> None:
    """What is finished by then comes back, and the rest as far as it is; the shorter of setting and header counts."""
    with running_service(Settings(models_dir=models, request_timeout_seconds=setting_seconds)) as service:
        hooks_of(service).delay_seconds = 0.02  # for all of it 6 seconds, or more
        headers = {} if header is None else {"X-Request-Timeout-Seconds": header}
        answer = service.client.post("/translate", json={**HELLO, "q": ["a" * 300, "Yes."]}, headers=headers)
    assert answer.status_code == 200
    assert answer.headers["x-finish-reason"] == "deadline"
    assert list(answer.json()) == ["translatedText"]
    cut, whole = answer.json()["translatedText"]
    assert whole == "YES."
    assert 0 < len(cut) < 300
    assert set(cut) == {"A"}


def test_a_deadline_before_anything_was_translated(models: Path) -> None:
    with running_service(Settings(models_dir=models, max_rows=8)) as service, ThreadPoolExecutor(1) as pool:
        hooks_of(service).delay_seconds = 0.02
        pool.submit(service.client.post, "/translate", json={**HELLO, "q": ["a" * 100] * 9, "beam_size": 8})
        until(lambda: service.client.get("/ready").json()["bundles"][0]["engine"]["rows_running"] > 0)
        timeout = {"X-Request-Timeout-Seconds": "0.2"}
        answer = service.client.post("/translate", json={**HELLO, "beam_size": 8}, headers=timeout)
        assert answer.status_code == 504
        assert answer.json() == {
            "error": "Nothing was translated within X-Request-Timeout-Seconds (0.2); send less at once"
        }
        service.server.should_exit = True


@pytest.mark.parametrize("value", ["0", "-1", "nan", "inf", "soon"])
def test_a_timeout_that_is_none(service: RunningService, value: str) -> None:
    answer = service.client.post("/translate", json=HELLO, headers={"X-Request-Timeout-Seconds": value})
    assert answer.status_code == 400
    assert f"X-Request-Timeout-Seconds is '{value}'" in answer.json()["error"]


def test_a_cut_is_told_in_a_header(service: RunningService) -> None:
    service.graphs.opened["en-fr"]._map[:] = 10  # never the end token
    answer = service.client.post("/translate", json=HELLO)
    assert answer.headers["x-finish-reason"] == "repetition"
    assert list(answer.json()) == ["translatedText"]


def test_a_graph_that_hangs(models: Path) -> None:
    quick = Settings(models_dir=models, request_timeout_seconds=0.2, stall_seconds=0.5, shutdown_seconds=0.1)
    with running_service(quick) as service:
        hooks = hooks_of(service)
        hooks.gate = threading.Event()
        assert service.client.post("/translate", json=HELLO).status_code == 504
        until(lambda: service.client.get("/ready").status_code == 503)
        assert "stall_seconds" in service.client.get("/ready").json()["problem"]
        hooks.gate.set()
        until(lambda: service.client.get("/ready").status_code == 200)


def test_a_body_that_never_comes(models: Path) -> None:
    quick = Settings(models_dir=models, request_timeout_seconds=0.3)
    with running_service(quick) as service, socket.create_connection(service.address, timeout=10) as client:
        client.sendall(b"POST /translate HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nq=")
        assert client.recv(1000).startswith(b"HTTP/1.1 408")


def test_too_many_waiting(models: Path) -> None:
    with running_service(Settings(models_dir=models, max_rows=8, max_waiting=2)) as service:
        hooks = hooks_of(service)
        hooks.gate = threading.Event()
        many = {**HELLO, "q": [f"text {letter * 2}" for letter in "abcdefghijklm"]}
        with ThreadPoolExecutor(2) as pool:  # of each request one segment counts, an eighth of the limit or more
            accepted = [pool.submit(service.client.post, "/translate", json=many) for _ in range(2)]
            until(lambda: service.client.get("/ready").json()["bundles"][0]["engine"]["sequences_waiting"] >= 18)
            refused = service.client.post("/translate", json=HELLO)
            assert service.client.get("/ready").status_code == 200  # being busy is no fault
            hooks.gate.set()
            assert [one.result(10).status_code for one in accepted] == [200, 200]
    assert refused.status_code == 429
    assert int(refused.headers["retry-after"]) >= 1
    assert list(refused.json()) == ["error"]


def test_a_client_that_leaves_frees_its_rows(service: RunningService) -> None:
    hooks_of(service).delay_seconds = 0.02
    body = json.dumps({**HELLO, "q": "a" * 500}).encode()

    def engine() -> Any:
        return service.client.get("/ready").json()["bundles"][0]["engine"]

    with socket.create_connection(service.address, timeout=10) as client:
        head = f"POST /translate HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
        client.sendall(head.encode() + b"\r\n\r\n" + body)
        until(lambda: engine()["rows_running"] == 1)
    until(lambda: engine()["rows_running"] == 0)
    assert len(hooks_of(service).step_rows) < 450  # all of the translation is 500 steps


def test_a_client_that_leaves_while_it_sends_is_no_error_of_the_service(
    models: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO), running_service(Settings(models_dir=models, access_log=True)) as service:
        with socket.create_connection(service.address, timeout=10) as client:
            client.sendall(b"POST /translate HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nq=")
            time.sleep(0.1)
        until(lambda: "POST '/translate' 499" in caplog.text)
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


def test_running_requests_are_finished_when_the_service_stops(models: Path) -> None:
    with ThreadPoolExecutor(1) as pool:
        with running_service(Settings(models_dir=models)) as service:
            hooks_of(service).delay_seconds = 0.005
            url = f"{service.url}/translate"
            pending = pool.submit(httpx.post, url, json={**HELLO, "q": "a" * 100}, timeout=10, trust_env=False)
            until(lambda: service.client.get("/ready").json()["bundles"][0]["engine"]["rows_running"] == 1)
        assert pending.result(10).json() == {"translatedText": "A" * 100}
