"""Several replicas behind the proxy of app/deploy/scale.yml, one of them killed and one stopped, both under load.

Needs a Docker engine, as test_container.py does. Where the proxy's image cannot be had, Debian's package of the same
program stands in for it.
"""

import hashlib
import json
import subprocess
import time
from collections.abc import Iterator
from typing import Any, Final

import httpx
import pytest
import yaml

from tests.end_to_end.test_container import ROOT, image, make_glossary, models, wait_for_ready
from tests.end_to_end.test_program import free_port
from tests.support.docker_client import compose_command, docker, docker_program, run
from tests.support.replicas import (
    CALLERS,
    KEY,
    NAME,
    REPLICAS,
    WITH_KEY,
    Scaled,
    fields_of,
    load,
    pieces_of_a_stream,
    wait_until_all_have_answered,
)

__all__ = ["image", "models"]  # fixtures

SCALE = "app/deploy/scale.yml"
ANONYMOUS_PER_MINUTE = 2
SENTENCES = 600
# By service, where its image cannot be had: Debian has HAProxy 2.6, which reads the same configuration, and Redis 7.0.
_DEBIAN: Final = """
FROM python:3.11-slim-bookworm
RUN apt-get -qq update && apt-get -qq install -y --no-install-recommends {package} && rm -rf /var/lib/apt/lists/*
"""
_STAND_INS: Final = {
    "proxy": _DEBIAN.format(package="haproxy")
    + 'CMD ["haproxy", "-W", "-db", "-f", "/usr/local/etc/haproxy/haproxy.cfg"]',
    "rates": _DEBIAN.format(package="redis-server") + "RUN ln -s redis-server /usr/bin/valkey-server",
}

pytestmark = [pytest.mark.container, pytest.mark.slow]


@pytest.fixture(scope="module")
def other_images() -> None:
    """Those that are not built here, or what stands in for them."""
    services = yaml.safe_load((ROOT / SCALE).read_text(encoding="utf-8"))["services"]
    program = docker_program()
    if program is None:
        pytest.skip("no Docker engine can be reached")
    for service, stand_in in _STAND_INS.items():
        name = str(services[service]["image"])
        if subprocess.run([program, "image", "inspect", name], capture_output=True, check=False).returncode == 0:
            continue
        if subprocess.run([program, "pull", "--quiet", name], capture_output=True, check=False, timeout=120).returncode:
            built = subprocess.run(
                [program, "build", "--network=host", "--tag", name, "-"],
                input=stand_in,
                capture_output=True,
                text=True,
                check=False,
                timeout=300,
            )
            if built.returncode:
                pytest.skip(f"{name} can be neither pulled nor replaced: {built.stderr[-500:]}")


@pytest.fixture(scope="module")
def scaled(
    image: str,
    models: list[str],
    other_images: None,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Scaled]:
    compose = compose_command()
    if compose is None:
        pytest.skip("neither 'docker compose' nor docker-compose is installed")
    environment = {
        "PASSERELLE_API_KEYS": f"tester sha256:{hashlib.sha256(KEY.encode()).hexdigest()}",
        "PASSERELLE_API_KEY_REQUIRED": "false",
        "PASSERELLE_REQUESTS_PER_MINUTE": str(ANONYMOUS_PER_MINUTE),
        "PASSERELLE_METRICS": "open",
        "PASSERELLE_THREADS": "1",
    }
    service: dict[str, Any] = {"environment": environment}
    if models:
        service["volumes"] = [models[1]]
    extra = tmp_path_factory.mktemp("compose") / "test.yml"
    extra.write_text(json.dumps({"services": {"passerelle": service}}))
    port = free_port()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PASSERELLE_PUBLISHED_PORT", str(port))
        found = Scaled([*compose, "-p", NAME, "-f", SCALE, "-f", str(extra)], port)
        run([*found.compose, "down", "--volumes", "--timeout", "1"], check=False)
        try:
            found.scale(REPLICAS)
            with found.client() as client:
                bundle = wait_for_ready(client)["bundles"][0]
            found.source, found.target = bundle["source"], bundle["target"]
            wait_until_all_have_answered(found)
            yield found
        finally:
            run([*found.compose, "down", "--volumes", "--timeout", "1"], check=False)


def test_a_stream_comes_in_pieces(scaled: Scaled) -> None:
    """What is held back until the end comes as one piece, always; a slow reader may find several pieces as one."""
    for number in range(30):
        pieces = pieces_of_a_stream(scaled, number)
        assert sum(map(len, pieces)) < 16_000, "more than the proxy's buffer shows nothing"
        assert b"event: done" in b"".join(pieces)
        if len(pieces) >= 2:
            return
    raise AssertionError("every stream came as one piece")


def test_addresses_are_those_of_callers(scaled: Scaled) -> None:
    """What a caller says of its address is not believed, and the proxy is not taken for the caller."""
    began = time.monotonic()
    with scaled.client({}) as client:
        statuses = [
            client.post(
                "/translate", data=fields_of(scaled), headers={"X-Forwarded-For": f"10.1.2.{number}"}
            ).status_code
            for number in range(4 * REPLICAS * ANONYMOUS_PER_MINUTE)
        ]
    # As many as one replica alone would: they count together.
    assert statuses.count(200) <= ANONYMOUS_PER_MINUTE * (1 + (time.monotonic() - began) / 60)
    assert statuses[-1] == 429
    script = (
        "import urllib.request as r, urllib.parse as p\n"
        f"data = p.urlencode({fields_of(scaled)!r}).encode()\n"
        "print(r.urlopen('http://proxy:8000/translate', data, timeout=60).status)"
    )
    other = docker("run", "--rm", "--network", f"{NAME}_outside", "--entrypoint", "python", "passerelle", "-c", script)
    assert other == "200", "another address has a rate of its own"


def test_only_the_proxy_can_be_reached(scaled: Scaled) -> None:
    with scaled.client() as client:
        assert client.get("/metrics").status_code == 404
        assert client.get("/ready").status_code == 200
    for replica in scaled.replicas:
        host = json.loads(docker("inspect", "--format", "{{json .HostConfig}}", replica))
        assert not host["PortBindings"]
        assert host["ReadonlyRootfs"] is True
        assert host["CapDrop"] == ["ALL"]


def test_files_and_glossaries_are_those_of_all(scaled: Scaled) -> None:
    with scaled.client() as client:
        glossary_id = make_glossary(client, scaled.source, scaled.target, WITH_KEY)
        names = [client.get(f"/v2/glossaries/{glossary_id}") for _ in range(2 * REPLICAS)]
        assert [answer.json()["name"] for answer in names] == ["kept"] * (2 * REPLICAS)
        for number in range(2 * REPLICAS):
            file = {"file": (f"{number}.txt", b"Good morning.")}
            fields = {"source": scaled.source, "target": scaled.target}
            answer = client.post(
                "/translate_file", files=file, data=fields, headers={"X-Forwarded-Host": "stranger.example"}
            )
            url = answer.json()["translatedFileUrl"]
            assert url.startswith(f"http://127.0.0.1:{scaled.port}/download_file/")
            assert client.get(url).status_code == 200
            assert client.get(url).status_code == 404


def upload(client: httpx.Client, scaled: Scaled, number: int) -> dict[str, str]:
    lines = "".join(f"{number}: There are {count} trees in the garden.\n" for count in range(SENTENCES))
    fields = {"source_lang": scaled.source, "target_lang": scaled.target}
    answer = client.post("/v2/document", files={"file": (f"{number}.txt", lines.encode())}, data=fields)
    assert answer.status_code == 200, answer.text
    handle: dict[str, str] = answer.json()
    return handle


def result(client: httpx.Client, handle: dict[str, str]) -> str:
    url, key = f"/v2/document/{handle['document_id']}", {"document_key": handle["document_key"]}
    end = time.monotonic() + 240
    while (status := client.post(url, json=key).json())["status"] != "done":
        assert status["status"] in ("queued", "translating"), status
        assert time.monotonic() < end, status
        time.sleep(0.5)
    answer = client.post(f"{url}/result", json=key)
    assert answer.status_code == 200, answer.text
    return answer.text


def test_one_is_killed_and_one_is_stopped_under_load(scaled: Scaled) -> None:
    with scaled.client() as client:
        handles = [upload(client, scaled, number) for number in range(REPLICAS)]
        with load(scaled) as seen:
            docker("kill", "--signal", "KILL", scaled.replicas[-1])
        # What it was at work on is asked of another, or ends without an answer where its connection was reset: at most
        # one request of each caller. Nobody gets anything else, and nobody waits.
        lost = seen.total() - seen["200"]
        print(f"of {seen.total()} requests {lost} ended without an answer: {seen}")
        assert lost <= CALLERS, seen
        assert all(found == "200" or "502 Bad Gateway" in found or "Disconnected" in found or "disconnected" in found
                   for found in seen), seen  # fmt: skip
        assert len(scaled.replicas) == REPLICAS - 1
        with load(scaled) as seen:
            scaled.scale(1)
        assert set(seen) == {"200"}, seen
        assert len(scaled.replicas) == 1
        # Acknowledged is acknowledged: the last one has translated what the others left behind.
        for handle in handles:
            lines = result(client, handle).splitlines()
            assert len(lines) == SENTENCES
            assert all(lines)
    last = [docker_program() or "", "logs", scaled.replicas[0]]
    log = subprocess.run(last, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=True).stdout
    assert "this process takes over a document whose process stopped" in log
