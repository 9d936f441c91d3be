"""The import rules of the rooms, by reading the files and by importing in fresh processes."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TRAINING_STACK = {"tensorflow", "keras", "tf2onnx", "training", "onnx", "sacrebleu", "matplotlib"}


def imported_by(path: Path) -> set[str]:
    """Every module that a file names in an import, also inside functions."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found |= {node.module or ""} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def offenders(room: str, forbidden: set[str], allowed: set[str] = frozenset()) -> list[str]:  # type: ignore[assignment]
    """Files of a room that import a forbidden module or a part of it."""
    found = []
    for path in sorted((ROOT / room).rglob("*.py")):
        name = path.relative_to(ROOT).as_posix()
        if name in allowed or any(name.startswith(prefix) for prefix in allowed if prefix.endswith("/")):
            continue
        for module in imported_by(path):
            if any(module == bad or module.startswith(bad + ".") for bad in forbidden):
                found.append(f"{name} imports {module}")
    return found


# From the outermost room to the innermost; a room imports only what stands below it. ``app.web`` holds no code.
ORDER = [
    *("deploy", "__main__", "commands", "main", "api", "files", "bulk", "serving", "translation", "engine"),
    *("text", "bundle", "access", "server", "settings", "errors"),
]


def room_of(module: str) -> str:
    """``app.api.fields`` -> ``api``."""
    return [*module.split("."), ""][1]


def test_rooms_import_downwards_only() -> None:
    """Also under ``TYPE_CHECKING`` and inside functions."""
    upwards = []
    for path in sorted((ROOT / "app").rglob("*.py")):
        name = path.relative_to(ROOT).with_suffix("").as_posix().replace("/", ".")
        room = room_of(name)
        if room not in ORDER:
            continue
        for module in sorted(imported_by(path)):
            other = room_of(module) if module.startswith("app.") else ""
            if other in ORDER and ORDER.index(other) < ORDER.index(room):
                upwards.append(f"{name} imports {module}")
    assert upwards == []


def test_every_room_has_its_place_in_the_order() -> None:
    rooms = {path.parent.name for path in (ROOT / "app").glob("*/__init__.py")} - {"web"}
    modules = {path.stem for path in (ROOT / "app").glob("*.py")} - {"__init__", "healthcheck"}
    assert rooms | modules == set(ORDER)


def test_the_service_never_imports_the_training_stack() -> None:
    assert offenders("app", TRAINING_STACK) == []


def test_the_engine_knows_neither_asyncio_nor_http() -> None:
    assert offenders("app/engine", {"asyncio", "fastapi", "starlette", "uvicorn"}) == []


def test_only_sessions_imports_onnxruntime() -> None:
    assert offenders("app", {"onnxruntime"}, {"app/engine/sessions.py"}) == []


def test_only_the_api_and_main_import_fastapi() -> None:
    assert offenders("app", {"fastapi", "starlette"}, {"app/api/", "app/main.py"}) == []


def test_formats_know_neither_asyncio_nor_http() -> None:
    assert offenders("app/files/formats", {"asyncio", "app.serving", "app.settings"}) == []


def test_training_knows_no_http() -> None:
    assert offenders("training", {"fastapi", "starlette", "uvicorn", "app.api", "app.main"}) == []


def modules_after(statement: str) -> set[str]:
    """The modules loaded in a fresh process after a statement; it must print nothing and read no variable."""
    script = f"import sys\n{statement}\nprint(*sorted(sys.modules), sep='\\n')"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script],
        cwd=ROOT,
        env={"PATH": "", "PASSERELLE_PORT": "not a number"},  # read at import, this would fail
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return set(done.stdout.split())


def test_importing_the_service_loads_no_training_and_does_nothing() -> None:
    loaded = modules_after("import app.main, app.__main__, threading\nassert threading.active_count() == 1")
    assert {module.split(".")[0] for module in loaded} & TRAINING_STACK == set()


def test_extras_are_imported_where_they_are_asked_for() -> None:
    loaded = modules_after("import app.main, app.__main__, app.bulk.__main__")
    assert {module.split(".")[0] for module in loaded} & {"pyarrow", "ray", "pandas"} == set()
    assert offenders("app", {"pyarrow"}, {"app/bulk/parquet.py", "app/bulk/cluster.py"}) == []
    assert offenders("app", {"ray"}, {"app/bulk/cluster.py", "app/deploy/"}) == []


@pytest.mark.parametrize("module", ["app.engine.scheduler", "app.engine.search", "app.bundle.store"])
def test_importing_the_core_loads_no_http(module: str) -> None:
    loaded = {name.split(".")[0] for name in modules_after(f"import {module}")}
    assert loaded & {"fastapi", "starlette", "uvicorn", "asyncio"} <= {"asyncio"}
