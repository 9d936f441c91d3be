"""The command line: what each command prints, and the status it ends with."""

import io
import os
import socket
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

import pytest

from app.bundle.manifest import Origin
from app.bundle.store import load_bundle, update_bundle
from app.commands.command_line import main
from app.settings import Settings
from tests.support.fakes import fake_bundle
from tests.support.service import fake_models, running_service

ROOT = Path(__file__).parents[3]


class Ran(NamedTuple):
    status: int
    out: str
    err: str


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> "Runner":
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MODELS_DIR", str(ROOT / "models"))
    return Runner(capsys)


class Runner:
    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def __call__(self, *arguments: str) -> Ran:
        status = main(arguments)
        return Ran(status, *self._capsys.readouterr())


def test_help_version_and_completion(run: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = run("--help")
    assert shown.status == 0
    for command in ("serve", "translate", "models", "keys", "settings", "bulk", "check"):
        assert command in shown.out
        assert run(command, "--help").status == 0, command
    assert run("--version").out.startswith("passerelle ")
    assert run().status == 2
    monkeypatch.setenv("_PASSERELLE_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", "passerelle tr")
    monkeypatch.setenv("COMP_CWORD", "1")
    assert "translate" in run().out


def test_models_are_installed_by_the_converter(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("onnx", reason="the converter needs it")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "models").mkdir()
    (tmp_path / "models.json").write_text('{"generated": "x", "baseUrl": "file:///nowhere", "models": {}}')
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    catalogue = ["--catalogue", (tmp_path / "models.json").as_uri()]
    assert main(["models", "install", "--models", "models", "xx-yy", *catalogue]) != 0
    assert "models.json: has no model that can be used" in capfd.readouterr().err
    monkeypatch.setenv("MODELS_DIR", os.pathsep.join(["models", "added"]))
    started: list[list[str]] = []

    def start(command: list[str], check: bool) -> SimpleNamespace:
        started.append(command)
        return SimpleNamespace(returncode=0)

    monkeypatch.setattr("app.commands.models.subprocess.run", start)
    assert main(["models", "install", "xx-yy"]) == 0
    assert started[0][-3:] == ["xx-yy", "--install", "added"]
    monkeypatch.setattr("app.commands.models.find_spec", lambda name: None)
    assert main(["models", "install", "en-fr"]) == 2
    assert "pip install '.[convert]'" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (("serve", "--models", "nowhere"), "nowhere: no such folder of models; set MODELS_DIR or --models"),
        (("models", "list", "--models", "nowhere"), "nowhere: no such folder of models"),
        (("models", "info", "en-xx"), "'en-xx' is no bundle in"),
        (("models", "info", "../models/en-fr"), "'../models/en-fr' is no bundle in"),
        (("check", "ftp://example.org"), "ftp://example.org is no address of a service"),
        (("keys", "new", "two words"), "two words"),
    ],
)
def test_what_cannot_be_used_is_one_line_and_status_2(run: Runner, arguments: tuple[str, ...], part: str) -> None:
    ran = run(*arguments)
    assert ran.status == 2
    assert ran.err.startswith("error: ")
    assert ran.err.count("\n") == 1
    assert part in ran.err
    assert ran.out == ""


def test_serve_says_what_it_cannot_use_before_it_loads_models(
    run: Runner, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        ran = run("serve", "--port", str(port))
        assert (ran.status, ran.err) == (
            2,
            f"error: 127.0.0.1 port {port} cannot be listened on: Address already in use; choose another one with "
            "--port or PASSERELLE_PORT\n",
        )
    monkeypatch.setenv("PASSERELLE_API_KEYS_FILE", str(tmp_path / "keys.txt"))
    ran = run("serve", "--port", "0")
    assert ran.status == 2
    assert "PASSERELLE_API_KEYS_FILE cannot be read" in ran.err
    monkeypatch.setenv("PASSERELLE_MAX_ROWS", "none")
    assert "PASSERELLE_MAX_ROWS" in run("serve").err


def test_the_origin_of_a_converted_model_is_shown(run: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = fake_bundle(tmp_path / "models", "en", "fr").folder
    monkeypatch.setenv("MODELS_DIR", str(folder.parent))
    assert "origin" not in run("models", "info", folder.name).out
    origin = Origin(name="x", licence="MPL-2.0", attribution="", url=None, architecture="tiny", files={})
    manifest = load_bundle(folder).manifest.model_copy(update={"origin": origin})
    update_bundle(folder, manifest, {}, verify=lambda _: None)
    assert "origin     x: MPL-2.0, unknown, tiny" in run("models", "info", folder.name).out


def test_models_are_listed_shown_and_removed(run: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = fake_bundle(tmp_path / "models", "en", "fr").folder
    monkeypatch.setenv("MODELS_DIR", str(folder.parent))
    listed = run("models", "list")
    assert listed.status == 0
    assert listed.out.split()[:4] == [folder.name, "en", "to", "fr"]
    (folder.parent / "broken").mkdir()
    listed = run("models", "list")
    assert listed.status == 1
    assert listed.err.startswith("broken: cannot be used: ")
    assert load_bundle(folder).version in run("models", "info", folder.name).out
    monkeypatch.setattr(sys, "stdin", io.StringIO("n\n"))
    assert run("models", "remove", folder.name).status == 1
    assert folder.exists()
    assert run("models", "remove", folder.name, "--yes").status == 0
    assert not folder.exists()


def test_translate_reads_a_text_a_file_and_the_input(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    monkeypatch.setenv("MODELS_DIR", str(ROOT / "models"))

    def translate(*arguments: str) -> tuple[int, str, str]:
        status = main(["translate", "--to", "fr", *arguments])
        found = capfdbinary.readouterr()
        return status, found.out.decode(), found.err.decode()

    assert translate("The", "cat", "sleeps.") == (0, "Le chat dort.\n", "")
    assert translate("Le chat dort.", "--from", "fr") == (0, "Le chat dort.\n", "")
    assert translate("The cat sleeps.", "--from", "en_GB", "--to", "fr-FR") == (0, "Le chat dort.\n", "")
    assert translate("<p>The cat <b>sleeps</b>.</p>", "--html") == (0, "<p>Le chat <b>dort</b>.</p>\n", "")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"The cat sleeps.\n\nThe cat sleeps.\n")))
    assert translate("-") == (0, "Le chat dort.\n\nLe chat dort.\n", "")
    film = tmp_path / "film.srt"
    film.write_text("1\n00:00:01,000 --> 00:00:02,500\nThe cat sleeps.\n", encoding="utf-8")
    assert translate(str(film)) == (0, "1\n00:00:01,000 --> 00:00:02,500\nLe chat dort.\n", "")
    assert translate(str(film), "--output", str(film))[0] == 2
    status, out, said = translate(str(film), "-o", str(tmp_path / "out.srt"))
    assert (status, out, said) == (0, "", f"{tmp_path / 'out.srt'} is written\n")
    assert "Le chat dort." in (tmp_path / "out.srt").read_text(encoding="utf-8")
    status, out, said = translate("Hello", "--from", "xx")
    assert (status, out) == (1, "")
    assert said.startswith("error: ")


def test_documents_are_written_beside_the_original(run: Runner, tmp_path: Path) -> None:
    import docx

    letter = docx.Document()
    letter.add_paragraph("The cat sleeps.")
    letter.save(str(tmp_path / "letter.docx"))
    assert run("translate", "--to", "fr", "letter.docx").status == 0
    assert [one.text for one in docx.Document(str(tmp_path / "letter.fr.docx")).paragraphs] == ["Le chat dort."]
    ran = run("translate", "--to", "fr", "letter.docx")
    assert (ran.status, ran.err) == (2, "error: letter.fr.docx exists already; name a file with --output\n")


def test_check_says_whether_a_service_is_healthy(run: Runner, tmp_path: Path) -> None:
    with running_service(Settings(models_dir=fake_models(tmp_path / "some", ("en", "fr")))) as service:
        ran = run("check", service.url)
        assert ran == (0, f"{service.url} is ready\n  en (English) to fr\n", "")
        ran = run("check", f"{service.url}/elsewhere")
        assert ran.status == 1
        assert "/ready has status 404" in ran.out
    (tmp_path / "none").mkdir()
    with running_service(Settings(models_dir=tmp_path / "none")) as service:
        assert run("check", service.url) == (
            1,
            f"{service.url} is not ready: no usable bundle in {tmp_path / 'none'}\n",
            "",
        )
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        ran = run("check", f"127.0.0.1:{unused.getsockname()[1]}")
    assert ran.status == 1
    assert "Connection refused" in ran.out
