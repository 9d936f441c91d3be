"""The whole chain by its commands, corpus to POST, on a task learned in a minute."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from app.bundle.store import load_bundle
from tests.support.reversal import words, write_task

pytestmark = pytest.mark.slow

START_SECONDS = 60.0


def training(folder: Path, command: str, *options: str) -> str:
    """Run one command of the training program; its output."""
    arguments = [
        sys.executable,
        "-m",
        "training",
        command,
        str(folder / "reversal.toml"),
        "--runs",
        str(folder / "runs"),
    ]
    result = subprocess.run([*arguments, *options], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr[-3000:]
    return result.stdout


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A models folder with one bundle that was trained, exported and evaluated here."""
    folder = tmp_path_factory.mktemp("chain")
    write_task(folder)
    data = ("--data", str(folder))
    assert "read 4,000, kept 3," in training(folder, "prepare", *data)
    training(folder, "train")
    assert "the graphs equal the model on 40 sentences" in training(
        folder, "export", "--install", str(folder / "models")
    )
    assert "dev: BLEU" in training(folder, "evaluate", *data, "--models", str(folder / "models"))
    return folder / "models"


@pytest.fixture(scope="module")
def service(models: Path) -> Iterator[str]:
    """The service as a process of its own; its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {
        **os.environ,
        "MODELS_DIR": str(models),
        "PASSERELLE_PORT": str(port),
        "PASSERELLE_HOST": "127.0.0.1",
    }
    process = subprocess.Popen([sys.executable, "-m", "app"], env=environment)
    address = f"http://127.0.0.1:{port}"
    deadline = time.monotonic() + START_SECONDS
    try:
        while not _ready(address):
            assert process.poll() is None, f"the service ended with {process.returncode}"
            assert time.monotonic() < deadline, f"not ready after {START_SECONDS} seconds"
            time.sleep(0.1)
        yield address
    finally:
        process.terminate()
        # A signal is a wish to stop, and it was granted.
        assert process.wait(timeout=30) == 0


def _ready(address: str) -> bool:
    try:
        return httpx.get(f"{address}/ready").status_code == 200
    except httpx.TransportError:
        return False


def test_what_was_trained_is_what_is_served(service: str) -> None:
    unseen = words(40, seed=99)
    for options in ({}, {"beam_size": 1}, {"beam_size": 5}):
        body = {"q": unseen, "source": "en", "target": "fr", **options}
        answer = httpx.post(f"{service}/translate", json=body, timeout=30).json()
        assert answer == {"translatedText": [word[::-1] for word in unseen]}


def test_white_space_comes_back_and_lines_are_translated(service: str) -> None:
    body = {"q": "  abc\r\n\r\n\tdefg \n", "source": "en", "target": "fr"}
    answer = httpx.post(f"{service}/translate", json=body, timeout=30).json()
    assert answer == {"translatedText": "  cba\r\n\r\n\tgfed \n"}


def test_evaluation_is_in_the_bundle(models: Path) -> None:
    manifest = load_bundle(models / "en-fr").manifest
    assert manifest.precision == "int8"
    # A word is one token to BLEU, so chrF is what tells here.
    scores = {quality.metric: quality for quality in manifest.quality}
    assert scores["chrF"].score > 95
    assert "version:" in scores["chrF"].signature
    assert {"MODEL_CARD.md", "learning_curves.png", "bleu_by_length.png", "attention_1.png"} <= manifest.files.keys()
    card = (models / "en-fr" / "MODEL_CARD.md").read_text(encoding="utf-8")
    for needed in ("| words | 3,", "CC0", "## Limits", "float32", "The worst", "chrF"):
        assert needed in card
