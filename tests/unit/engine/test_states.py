"""The arena against a plain model of it: whatever joins, moves and leaves, every row keeps its own numbers."""

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from app.bundle.signature import SOURCE_MASK, StateSpec
from app.engine.model import Arrays, Encoded
from app.engine.states import WIDTH_STEP, Arena, mask_of, padded_width

STATES = (StateSpec(name="state_own", moves="hypothesis"), StateSpec(name="state_shared", moves="source"))
BOS = 1


class ArenaMachine(RuleBasedStateMachine):
    """Each sequence in the model: its rows in the arena, its source, and what each of its rows carries."""

    @initialize()
    def begin(self) -> None:
        self.arena = Arena(STATES, has_mask=True)
        self.next_number = 100
        self.rows: dict[int, list[int]] = {}
        self.own: dict[int, list[int]] = {}
        self.token: dict[int, list[int]] = {}
        self.length: dict[int, int] = {}

    @rule(newcomers=st.lists(st.tuples(st.integers(1, 70), st.integers(1, 4)), min_size=1, max_size=4))
    def admit(self, newcomers: list[tuple[int, int]]) -> None:
        lengths = np.array([length for length, _ in newcomers], np.int32)
        copies = [count for _, count in newcomers]
        width = padded_width(int(lengths.max()))
        numbers = [self.number() for _ in newcomers]
        memory = np.full((len(newcomers), width, 2), np.nan, np.float32)
        for index, number in enumerate(numbers):
            memory[index, : lengths[index]] = number
        states: Arrays = {
            "state_own": np.array(numbers, np.float32)[:, None],
            "state_shared": -np.array(numbers, np.float32)[:, None].repeat(3, axis=1),
        }
        for index, rows in enumerate(self.arena.admit(Encoded({"memory": memory}, states), lengths, copies, BOS)):
            number = numbers[index]
            assert len(rows) == copies[index]
            self.rows[number] = rows
            self.own[number] = [number] * len(rows)
            self.token[number] = [BOS] * len(rows)
            self.length[number] = int(lengths[index])

    @precondition(lambda self: self.rows)
    @rule()
    def advance(self) -> None:
        tokens = np.zeros(self.arena.rows, np.int32)
        own = np.zeros((self.arena.rows, 1), np.float32)
        for sequence, rows in self.rows.items():
            for index, row in enumerate(rows):
                number = self.number()
                self.own[sequence][index] = self.token[sequence][index] = tokens[row] = own[row] = number
        self.arena.advance({"state_own": own}, tokens)

    @precondition(lambda self: self.rows)
    @rule(data=st.data())
    def reorder(self, data: st.DataObject) -> None:
        moves: list[tuple[int, int]] = []
        for sequence, rows in self.rows.items():
            parents = data.draw(st.lists(st.integers(0, len(rows) - 1), max_size=len(rows)))
            moves += [(row, rows[parent]) for row, parent in zip(rows, parents, strict=False)]
            before = list(self.own[sequence])
            self.own[sequence][: len(parents)] = [before[parent] for parent in parents]
        self.arena.reorder(moves)

    @precondition(lambda self: self.rows)
    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        leaving = data.draw(st.lists(st.sampled_from(sorted(self.rows)), min_size=1, unique=True))
        gone = [row for sequence in leaving for row in self.rows.pop(sequence)]
        moved = self.arena.release(gone)
        for sequence, rows in self.rows.items():
            self.rows[sequence] = [moved.get(row, row) for row in rows]

    @invariant()
    def every_row_keeps_its_own(self) -> None:
        arena = self.arena
        taken = sorted(row for rows in self.rows.values() for row in rows)
        assert taken == list(range(arena.rows))
        for sequence, rows in self.rows.items():
            length = self.length[sequence]
            for index, row in enumerate(rows):
                assert arena.states["state_own"][row] == self.own[sequence][index]
                assert (arena.states["state_shared"][row] == -sequence).all()
                assert arena.token_ids[row] == self.token[sequence][index]
                assert arena.source_lengths[row] == length
                assert (arena.memory["memory"][row, :length] == sequence).all()
                assert (arena.memory["memory"][row, length:] == 0).all()

    @invariant()
    def what_the_graph_sees_is_dense(self) -> None:
        arena = self.arena
        for array in (arena.token_ids, arena.source_lengths, *arena.states.values(), *arena.memory.values()):
            assert len(array) == arena.rows
            assert array.flags.c_contiguous
        if arena.rows:
            longest = padded_width(max(self.length[sequence] for sequence in self.rows))
            width = arena.memory["memory"].shape[1]
            assert longest <= width < 2 * longest
            # The buffer of the mask has no other numbers than those of the lengths, whatever its rows were before.
            assert np.array_equal(arena.memory[SOURCE_MASK], mask_of(arena.source_lengths, width))
        else:
            assert arena.memory == {}
            assert arena.states == {}

    def number(self) -> int:
        self.next_number += 1
        return self.next_number


TestArena = ArenaMachine.TestCase
TestArena.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)


def test_a_mask_only_where_the_graph_reads_one() -> None:
    states: Arrays = {"state_own": np.ones((1, 1), np.float32), "state_shared": np.ones((1, 3), np.float32)}
    arena = Arena(STATES)
    arena.admit(Encoded({"memory": np.ones((1, 3, 2), np.float32)}, states), np.array([3], np.int32), [1], BOS)
    assert list(arena.memory) == ["memory"]
    assert mask_of(np.array([2, 3], np.int32), 4).tolist() == [[[0, 0, -1e9, -1e9]], [[0, 0, 0, -1e9]]]


@pytest.mark.parametrize("has_mask", [False, True])
def test_a_model_without_memory(has_mask: bool) -> None:
    arena = Arena(STATES, has_mask=has_mask)
    states: Arrays = {"state_own": np.ones((2, 1), np.float32), "state_shared": np.ones((2, 3), np.float32)}
    assert arena.admit(Encoded({}, states), np.array([3, 4], np.int32), [1, 2], BOS) == [[0], [1, 2]]
    assert arena.memory == {}
    assert arena.release([0]) == {2: 0}
    assert arena.rows == 2


def test_an_encoder_that_forgets_a_state() -> None:
    with pytest.raises(ValueError, match="state_shared"):
        Arena(STATES).admit(Encoded({}, {"state_own": np.ones((1, 1))}), np.array([3], np.int32), [1], BOS)


def test_padded_width() -> None:
    assert [padded_width(tokens) for tokens in (1, WIDTH_STEP, WIDTH_STEP + 1)] == [
        WIDTH_STEP,
        WIDTH_STEP,
        2 * WIDTH_STEP,
    ]


def test_a_memory_whose_source_is_not_the_second_axis() -> None:
    """Keys are ``[rows, size, source]``: padding, growing, moving and narrowing happen on the last axis."""
    states = (StateSpec(name="state_own", moves="hypothesis"),)
    arena = Arena(states, {"memory_key": 2, "memory": 1})

    def join(value: float, length: int) -> None:
        width = padded_width(length)
        key = np.full((1, 3, width), value, np.float32)
        memory = np.full((1, width, 2), value, np.float32)
        encoded = Encoded({"memory_key": key, "memory": memory}, {"state_own": np.full((1, 1), value, np.float32)})
        arena.admit(encoded, np.array([length], np.int32), [1], BOS)

    for value, length in ((1.0, 5), (2.0, 40), (3.0, 7)):
        join(value, length)
    for row, (value, length) in enumerate(((1.0, 5), (2.0, 40), (3.0, 7))):
        key, memory = arena.memory["memory_key"][row], arena.memory["memory"][row]
        assert key.shape == (3, 48)
        assert (key[:, :length] == value).all()
        assert (key[:, length:] == 0).all()
        assert np.array_equal(key[0], memory[:, 0])
    arena.release([1])
    assert arena.memory["memory_key"].shape == (2, 3, 16)
    assert arena.memory["memory_key"].flags.c_contiguous
    assert arena.memory["memory_key"][1, 2, :8].tolist() == [3.0] * 7 + [0.0]
