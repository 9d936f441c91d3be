"""Bundles that are always at work make room for others in turns."""

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.support.engines import PATIENCE, until
from tests.unit.serving.test_residency import _heavy, cold, insides, models, translate

__all__ = ["_heavy", "models"]  # fixtures


def test_a_bundle_that_is_always_at_work_makes_room(models: Path) -> None:
    """Each of its requests begins before the last has ended, so it is never idle by itself."""
    with cold(models, max_loaded_mib=1) as (running, _):
        registry = insides(running)
        residency, installed = registry.residency, registry.snapshot.installed
        held = residency.acquire([installed["en-fr"]]).result(PATIENCE)
        wanted = residency.acquire([installed["en-de"]])
        followers = []

        def is_held_up() -> bool:
            nonlocal held
            followers.append(residency.acquire([installed["en-fr"]]))
            residency.release(held)
            if followers[-1].done():
                held = followers[-1].result()
                return False
            return True

        until(is_held_up)
        residency.release(wanted.result(PATIENCE))
        residency.release(followers[-1].result(PATIENCE))  # it has its turn again


def test_a_long_request_holds_nobody_up_for_longer_than_a_turn(models: Path) -> None:
    with cold(models, max_loaded_mib=1) as (running, graphs), ThreadPoolExecutor(4) as pool:
        assert translate(running, "en", "fr").status_code == 200
        gate = graphs.opened["en-fr"].hooks.gate = threading.Event()
        busy = pool.submit(translate, running, "en", "fr")
        residency = insides(running).residency
        until(lambda: residency.loaded[0].leases == 1)
        other = pool.submit(translate, running, "en", "de")
        until(lambda: any(waiter.has_turn for waiter in residency._waiters))
        same = pool.submit(translate, running, "en", "fr")
        until(lambda: len(residency._waiters) == 2)  # it is held up
        until(lambda: residency.loaded[0].leases == 2)  # until the turn is over
        gate.set()
        assert [one.result(PATIENCE).status_code for one in (busy, other, same)] == [200, 200, 200]
