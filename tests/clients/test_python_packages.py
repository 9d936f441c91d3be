"""Clients from PyPI that are no part of the development environment, run by a Python of their own.

They are installed into a folder for the tests, so that what they require does not meet what the service requires.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.clients.conftest import KEY
from tests.support.service import RunningService

pytestmark = pytest.mark.slow

_PACKAGES = ["translate~=3.8", "libretranslate-aio==0.1.3", "transpolibre~=0.8", "wagtail-localize~=1.14"]
_GOOGLE_PACKAGES = ["google-cloud-translate~=3.28"]
_TRANSLATE = """
from translate import Translator
client = Translator(to_lang="fr", from_lang="en", provider="libre", secret_access_key=KEY, base_url=SERVER)
answer = [client.translate("One & day."), client.translate("Two days.")]
detecting = Translator(to_lang="fr", from_lang="autodetect", provider="libre", secret_access_key=KEY, base_url=SERVER)
answer.append(detecting.translate("The red house stands behind the church."))
"""
_AIO = """
import asyncio
from libretranslate_aio import AsyncLibreTranslate, ForbiddenError, LibreTranslate
with LibreTranslate(SERVER, api_key=KEY) as client:
    several = client.translate(["One day.", "Two days."], "en", "fr", alternatives=1)
    languages = [one.code for one in client.languages()]
    detected = client.detect("La maison rouge est là.")[0].language
    settings = client.frontend_settings()
async def wrong():
    async with AsyncLibreTranslate(SERVER, api_key="wrong") as client:
        try:
            await client.translate("One day.", "en", "fr")
        except ForbiddenError as error:
            return str(error)
answer = [repr(several).count("ONE DAY."), languages, detected, settings.key_required, asyncio.run(wrong())]
"""
_WAGTAIL = """
from types import SimpleNamespace
from django.conf import settings
settings.configure()
from wagtail_localize.machine_translators.libretranslate import LibreTranslator
from wagtail_localize.strings import StringValue
client = LibreTranslator({"LIBRETRANSLATE_URL": SERVER, "API_KEY": KEY})
english, french = SimpleNamespace(language_code="en-GB"), SimpleNamespace(language_code="fr")
strings = [StringValue('The <a id="a1">red</a> house &amp; you.'), StringValue("Two days.")]
answer = [one.data for one in client.translate(english, french, strings).values()]
"""
_GOOGLE = """
from google.auth.credentials import AnonymousCredentials
from google.cloud import translate_v2
client = translate_v2.Client(credentials=AnonymousCredentials(), client_options={"api_endpoint": SERVER})
several = client.translate(["One & day.", "Two days."], source_language="en", target_language="fr", format_="text")
answer = [one["translatedText"] for one in several]
answer.append(client.translate("<b>One</b> day.", target_language="fr", source_language="en")["translatedText"])
answer.append(client.get_languages(target_language="de"))
answer.append(client.detect_language("The red house stands behind the church.")["language"])
"""


def install(folder: Path, *packages: str) -> Path:
    """Install packages into a folder."""
    uv = shutil.which("uv")
    command = [uv, "pip", "install", "--python", sys.executable] if uv else [sys.executable, "-m", "pip", "install"]
    command += ["--quiet", "--target", str(folder), *packages]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    if done.returncode != 0:
        pytest.skip(f"the packages cannot be installed from PyPI: {done.stderr[-300:]}")
    return folder


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return install(tmp_path_factory.mktemp("packages"), *_PACKAGES)


def run(packages: Path, server: str, script: str) -> object:
    """Run a script that finds the address in ``SERVER`` and the key in ``KEY``; return its ``answer``."""
    whole = f"SERVER, KEY = {server!r}, {KEY!r}\n{script}\nimport json\nprint(json.dumps(answer))"
    answer: object = json.loads(python(packages, "-c", whole).splitlines()[-1])
    return answer


def python(packages: Path, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, *arguments],
        env={**os.environ, "PYTHONPATH": str(packages), "HOME": str(packages), "NO_PROXY": "*"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.program("translate (PyPI)", "package")
def test_translate(packages: Path, keyed: RunningService) -> None:
    expected = ["ONE & DAY.", "TWO DAYS.", "THE RED HOUSE STANDS BEHIND THE CHURCH."]
    assert run(packages, keyed.url, _TRANSLATE) == expected


@pytest.mark.program("libretranslate-aio (PyPI)", "package")
def test_libretranslate_aio(packages: Path, keyed: RunningService) -> None:
    assert run(packages, keyed.url, _AIO) == [1, ["en", "fr"], "fr", True, "Invalid API key"]


@pytest.mark.program("transpolibre (PyPI)", "package")
def test_transpolibre(packages: Path, keyed: RunningService, tmp_path: Path) -> None:
    file = tmp_path / "a.po"
    file.write_text('msgid ""\nmsgstr "Content-Type: text/plain; charset=UTF-8\\n"\n\nmsgid "One %s day."\nmsgstr ""\n')
    arguments = ["-u", keyed.url, "-a", KEY, "-s", "en", "-t", "fr", "-f", str(file)]
    python(packages, "-m", "transpolibre.main", *arguments)
    assert 'msgstr "ONE %s DAY."' in file.read_text()


@pytest.mark.program("wagtail-localize", "package")
def test_wagtail_localize(packages: Path, keyed: RunningService) -> None:
    assert run(packages, keyed.url, _WAGTAIL) == ['THE <a id="a1">RED</a> HOUSE &amp; YOU.', "TWO DAYS."]


@pytest.mark.program("google-cloud-translate (PyPI)", "package")
def test_googles_client(service: RunningService, tmp_path: Path) -> None:
    names = [{"language": "en", "name": "Englisch"}, {"language": "fr", "name": "Französisch"}]
    expected = ["ONE & DAY.", "TWO DAYS.", "<b>ONE</b> DAY.", names, "en"]
    assert run(install(tmp_path, *_GOOGLE_PACKAGES), service.url, _GOOGLE) == expected
