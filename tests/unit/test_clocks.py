"""The clock of the wall is set back and forth by hours: deadlines, rates, ages and orders do not care."""

import ast
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

import app.serving.glossary_store
from app.serving.glossaries import Entry
from app.serving.glossary_store import Dictionary, GlossaryStore
from app.settings import Settings
from tests.support.service import fake_models, running_service

ROOT = Path(__file__).parents[2]
HELLO = {"q": "Hello", "source": "en", "target": "fr"}
# Who may read the clock of the wall: for what people read, and for files that several processes share.
SHOWN_ONLY = {"app/serving/glossary_store.py": {"now"}, "app/files/storage.py": {"time"}}


class Wall:
    """The clock of the wall, with somebody's hand at it."""

    def __init__(self) -> None:
        self.off_seconds = 0.0
        self._time = time.time

    def __call__(self) -> float:
        return self._time() + self.off_seconds


@pytest.fixture
def wall(monkeypatch: pytest.MonkeyPatch) -> Wall:
    clock = Wall()
    monkeypatch.setattr(time, "time", clock)
    return clock


def test_nothing_else_reads_the_clock_of_the_wall() -> None:
    found: dict[str, set[str]] = {}
    for path in (ROOT / "app").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                is_clock = node.value.id == "time" and node.attr in ("time", "time_ns", "localtime")
                if is_clock or (node.value.id in ("datetime", "date") and node.attr in ("now", "utcnow", "today")):
                    found.setdefault(path.relative_to(ROOT).as_posix(), set()).add(node.attr)
    assert found == SHOWN_ONLY


@pytest.mark.parametrize("hours", [-5, 5])
def test_a_service_whose_clock_jumps(tmp_path: Path, wall: Wall, hours: int) -> None:
    chosen = Settings(
        models_dir=fake_models(tmp_path, ("en", "fr")), requests_per_minute=6, file_keep_seconds=60, shutdown_seconds=1
    )
    with running_service(chosen) as service:
        client, machine = service.client, service.graphs.opened["en-fr"]
        file = {"file": ("a.txt", b"Hello")}
        kept = client.post("/translate_file", files=file, data={"source": "en", "target": "fr"})
        machine.hooks.delay_seconds = 0.05

        def jump_in_the_middle(_: int, __: int, on_step: Callable[[int, int], None] = machine.hooks.on_step) -> None:
            wall.off_seconds = 3600.0 * hours
            on_step(_, __)

        machine.hooks.on_step = jump_in_the_middle  # type: ignore[method-assign, assignment]
        answer = client.post("/translate", json=HELLO)
        assert wall.off_seconds
        assert (answer.status_code, answer.json()) == (200, {"translatedText": "HELLO"})
        assert "x-finish-reason" not in answer.headers  # no deadline came sooner
        for _ in range(4):
            wall.off_seconds += 3600.0 * hours
            assert client.post("/translate", json=HELLO).status_code == 200
        refused = client.post("/translate", json=HELLO)  # the rate is still known, and is not longer than it was
        assert refused.status_code == 429
        assert 1 <= int(refused.headers["retry-after"]) <= 60
        assert client.get(kept.json()["translatedFileUrl"]).content == b"HELLO"
        assert client.get("/ready").status_code == 200


def test_glossaries_keep_their_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Oldest first, also where the later one has the earlier time."""
    store, now = GlossaryStore(tmp_path / "g.sqlite3", 10, 100), datetime.now(UTC)

    class Jumping(datetime):
        hours = iter((0, -30, 2, -1))

        @classmethod
        def now(cls, tz: object = None) -> datetime:  # type: ignore[override]
            return now + timedelta(hours=next(cls.hours))

    monkeypatch.setattr(app.serving.glossary_store, "datetime", Jumping)
    made = [store.create(str(number), [Dictionary("en", "fr", (Entry("a", "b"),))]).id for number in range(4)]
    assert [info.id for info in store.list_all()] == made
