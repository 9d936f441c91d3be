"""A student's equations in plain numpy: what the exported graphs are compared with, and what calibration observes.

The integer products are those of Marian's ``int8shiftAlphaAll``: ``q = clip(round(x a), -127, 127)`` and
``y = (q Q) / (a m) + b`` with an exact sum. Everything else is float32. It is written to be read; only the products are
arranged for speed, because float32 holds an integer sum of up to 1,024 terms exactly.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from app.engine.model import WholeCharacters
from training.convert.student import LARGEST, Attention, FeedForward, Float, Matrix, Norm, Student, positions

EPSILON: Final = 1e-6
MASKED: Final = -99999999.0
MAX_POSITIONS: Final = 512
# 1,024 products of two numbers up to 127 stay below 2**24, the last integer before float32 leaves some out.
_EXACT_TERMS: Final = 1024

Ids = NDArray[np.int32]
# Called with the name of a matrix and its inputs [rows, inputs], without those of padding.
Observer = Callable[[str, Float], None]


@dataclass(frozen=True)
class Memory:
    """What the decoder attends to.

    Attributes:
        keys: For each decoder layer ``[rows, heads, source, dim / heads]``.
        values: As keys.
        mask: ``[rows, 1, 1, source]``, 0 or ``MASKED``.
    """

    keys: tuple[Float, ...]
    values: tuple[Float, ...]
    mask: Float


@dataclass(frozen=True)
class Stepped:
    """Results of a decoder step.

    Attributes:
        logits: ``[rows, target tokens]``.
        states: For each decoder layer ``[rows, dim]``.
        attention: Of the first head of the last layer, ``[rows, source]``.
    """

    logits: Float
    states: tuple[Float, ...]
    attention: Float


@dataclass
class Reference:
    """Computes a student.

    Attributes:
        student: The weights.
        in_integers: False computes the products in float32, with the weights that the integers stand for.
        observe: Receives the inputs of every product.
        first_position: Of the first target token; tests set another than 0.
    """

    student: Student
    in_integers: bool = True
    observe: Observer | None = None
    first_position: int = 0
    _weights: dict[str, Float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._positions = positions(MAX_POSITIONS, self.student.dim)

    def encode(self, source_ids: Ids, lengths: Ids) -> Memory:
        """Encodes ids ``[rows, source]`` of the given lengths ``[rows]``, which count the eos."""
        student = self.student
        real = np.arange(source_ids.shape[1]) < lengths[:, None]
        mask = np.where(real, np.float32(0), np.float32(MASKED))[:, None, None, :]
        hidden = self._embed(student.source.integers[source_ids], student.source.multiplier)
        hidden = hidden + self._positions[: source_ids.shape[1]]
        for layer in student.encoder:
            keys, values = self._memory_of(layer.attention, hidden, real)
            hidden, _ = self._attend(layer.attention, hidden, keys, values, mask, real)
            hidden = self._feed_forward(layer.ffn, hidden, real)
        projected = [self._memory_of(layer.attention, hidden, real) for layer in student.decoder]
        return Memory(tuple(keys for keys, _ in projected), tuple(values for _, values in projected), mask)

    def first_states(self, rows: int) -> tuple[Float, ...]:
        """Returns the states before the first step."""
        return tuple(np.zeros((rows, self.student.dim), np.float32) for _ in self.student.decoder)

    def step(self, token_ids: Ids, position: int, states: Sequence[Float], memory: Memory) -> Stepped:
        """Computes one step of all rows.

        Args:
            token_ids: ``[rows]``; at position 0 they are not read, because the first step embeds nothing.
            position: How many tokens are written.
            states: For each layer ``[rows, dim]``.
            memory: Of ``encode``.
        """
        student = self.student
        rows = len(token_ids)
        hidden = np.zeros((rows, student.dim), np.float32)
        if position:
            hidden = self._embed(student.target.integers[token_ids], student.target.multiplier)
        hidden = hidden + self._positions[position + self.first_position]
        following: list[Float] = []
        attention = np.zeros((rows, memory.mask.shape[-1]), np.float32)
        for index, layer in enumerate(student.decoder):
            unit = layer.recurrence
            forget = _sigmoid(self._product(unit.forget, hidden))
            state = forget * states[index] + (np.float32(1) - forget) * self._product(unit.candidate, hidden)
            following.append(state)
            hidden = _norm(unit.norm, hidden + np.maximum(state, 0))
            attended, weights = self._attend(
                layer.attention, hidden[:, None], memory.keys[index], memory.values[index], memory.mask, None
            )
            attention = weights[:, 0, 0]
            hidden = self._feed_forward(layer.ffn, attended, None)[:, 0]
        return Stepped(self._product(student.output, hidden), tuple(following), attention)

    def _embed(self, integers: NDArray[np.int8], multiplier: float) -> Float:
        scale = np.float32(np.sqrt(np.float32(self.student.dim)) / np.float32(multiplier))
        return integers.astype(np.float32) * scale

    def _memory_of(self, layer: Attention, hidden: Float, real: NDArray[np.bool_]) -> tuple[Float, Float]:
        return self._heads(self._product(layer.key, hidden, real)), self._heads(
            self._product(layer.value, hidden, real)
        )

    def _attend(
        self, layer: Attention, hidden: Float, keys: Float, values: Float, mask: Float, real: Any
    ) -> tuple[Float, Float]:
        """Returns the layer's output ``[rows, queries, dim]`` and the weights ``[rows, heads, queries, source]``."""
        queries = self._heads(self._product(layer.query, hidden, real))
        scale = np.float32(1.0 / np.sqrt(queries.shape[-1]))
        weights = _softmax(np.matmul(queries, keys.swapaxes(2, 3)) * scale + mask)
        joined = np.matmul(weights, values).swapaxes(1, 2).reshape(hidden.shape)
        return _norm(layer.norm, hidden + self._product(layer.out, joined, real)), weights

    def _feed_forward(self, layer: FeedForward, hidden: Float, real: Any) -> Float:
        inner = np.maximum(self._product(layer.first, hidden, real), 0)
        return _norm(layer.norm, hidden + self._product(layer.second, inner, real))

    def _heads(self, hidden: Float) -> Float:
        rows, length, dim = hidden.shape
        heads = self.student.heads
        return hidden.reshape(rows, length, heads, dim // heads).swapaxes(1, 2)

    def _product(self, matrix: Matrix, hidden: Float, real: NDArray[np.bool_] | None = None) -> Float:
        if self.observe is not None:
            self.observe(matrix.name, hidden[real] if real is not None else hidden.reshape(-1, hidden.shape[-1]))
        weights = self._weights.get(matrix.name)
        if weights is None:
            weights = matrix.integers.astype(np.float32)
            self._weights[matrix.name] = weights
        flat = hidden.reshape(-1, hidden.shape[-1])
        if not self.in_integers:
            found = np.matmul(flat, weights) * np.float32(1.0 / matrix.multiplier)
        else:
            assert matrix.alpha is not None
            step = np.float32(1.0 / matrix.alpha)
            integers = np.clip(np.rint(flat / step), -LARGEST, LARGEST)
            total = sum(
                np.matmul(integers[:, start : start + _EXACT_TERMS], weights[start : start + _EXACT_TERMS]).astype(
                    np.int32
                )
                for start in range(0, len(weights), _EXACT_TERMS)
            )
            found = np.asarray(total).astype(np.float32) * (step * np.float32(1.0 / matrix.multiplier))
        if matrix.bias is not None:
            found = found + matrix.bias
        return np.asarray(found, np.float32).reshape(*hidden.shape[:-1], matrix.shape[1])


@dataclass(frozen=True)
class Rules:
    """Which tokens may be taken.

    Attributes:
        unk_id: Is never taken; -1 allows it.
        candidates: For each source the tokens of its shortlist; None allows all.
        characters: Of the engine, which writes whole characters only; None allows any bytes.
    """

    unk_id: int = -1
    candidates: Sequence[Ids] | None = None
    characters: WholeCharacters | None = None

    def find_forbidden(self, row: int, written: Sequence[int], vocabulary_size: int) -> Ids:
        """Returns the tokens that may not come behind others."""
        is_allowed = np.ones(vocabulary_size, bool)
        if self.candidates is not None:
            is_allowed[:] = False
            is_allowed[self.candidates[row]] = True
        if self.unk_id >= 0:
            is_allowed[self.unk_id] = False
        if self.characters is not None and self.characters.is_pending(written):
            following = list(self.characters.find_following(self.characters.read(written)))
            is_allowed &= np.isin(np.arange(vocabulary_size), following)
        elif self.characters is not None:
            is_allowed[list(self.characters.strays)] = False
        return np.flatnonzero(~is_allowed).astype(np.int32)


def greedy(
    reference: Reference,
    sources: Sequence[Sequence[int]],
    eos_id: int,
    caps: Sequence[int],
    rules: Rules,
) -> list[list[int]]:
    """Takes the best token of each step that may be taken, until eos or until there are ``caps`` tokens.

    Args:
        reference: The student.
        sources: Token ids, eos included.
        eos_id: Of the vocabularies.
        caps: For each source.
        rules: Which tokens may be taken.

    Returns:
        For each source the tokens without eos.
    """
    ids, lengths = pad(sources, eos_id)
    memory, states = reference.encode(ids, lengths), reference.first_states(len(sources))
    written: list[list[int]] = [[] for _ in sources]
    alive = np.ones(len(sources), bool)
    tokens = np.zeros(len(sources), np.int32)
    for position in range(max(caps) + 1):
        stepped = reference.step(tokens, position, states, memory)
        for row in np.flatnonzero(alive).tolist():
            stepped.logits[row, rules.find_forbidden(row, written[row], stepped.logits.shape[1])] = -np.inf
        tokens, states = stepped.logits.argmax(1).astype(np.int32), stepped.states
        for row in np.flatnonzero(alive).tolist():
            if tokens[row] == eos_id or len(written[row]) == caps[row]:
                alive[row] = False
            else:
                written[row].append(int(tokens[row]))
        if not alive.any():
            break
    return written


def pad(sentences: Sequence[Sequence[int]], pad_id: int) -> tuple[Ids, Ids]:
    """Returns padded ids ``[rows, longest]`` and lengths ``[rows]``."""
    lengths = np.array([len(sentence) for sentence in sentences], np.int32)
    ids = np.full((len(sentences), int(lengths.max())), pad_id, np.int32)
    for row, sentence in enumerate(sentences):
        ids[row, : len(sentence)] = sentence
    return ids, lengths


def log_softmax(logits: Float) -> Float:
    """Returns log probabilities over the last axis."""
    shifted = logits - logits.max(-1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(-1, keepdims=True)))


def _norm(norm: Norm, hidden: Float) -> Float:
    centred = hidden - hidden.mean(-1, keepdims=True, dtype=np.float32)
    variance = np.square(centred).mean(-1, keepdims=True, dtype=np.float32)
    return np.asarray(norm.scale * (centred / np.sqrt(variance + np.float32(EPSILON))) + norm.bias, np.float32)


def _sigmoid(value: Float) -> Float:
    return np.asarray(np.float32(1) / (np.float32(1) + np.exp(-value)), np.float32)


def _softmax(scores: Float) -> Float:
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    return np.asarray(weights / weights.sum(-1, keepdims=True), np.float32)
