"""Which bundles leave the memory for those that a request waits for.

Idle bundles leave at once, the least recently used first. Where all are at work, one request after the other would keep
them there, and a newcomer would wait until its deadline. So a request that has waited for ``PATIENCE_SECONDS`` has a
turn of ``DRAIN_SECONDS``, in which the bundles that must leave for it take no further requests; as soon as those they
have are done, they are idle. If a request holds one for longer, they work on until the next turn.
"""

import time
from collections.abc import Iterable, Sequence, Set
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from app.serving.served_bundle import Loaded
from app.serving.snapshot import Installed

PATIENCE_SECONDS: Final = 1.0
DRAIN_SECONDS: Final = 4.0

Key = tuple[str, str]
Granted = tuple[Loaded, ...]


@dataclass(eq=False, slots=True)
class Waiter:
    """A request that waits for bundles.

    Attributes:
        needed: All of its bundles.
        future: Is done once they are in memory.
        since: When it began to wait, a ``time.monotonic`` time.
    """

    needed: Sequence[Installed]
    future: Future[Granted] = field(default_factory=Future)
    since: float = field(default_factory=time.monotonic)

    @property
    def keys(self) -> set[Key]:
        """Of its bundles."""
        return {one.key for one in self.needed}

    @property
    def has_turn(self) -> bool:
        """Tells whether bundles at work have to make room for it now."""
        return (time.monotonic() - self.since) % (PATIENCE_SECONDS + DRAIN_SECONDS) >= PATIENCE_SECONDS

    def refuse(self, error: Exception) -> None:
        """Ends the waiting with an error, unless the caller has given up."""
        with suppress(InvalidStateError):
            self.future.set_exception(error)


def choose_idle(loaded: Iterable[Loaded], over_mib: float, reserved: Set[Key]) -> list[Loaded] | None:
    """Returns idle bundles whose memory does for others, the least recently used first.

    Args:
        loaded: All in memory.
        over_mib: The memory that is missing.
        reserved: Bundles that others wait for already; they stay.

    Returns:
        None if there are not enough.
    """
    idle = [one for one in loaded if not one.leases and one.installed.key not in reserved]
    return _first_of(sorted(idle, key=lambda one: one.used_at), over_mib)


def choose_draining(loaded: Iterable[Loaded], over_mib: float, reserved: Set[Key]) -> set[Key]:
    """Returns the bundles that take no further requests, so that they become idle: those longest in memory.

    Args:
        loaded: All in memory.
        over_mib: The memory that is missing.
        reserved: Bundles that others wait for already; they stay.
    """
    others = [one for one in loaded if one.installed.key not in reserved]
    chosen = _first_of(sorted(others, key=lambda one: (one.leases > 0, one.loaded_at)), over_mib)
    return {one.installed.key for one in chosen or ()}


def _first_of(candidates: Iterable[Loaded], over_mib: float) -> list[Loaded] | None:
    chosen: list[Loaded] = []
    for one in candidates:
        if over_mib <= 0:
            break
        chosen.append(one)
        over_mib -= one.installed.loaded_mib
    return chosen if over_mib <= 0 else None
