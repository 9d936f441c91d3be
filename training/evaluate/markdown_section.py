"""A page written by hand with a section between two marks that is written by a command."""

from pathlib import Path

from training.errors import ConfigError
from training.files import write_atomically


def write_section(page: Path, begin: str, end: str, section: str) -> None:
    """Put ``section`` between the two marks of ``page``; the rest stays as it is.

    :raises ConfigError: the page has no such marks.
    """
    before, after = _around(page, begin, end)
    write_atomically(page, f"{before}{begin}\n{section}\n{end}{after}".encode())


def check_marks(page: Path, begin: str, end: str) -> None:
    """Before hours are spent on what is to stand there.

    :raises ConfigError: the page is not there or has no such marks.
    """
    _around(page, begin, end)


def _around(page: Path, begin: str, end: str) -> tuple[str, str]:
    try:
        text = page.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{page}: {error}") from error
    before, found_begin, rest = text.partition(begin)
    _, found_end, after = rest.partition(end)
    if not found_begin or not found_end:
        raise ConfigError(f"{page}: the marks {begin!r} and {end!r} are not there")
    return before, after
