"""Models without a network: graphs made of numpy integers, and small bundles on disk.

``TextMachine`` writes its source back (copied, reversed, in upper case), one token a step, out of its states: a row
mixed up with another shows as wrong text. ``HashMachine`` gives pseudo-random scores that depend on the whole source
and every token so far. Both work with whole numbers only, so a row gives the very same bits alone and in any batch.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from app.bundle.manifest import (
    DECODER_STEP_FILE,
    ENCODER_FILE,
    LengthRatio,
    Limits,
    Manifest,
    Producer,
    SearchDefaults,
    TokenizerEntry,
    TrainingData,
)
from app.bundle.signature import GraphSignature, Signature, StateSpec, TensorSpec
from app.bundle.store import Bundle, load_bundle, save_bundle
from app.bundle.tokenizers import BOS_ID, EOS_ID, PAD_ID, UNK_ID, CharacterTokenizer
from app.engine.model import Arrays, DecodingModel, Encoded, Stepped
from tests.support.hooks import Hooks

ALPHABET: Final = (
    "\n\t"
    + "".join(chr(code) for code in range(32, 127))
    + "ÀÂÇÈÉÊËÎÏÔÙÛÜàâçèéêëîïôùûüœŒæÆß’‘“”«»–—…·°€¿¡ñÑáíóúäöÄÖ\u00a0\u202f"
)
MAX_SOURCE: Final = 512
Machine = Literal["copy", "reverse", "upper"]

SIGNATURE_OF_TEXT_MACHINE: Final = Signature(
    encoder=GraphSignature(
        inputs=(
            TensorSpec(name="source_ids", dtype="int32", axes=("rows", "source")),
            TensorSpec(name="source_lengths", dtype="int32", axes=("rows",)),
        ),
        outputs=(
            TensorSpec(name="memory", dtype="float32", axes=("rows", "source", 1)),
            TensorSpec(name="state_position", dtype="float32", axes=("rows", 1)),
        ),
    ),
    decoder_step=GraphSignature(
        inputs=(
            TensorSpec(name="token_ids", dtype="int32", axes=("rows",)),
            TensorSpec(name="state_position", dtype="float32", axes=("rows", 1)),
            TensorSpec(name="memory", dtype="float32", axes=("rows", "source", 1)),
            TensorSpec(name="source_lengths", dtype="int32", axes=("rows",)),
            TensorSpec(name="best_k", dtype="int64", axes=(1,)),
        ),
        outputs=(
            TensorSpec(name="scores", dtype="float32", axes=("rows", "best_k")),
            TensorSpec(name="score_ids", dtype="int64", axes=("rows", "best_k")),
            TensorSpec(name="next_state_position", dtype="float32", axes=("rows", 1)),
            TensorSpec(name="attention", dtype="float32", axes=("rows", "source")),
        ),
    ),
    states=(StateSpec(name="state_position", moves="hypothesis"),),
)


def english_to_french_tokenizer() -> CharacterTokenizer:
    return CharacterTokenizer(ALPHABET)


def decoding_model(
    vocabulary_size: int, states: tuple[StateSpec, ...], max_target_tokens: int = MAX_SOURCE
) -> DecodingModel:
    """A model with a length ratio that never cuts before ``max_target_tokens`` in a test of ordinary length."""
    return DecodingModel(
        states=states,
        vocabulary_size=vocabulary_size,
        pad_id=PAD_ID,
        bos_id=BOS_ID,
        eos_id=EOS_ID,
        max_source_tokens=MAX_SOURCE,
        max_target_tokens=max_target_tokens,
        length_ratio_mean=1.0,
        length_ratio_deviation=0.25,
    )


class TextMachine:
    """Writes the source back, changed by ``machine``. Implements ``Graphs``.

    With memory: the source ids are the memory, the position is the state. Without: a state that moves with the source
    holds up to 512 ids. The second best token is always the one after the best, far less likely.
    """

    def __init__(self, tokenizer: CharacterTokenizer, machine: Machine = "copy", memory: bool = True) -> None:
        self.tokenizer = tokenizer
        self.machine = machine
        self.has_memory = memory
        self.hooks = Hooks()
        self._map = np.arange(tokenizer.vocabulary_size, dtype=np.int64)
        if machine == "upper":
            for token_id, piece in enumerate(tokenizer.pieces(range(tokenizer.vocabulary_size))):
                upper = tokenizer.encode(piece.upper()) if token_id > UNK_ID else []
                if len(upper) == 1 and upper[0] != UNK_ID:
                    self._map[token_id] = upper[0]

    @property
    def model(self) -> DecodingModel:
        states: tuple[StateSpec, ...] = (StateSpec(name="state_position", moves="hypothesis"),)
        if not self.has_memory:
            states += (StateSpec(name="state_text", moves="source"), StateSpec(name="state_length", moves="source"))
        return decoding_model(self.tokenizer.vocabulary_size, states)

    def encode(self, source_ids: NDArray[np.int32], source_lengths: NDArray[np.int32]) -> Encoded:
        self.hooks.on_encode(source_ids)
        rows, source = source_ids.shape
        states: Arrays = {"state_position": np.zeros((rows, 1), np.float32)}
        if self.has_memory:
            # What lies in the padding must not matter, so it is rubbish here.
            memory = np.where(np.arange(source) < source_lengths[:, None], source_ids, 9999)
            return Encoded({"memory": memory[:, :, None].astype(np.float32)}, states)
        text = np.full((rows, MAX_SOURCE), 9999, np.float32)
        text[:, :source] = source_ids
        states |= {"state_text": text, "state_length": source_lengths[:, None].astype(np.float32)}
        return Encoded({}, states)

    def decode_step(
        self,
        token_ids: NDArray[np.int32],
        states: Mapping[str, NDArray[np.generic]],
        memory: Mapping[str, NDArray[np.generic]],
        source_lengths: NDArray[np.int32],
        best_k: int,
    ) -> Stepped:
        rows = len(token_ids)
        self.hooks.on_step(rows, best_k)
        position = states["state_position"][:, 0].astype(np.int64)
        if self.has_memory:
            text = memory["memory"][:, :, 0].astype(np.int64)
            lengths = source_lengths.astype(np.int64)
        else:
            text = states["state_text"].astype(np.int64)
            lengths = states["state_length"][:, 0].astype(np.int64)
        index = lengths - 2 - position if self.machine == "reverse" else position
        done = position >= lengths - 1  # the source ends with eos
        index = np.where(done, lengths - 1, index)
        written = self._map[np.where(done, EOS_ID, text[np.arange(rows), index])]
        vocabulary_size = self.tokenizer.vocabulary_size
        score_ids = (written[:, None] + np.arange(best_k)) % vocabulary_size
        scores = np.broadcast_to(-0.125 - 8.0 * np.arange(best_k, dtype=np.float32), (rows, best_k)).copy()
        attention = (np.arange(text.shape[1]) == index[:, None]).astype(np.float32) if self.has_memory else None
        following: Arrays = {"state_position": (position[:, None] + 1).astype(np.float32)}
        return Stepped(scores.astype(np.float32), score_ids, following, attention)


class HashMachine:
    """Pseudo-random scores out of a hash of the source and of all tokens so far. Implements ``Graphs``.

    The scores of a row are log probabilities (a softmax over the vocabulary). ``end_bias`` makes eos more likely.
    """

    _PRIME: Final = 65_521

    def __init__(self, vocabulary_size: int = 12, seed: int = 0, end_bias: float = 0.5, sharpness: float = 2.0) -> None:
        self.vocabulary_size = vocabulary_size
        self.hooks = Hooks()
        random = np.random.default_rng(seed)
        logits = random.normal(0.0, sharpness, (1024, vocabulary_size))
        logits[:, EOS_ID] += end_bias
        logits[:, [PAD_ID, BOS_ID]] = -40.0
        self._table = (logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))).astype(np.float32)

    @property
    def model(self) -> DecodingModel:
        states = (StateSpec(name="state_hash", moves="hypothesis"), StateSpec(name="state_salt", moves="source"))
        return replace(decoding_model(self.vocabulary_size, states), max_target_tokens=24)

    def encode(self, source_ids: NDArray[np.int32], source_lengths: NDArray[np.int32]) -> Encoded:
        self.hooks.on_encode(source_ids)
        source = source_ids.shape[1]
        weights = np.arange(1, source + 1) * 7919 % self._PRIME
        real = np.arange(source) < source_lengths[:, None]
        digest = np.where(real, (source_ids.astype(np.int64) + 1) * weights, 0).sum(axis=1) % self._PRIME
        states: Arrays = {
            "state_hash": digest[:, None].astype(np.float32),
            "state_salt": (digest[:, None] % 101).astype(np.float32),
        }
        memory = np.where(real, source_ids, 9999).astype(np.float32)
        return Encoded({"memory": memory[:, :, None]}, states)

    def decode_step(
        self,
        token_ids: NDArray[np.int32],
        states: Mapping[str, NDArray[np.generic]],
        memory: Mapping[str, NDArray[np.generic]],
        source_lengths: NDArray[np.int32],
        best_k: int,
    ) -> Stepped:
        rows = len(token_ids)
        self.hooks.on_step(rows, best_k)
        source = memory["memory"].shape[1]
        real = np.arange(source) < source_lengths[:, None]
        seen = np.where(real, memory["memory"][:, :, 0], 0).sum(axis=1).astype(np.int64)
        before, salt = states["state_hash"][:, 0].astype(np.int64), states["state_salt"][:, 0].astype(np.int64)
        digest = (before * 31 + (token_ids.astype(np.int64) + 1) * 257 + salt + seen) % self._PRIME
        scores = self._table[digest % len(self._table)]
        order = np.argsort(-scores, axis=1, kind="stable")[:, :best_k]
        attention = real / source_lengths[:, None]
        return Stepped(
            np.take_along_axis(scores, order, axis=1),
            order.astype(np.int64),
            {"state_hash": digest[:, None].astype(np.float32)},
            attention.astype(np.float32),
        )


def fake_manifest(
    source: str = "en", target: str = "fr", vocabulary_size: int | None = None, tags: Mapping[str, str] | None = None
) -> Manifest:
    """A manifest that fits ``TextMachine`` and its character tokenizer; ``files`` is empty.

    ``tags``: by target, the character that precedes a source as its tag.
    """
    return Manifest(
        name=f"fake-{source}-{target}",
        source=source,
        target=target,
        source_tags={language: english_to_french_tokenizer().encode(tag)[0] for language, tag in (tags or {}).items()},
        tokenizer=TokenizerEntry(
            kind="characters",
            file="tokenizer.json",
            vocabulary_size=vocabulary_size or english_to_french_tokenizer().vocabulary_size,
            pad_id=PAD_ID,
            bos_id=BOS_ID,
            eos_id=EOS_ID,
            unk_id=UNK_ID,
        ),
        signature=SIGNATURE_OF_TEXT_MACHINE,
        limits=Limits(max_source_tokens=MAX_SOURCE, max_target_tokens=MAX_SOURCE),
        length_ratio=LengthRatio(mean=1.0, deviation=0.25),
        search=SearchDefaults(beam_size=1, length_penalty=1.0),
        precision="float32",
        producer=Producer(
            passerelle="0.1.0",
            tensorflow=None,
            keras=None,
            tf2onnx=None,
            onnxruntime=None,
            opset=None,
            commit=None,
            config=None,
            created=date(2026, 1, 1),
        ),
        training_data=(TrainingData(name="none", pairs=1, licence="CC0-1.0", attribution="", url=None),),
    )


def fake_contents() -> dict[str, bytes]:
    """The files of a fake bundle; the graphs are no ONNX, so only ``TextMachine`` can stand in for them."""
    return {
        ENCODER_FILE: b"no real encoder",
        DECODER_STEP_FILE: b"no real decoder step",
        "tokenizer.json": english_to_french_tokenizer().to_bytes(),
    }


def fake_bundle(
    models: Path,
    source: str = "en",
    target: str = "fr",
    tags: Mapping[str, str] | None = None,
    other_sources: tuple[str, ...] = (),
) -> Bundle:
    """Save and load ``models/<source>-<target>``; ``text_machine(bundle)`` stands in for its graphs."""
    folder = models / f"{source}-{target}"
    manifest = fake_manifest(source, target, tags=tags).model_copy(update={"other_sources": other_sources})
    save_bundle(folder, manifest, fake_contents(), verify=lambda _: None)
    return load_bundle(folder)


def text_machine(bundle: Bundle, machine: Machine = "upper") -> TextMachine:
    """Graphs for a fake bundle."""
    assert bundle.tokenizer.kind == "characters"
    return TextMachine(english_to_french_tokenizer(), machine)
