"""Sections of hand-written Markdown pages that a command generates, between two comments."""

import os
import platform
from pathlib import Path

from training.errors import ConfigError
from training.files import write_atomically


def write_section(page: Path, begin: str, end: str, section: str) -> None:
    """Replaces the text between two comments of a page.

    Args:
        page: The Markdown file.
        begin: The comment before the section.
        end: The comment after it.
        section: The new text.

    Raises:
        ConfigError: The page has no such comments.
    """
    before, after = _around(page, begin, end)
    write_atomically(page, f"{before}{begin}\n{section}\n{end}{after}".encode())


def check_comments(page: Path, begin: str, end: str) -> None:
    """Checks that the page can be written, before its content is computed for hours.

    Raises:
        ConfigError: The page is missing or has no such comments.
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
        raise ConfigError(f"{page}: the comments {begin!r} and {end!r} are missing")
    return before, after


def machine() -> str:
    """Returns the processor's name and the number of usable cores, for the head of a table."""
    model = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return f"{names[0] if names else model}, {len(os.sched_getaffinity(0))} cores"
