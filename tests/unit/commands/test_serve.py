"""How many workers a machine gets, what each of them may take, and where they listen."""

import socket
import sys
from pathlib import Path

import pytest

from app.commands import serve
from app.commands.serve import bind, count_workers, listen, settings_of_worker
from app.errors import ConfigurationError
from app.server.environment import load_settings
from app.server.resources import WORKER_MIB
from app.settings import Settings
from tests.support.service import fake_models

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="processes cannot be forked")


@pytest.mark.parametrize(("given", "expected"), [("3", 3), ("auto", "auto"), ("AUTO", "auto"), ("256", 256)])
def test_workers_are_a_number_or_auto(monkeypatch: pytest.MonkeyPatch, given: str, expected: object) -> None:
    monkeypatch.setenv("PASSERELLE_WORKERS", given)
    assert load_settings().workers == expected
    assert load_settings(workers="2").workers == 2
    monkeypatch.delenv("PASSERELLE_WORKERS")
    assert load_settings().workers == 1


@pytest.mark.parametrize("given", ["0", "257", "-1", "many", "1.5"])
def test_other_workers_are_refused(monkeypatch: pytest.MonkeyPatch, given: str) -> None:
    monkeypatch.setenv("PASSERELLE_WORKERS", given)
    with pytest.raises(
        ConfigurationError, match=f"PASSERELLE_WORKERS: .*'auto' or a whole number from 1 to 256.*{given}"
    ):
        load_settings()


def test_auto_fits_cpus_and_memory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    models = fake_models(tmp_path, ("en", "fr"))
    memory_mib = 100_000.0
    monkeypatch.setattr(serve, "usable_cpus", lambda: 8)
    monkeypatch.setattr(serve, "usable_memory_mib", lambda: memory_mib)

    def count(**settings: object) -> int:
        return count_workers(Settings(models_dir=models, **{"workers": "auto", **settings}))  # type: ignore[arg-type]

    assert count() == 8
    assert count(workers=3) == 3
    assert count(threads=2) == 2
    assert count(provider="cuda") == 1
    memory_mib = serve._BASE_MIB + 4.5 * WORKER_MIB
    assert count() == 4
    memory_mib = 10.0
    assert count() == 1
    # Bundles that are loaded later may take what all bundles may take.
    memory_mib = serve._BASE_MIB + 4.5 * (WORKER_MIB + 1024)
    assert count(preload="none") == 4


def test_what_all_take_together_is_divided(tmp_path: Path) -> None:
    settings = Settings(threads=16, cache_mib=64, max_bodies_mib=10, workers=5)
    own = settings_of_worker(settings, 5, tmp_path)
    assert (own.threads, own.cache_mib, own.max_bodies_mib) == (3, 12, 2)
    assert own.files_dir == str(tmp_path / "files")
    own = settings_of_worker(settings.model_copy(update={"cache_mib": 3, "files_dir": "/srv/files"}), 64, tmp_path)
    assert (own.threads, own.cache_mib, own.max_bodies_mib, own.files_dir) == (1, 1, 1, "/srv/files")
    assert settings_of_worker(Settings(), 2, tmp_path).cache_mib == 0


def test_a_port_in_use_is_told(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(ConfigurationError, match=f"127.0.0.1 port {port} cannot be listened on"):
            listen(Settings(port=port))
    with pytest.raises(ConfigurationError, match=r"no-such-host\.invalid port"):
        bind(Settings(host="no-such-host.invalid"))
    listeners = listen(Settings(port=0))
    assert [listener.getblocking() for listener in listeners] == [False]
    with socket.create_connection(listeners[0].getsockname()):
        pass
    listeners[0].close()
