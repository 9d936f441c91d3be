"""Tokens for single bytes: every search writes whole characters, alone and in a batch, whatever the model prefers."""

import io
from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from random import Random

import numpy as np
import pytest
import sentencepiece
from hypothesis import given, settings
from hypothesis import strategies as st

from app.bundle.store import load_bundle
from app.bundle.tokenizers.sentencepiece import SentencePieceTokenizer
from app.engine.batch import Batch
from app.engine.loop import Engine
from app.engine.model import DecodingModel, WholeCharacters
from app.engine.prefetch import encode_sources
from app.engine.sequence import FinishReason, Hypothesis, SearchOptions, Sequence
from tests.support.engines import PATIENCE
from tests.support.fakes import HashMachine, fake_bundle

MODELS = Path(__file__).parents[4] / "models"
SOURCE = (5, 4, 3, 2)
OPTIONS = (
    SearchOptions(),
    SearchOptions(loop_guard=False),
    SearchOptions(beam_size=4, hypotheses=4),
    SearchOptions(beam_size=3, hypotheses=2, no_repeat_ngram=2, loop_guard=False),
    SearchOptions(temperature=2.0, top_k=5, seed=7),
    SearchOptions(temperature=9.0, top_k=300, seed=3),
    SearchOptions(beam_size=1, prefix=(20, 21)),
    SearchOptions(beam_size=4, hypotheses=4, branching=True, prefix=(20,)),
)


@lru_cache(1)
def tokenizer() -> SentencePieceTokenizer:
    """A tokenizer of 300 pieces, 256 of which are bytes."""
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.Train(
        sentence_iterator=iter(["the cat is here", "a dog and a cat", "open the door now"] * 20),
        model_writer=model,
        vocab_size=290,
        byte_fallback=True,
        hard_vocab_limit=False,
        pad_id=0,
        bos_id=1,
        eos_id=2,
        unk_id=3,
        normalization_rule_name="nmt_nfkc",
        minloglevel=2,
    )
    return SentencePieceTokenizer(model.getvalue())


@lru_cache(1)
def whole_characters() -> WholeCharacters:
    return WholeCharacters(tokenizer().token_bytes())


def model_of(machine: HashMachine) -> DecodingModel:
    return replace(machine.model, characters=whole_characters())


@pytest.fixture(params=range(4))
def machine(request: pytest.FixtureRequest) -> HashMachine:
    return HashMachine(tokenizer().vocabulary_size, seed=request.param, end_bias=3.0, sharpness=3.0)


def decode(machine: HashMachine, options: SearchOptions, source: tuple[int, ...] = SOURCE) -> list[Hypothesis]:
    batch = Batch(machine, model_of(machine))
    sequence = Sequence(source, options, 16, None)
    batch.join([sequence], encode_sources(machine, machine.model.pad_id, [sequence]))
    while True:
        ended = batch.advance(batch.decode_step())
        if ended:
            assert isinstance(ended[0].outcome, list)
            return ended[0].outcome


def sources(count: int) -> Iterator[tuple[int, ...]]:
    random = Random(1)
    for _ in range(count):
        yield (*(random.randrange(260, 280) for _ in range(random.randrange(1, 8))), 2)


@pytest.mark.parametrize("options", OPTIONS)
def test_every_character_is_whole(machine: HashMachine, options: SearchOptions) -> None:
    written = tokenizer().token_bytes()
    parts = 0
    for source in sources(60):
        for hypothesis in decode(machine, options, source):
            content = b"".join(written[one] for one in hypothesis.token_ids)
            parts += sum(not one.isascii() for one in content.decode("utf-8", "ignore"))
            if hypothesis.finish_reason is FinishReason.STOP:
                content.decode("utf-8")
            else:  # cut within a character at most
                assert len(content) - len(content.decode("utf-8", "ignore").encode()) <= 3
            assert "\ufffd" not in tokenizer().decode(hypothesis.token_ids)
    assert parts, "characters of several bytes were written too"


def test_without_the_mask_bytes_are_broken() -> None:
    """The machine prefers broken bytes, so that the test above shows something."""
    machine = HashMachine(tokenizer().vocabulary_size, end_bias=3.0, sharpness=3.0)
    batch = Batch(machine, machine.model)
    sequence = Sequence(SOURCE, SearchOptions(), 16, None)
    batch.join([sequence], encode_sources(machine, 0, [sequence]))
    while not (ended := batch.advance(batch.decode_step())):
        pass
    assert isinstance(ended[0].outcome, list)
    content = b"".join(tokenizer().token_bytes()[one] for one in ended[0].outcome[0].token_ids)
    with pytest.raises(UnicodeDecodeError):
        content.decode("utf-8")


def test_a_row_is_the_same_alone_and_in_a_batch(machine: HashMachine) -> None:
    requests = [(source, OPTIONS[number % len(OPTIONS)]) for number, source in enumerate(sources(80))]
    engine = Engine(machine, model_of(machine))
    engine.start()
    try:
        futures = engine.submit_many([source for source, _ in requests], [options for _, options in requests])
        together = [future.result(PATIENCE) for future in futures]
        for (source, options), found in zip(requests, together, strict=True):
            assert found == engine.submit(source, options).result(PATIENCE)
    finally:
        engine.stop(drain=False)


def test_greedy_takes_the_best_that_is_allowed(machine: HashMachine) -> None:
    characters = model_of(machine).characters
    assert characters is not None
    (hypothesis,) = decode(machine, SearchOptions(loop_guard=False))
    lengths = np.array([len(SOURCE)], np.int32)
    memory, states = machine.encode(np.array([SOURCE], np.int32), lengths)
    last, pending = machine.model.bos_id, b""
    for token_id in hypothesis.token_ids:
        stepped = machine.decode_step(np.array([last], np.int32), states, memory, lengths, machine.vocabulary_size)
        states = {**states, **stepped.next_states}
        ranked = stepped.score_ids[0].tolist()
        following = characters.find_following(pending)
        allowed = [one for one in ranked if (one in following if pending else one not in characters.strays)]
        assert token_id == allowed[0]
        pending = characters.append(pending, token_id)
        last = token_id


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=6), st.data())
def test_what_is_allowed_is_what_makes_up_characters(text: str, data: st.DataObject) -> None:
    content = text.encode("utf-8", "surrogatepass").decode("utf-8", "ignore").encode()
    single = [bytes([byte]) for byte in range(256)]
    characters = WholeCharacters([b"", b"the", *single])
    pending = b""
    for byte in content:
        allowed = characters.find_following(pending) if pending else frozenset(range(258)) - characters.strays
        assert byte + 2 in allowed
        pending = characters.append(pending, byte + 2)
    assert pending == b""
    begun = "é€😀"[data.draw(st.integers(0, 2))].encode()[:-1]
    for byte in begun:
        pending = characters.append(pending, byte + 2)
    assert pending == characters.read([byte + 2 for byte in begun]) == begun
    assert {one - 2 for one in characters.find_following(pending)} == set(range(0x80, 0xC0))


def test_a_byte_that_nothing_completes_begins_no_character() -> None:
    # Behind F4 a byte from 80 to 8F must follow.
    characters = WholeCharacters([b"", b"a", b"\xc3", b"\xa9", b"\xf4", b"\xff"])
    assert characters.strays == {3, 4, 5}
    assert characters.find_following(b"\xc3") == {3}
    assert WholeCharacters([b"", b"a", "é".encode()]).parts == frozenset()


@pytest.mark.parametrize("name", ["en-fr", "fr-en", "en-de-es", "de-es-en"])
def test_the_shipped_bundles_are_decoded_under_the_mask(name: str) -> None:
    bundle = load_bundle(MODELS / name)
    characters = DecodingModel.of(bundle.manifest, bundle.tokenizer).characters
    assert characters is not None
    assert len(characters.parts) == 128
    assert len(characters.strays) == 64 + 2 + 11  # what goes on, C0 and C1, F5 to FF


def test_a_vocabulary_of_whole_characters_has_no_mask(tmp_path: Path) -> None:
    bundle = fake_bundle(tmp_path)
    assert DecodingModel.of(bundle.manifest, bundle.tokenizer).characters is None
