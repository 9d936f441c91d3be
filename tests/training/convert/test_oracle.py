"""The equations beside Mozilla's engine, ``fxtranslate``, on random students.

Differences are flips of a rounding: a float that differs in its last bit rounds to another integer now and then, and a
random student has tiny margins. Behind the first such token two translations have nothing in common.
"""

import itertools

import pytest
import sentencepiece

from tests.support.marian_models import EOS, UNK, Shape, encode, sentences, student_model, vocabulary
from training.convert.marian_file import parse_binary
from training.convert.reference import Reference, greedy
from training.convert.student_reader import read_student

fxtranslate = pytest.importorskip("fxtranslate")

SENTENCES = 46
LEAST = 0.99
NO_TOKEN = -1  # the engine does not suppress <unk>, so nothing is suppressed here


def agreement(shape: Shape, vocabs: tuple[bytes, ...], seed: int, eos_bias: float, start: int = 0) -> float:
    """The share of tokens on which both agree, up to the first one of each sentence on which they do not.

    Args:
        shape: Of a random student.
        vocabs: One for both sides, or two.
        seed: Of the student and of the sentences.
        eos_bias: See ``float_model``.
        start: The position of the first token; 0 is right.
    """
    content, _ = student_model(shape, vocabs, seed, eos_bias)
    engine = fxtranslate.Translator(content, vocabs[0], vocabs[-1])
    processor = sentencepiece.SentencePieceProcessor()
    processor.LoadFromSerializedProto(vocabs[-1])
    texts = sentences(SENTENCES, 100 + seed)
    sources = [encode(vocabs[0], text) for text in texts]
    reference = Reference(read_student(parse_binary(content)))
    reference.first_position = start
    caps = [min(2 * len(source) + 4, 256) for source in sources]
    same = different = 0
    for ids, text in zip(greedy(reference, sources, EOS, NO_TOKEN, caps), texts, strict=True):
        # The engine writes bytes literally (<0x41>) and leaves <unk> out.
        written = ["" if one == UNK else str(processor.IdToPiece(one)).replace("▁", " ") for one in ids]
        given = engine.translate(text)
        whole = "".join(written)
        pairs = zip(whole.lstrip(), given.lstrip(), strict=False)
        kept = sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], pairs))
        lead = len(whole) - len(whole.lstrip())
        same += sum(end - lead <= kept for end in itertools.accumulate(map(len, written)))
        different += whole.strip() != given.strip()
    assert same + different > 2 * SENTENCES
    return same / (same + different)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [3, 5, 7])
def test_a_small_student(seed: int) -> None:
    assert agreement(Shape(64, 128, 2, 2, sharpness=1.0), (vocabulary(1),), seed, 2.0) >= LEAST


@pytest.mark.slow
def test_a_wider_student() -> None:
    assert agreement(Shape(128, 256, 3, 3, sharpness=1.0), (vocabulary(1),), 3, 2.6) >= LEAST


def test_split_vocabularies() -> None:
    assert agreement(Shape(64, 128, 2, 2, sharpness=1.0), (vocabulary(1), vocabulary(2, 450)), 3, 1.6) >= LEAST


@pytest.mark.slow
def test_the_comparison_sees_a_mistake() -> None:
    """Positions that begin at 1 change a lively student at once."""
    shape, vocabs = Shape(64, 128, 2, 2, sharpness=3.0), (vocabulary(1),)
    assert agreement(shape, vocabs, 3, 1.6, start=1) < 0.9 < agreement(shape, vocabs, 3, 1.6)
