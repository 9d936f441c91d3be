"""What was asked over HTTP so far, in plain numbers. Belongs to one thread, the event loop's, so it needs no lock."""

from collections import Counter
from typing import Final

from starlette.types import Scope

from app.api.responses import speaks_deepl
from app.engine.metrics import SECONDS, Histogram

_OTHER: Final = "other"


class Traffic:
    """``requests`` by route, dialect and status; ``seconds`` by route, from the first byte to the end of the answer;
    ``characters`` by source and target language, of what was put into a queue.

    A route is named by its template, and all paths that are none share one name: so callers cannot make new names.
    """

    def __init__(self) -> None:
        self.requests: Counter[tuple[str, str, int]] = Counter()
        self.seconds: dict[str, Histogram] = {}
        self.in_progress = 0
        self.characters: Counter[tuple[str, str]] = Counter()

    def answered(self, scope: Scope, status: int | None, seconds: float) -> None:
        """:param status: None where there was no answer, which is counted as 0."""
        route = scope.get("route")
        path = _OTHER if route is None else route.path
        self.requests[path, _dialect(scope), status or 0] += 1
        histogram = self.seconds.get(path)
        if histogram is None:
            histogram = self.seconds[path] = Histogram(SECONDS)
        histogram.add(seconds)


def _dialect(scope: Scope) -> str:
    """The group that the route has on the page of the API, in small letters."""
    tags = getattr(scope.get("route"), "tags", None)
    if tags:
        return str(tags[0]).lower()
    return "deepl" if speaks_deepl(scope) else _OTHER
