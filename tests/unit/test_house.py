"""The sizes of the house: how many files, how long, how many parameters. What is over a limit is named."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
MAX_APP_FILES = 197
MAX_FILE_LINES = 300
MAX_FUNCTION_LINES = 60
MAX_PARAMETERS = 6
# Constructors take the parts that they put together. Methods that Keras calls by name have Keras's parameters.
_CONSTRUCTORS = {"__init__", "__new__"}
_NOT_PLAIN = re.compile(r"\b(whoever|somebody|somebody's|nobody|nobody's|so many|begun|heard)\b", re.IGNORECASE)
_QUOTED = re.compile(r"[\"'“«„`][^\"'”»“`]*[\"'”»“`]")


def python_files(*rooms: str) -> list[Path]:
    return sorted(path for room in rooms for path in (ROOT / room).rglob("*.py"))


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def parameters_of(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    named = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
    return len([argument for argument in named if argument.arg not in ("self", "cls")])


def test_the_service_has_few_files() -> None:
    assert len(python_files("app")) <= MAX_APP_FILES


def test_no_file_is_long() -> None:
    lengths = {
        path.relative_to(ROOT).as_posix(): len(path.read_text(encoding="utf-8").splitlines())
        for path in python_files("app", "training", "tests")
    }
    assert {name: lines for name, lines in lengths.items() if lines > MAX_FILE_LINES} == {}


def test_no_function_is_long() -> None:
    long = [
        f"{path.relative_to(ROOT)}:{function.lineno} {function.name}: {function.end_lineno - function.lineno + 1} lines"
        for path in python_files("app", "training")
        for function in functions(path)
        if function.end_lineno is not None and function.end_lineno - function.lineno + 1 > MAX_FUNCTION_LINES
    ]
    assert long == []


def test_no_function_has_many_parameters() -> None:
    wide = [
        f"{path.relative_to(ROOT)}:{function.lineno} {function.name}: {parameters_of(function)} parameters"
        for path in python_files("app", "training")
        for function in functions(path)
        if function.name not in _CONSTRUCTORS and parameters_of(function) > MAX_PARAMETERS
    ]
    assert wide == []


def test_no_file_is_named_after_nothing() -> None:
    for path in python_files("app", "training", "tests"):
        assert path.name not in ("utils.py", "helpers.py", "common.py", "misc.py"), path


def test_every_room_says_its_purpose() -> None:
    for path in python_files("app", "training"):
        if path.name == "__init__.py":
            assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))), path


def test_prose_names_its_subjects() -> None:
    """Words that hide who does what are left to quotations."""
    found = []
    pages = [*python_files("app", "training"), *ROOT.glob("*.md"), *(ROOT / "app").rglob("*.md")]
    pages += [*(ROOT / "training").rglob("*.md"), *(ROOT / "tests").glob("*.md"), ROOT / "models" / "README.md"]
    for path in pages:
        if not path.exists():
            continue
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            if match := _NOT_PLAIN.search(_QUOTED.sub("", line)):
                found.append(f"{path.relative_to(ROOT)}:{number} {match[0]}")
    assert found == []
