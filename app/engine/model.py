"""A model as the engine sees it: graphs as calls on arrays, special ids, length limits, tokens of a few bytes."""

import codecs
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from app.bundle.manifest import EncoderRows, Manifest
from app.bundle.signature import StateSpec
from app.bundle.tokenizers import PairedTokenizer, Tokenizer
from app.engine.candidates import OutputLayer
from app.engine.repetition import TokenWords
from app.errors import InvalidRequest, LimitExceeded

# A translation longer than the mean by this many standard deviations repeats itself; it is not just a long translation.
_DEVIATIONS: Final = 4.0
_MOST_PENDING: Final = 3  # bytes
# The range of the second byte of a character in UTF-8, by its first byte where the range is another.
_ANY_BYTES: Final = (0x80, 0xBF)
_SECOND_BYTES: Final = {0xE0: (0xA0, 0xBF), 0xED: (0x80, 0x9F), 0xF0: (0x90, 0xBF), 0xF4: (0x80, 0x8F)}
# Very short sources vary more than their ratio says ("OK." -> "D'accord.").
_SPARE_TOKENS: Final = 10

Arrays = dict[str, NDArray[np.generic]]


class Encoded(NamedTuple):
    """The outputs of the encoder.

    Attributes:
        memory: by name, ``[rows, source, ...]``; empty for a model without attention.
        states: by name, the first states ``[rows, ...]``.
    """

    memory: Arrays
    states: Arrays

    def part(self, start: int, end: int) -> "Encoded":
        """The rows from ``start`` up to ``end``, as views."""
        return Encoded(
            {name: array[start:end] for name, array in self.memory.items()},
            {name: array[start:end] for name, array in self.states.items()},
        )


class Stepped(NamedTuple):
    """The outputs of one decoder step.

    Attributes:
        scores: float32 ``[rows, best_k]``, best first.
        score_ids: int64 ``[rows, best_k]``, the tokens of ``scores``.
        next_states: by the name of the state (without ``next_``), only those that change.
        attention: float32 ``[rows, source]``, None without memory.
    """

    scores: NDArray[np.float32]
    score_ids: NDArray[np.int64]
    next_states: Arrays
    attention: NDArray[np.float32] | None


class Graphs(Protocol):
    """The two graphs of a model. Every array returned belongs to the caller, which may write into it."""

    def encode(self, source_ids: NDArray[np.int32], source_lengths: NDArray[np.int32]) -> Encoded:
        """Run the encoder.

        Args:
            source_ids: ``[rows, source]``, padded behind each row's length.
            source_lengths: ``[rows]``.
        """
        ...

    def decode_step(
        self,
        token_ids: NDArray[np.int32],
        states: Mapping[str, NDArray[np.generic]],
        memory: Mapping[str, NDArray[np.generic]],
        source_lengths: NDArray[np.int32],
        best_k: int,
    ) -> Stepped:
        """Run the decoder step.

        Args:
            token_ids: ``[rows]``, the tokens written last; bos at first.
            states: by name, ``[rows, ...]``.
            memory: by name, ``[rows, source, ...]``; ``source_mask`` and the candidates may be among them.
            source_lengths: ``[rows]``.
            best_k: how many candidates to return for each row.
        """
        ...


class WholeCharacters:
    """Allows only tokens whose bytes make up whole characters.

    A tokenizer with byte fallback has tokens for single bytes, of which a model may write any. A *part* is a token that
    writes no whole characters by itself. What is *pending* are the first bytes of a character.

    Args:
        written: what each token writes, by its id.
        allows_parts: False forbids all parts, for a search among candidates that need not have the other bytes of a
            character whose first byte they have.

    Attributes:
        parts: the tokens that are parts.
        strays: those that are forbidden where nothing is pending.
        spare: how many more of the best tokens a search looks at, so that one is no stray: of tokens drawn at random,
            this many would all be strays in less than one step of a billion.
    """

    def __init__(self, written: Sequence[bytes], allows_parts: bool = True) -> None:
        self._written = tuple(written)
        self._following: dict[tuple[int, ...], frozenset[int]] = {}
        self.parts = frozenset(token_id for token_id, one in enumerate(written) if not _is_whole(one))
        # Where nothing is pending: bytes that begin no character, or one that no tokens could complete.
        self.strays = self.parts - self.find_following(b"") if allows_parts else self.parts
        share = len(self.strays) / max(1, len(written))
        self.spare = math.ceil(math.log(1e-9) / math.log(share)) if 0.0 < share < 1.0 else len(self.strays)
        self._is_stray = np.isin(np.arange(len(written)), list(self.strays))

    def without_parts(self) -> "WholeCharacters":
        """The same for a search among candidates."""
        return WholeCharacters(self._written, allows_parts=False)

    def mark_strays(self, token_ids: NDArray[np.int64]) -> NDArray[np.bool_]:
        """For each token whether it is a stray, in the same shape."""
        strays: NDArray[np.bool_] = self._is_stray.take(token_ids)
        return strays

    def find_following(self, pending: bytes) -> frozenset[int]:
        """The parts that may follow pending bytes; at these, every other token is forbidden."""
        state = _describe_state(pending)
        if state not in self._following:
            self._following[state] = frozenset(one for one in self.parts if self._may_follow(pending, one))
        return self._following[state]

    def append(self, pending: bytes, token_id: int) -> bytes:
        """The bytes that are pending behind one more token, which is allowed."""
        return (_find_pending(pending + self._written[token_id]) or b"") if token_id in self.parts else b""

    def is_pending(self, token_ids: Sequence[int]) -> bool:
        """True if bytes are pending behind some tokens."""
        return bool(token_ids) and token_ids[-1] in self.parts and bool(self.read(token_ids))

    def read(self, token_ids: Sequence[int]) -> bytes:
        """The bytes that are pending behind some tokens; they are those of the last three tokens at most."""
        pending = b""
        for token_id in token_ids[-_MOST_PENDING:]:
            pending = self.append(pending, token_id)
        return pending

    def _may_follow(self, pending: bytes, token_id: int) -> bool:
        behind = _find_pending(pending + self._written[token_id])
        return behind is not None and (not behind or bool(self.find_following(behind)))


def _describe_state(pending: bytes) -> tuple[int, ...]:
    """What may follow pending bytes: how many bytes are missing, and the range of the first (Unicode, table 3-7)."""
    if not pending:
        return ()
    lead = pending[0]
    missing = 1 + (lead >= 0xE0) + (lead >= 0xF0) - (len(pending) - 1)
    first, last = _SECOND_BYTES.get(lead, _ANY_BYTES) if len(pending) == 1 else _ANY_BYTES
    return missing, first, last


def _find_pending(written: bytes) -> bytes | None:
    """The bytes at the end that begin a character; None if the others make up no characters."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        decoder.decode(written)
    except UnicodeDecodeError:
        return None
    pending = decoder.getstate()[0]
    # The decoder sees a surrogate only once it is whole.
    first, last = _SECOND_BYTES.get(pending[0], _ANY_BYTES) if pending else _ANY_BYTES
    return pending if len(pending) < 2 or first <= pending[1] <= last else None


def _is_whole(written: bytes) -> bool:
    try:
        written.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


@dataclass(frozen=True, slots=True)
class DecodingModel:
    """The properties of a model that decoding depends on.

    Attributes:
        source_vocabulary_size: the number of ids of sources; None for that of targets.
        max_target_ratio: see ``Limits``; None where the length ratio limits the target.
        encoder_rows: ``one`` where encoding several sources together saves nothing.
        has_source_mask: whether the decoder step reads a mask of the padding.
        source_axes: by memory, which of its axes is ``source``; 1 where there is no entry.
        words: the words of the vocabulary, for the phrase guard; None where tokens are characters, or without a guard.
        source_words: those of the sources' vocabulary, where it is another.
        characters: which tokens make up whole characters; None where each token does.
        output: with a shortlist, whose candidates alone are searched; None to search the whole vocabulary.
    """

    states: tuple[StateSpec, ...]
    vocabulary_size: int
    pad_id: int
    bos_id: int
    eos_id: int
    max_source_tokens: int
    max_target_tokens: int
    length_ratio_mean: float
    length_ratio_deviation: float
    source_vocabulary_size: int | None = None
    max_target_ratio: float | None = None
    encoder_rows: EncoderRows = "any"
    has_source_mask: bool = False
    source_axes: Mapping[str, int] = field(default_factory=dict)
    words: TokenWords | None = None
    source_words: TokenWords | None = None
    characters: WholeCharacters | None = None
    output: OutputLayer | None = None

    @classmethod
    def of(cls, manifest: Manifest, tokenizer: Tokenizer | None = None) -> "DecodingModel":
        """The properties that a manifest states.

        Args:
            manifest: of the bundle.
            tokenizer: with it, no translation repeats a phrase three times in a row that its source does not, and none
                has a part of a character.
        """
        words = source_words = characters = None
        if tokenizer is not None and not all(map(_is_whole, tokenizer.token_bytes())):
            characters = WholeCharacters(tokenizer.token_bytes())
        if tokenizer is not None and tokenizer.kind != "characters":
            words = TokenWords(tokenizer.token_bytes())
            if isinstance(tokenizer, PairedTokenizer):
                source_words = TokenWords(tokenizer.first.token_bytes())
        ratio = manifest.length_ratio
        return cls(
            states=manifest.signature.states,
            vocabulary_size=manifest.tokenizer.vocabulary_size,
            pad_id=manifest.tokenizer.pad_id,
            bos_id=manifest.tokenizer.bos_id,
            eos_id=manifest.tokenizer.eos_id,
            max_source_tokens=manifest.limits.max_source_tokens,
            max_target_tokens=manifest.limits.max_target_tokens,
            length_ratio_mean=0.0 if ratio is None else ratio.mean,
            length_ratio_deviation=0.0 if ratio is None else ratio.deviation,
            source_vocabulary_size=manifest.source_vocabulary_size,
            max_target_ratio=manifest.limits.max_target_ratio,
            encoder_rows=manifest.encoder_rows,
            has_source_mask=manifest.signature.has_source_mask,
            source_axes=manifest.signature.source_axes,
            words=words,
            source_words=source_words,
            characters=characters,
        )

    def check_ids(self, source_ids: tuple[int, ...], prefix: tuple[int, ...]) -> None:
        """Refuse ids that the graphs cannot read: within a graph they would fail the step of every row.

        Raises:
            InvalidRequest: the source is empty, or an id lies outside the vocabulary.
            LimitExceeded: the source is too long.
        """
        if not source_ids:
            raise InvalidRequest("a source has no tokens, not even an eos")
        if len(source_ids) > self.max_source_tokens:
            raise LimitExceeded("source tokens", self.max_source_tokens, len(source_ids))
        source_size = self.source_vocabulary_size or self.vocabulary_size
        for name, given, size in (("source", source_ids, source_size), ("prefix", prefix, self.vocabulary_size)):
            if given and (min(given) < 0 or max(given) >= size):
                raise InvalidRequest(
                    f"{name} ids go from {min(given)} to {max(given)}, the vocabulary from 0 to {size - 1}"
                )

    def target_cap(self, source_tokens: int, requested: int | None = None, prefix_tokens: int = 0) -> int:
        """The most target tokens (eos not counted) for a source of ``source_tokens`` tokens.

        ``min(max_target_tokens, requested, ceil(source * ratio) + 10)``, where the ratio is ``max_target_ratio``, or
        else ``mean + 4 * deviation``: the deviation is that of the
        ratio of single pairs, so it grows with the source. A request can only lower the cap. A prefix that makes the
        translation longer than is likely leaves room for 10 tokens.

        Raises:
            LimitExceeded: the prefix leaves no room.
        """
        most = min(self.max_target_tokens, requested if requested is not None else self.max_target_tokens)
        if prefix_tokens >= most:
            raise LimitExceeded("tokens of the prefix", most - 1, prefix_tokens)
        ratio = self.max_target_ratio or self.length_ratio_mean + _DEVIATIONS * self.length_ratio_deviation
        likely = math.ceil(source_tokens * ratio) + _SPARE_TOKENS
        return min(most, max(likely, prefix_tokens + _SPARE_TOKENS))
