"""The running batch: sequences with their rows and search progress. Knows no queue and no thread."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from app.engine.model import ModelFacts
from app.engine.search.beam import advance_beam, is_settled, pick_greedy
from app.engine.search.branching import advance_branches
from app.engine.search.progress import BeamProgress, GreedyProgress, Progress, begin, place_of
from app.engine.sequence import FinishReason, Hypothesis, Sequence
from app.engine.sessions import Encoded, Graphs, Stepped
from app.engine.states import Arena, padded_width
from app.errors import StepFailed

_LOWEST: Final = float("-inf")


@dataclass(frozen=True, slots=True)
class Ended:
    """A sequence that needs no further step, with its hypotheses or, if it cannot be decoded, the reason."""

    sequence: Sequence
    outcome: list[Hypothesis] | StepFailed


class Batch:
    """Rows decoded together. Whoever joins or leaves, every sequence gets what it would get alone."""

    def __init__(self, graphs: Graphs, facts: ModelFacts) -> None:
        self._graphs = graphs
        self._facts = facts
        self._arena = Arena(facts.states)
        self._greedy: dict[Sequence, GreedyProgress] = {}
        self._beams: dict[Sequence, BeamProgress] = {}
        self._listened: dict[Sequence, Progress] = {}
        self._encoded: dict[Sequence, Encoded] = {}  # those that wait for their rows
        self._best_k = 1
        self._most_closing = 0
        self._has_branches = False

    @property
    def rows(self) -> int:
        return self._arena.rows

    def join(self, newcomers: list[Sequence], upcoming: list[Sequence]) -> None:
        """Encode newcomers together, in one call, and give them rows.

        :param upcoming: are encoded with them and join later, by ``join_encoded``.
        """
        encoded, lengths = self._encode([*newcomers, *upcoming])
        for row, sequence in enumerate(upcoming, start=len(newcomers)):
            self._encoded[sequence] = encoded.part(row, row + 1)
        count = len(newcomers)
        self._admit(newcomers, encoded.part(0, count) if upcoming else encoded, lengths[:count])

    def join_encoded(self, newcomer: Sequence) -> None:
        """Give rows to one that was encoded before."""
        self._admit([newcomer], self._encoded.pop(newcomer), np.array([newcomer.source_tokens], np.int32))

    def is_encoded(self, sequence: Sequence) -> bool:
        """Was it encoded before its turn?"""
        return sequence in self._encoded

    def forget(self, sequences: list[Sequence]) -> None:
        """These were encoded, perhaps, but never get rows."""
        for sequence in sequences:
            self._encoded.pop(sequence, None)

    def _encode(self, sequences: list[Sequence]) -> tuple[Encoded, NDArray[np.int32]]:
        """What the encoder gives, and the lengths of the sources."""
        lengths = np.array([sequence.source_tokens for sequence in sequences], np.int32)
        source_ids = np.full((len(sequences), padded_width(int(lengths.max()))), self._facts.pad_id, np.int32)
        for row, sequence in enumerate(sequences):
            source_ids[row, : sequence.source_tokens] = sequence.source_ids
        return self._graphs.encode(source_ids, lengths), lengths

    def _admit(self, newcomers: list[Sequence], encoded: Encoded, lengths: NDArray[np.int32]) -> None:
        copies = [sequence.rows for sequence in newcomers]
        for sequence, rows in zip(
            newcomers, self._arena.admit(encoded, lengths, copies, self._facts.bos_id), strict=True
        ):
            progress = begin(sequence, rows, bool(encoded.memory), self._facts.words)
            if sequence.listener is not None:
                self._listened[sequence] = progress
            if isinstance(progress, GreedyProgress):
                self._greedy[sequence] = progress
            else:
                self._beams[sequence] = progress
        self._count_candidates()

    def decode_step(self) -> Stepped:
        """Run the graph once over all rows."""
        if self._has_branches:
            self._count_candidates()  # another number at every step
        arena = self._arena
        # A greedy row needs a second choice only where the best token is one that must not come.
        best_k = max(self._best_k, min(1 + self._most_closing, self._facts.vocabulary_size))
        return self._graphs.decode_step(arena.token_ids, arena.states, arena.memory, arena.source_lengths, best_k)

    def advance(self, stepped: Stepped) -> list[Ended]:
        """Give every sequence its next token; those that ended still hold their rows."""
        token_ids, picked, picked_scores = pick_greedy(stepped.scores, stepped.score_ids)
        self._arena.advance(stepped.next_states, token_ids)
        ended = self._advance_greedy(picked, picked_scores, stepped)
        if self._beams:
            ended += self._advance_beams(stepped)
        return ended

    def tell(self) -> None:
        """Tell those who listen how far their sequences are."""
        for sequence, progress in self._listened.items():
            sequence.tell(progress.settled())

    def partial(self, sequence: Sequence, reason: FinishReason) -> list[Hypothesis]:
        """The best that a sequence has so far, for when it cannot go on. May be asked from another thread."""
        progress: Progress | None = self._greedy.get(sequence) or self._beams.get(sequence)
        return sequence.unstarted(reason) if progress is None else progress.cut(reason)

    def leave(self, sequences: list[Sequence]) -> None:
        """Free the rows of sequences that ended or that nobody waits for."""
        rows: list[int] = []
        for sequence in sequences:
            self._listened.pop(sequence, None)
            if sequence in self._greedy:
                rows += self._greedy.pop(sequence).rows
            else:
                rows += self._beams.pop(sequence).rows
        moved = self._arena.release(rows)
        if moved:
            everyone: list[Progress] = [*self._greedy.values(), *self._beams.values()]
            for staying in everyone:
                staying.rows = [moved.get(row, row) for row in staying.rows]
        self._count_candidates()

    def clear(self) -> None:
        """Drop everything at once, whatever state a failed step left."""
        self._arena.clear()
        self._greedy.clear()
        self._beams.clear()
        self._listened.clear()
        self._encoded.clear()
        self._most_closing = 0

    def _count_candidates(self) -> None:
        size = self._facts.vocabulary_size
        self._best_k = max((progress.candidates(size) for progress in self._beams.values()), default=1)
        self._has_branches = any(sequence.options.branching for sequence in self._beams)

    def _advance_greedy(self, picked: list[int], picked_scores: list[float], stepped: Stepped) -> list[Ended]:
        # The one loop over rows in Python: a few tenths of a microsecond each.
        eos_id, attention = self._facts.eos_id, stepped.attention
        ended: list[Ended] = []
        most_closing = 0
        for progress in self._greedy.values():
            row = progress.rows[0]
            token_id, score = picked[row], picked_scores[row]
            if token_id in progress.closing:
                token_id, score = self._instead(row, progress.closing, stepped)
            if not score > _LOWEST:  # also catches NaN
                ended.append(Ended(progress.sequence, _no_numbers(score)))
            elif token_id == eos_id:
                progress.token_scores.append(score)
                ended.append(Ended(progress.sequence, progress.ended(FinishReason.STOP)))
            elif len(progress.token_ids) == progress.sequence.cap:
                ended.append(Ended(progress.sequence, progress.ended(FinishReason.LENGTH)))
            else:
                progress.token_scores.append(score)
                progress.token_ids.append(token_id)
                if progress.alignment is not None and attention is not None:
                    progress.alignment.append(place_of(attention, row, progress.sequence.source_tokens))
                looped = progress.looped()
                if looped is not None:
                    ended.append(Ended(progress.sequence, looped))
                elif progress.closing:
                    most_closing = max(most_closing, len(progress.closing))
        self._most_closing = most_closing
        return ended

    def _instead(self, row: int, closing: frozenset[int], stepped: Stepped) -> tuple[int, float]:
        """The best token of a row that is none of those that must not come, and its score."""
        for token_id, score in zip(stepped.score_ids[row].tolist(), stepped.scores[row].tolist(), strict=True):
            if token_id not in closing:
                self._arena.token_ids[row] = token_id
                return token_id, score
        return self._facts.eos_id, float(stepped.scores[row, -1])  # the whole vocabulary must not

    def _advance_beams(self, stepped: Stepped) -> list[Ended]:
        ended: list[Ended] = []
        targets: list[int] = []
        origins: list[int] = []
        for progress in self._beams.values():
            sequence, rows = progress.sequence, progress.rows
            alive = rows[: len(progress.beam.live)]
            places: list[int] | None = None
            if sequence.options.align and stepped.attention is not None:
                places = [place_of(stepped.attention, row, sequence.source_tokens) for row in alive]
            advance = advance_branches if sequence.options.branching else advance_beam
            beam, parents = advance(
                progress.beam,
                stepped.scores[alive],
                stepped.score_ids[alive],
                sequence.options,
                sequence.cap,
                self._facts.eos_id,
                places,
                progress.guard,
            )
            progress.beam = beam
            if is_settled(beam, sequence.options, sequence.cap):
                # What lives on has lost to what is kept: only loops may fill up behind.
                outcome = [*beam.kept, *beam.looped][: sequence.options.hypotheses]
                ended.append(Ended(sequence, outcome or _no_numbers(float(stepped.scores[alive[0], 0]))))
                continue
            targets += rows[: len(parents)]
            origins += [rows[parent] for parent in parents]
            self._arena.token_ids[rows[: len(parents)]] = [live.token_ids[-1] for live in beam.live]
        self._arena.reorder(targets, origins)
        return ended


def _no_numbers(score: float) -> StepFailed:
    return StepFailed(f"the decoder step gave the score {score} for the best token; no translation can be found")
