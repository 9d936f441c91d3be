"""The running batch: sequences with their rows and searches. It has no queue and no thread."""

from dataclasses import dataclass

import numpy as np

from app.engine.candidates import CandidateRows
from app.engine.model import Arrays, DecodingModel, Encoded, Graphs, Stepped
from app.engine.search import Search, start_search
from app.engine.sequence import FinishReason, Hypothesis, Outcome, Sequence
from app.engine.states import Arena, Step


@dataclass(frozen=True, slots=True)
class Ended:
    """A sequence that needs no further step, with its hypotheses or, if it cannot be decoded, the reason."""

    sequence: Sequence
    outcome: Outcome


class Batch:
    """Rows decoded together. Whichever sequences join or leave, each gets the outcome that it would get alone."""

    def __init__(self, graphs: Graphs, model: DecodingModel) -> None:
        self._graphs = graphs
        self._model = model
        self._arena = Arena(model.states, model.source_axes, model.has_source_mask)
        self._candidates = CandidateRows(model.output) if model.output is not None else None
        self._memory: Arrays | None = None
        self._searches: dict[Sequence, Search] = {}
        self._reporting: dict[Sequence, Search] = {}  # those with a listener

    @property
    def rows(self) -> int:
        """The number of rows."""
        return self._arena.rows

    def join(self, newcomers: list[Sequence], encoded: Encoded) -> None:
        """Give rows to newcomers.

        Args:
            newcomers: sequences that are not in the batch.
            encoded: the encoder's outputs for them, ``[newcomers, ...]``.
        """
        lengths = np.array([sequence.source_tokens for sequence in newcomers], np.int32)
        copies = [sequence.rows for sequence in newcomers]
        self._memory = None
        each = self._arena.admit(encoded, lengths, copies, self._model.bos_id)
        if self._candidates is not None:
            self._candidates.admit([self._candidates.choose(sequence) for sequence in newcomers], copies)
        for sequence, rows in zip(newcomers, each, strict=True):
            search = start_search(sequence, rows, self._model, bool(encoded.memory))
            self._searches[sequence] = search
            if sequence.listener is not None:
                self._reporting[sequence] = search

    def decode_step(self) -> Stepped:
        """Run the graph once over all rows, for as many candidates as the search with the largest need."""
        best_k = 1
        for search in self._searches.values():
            count = search.candidates()
            if count > best_k:
                best_k = count
        arena, candidates = self._arena, self._candidates
        if self._memory is None:  # the same mapping until a row joins or leaves
            self._memory = arena.memory if candidates is None else {**arena.memory, **candidates.inputs}
        if candidates is not None:
            best_k = min(best_k, candidates.width)
        return self._graphs.decode_step(arena.token_ids, arena.states, self._memory, arena.source_lengths, best_k)

    def advance(self, stepped: Stepped) -> list[Ended]:
        """Advance every search by one token. The sequences that ended still hold their rows."""
        step = Step(stepped)
        ended: list[Ended] = []
        # The one loop over sequences in Python.
        for sequence, search in self._searches.items():
            outcome = search.advance(step)
            if outcome is not None:
                ended.append(Ended(sequence, outcome))
        step.finish()
        self._arena.advance(stepped.next_states, step.next_ids)
        self._arena.reorder(step.moves)
        return ended

    def report(self) -> None:
        """Report to each listener the tokens of its sequence that will not change any more."""
        for sequence, search in self._reporting.items():
            sequence.report(search.settled())

    def cut(self, sequence: Sequence, reason: FinishReason) -> list[Hypothesis]:
        """The best that a sequence has so far, for when it cannot go on. Any thread may call this."""
        search = self._searches.get(sequence)
        return sequence.finish_empty(reason) if search is None else search.cut(reason)

    def leave(self, sequences: list[Sequence]) -> None:
        """Free the rows of sequences that ended or were cancelled."""
        rows: list[int] = []
        for sequence in sequences:
            self._reporting.pop(sequence, None)
            rows += self._searches.pop(sequence).rows
        self._memory = None
        moved = self._arena.release(rows)
        if self._candidates is not None:
            self._candidates.release(rows, moved)
        if moved:
            for search in self._searches.values():
                search.rows = [moved.get(row, row) for row in search.rows]

    def clear(self) -> None:
        """Drop everything at once, whatever state a failed step left."""
        self._memory = None
        self._arena.clear()
        if self._candidates is not None:
            self._candidates.clear()
        self._searches.clear()
        self._reporting.clear()
