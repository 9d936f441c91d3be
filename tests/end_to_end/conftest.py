"""The service with its real models, and browsers for those tests that use its page."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.end_to_end.test_program import ROOT, free_port, program, wait_for_health

if TYPE_CHECKING:  # playwright need not be installed for the other tests
    from playwright.sync_api import Browser

    from tests.support.browser import RealService, Visit


@pytest.fixture(scope="session")
def real_service() -> Iterator["RealService"]:
    from tests.support.browser import RealService

    if not (ROOT / "models" / "en-fr").is_dir() or not (ROOT / "models" / "fr-en").is_dir():
        pytest.skip("the bundles en-fr and fr-en are not there")
    port = free_port()
    with program(["app"], {"MODELS_DIR": str(ROOT / "models"), "PASSERELLE_PORT": str(port)}) as process:
        wait_for_health(process, port)
        url = f"http://127.0.0.1:{port}"
        with httpx.Client(base_url=url, timeout=20, trust_env=False) as client:
            yield RealService(url, client)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """With a copy of a real bundle, and a folder for temporary files."""
    if not (ROOT / "models" / "en-fr").is_dir():
        pytest.skip("the bundle en-fr is not there")
    shutil.copytree(ROOT / "models" / "en-fr", tmp_path / "models" / "en-fr")
    (tmp_path / "tmp").mkdir()
    return tmp_path


@pytest.fixture(scope="module")
def browser() -> Iterator["Browser"]:
    """For a module, not for all: while it is open, an event loop runs in this thread."""
    from playwright.sync_api import expect, sync_playwright

    from tests.support.browser import CHROMIUM, PATIENCE_MILLISECONDS

    expect.set_options(timeout=PATIENCE_MILLISECONDS)
    with sync_playwright() as play:
        found = play.chromium.launch(executable_path=CHROMIUM)
        yield found
        found.close()


@pytest.fixture
def visit(browser: "Browser") -> Iterator["Visit"]:
    """Whatever a test does, the browser has nothing to complain of: no error, nothing against the policy."""
    from tests.support.browser import Visit

    visit = Visit(browser)
    yield visit
    for context in browser.contexts:
        context.close()
    assert not visit.complaints
