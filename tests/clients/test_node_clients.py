"""Clients from the npm registry, run by Node against the service on a real socket."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.service import RunningService

pytestmark = pytest.mark.slow

_PACKAGES = ["@google-cloud/translate@9", "deepl-node@1"]
_GOOGLE = """
const { Translate } = require("@google-cloud/translate").v2;
const client = new Translate({ key: "any", projectId: "any" });
(async () => {
  const found = {};
  found.list = (await client.translate(["One day.", "Two days."], { from: "en", to: "fr", format: "text" }))[0];
  found.html = (await client.translate("<b>One</b> day.", { from: "en", to: "fr" }))[0];
  found.languages = (await client.getLanguages("de"))[0];
  found.detected = (await client.detect("The red house stands behind the church."))[0].language;
  found.refused = await client.translate("One day.", "xx").then(() => 0, (error) => error.code);
  console.log(JSON.stringify(found));
})();
"""
_DEEPL = """
const deepl = require("deepl-node");
const client = new deepl.DeepLClient("any", { serverUrl: process.env.SERVER });
(async () => {
  const found = {};
  found.list = (await client.translateText(["One day.", "Two days."], "en", "fr")).map((one) => one.text);
  found.targets = (await client.getTargetLanguages()).map((one) => one.code);
  found.usage = (await client.getUsage()).anyLimitReached();
  console.log(JSON.stringify(found));
})();
"""


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the packages, from the npm registry."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("Node.js and npm are not installed")
    folder = tmp_path_factory.mktemp("node")
    command = ["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", *_PACKAGES]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300, check=False)
    if done.returncode != 0:
        pytest.skip(f"the npm registry does not give the packages: {done.stderr[-300:]}")
    return folder


def run(packages: Path, script: str, **environment: str) -> dict[str, object]:
    done = subprocess.run(
        ["node", "-e", script],
        cwd=packages,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, object] = json.loads(done.stdout)
    return found


def test_googles_client(packages: Path, service: RunningService) -> None:
    found = run(packages, _GOOGLE, GOOGLE_CLOUD_TRANSLATE_ENDPOINT=f"{service.url}/language/translate/v2")
    assert found == {
        "list": ["ONE DAY.", "TWO DAYS."],
        "html": "<b>ONE</b> DAY.",
        "languages": [{"code": "en", "name": "Englisch"}, {"code": "fr", "name": "Französisch"}],
        "detected": "en",
        "refused": 400,
    }


def test_deepls_client(packages: Path, service: RunningService) -> None:
    assert run(packages, _DEEPL, SERVER=service.url) == {
        "list": ["ONE DAY.", "TWO DAYS."],
        "targets": ["en-GB", "en-US", "fr"],
        "usage": False,
    }
