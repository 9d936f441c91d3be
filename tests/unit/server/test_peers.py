"""Workers that ask each other, and share a port."""

import asyncio
import os
import signal
import socket
import sys
from pathlib import Path
from typing import Any

import pytest

from app.server.accepting import Acceptor
from app.server.peers import Peers, Worker
from app.server.shared_memory import SharedCounts, WorkerBoard
from tests.support.engines import PATIENCE

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="processes cannot be forked")


@pytest.fixture
def workers(tmp_path: Path) -> list[Worker]:
    """Three, in a folder whose path is too long for that of a socket."""
    folder = tmp_path / ("long" * 30)
    folder.mkdir()
    board, counts = WorkerBoard(3), SharedCounts.make()
    return [Worker(number, False, folder, board, counts) for number in (1, 2, 3)]


async def start_peers(workers: list[Worker]) -> list[Peers]:
    found = []
    for worker in workers:
        peers = Peers(worker)

        async def name(number: int = worker.number) -> Any:
            return {"number": number, "text": "é" * 100_000}

        async def hang() -> Any:
            await asyncio.sleep(600)

        async def fail(number: int = worker.number) -> Any:
            if number == 2:
                raise KeyError(number)
            return number

        await peers.start({"name": name, "hang": hang, "fail": fail})
        worker.board.publish(worker.number)
        found.append(peers)
    return found


def test_each_asks_all_others(workers: list[Worker]) -> None:
    async def test() -> None:
        peers = await start_peers(workers)
        for number, asking in enumerate(peers, start=1):
            answers = await asking.ask("name", PATIENCE)
            others = {1, 2, 3} - {number}
            assert answers.found == {other: {"number": other, "text": "é" * 100_000} for other in others}
            assert answers.silent == []
        for one in peers:
            await one.close()
        assert (await peers[0].ask("name", PATIENCE)).found == {}
        assert (await Peers(None).ask("name", PATIENCE)).found == {}

    asyncio.run(test())


def test_those_that_do_not_answer_are_told_from_those_that_are_gone(
    workers: list[Worker], caplog: pytest.LogCaptureFixture
) -> None:
    async def test() -> None:
        peers = await start_peers(workers)
        answers = await peers[0].ask("hang", 0.05)
        assert (answers.found, sorted(answers.silent)) == ({}, [2, 3])
        answers = await peers[0].ask("fail", PATIENCE)
        assert (answers.found, answers.silent) == ({3: 3}, [2])
        await peers[1].close()  # as if it was killed: the board does not know it yet
        answers = await peers[0].ask("name", PATIENCE)
        assert (set(answers.found), answers.silent) == ({3}, [])
        workers[0].board.leave(3)
        assert (await peers[0].ask("name", PATIENCE)).found == {}
        # One that comes after a killed one finds its socket there.
        successor = Peers(workers[1])
        (workers[1].folder / "2.socket").touch()
        (workers[1].folder / "2.socket").unlink()
        await successor.start({"name": lambda: asyncio.sleep(0, "new")})
        assert (await peers[0].ask("name", PATIENCE)).found == {2: "new"}
        for one in (peers[0], peers[2], successor):
            await one.close()

    asyncio.run(test())
    assert "a question of another worker" in caplog.text


def test_a_starting_worker_is_told_to_reload(workers: list[Worker], monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[tuple[int, int]] = []
    monkeypatch.setattr(os, "kill", lambda process, number: sent.append((process, number)))
    workers[0].board.begin(3)
    workers[0].board.publish(1)
    Peers(workers[0]).hang_up_starting()
    assert sent == [(os.getpid(), signal.SIGHUP)]


class Server(asyncio.Protocol):
    def __init__(self, made: list["Server"]) -> None:
        made.append(self)


def test_the_one_with_least_to_do_accepts() -> None:
    """Of connections that come at once, each worker takes as many as the other."""
    board = WorkerBoard(2)
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)
    listener.setblocking(False)
    made: list[list[Server]] = [[], []]

    async def test() -> None:
        def publish(number: int) -> None:
            board.publish(number, 0, accepted[number - 1])

        def count(number: int) -> None:
            accepted[number - 1] += 1
            publish(number)

        accepted = [0, 0]
        publish(1)
        publish(2)
        sockets = [listener, listener.dup()]
        acceptors = [
            Acceptor(
                shared,
                lambda number=number: Server(made[number - 1]),  # type: ignore[misc]
                lambda number=number: board.has_least_load(number),  # type: ignore[misc]
                lambda number=number: count(number),  # type: ignore[misc]
            )
            for number, shared in enumerate(sockets, start=1)
        ]
        writers = [(await asyncio.open_connection(*listener.getsockname()))[1] for _ in range(20)]
        await asyncio.wait_for(until(lambda: sum(map(len, made)) == 20), PATIENCE)
        assert [len(one) for one in made] == [10, 10]
        board.publish(2, 100, 0)  # and is too busy to accept
        acceptors[1].close()
        board.publish(1, 200, 0)
        writers.append((await asyncio.open_connection(*listener.getsockname()))[1])
        await asyncio.wait_for(until(lambda: len(made[0]) == 11), PATIENCE)
        acceptors[0].close()
        for acceptor in acceptors:
            await acceptor.wait_closed()
        writers.append((await asyncio.open_connection(*listener.getsockname()))[1])
        await asyncio.sleep(0.01)
        assert sum(map(len, made)) == 21, "neither accepts any more"
        for writer in writers:
            writer.close()
        sockets[1].close()

    async def until(condition: Any) -> None:
        while not condition():
            await asyncio.sleep(0.001)

    asyncio.run(test())
    listener.close()
