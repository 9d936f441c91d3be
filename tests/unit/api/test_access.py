"""Keys, rates and quotas as clients meet them, in both dialects."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import deepl
import httpx
import pytest
from fastapi import Request

from app.access.keys import ApiKey, digest_of
from app.api.call import address_of
from app.errors import ConfigurationError
from app.main import create_app
from app.settings import Settings
from tests.support.engines import until
from tests.support.redis_server import RedisServer
from tests.support.service import FakeGraphs, RunningService, fake_models, running_service

HELLO: dict[str, Any] = {"q": "Hello", "source": "en", "target": "fr"}
DEEPL: dict[str, Any] = {"text": ["Hello"], "target_lang": "FR"}
KEYS = ";".join(
    str(ApiKey(name, digest_of(f"key of {name}"), characters, rate))
    for name, characters, rate in (("plain", 0, 0), ("small", 12, 0), ("slow", 0, 2), ("deepl", 20, 0))
)
MISSING = {"error": "Please contact the server operator to get an API key"}
UNKNOWN = {"error": "Invalid API key"}


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fake_models(tmp_path_factory.mktemp("models"), ("en", "fr"))


@pytest.fixture(scope="module")
def service(models: Path) -> Iterator[RunningService]:
    with running_service(Settings(models_dir=models, api_keys=KEYS)) as running:
        yield running


def test_without_a_key(service: RunningService) -> None:
    for fields in ({}, {"api_key": None}, {"api_key": ""}, {"api_key": "  "}, {"api_key": 5}):
        answer = service.client.post("/translate", json={**HELLO, **fields})
        assert (answer.status_code, answer.json()) == (400, MISSING)
    for path in ("/detect", "/complete"):
        assert service.client.post(path, json=HELLO).json() == MISSING
    for path in ("/v2/usage", "/v2/glossaries", "/v2/languages"):
        answer = service.client.get(path)
        assert (answer.status_code, answer.content) == (403, b"")


@pytest.mark.parametrize("wrong", ["any", "unknown key", KEYS.split()[1], digest_of("key of plain").hex(), "é\ud800"])
def test_with_a_wrong_key(service: RunningService, wrong: str) -> None:
    sent = wrong.encode("ascii", "backslashreplace").decode()
    for answer in (
        service.client.post("/translate", json={**HELLO, "api_key": sent}),
        service.client.post("/translate", data=HELLO, headers={"Authorization": f"Bearer {sent}"}),
        service.client.post("/translate", params={**HELLO, "api_key": sent}),
    ):
        assert (answer.status_code, answer.json()) == (403, UNKNOWN)
    answer = service.client.post("/v2/translate", json=DEEPL, headers={"Authorization": f"DeepL-Auth-Key {sent}"})
    assert (answer.status_code, answer.content) == (403, b"")


@pytest.mark.parametrize(
    "ways",
    [
        {"headers": {"Authorization": "Bearer key of plain"}},
        {"headers": {"Authorization": "deepl-auth-key   key of plain"}},
        {"params": {"api_key": "key of plain"}},
        {"params": {"auth_key": "key of plain"}},
    ],
)
def test_every_way_to_send_a_key_works_everywhere(service: RunningService, ways: dict[str, Any]) -> None:
    assert service.client.post("/translate", json=HELLO, **ways).json() == {"translatedText": "HELLO"}
    assert service.client.post("/v2/translate", json=DEEPL, **ways).status_code == 200
    assert service.client.get("/metrics", **ways).status_code == 200
    assert service.client.post("/detect", data={"q": "Hello"}, **ways).status_code == 200


def test_a_key_in_the_body(service: RunningService) -> None:
    assert service.client.post("/translate", json={**HELLO, "api_key": "key of plain"}).status_code == 200
    assert service.client.post("/translate", data={**HELLO, "api_key": "key of plain"}).status_code == 200
    assert service.client.post("/v2/translate", data={**DEEPL, "auth_key": "key of plain"}).status_code == 200


def test_what_needs_no_key(service: RunningService) -> None:
    for path in ("/", "/docs", "/openapi.json", "/languages", "/frontend/settings", "/health", "/ready"):
        assert service.client.get(path).status_code == 200, path
    settings = service.client.get("/frontend/settings").json()
    assert (settings["apiKeys"], settings["keyRequired"]) == (True, True)
    assert service.client.get("/metrics").status_code == 400


def test_the_quota_of_a_key(service: RunningService) -> None:
    fields = {**HELLO, "api_key": "key of small"}
    assert service.client.post("/translate", json={**fields, "target": "zz"}).status_code == 400  # counts nothing
    assert service.client.post("/translate", json={**fields, "q": ["Hello", "you"]}).status_code == 200
    answer = service.client.post("/translate", json=fields)
    assert answer.status_code == 403
    assert answer.json()["error"] == "8 characters are counted, and 5 more exceed characters of small (12)"
    assert service.client.post("/complete", json={**fields, "target_prefix": "H"}).status_code == 403
    stream = service.client.post("/translate", json={**fields, "q": "four", "stream": True})
    assert "event: done" in stream.text
    assert service.client.post("/translate", json={**fields, "q": "x"}).status_code == 403
    assert service.client.post("/translate", json={**HELLO, "api_key": "key of plain"}).status_code == 200


def test_the_official_client_and_the_quota_of_its_key(service: RunningService) -> None:
    client = deepl.DeepLClient("key of deepl", server_url=service.url)
    client.translate_text("Hello", target_lang="FR")
    usage = client.get_usage().character
    assert (usage.count, usage.limit) == (5, 20)
    with pytest.raises(deepl.QuotaExceededException):
        client.translate_text("Hello" * 4, target_lang="FR")
    with pytest.raises(deepl.AuthorizationException):
        deepl.DeepLClient("another", server_url=service.url).translate_text("Hello", target_lang="FR")


def test_the_rate_of_a_key(service: RunningService) -> None:
    headers = {"Authorization": "Bearer key of slow"}
    statuses = [service.client.post("/translate", json=HELLO, headers=headers).status_code for _ in range(2)]
    assert statuses == [200, 200]
    answer = service.client.post("/translate", json=HELLO, headers=headers)
    assert (answer.status_code, answer.json()) == (429, {"error": "Slowdown: 2 per 1 minute"})
    assert 1 <= int(answer.headers["retry-after"]) <= 30
    answer = service.client.post("/v2/translate", json=DEEPL, headers=headers)
    assert (answer.status_code, answer.json()) == (429, {"message": "Slowdown: 2 per 1 minute"})
    assert service.client.post("/translate", json={**HELLO, "api_key": "key of plain"}).status_code == 200


def test_keys_that_are_not_required(models: Path) -> None:
    settings = Settings(models_dir=models, api_keys=KEYS, api_key_required=False, requests_per_minute=3)
    with running_service(settings) as service:
        assert service.client.post("/translate", json=HELLO).status_code == 200
        found = service.client.get("/frontend/settings").json()
        assert (found["apiKeys"], found["keyRequired"]) == (True, False)
        assert service.client.get("/metrics").status_code == 200
        # Who tries key after key is stopped.
        wrong = [service.client.post("/translate", json={**HELLO, "api_key": str(n)}).status_code for n in range(4)]
        assert wrong == [403, 403, 429, 429]
        assert service.client.post("/translate", json={**HELLO, "api_key": "key of plain"}).status_code == 200


def test_the_rate_of_an_address(models: Path) -> None:
    with running_service(Settings(models_dir=models, requests_per_minute=60, metrics="off")) as service:
        statuses = [service.client.post("/translate", json=HELLO).status_code for _ in range(60)]
        assert statuses[0] == 200
        while (refused := service.client.post("/translate", json=HELLO)).status_code == 200:
            pass
        assert refused.json() == {"error": "Slowdown: 60 per 1 minute"}
        assert refused.headers["retry-after"] == "1"
        until(lambda: service.client.post("/translate", json=HELLO).status_code == 200)
        forged = [{"X-Forwarded-For": f"10.1.2.{number}"} for number in range(100)]  # no proxy is trusted
        assert any(service.client.post("/translate", json=HELLO, headers=one).status_code == 429 for one in forged)
        assert all(service.client.get(path).status_code == 200 for path in ("/health", "/ready", "/languages"))
        assert service.client.get("/metrics").status_code == 404


def test_the_rate_of_an_address_at_two_replicas(models: Path, tmp_path: Path) -> None:
    server = RedisServer(tmp_path)
    server.start()
    settings = Settings(models_dir=models, requests_per_minute=3, rate_storage=server.url)
    try:
        with running_service(settings) as one, running_service(settings) as other:
            replicas = (one, other) * 4
            statuses = [replica.client.post("/translate", json=HELLO).status_code for replica in replicas]
            assert statuses[:3] == [200] * 3
            assert 429 in statuses[3:6]
            server.stop()  # no caller is refused for that
            assert one.client.post("/translate", json=HELLO).status_code == 200
    finally:
        server.stop()


def test_a_rate_storage_that_there_is_not_keeps_it_from_starting(models: Path) -> None:
    app = create_app(Settings(models_dir=models, rate_storage="postgres://x"), FakeGraphs())

    async def start() -> None:
        async with app.router.lifespan_context(app):
            pytest.fail("it started")

    with pytest.raises(ConfigurationError, match="PASSERELLE_RATE_STORAGE"):
        asyncio.run(start())


def test_a_key_is_shown_nowhere(service: RunningService, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    answers: list[httpx.Response] = []
    for key in ("key of plain", "unknown key"):
        answers.append(service.client.post("/translate", params={"api_key": key}, json=HELLO))
        answers.append(service.client.get("/v2/nothing", params={"auth_key": key}))
    answers.append(service.client.get("/metrics", params={"api_key": "key of plain"}))
    own = [record for record in caplog.records if record.name.startswith(("app", "uvicorn"))]
    assert "key of" not in "".join([*(answer.text for answer in answers), *(record.getMessage() for record in own)])


def test_bad_keys_keep_it_from_starting(models: Path, caplog: pytest.LogCaptureFixture) -> None:
    app = create_app(Settings(models_dir=models, api_keys="weblate hunter2"), FakeGraphs())

    async def start() -> None:
        async with app.router.lifespan_context(app):
            pytest.fail("it started")

    with pytest.raises(ConfigurationError, match="PASSERELLE_API_KEYS, line 1"):
        asyncio.run(start())
    assert "cannot start: PASSERELLE_API_KEYS, line 1" in caplog.text
    assert "hunter2" not in caplog.text


@pytest.mark.parametrize(
    ("client", "counted_as"),
    [
        (("10.1.2.3", 5), "10.1.2.3"),
        (("2001:db8:1:2:3:4:5:6", 5), "2001:db8:1:2::/64"),
        (("2001:db8:1:2::9", 5), "2001:db8:1:2::/64"),
        (("::ffff:10.1.2.3", 5), "10.1.2.3"),
        (("fe80::1%eth0", 5), "fe80::/64"),
        (("a:b", 0), "a:b"),
        (None, ""),
    ],
)
def test_whose_budget_an_address_uses(client: tuple[str, int] | None, counted_as: str) -> None:
    assert address_of(Request({"type": "http", "headers": [], "client": client})) == counted_as
