"""``python -m app`` and ``uvicorn --factory`` as processes of their own."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from app.access.keys import ApiKey, digest_of

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@contextmanager
def program(arguments: list[str], environment: dict[str, str]) -> Iterator["subprocess.Popen[str]"]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PASSERELLE_")}
    process = subprocess.Popen(
        [sys.executable, "-m", *arguments],
        cwd=ROOT,
        env={**clean, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate(timeout=20)


def wait_for_health(process: "subprocess.Popen[str]", port: int) -> None:
    end = time.monotonic() + 30
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
        while True:
            assert process.poll() is None, "it ended"
            assert time.monotonic() < end, "it did not answer in 30 seconds"
            try:
                answer = client.get("/health")
            except httpx.TransportError:
                time.sleep(0.1)
                continue
            assert answer.json() == {"status": "ok"}
            assert "server" not in answer.headers or "--factory" in str(process.args)
            return


def wait_until_gone(client: httpx.Client) -> None:
    end = time.monotonic() + 20
    while time.monotonic() < end:
        try:
            client.get("/health")
        except httpx.TransportError:
            return
        time.sleep(0.01)
    raise AssertionError("it still answers after 20 seconds")


def test_module_runs_and_stops(tmp_path: Path) -> None:
    port = free_port()
    with program(
        ["app"], {"MODELS_DIR": str(tmp_path), "PASSERELLE_PORT": str(port), "PASSERELLE_PROT": "1"}
    ) as process:
        wait_for_health(process, port)
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=20)
    assert process.returncode == 0
    assert f"no usable bundle in {tmp_path}" in output
    assert "PASSERELLE_PROT is set, but there is no such setting; did you mean PASSERELLE_PORT?" in output
    assert "Traceback" not in output


def test_every_line_of_the_log_is_json_where_that_is_asked_for(tmp_path: Path) -> None:
    port = free_port()
    environment = {"MODELS_DIR": str(tmp_path), "PASSERELLE_PORT": str(port), "PASSERELLE_LOG_FORMAT": "json"}
    with program(["app"], environment) as process:
        wait_for_health(process, port)
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=20)
    lines = [json.loads(line) for line in output.splitlines()]
    assert f"nothing to serve: no usable bundle in {tmp_path}" in [line["message"] for line in lines]
    assert any(line["logger"].startswith("uvicorn") for line in lines)


def test_it_says_that_it_leaves_before_it_does() -> None:
    port = free_port()
    environment = {
        "MODELS_DIR": str(ROOT / "models"),
        "PASSERELLE_PORT": str(port),
        "PASSERELLE_DRAIN_SECONDS": "3600",
    }
    with program(["app"], environment) as process:
        wait_for_health(process, port)
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=60) as client:
            assert client.get("/ready").status_code == 200
            process.send_signal(signal.SIGTERM)
            end = time.monotonic() + 20
            while (answer := client.get("/ready")).status_code == 200:
                assert time.monotonic() < end, "it does not say that it leaves"
                time.sleep(0.01)
            assert answer.json()["problem"] == "the service is being stopped"
            # What a load balancer has sent on its way is answered, on new connections too.
            request = {"q": "Good morning.", "source": "en", "target": "fr"}
            assert httpx.post(f"http://127.0.0.1:{port}/translate", json=request, trust_env=False).status_code == 200
        process.send_signal(signal.SIGTERM)  # whoever asks twice does not want to wait
        output, _ = process.communicate(timeout=60)
    assert process.returncode == 0, output
    assert "Traceback" not in output


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_what_runs_is_finished_and_what_is_new_is_refused(number: signal.Signals) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    environment = {
        "MODELS_DIR": str(ROOT / "models"),
        "PASSERELLE_PORT": str(port),
        "PASSERELLE_SHUTDOWN_SECONDS": "60",
        "PASSERELLE_REQUEST_TIMEOUT_SECONDS": "60",
    }
    texts = [f"I have seen {count} birds and {count + 1} cats in the garden of my sister." for count in range(250)]
    with program(["app"], environment) as process, ThreadPoolExecutor(1) as pool:
        wait_for_health(process, port)
        request = {"q": texts, "source": "en", "target": "fr", "beam_size": 8}
        asked = pool.submit(httpx.post, f"{url}/translate", json=request, timeout=90, trust_env=False)
        with httpx.Client(base_url=url, trust_env=False) as client:
            while not any(bundle["engine"]["rows_running"] for bundle in client.get("/ready").json()["bundles"]):
                assert not asked.done(), "it was too quick to be interrupted"
                time.sleep(0.01)
            process.send_signal(number)
            wait_until_gone(client)
            assert not asked.done(), "it was too quick to be interrupted"
            with pytest.raises(httpx.ConnectError):
                client.post("/translate", json={**request, "q": "New."})
        answer = asked.result(90)
        output, _ = process.communicate(timeout=60)
    assert answer.status_code == 200
    assert len(answer.json()["translatedText"]) == len(texts)
    assert "x-finish-reason" not in answer.headers
    assert process.returncode == 0, output
    assert "Traceback" not in output


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_hangup_reads_bundles_and_keys_again(tmp_path: Path, number: signal.Signals) -> None:
    models, keys, port = tmp_path / "models", tmp_path / "keys.txt", free_port()
    shutil.copytree(ROOT / "models" / "en-fr", models / "en-fr")
    keys.write_text(f"{ApiKey('one', digest_of('one'))}\n{ApiKey('two', digest_of('two'))}\n")
    environment = {
        "MODELS_DIR": str(models),
        "PASSERELLE_PORT": str(port),
        "PASSERELLE_THREADS": "1",
        "PASSERELLE_API_KEYS_FILE": str(keys),
    }
    with program(["app"], environment) as process, httpx.Client(trust_env=False, timeout=20) as client:
        wait_for_health(process, port)
        url = f"http://127.0.0.1:{port}"

        def status(source: str, target: str, key: str) -> int:
            asked = {"q": "Hello.", "source": source, "target": target, "api_key": key}
            return client.post(f"{url}/translate", json=asked).status_code

        assert (status("en", "fr", "one"), status("en", "fr", "two"), status("fr", "en", "one")) == (200, 200, 400)
        shutil.copytree(ROOT / "models" / "fr-en", models / ".fr-en")
        (models / ".fr-en").rename(models / "fr-en")
        keys.write_text(f"{ApiKey('one', digest_of('one'))}\n")
        for _ in range(3):
            process.send_signal(signal.SIGHUP)
        end = time.monotonic() + 30
        while status("fr", "en", "one") != 200:
            assert time.monotonic() < end, "it did not reload in 30 seconds"
            time.sleep(0.05)
        assert status("en", "fr", "two") == 403
        assert status("en", "fr", "one") == 200
        process.send_signal(number)
        output, _ = process.communicate(timeout=30)
    assert process.returncode == 0, output
    assert "reload: fr-en is loaded" in output
    assert "reload: en-fr is unchanged" in output
    assert "reload: there are 1 API keys now" in output
    assert "Traceback" not in output


def test_factory(tmp_path: Path) -> None:
    port = free_port()
    arguments = ["uvicorn", "--factory", "app.main:create_app", "--port", str(port)]
    with program(arguments, {"MODELS_DIR": str(tmp_path)}) as process:
        wait_for_health(process, port)


def test_an_unusable_setting_ends_it_with_a_message(tmp_path: Path) -> None:
    with program(["app"], {"MODELS_DIR": str(tmp_path), "PASSERELLE_MAX_ROWS": "none"}) as process:
        output, _ = process.communicate(timeout=20)
    assert process.returncode == 2
    assert output.startswith("error: PASSERELLE_MAX_ROWS: ")
    assert "Traceback" not in output


def test_health_check_says_why(tmp_path: Path) -> None:
    port = free_port()
    environment = {"MODELS_DIR": str(tmp_path), "PASSERELLE_PORT": str(port)}
    with program(["app.healthcheck"], environment) as nothing:
        output, _ = nothing.communicate(timeout=20)
    assert nothing.returncode == 1
    assert output.startswith("no answer: ")
    with program(["app"], environment) as process:
        wait_for_health(process, port)
        with program(["app.healthcheck"], environment) as check:
            output, _ = check.communicate(timeout=20)
    assert check.returncode == 1
    assert output == f"not ready: no usable bundle in {tmp_path}\n"


@pytest.mark.parametrize("provider", ["cuda"])
def test_a_missing_accelerator_is_an_error_and_no_silent_fallback(tmp_path: Path, provider: str) -> None:
    pytest.importorskip("onnx", reason="needs a tiny real bundle")
    import onnxruntime

    from tests.support.onnx_graphs import onnx_bundle

    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("this onnxruntime has CUDA")
    onnx_bundle(tmp_path / "en-fr")
    environment = {"MODELS_DIR": str(tmp_path), "PASSERELLE_PORT": str(free_port()), "PASSERELLE_PROVIDER": provider}
    with program(["app"], environment) as process:
        output, _ = process.communicate(timeout=30)
    assert process.returncode == 3
    assert "cannot start: provider is cuda" in output
