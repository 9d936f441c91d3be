"""Fixtures of the unit tests."""

from collections.abc import Iterator

import pytest

from app.engine.loop import Engine, EngineLimits
from tests.support.engines import PATIENCE, Start
from tests.support.fakes import HashMachine, TextMachine


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts engines, and stops them after the test."""
    engines: list[Engine] = []

    def begin(graphs: TextMachine | HashMachine, limits: EngineLimits | None = None) -> Engine:
        engine = Engine(graphs, graphs.model, limits)
        engine.start()
        engines.append(engine)
        return engine

    yield begin
    for engine in engines:
        engine.stop(drain=False, timeout_seconds=PATIENCE)
