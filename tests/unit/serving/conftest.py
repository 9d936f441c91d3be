"""Fixtures of the serving tests: a models folder, and a service that can be reloaded."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from app.access.keys import digest_of
from app.settings import Settings
from tests.support.service import RunningService, fake_models, running_service

ADMIN = {"Authorization": "Bearer the admin's key"}
ADMIN_HASH = f"sha256:{digest_of(ADMIN['Authorization'].removeprefix('Bearer ')).hex()}"


@pytest.fixture
def models(tmp_path: Path) -> Path:
    return fake_models(tmp_path / "models", ("en", "fr"))


@pytest.fixture
def service(models: Path) -> Iterator[RunningService]:
    with running_service(Settings(models_dir=models, admin_key_hash=ADMIN_HASH)) as running:
        yield running
