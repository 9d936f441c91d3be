"""The equations beside Mozilla's engine, ``fxtranslate``, on random students.

Differences are flips of a rounding: a float that differs in its last bit rounds to another integer now and then, and a
random student has tiny margins. Behind the first such token two translations have nothing in common.
"""

import itertools

import pytest
import sentencepiece

from app.bundle.shortlist import Ids, Shortlist, parse_shortlist, write_shortlist
from tests.support.marian_models import (
    EOS,
    UNK,
    Shape,
    encode,
    pieces,
    random_lists,
    sentences,
    shortlist_file,
    student_model,
    vocabulary,
)
from training.convert.lexicon import parse_binary as parse_lexicon
from training.convert.marian_file import parse_binary
from training.convert.reference import Reference, Rules, greedy
from training.convert.student_reader import read_student

fxtranslate = pytest.importorskip("fxtranslate")

SENTENCES = 46
LEAST = 0.99
NO_TOKEN = -1  # the engine does not suppress <unk>, so nothing is suppressed here


def agreement(
    shape: Shape, vocabs: tuple[bytes, ...], seed: int, eos_bias: float, start: int = 0, first: int | None = None
) -> float:
    """The share of tokens on which both agree, up to the first one of each sentence on which they do not.

    Args:
        shape: Of a random student.
        vocabs: One for both sides, or two.
        seed: Of the student and of the sentences.
        eos_bias: See ``float_model``.
        start: The position of the first token; 0 is right.
        first: With a shortlist, in which this many first tokens are always candidates; None for none.
    """
    content, _ = student_model(shape, vocabs, seed, eos_bias)
    sizes = (pieces(vocabs[0]), pieces(vocabs[-1]))
    lexicon = None if first is None else shortlist_file(random_lists(sizes, seed, 5, power=1), first, best=5)
    engine = fxtranslate.Translator(content, vocabs[0], vocabs[-1], lexicon)
    processor = sentencepiece.SentencePieceProcessor()
    processor.LoadFromSerializedProto(vocabs[-1])
    texts = sentences(SENTENCES, 100 + seed)
    sources = [encode(vocabs[0], text) for text in texts]
    reference = Reference(read_student(parse_binary(content)))
    reference.first_position = start
    caps = [min(2 * len(source) + 4, 256) for source in sources]
    candidates = None if lexicon is None else candidates_of(lexicon, sizes, sources, vocabs[0] == vocabs[-1])
    same = different = 0
    for ids, text in zip(greedy(reference, sources, EOS, caps, Rules(NO_TOKEN, candidates)), texts, strict=True):
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


def candidates_of(lexicon: bytes, sizes: tuple[int, int], sources: list[list[int]], is_shared: bool) -> list[Ids]:
    """The candidates of each source, by way of the bundle's own file."""
    found = parse_lexicon(lexicon, *sizes)
    content = write_shortlist(found.lists, sizes[1])
    shortlist = Shortlist(*parse_shortlist(content, *sizes), found.first, sizes[1], is_shared, EOS)
    return [shortlist.candidates(source) for source in sources]


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
@pytest.mark.parametrize(("seed", "first"), [(3, 50), (5, 10), (7, 3)])
def test_a_shortlist(seed: int, first: int) -> None:
    shape = Shape(64, 128, 2, 2, sharpness=1.0)
    assert agreement(shape, (vocabulary(1),), seed, 2.0, first=first) >= LEAST


@pytest.mark.slow
@pytest.mark.parametrize(("seed", "first"), [(3, 20), (5, 5)])
def test_a_shortlist_between_split_vocabularies(seed: int, first: int) -> None:
    shape, vocabs = Shape(64, 128, 2, 2, sharpness=1.0), (vocabulary(1), vocabulary(2, 450))
    assert agreement(shape, vocabs, seed, 1.6, first=first) >= LEAST


@pytest.mark.slow
def test_the_comparison_sees_other_candidates(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of another source, and those without the tokens of the source, change a lively student."""
    usual, shape = candidates_of, Shape(64, 128, 2, 2, sharpness=3.0)

    def shifted(lexicon: bytes, sizes: tuple[int, int], sources: list[list[int]], is_shared: bool) -> list[Ids]:
        return usual(lexicon, sizes, [*sources[1:], sources[0]], is_shared)

    def without_source(lexicon: bytes, sizes: tuple[int, int], sources: list[list[int]], _: bool) -> list[Ids]:
        return usual(lexicon, sizes, sources, False)

    assert agreement(shape, (vocabulary(1),), 3, 1.0, first=3) > 0.96
    for other in (shifted, without_source):
        monkeypatch.setattr("tests.training.convert.test_oracle.candidates_of", other)
        assert agreement(shape, (vocabulary(1),), 3, 1.0, first=3) < 0.96


@pytest.mark.slow
def test_the_comparison_sees_a_mistake() -> None:
    """Positions that begin at 1 change a lively student at once."""
    shape, vocabs = Shape(64, 128, 2, 2, sharpness=3.0), (vocabulary(1),)
    assert agreement(shape, vocabs, 3, 1.6, start=1) < 0.9 < agreement(shape, vocabs, 3, 1.6)
