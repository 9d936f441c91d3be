"""The service on a real socket, for clients that know nothing of tests."""

from collections.abc import Iterator

import pytest

from app.settings import Settings
from tests.support.service import RunningService, fake_models, running_service


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    models = fake_models(tmp_path_factory.mktemp("models"), ("en", "fr"), ("fr", "en"))
    with running_service(Settings(models_dir=models, data_dir=tmp_path_factory.mktemp("data"))) as running:
        yield running


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
