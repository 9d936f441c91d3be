"""Several bundles share the threads of the process: they use no more than there are, and each gets its turn."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnx")

import onnxruntime

from app.bundle.store import Bundle
from app.engine.sessions import OnnxGraphs
from app.errors import ConfigurationError
from app.server.resources import ThreadShare, divide
from app.serving.registry import OpenedGraphs, Registry, open_onnx_graphs
from app.settings import Settings
from tests.support.engines import PATIENCE, until
from tests.support.onnx_graphs import onnx_bundle
from tests.unit.engine.test_sessions import padded, random_sources


def test_threads(tmp_path: Path) -> None:
    bundle = onnx_bundle(tmp_path / "en-fr")
    with pytest.raises(ConfigurationError, match="threads is 0"):
        OnnxGraphs(bundle, threads=0)
    assert OnnxGraphs(bundle, threads=2).provider in ("cpu", "cuda")


@pytest.mark.parametrize(
    ("threads", "bundles", "each"), [(2, 2, 1), (8, 2, 4), (7, 2, 3), (2, 3, 1), (1, 4, 1), (4, 0, 4)]
)
def test_several_bundles_use_no_more_threads_than_there_are(
    tmp_path: Path, threads: int, bundles: int, each: int
) -> None:
    share = divide(threads, bundles)
    assert share.threads == each
    opened = [
        OnnxGraphs(onnx_bundle(tmp_path / f"en-{number}"), "cpu", share.threads, turns=share.turns)
        for number in range(bundles)
    ]
    lock, reached, inside, most = threading.Lock(), threading.Event(), 0, 0
    expected = min(bundles, max(1, threads // each))

    class Counted:
        """A session that counts how many run at once."""

        def __init__(self, session: onnxruntime.InferenceSession) -> None:
            self.session = session
            assert session.get_session_options().intra_op_num_threads == each

        def run(self, outputs: list[str], feed: dict[str, np.ndarray]) -> list[np.ndarray]:
            nonlocal inside, most
            with lock:
                inside += 1
                most = max(most, inside)
                if inside >= expected:
                    reached.set()
            reached.wait(PATIENCE)  # all that may run at once do
            time.sleep(0.005)
            found: list[np.ndarray] = self.session.run(outputs, feed)
            with lock:
                inside -= 1
            return found

    for graphs in opened:
        graphs._encoder = Counted(graphs._encoder)
    ids, lengths = padded(random_sources(3, 9), 16)
    with ThreadPoolExecutor(max(1, bundles)) as pool:
        found = list(pool.map(lambda graphs: graphs.encode(ids, lengths), opened * 3))
    assert most * each <= threads
    assert most == expected
    for encoded in found:
        assert np.array_equal(encoded.memory["memory"], found[0].memory["memory"])


def test_a_busy_bundle_leaves_every_other_its_turn() -> None:
    """A thread that releases its turn and asks again queues behind the others, which with a semaphore would starve."""
    turns, taken, ended = divide(threads=1, bundles=2).turns, [0, 0], threading.Event()
    both = threading.Barrier(2)

    def keep_running(bundle: int) -> None:
        both.wait(20)
        while not ended.is_set():
            with turns:
                time.sleep(0.0005)
                taken[bundle] += 1

    with ThreadPoolExecutor(2) as pool:
        for bundle in (0, 1):
            pool.submit(keep_running, bundle)
        try:
            until(lambda: min(taken) > 50)
        finally:
            ended.set()
    assert max(taken) < 2 * min(taken)


def test_a_turn_is_given_back_when_a_graph_fails() -> None:
    turns = divide(threads=1, bundles=2).turns
    for _ in range(2):
        with pytest.raises(ValueError, match="it failed"), turns:
            raise ValueError("it failed")
    with turns:
        pass


def test_the_threads_of_the_service_are_divided(tmp_path: Path) -> None:
    for target in ("fr", "de"):
        onnx_bundle(tmp_path / f"en-{target}", target=target)
    shares: list[ThreadShare] = []

    def opening(bundle: Bundle, settings: Settings, share: ThreadShare) -> OpenedGraphs:
        shares.append(share)
        return open_onnx_graphs(bundle, settings, share)

    Registry.load(Settings(models_dir=tmp_path, threads=6), opening)
    assert [share.threads for share in shares] == [3, 3]
    assert shares[0].turns is shares[1].turns
