"""What a plain ``pytest`` runs: the quick tests; the last line says what was left out."""

from collections.abc import Sequence

import pytest

_LEFT_OUT = pytest.StashKey[int]()


def pytest_deselected(items: Sequence[pytest.Item]) -> None:
    """Counts the slow tests that the marker expression deselects."""
    if items:
        stash = items[0].config.stash
        stash[_LEFT_OUT] = stash.get(_LEFT_OUT, 0) + sum(item.get_closest_marker("slow") is not None for item in items)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Says how to run the slow tests, if some were left out."""
    if left_out := config.stash.get(_LEFT_OUT, 0):
        terminalreporter.write_line(f'{left_out} slow tests were left out; run them with: pytest -m "slow or not slow"')
