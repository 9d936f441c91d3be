"""The table of programs in app/README.md names exactly the programs that the tests of this folder try."""

import re
from pathlib import Path
from typing import Final

_FOLDER: Final = Path(__file__).parent
_README: Final = _FOLDER.parent.parent / "app" / "README.md"
_MARKER: Final = re.compile(r'^@pytest\.mark\.program\("([^"]+)", "([^"]+)"\)$', re.MULTILINE)
_LEAST: Final = 20


def rows() -> list[list[str]]:
    table = _README.read_text(encoding="utf-8").partition("<!-- programs -->")[2].partition("<!-- /programs -->")[0]
    lines = [line for line in table.splitlines() if line.startswith("|")][2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_each_line_is_tried_as_it_says() -> None:
    listed = [(cells[0], cells[-1]) for cells in rows()]
    tried = {pair for file in _FOLDER.glob("test_*.py") for pair in _MARKER.findall(file.read_text(encoding="utf-8"))}
    assert set(listed) == tried
    assert len(listed) == len(set(listed)) >= _LEAST


def test_each_line_says_where_the_address_goes() -> None:
    for cells in rows():
        assert len(cells) == 4, cells
        assert cells[1], cells
        assert re.fullmatch(r"`(?:https?://)?(?:localhost|192\.168\.1\.2)(?::8000)?(?:/[a-z0-9_/]*)?`", cells[2]), cells
