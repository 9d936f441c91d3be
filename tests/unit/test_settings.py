"""Settings: each once, each documented, each refused with its name when it cannot be used; and CPU counting."""

import re
from pathlib import Path

import pytest

from app.commands.command_line import main
from app.commands.serve import server_config
from app.errors import ConfigurationError
from app.server.environment import load_settings, settings_table, unknown_variables, variable_of
from app.server.resources import usable_cpus
from app.settings import Settings

README = Path(__file__).parents[2] / "app" / "README.md"


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(variable_of(name), raising=False)
    monkeypatch.delenv("PASSERELLE_MODELS_DIR", raising=False)


def test_readme_has_every_setting() -> None:
    found = re.search(r"<!-- settings -->\n+(.*?)\n*<!-- /settings -->", README.read_text(encoding="utf-8"), re.DOTALL)
    assert found, "app/README.md has no table between <!-- settings --> and <!-- /settings -->"
    assert found.group(1).strip() == settings_table().strip(), "run: python -m app settings"


def test_every_setting_says_what_it_is() -> None:
    for name, field in Settings.model_fields.items():
        assert field.description, name
        assert field.description.endswith("."), name
        if name.endswith(("_seconds", "_bytes")):
            assert isinstance(field.json_schema_extra, dict), name
            assert name.endswith("_" + str(field.json_schema_extra["unit"]))


def test_no_variable_is_the_beginning_of_another_service_s() -> None:
    assert all(variable_of(name).startswith("PASSERELLE_") for name in Settings.model_fields if name != "models_dir")


def test_defaults_come_without_any_variable() -> None:
    settings = load_settings()
    assert settings.models_dir == Path("models")
    assert settings.port == 8000
    assert settings.provider == "auto"


@pytest.mark.parametrize("name", ["MODELS_DIR", "PASSERELLE_MODELS_DIR"])
def test_models_dir_has_two_names(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "/srv/models")
    assert load_settings().models_dir == Path("/srv/models")


def test_the_plain_models_dir_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODELS_DIR", "/one")
    monkeypatch.setenv("PASSERELLE_MODELS_DIR", "/two")
    assert load_settings().models_dir == Path("/one")


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("PASSERELLE_PORT", "70000", "65535"),
        ("PASSERELLE_MAX_ROWS", "0", "1"),
        ("PASSERELLE_MAX_BODY_BYTES", "lots", "integer"),
        ("PASSERELLE_REQUEST_TIMEOUT_SECONDS", "-1", "0"),
        ("PASSERELLE_PROVIDER", "tpu", "'auto', 'cpu' or 'cuda'"),
        ("PASSERELLE_LOG_LEVEL", "loud", "warning"),
    ],
)
def test_a_bad_value_is_named(monkeypatch: pytest.MonkeyPatch, name: str, value: str, said: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError) as caught:
        load_settings()
    assert name in str(caught.value)
    assert repr(value) in str(caught.value)
    assert said in str(caught.value)


def test_limits_that_do_not_fit_one_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PASSERELLE_MAX_ROWS", "2")
    with pytest.raises(ConfigurationError, match=r"MAX_ROWS \(2\).*MAX_BEAM_SIZE \(8\)"):
        load_settings()
    monkeypatch.setenv("PASSERELLE_MAX_ROWS", "64")
    monkeypatch.setenv("PASSERELLE_MAX_ALTERNATIVES", "9")
    with pytest.raises(ConfigurationError, match=r"MAX_BEAM_SIZE \(8\).*\(10\)"):
        load_settings()


def test_an_empty_variable_is_an_absent_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PASSERELLE_THREADS", "")
    assert load_settings().threads == 0


def test_kubernetes_service_links_are_no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PASSERELLE_PORT", "tcp://10.0.0.1:8000")
    assert load_settings().port == 8000
    links = {"PASSERELLE_SERVICE_HOST": "10.0.0.1", "PASSERELLE_PORT_8000_TCP": "tcp://10.0.0.1:8000"}
    assert unknown_variables({**links, "PASSERELLE_PROT": "1", "PASSERELLE_QQQQQQQQQQQQ": "1", "OTHER": "1"}) == {
        "PASSERELLE_PROT": "PASSERELLE_PORT",
        "PASSERELLE_QQQQQQQQQQQQ": None,
    }


@pytest.mark.parametrize(("given", "kept"), [("", ""), ("/", ""), ("api", "/api"), ("/api/", "/api"), ("/a/b", "/a/b")])
def test_root_path_is_brought_into_one_form(given: str, kept: str) -> None:
    assert Settings(root_path=given).root_path == kept


def test_table_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["settings"]) == 0
    assert "`PASSERELLE_MAX_CHARACTERS`" in capsys.readouterr().out
    assert main(["surf"]) == 2


def test_a_bad_setting_ends_the_program(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("PASSERELLE_PORT", "no")
    assert main(["serve"]) == 2
    assert "PASSERELLE_PORT" in capsys.readouterr().err


def test_server_believes_no_proxy_and_names_no_server() -> None:
    config = server_config(Settings())
    assert not config.proxy_headers
    assert not config.server_header
    assert not server_config(Settings(access_log=True)).access_log  # it would show query strings
    assert server_config(Settings(trusted_proxies="10.0.0.1")).proxy_headers


def test_cpus_of_a_container(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(8)), raising=False)
    assert usable_cpus(tmp_path) == 8
    (tmp_path / "cpu.max").write_text("max 100000\n")
    assert usable_cpus(tmp_path) == 8
    for quota, cpus in (("250000", 2), ("50000", 1), ("1600000", 8), ("rubbish", 8)):
        (tmp_path / "cpu.max").write_text(f"{quota} 100000\n")
        assert usable_cpus(tmp_path) == cpus


@pytest.mark.parametrize("folder", ["cpu", "cpu,cpuacct"])
def test_cpus_of_a_container_of_the_old_kind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(8)), raising=False)
    (tmp_path / folder).mkdir()
    (tmp_path / folder / "cpu.cfs_quota_us").write_text("300000\n")
    (tmp_path / folder / "cpu.cfs_period_us").write_text("100000\n")
    assert usable_cpus(tmp_path) == 3
    (tmp_path / folder / "cpu.cfs_quota_us").write_text("-1\n")
    assert usable_cpus(tmp_path) == 8
