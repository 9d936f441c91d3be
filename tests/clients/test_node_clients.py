"""Clients from the npm registry, run by Node against the service on a real socket."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.clients.conftest import KEY
from tests.support.service import RunningService

pytestmark = pytest.mark.slow

_PACKAGES = [
    "@google-cloud/translate@9",
    "deepl-node@1",
    "translate@3",
    "libretranslate@1",
    "@vitalets/google-translate-api@9",
]
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
_TRANSLATE = """
import("translate").then(async ({ default: translate, Translate }) => {
  const client = Translate({ engine: "libre", url: process.env.SERVER + "/translate", key: process.env.KEY });
  const found = [await client("One & day.\\nTwo days.", { from: "en", to: "fr" })];
  found.push(await client("One day.", { from: "English", to: "French" }));
  found.push(await client("One day.", { from: "en", to: "de" }).catch((error) => error.message));
  console.log(JSON.stringify(found));
});
"""
_LIBRETRANSLATE = """
const { translate } = require("libretranslate");
const apiurl = process.env.SERVER;
(async () => {
  const found = [await translate({ query: "The red house.", target: "fr", apiurl })];
  found.push(await translate({ query: "<b>One</b> day.", source: "en", target: "fr", format: "html", apiurl }));
  console.log(JSON.stringify(found));
})();
"""
# The package asks by HTTPS; here its agent does without the certificate that a proxy has elsewhere.
_VITALETS = """
const { translate } = require("@vitalets/google-translate-api");
const agent = Object.assign(new (require("http").Agent)(), { protocol: "https:" });
const options = { from: "en", to: "fr", host: new URL(process.env.SERVER).host, fetchOptions: { agent } };
(async () => {
  const detected = await translate("The red house stands behind the church.", { ...options, from: "auto" });
  console.log(JSON.stringify([(await translate("One & day. Two days.", options)).text, detected.raw.src]));
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


def run(packages: Path, script: str, **environment: str) -> object:
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
    found: object = json.loads(done.stdout)
    return found


@pytest.mark.program("@google-cloud/translate (npm)", "package")
def test_googles_client(packages: Path, service: RunningService) -> None:
    found = run(packages, _GOOGLE, GOOGLE_CLOUD_TRANSLATE_ENDPOINT=f"{service.url}/language/translate/v2")
    assert found == {
        "list": ["ONE DAY.", "TWO DAYS."],
        "html": "<b>ONE</b> DAY.",
        "languages": [{"code": "en", "name": "Englisch"}, {"code": "fr", "name": "Französisch"}],
        "detected": "en",
        "refused": 400,
    }


@pytest.mark.program("deepl-node (npm)", "package")
def test_deepls_client(packages: Path, service: RunningService) -> None:
    assert run(packages, _DEEPL, SERVER=service.url) == {
        "list": ["ONE DAY.", "TWO DAYS."],
        "targets": ["en-GB", "en-US", "fr"],
        "usage": False,
    }


@pytest.mark.program("translate (npm)", "package")
def test_translate(packages: Path, keyed: RunningService) -> None:
    found = run(packages, _TRANSLATE, SERVER=keyed.url, KEY=KEY)
    assert found == ["ONE & DAY.\nTWO DAYS.", "ONE DAY.", "de is not supported"]


@pytest.mark.program("libretranslate (npm)", "package")
def test_libretranslate(packages: Path, service: RunningService) -> None:
    assert run(packages, _LIBRETRANSLATE, SERVER=service.url) == ["THE RED HOUSE.", "<b>ONE</b> DAY."]


@pytest.mark.program("@vitalets/google-translate-api (npm)", "package")
def test_an_unofficial_client_of_google(packages: Path, service: RunningService) -> None:
    assert run(packages, _VITALETS, SERVER=service.url) == ["ONE & DAY. TWO DAYS.", "en"]
