"""The service on a real socket, for clients that know nothing of tests.

A test of a program names it with the marker ``program``, and says whether its package runs in it unchanged or its
requests are replayed as its source makes them; ``test_table.py`` compares this with the table in app/README.md.
"""

from collections.abc import Iterator
from typing import Final

import pytest

from app.access.keys import digest_of
from app.settings import Settings
from tests.support.service import RunningService, fake_models, running_service

KEY: Final = "secret"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    models = fake_models(tmp_path_factory.mktemp("models"), ("en", "fr"), ("fr", "en"))
    with running_service(Settings(models_dir=models, data_dir=tmp_path_factory.mktemp("data"))) as running:
        yield running


@pytest.fixture(scope="module")
def keyed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """The service for a program that has a field for a key: it serves only callers that send ``KEY``."""
    models = fake_models(tmp_path_factory.mktemp("models"), ("en", "fr"), ("fr", "en"))
    keys = f"one sha256:{digest_of(KEY).hex()}"
    settings = Settings(models_dir=models, data_dir=tmp_path_factory.mktemp("data"), api_keys=keys)
    with running_service(settings) as running:
        yield running


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
