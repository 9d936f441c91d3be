"""BLEU and chrF of a bundle, measured through the serving engine on detokenized text."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF

from app.bundle.manifest import LengthScore, Quality
from app.bundle.store import load_bundle
from app.engine.factory import run_engine
from app.engine.sessions import OnnxGraphs
from app.translation.translator import TranslationOptions, Translator
from training.data.corpus import Pair

# Bounds of the length buckets in source words, both included; the last bucket has no upper bound.
LENGTH_BUCKETS: tuple[tuple[int, int | None], ...] = ((1, 5), (6, 10), (11, 15), (16, 20), (21, 30), (31, None))
TEXTS_PER_REQUEST = 400
BOOTSTRAP_DRAWS = 1000


@dataclass(frozen=True)
class TestSet:
    """Sentences with reference translations.

    Attributes:
        name: Of the set.
        pairs: Sources and references.
        source: Language of the sources; None for the bundle's main one.
        target: Language of the references; None for the bundle's main one.
    """

    __test__ = False  # pytest would collect the class

    name: str
    pairs: list[Pair]
    source: str | None
    target: str | None


@dataclass(frozen=True)
class ScoredSet:
    """A translated set.

    Attributes:
        name: Of the set.
        sources: Sentences that were translated.
        references: Expected translations.
        translations: Translations of the bundle.
        cut: Translations that ended at the length cap.
        quality: BLEU and chrF, as the manifest keeps them.
    """

    name: str
    sources: tuple[str, ...]
    references: tuple[str, ...]
    translations: tuple[str, ...]
    cut: int
    quality: tuple[Quality, Quality]

    @property
    def bleu(self) -> float:
        return self.quality[0].score


@contextmanager
def open_translator(
    folder: Path, threads: int = 2, source: str | None = None, target: str | None = None
) -> Iterator[Translator]:
    """Opens a bundle for translation as the service does it.

    Args:
        folder: Of the bundle.
        threads: Of each graph.
        source: Language of the sources; None for the bundle's main one.
        target: Language of the targets; None for the bundle's main one.
    """
    bundle = load_bundle(folder).between(source, target)
    with run_engine(bundle, OnnxGraphs(bundle, provider="cpu", threads=threads)) as engine:
        yield Translator(bundle, engine)


def score_sets(folder: Path, sets: Sequence[TestSet], beam_size: int) -> Iterator[ScoredSet]:
    """Yields the scores of one set after the other; the bundle is opened once for each pair of languages."""
    with ExitStack() as stack:
        directions = dict.fromkeys((one.source, one.target) for one in sets)
        translators = {
            (source, target): stack.enter_context(open_translator(folder, source=source, target=target))
            for source, target in directions
        }
        for one in sets:
            yield score_set(translators[one.source, one.target], one.name, one.pairs, beam_size)


def score_set(translator: Translator, name: str, pairs: Sequence[Pair], beam_size: int) -> ScoredSet:
    """Translates the sources of ``pairs`` and scores the translations against their targets."""
    options = TranslationOptions(beam_size=beam_size)
    sources, references = [source for source, _ in pairs], [target for _, target in pairs]
    found = [
        translation
        for start in range(0, len(sources), TEXTS_PER_REQUEST)
        for translation in translator.translate(sources[start : start + TEXTS_PER_REQUEST], options)
    ]
    translations = [translation.text for translation in found]
    quality = (
        _quality(name, BLEU(), sources, translations, references, beam_size),
        _quality(name, CHRF(), sources, translations, references, beam_size),
    )
    cut = sum(not translation.is_complete for translation in found)
    return ScoredSet(name, tuple(sources), tuple(references), tuple(translations), cut, quality)


def translate_greedily(translator: Translator, texts: Sequence[str]) -> list[str]:
    """Translates a few texts with greedy search."""
    return [found.text for found in translator.translate(list(texts), TranslationOptions(beam_size=1))]


def sentence_scores(scored: ScoredSet) -> list[float]:
    """Returns the chrF of every sentence, 0 to 100, for the choice of examples."""
    metric = CHRF()
    return [
        float(metric.sentence_score(translation, [reference]).score)
        for translation, reference in zip(scored.translations, scored.references, strict=True)
    ]


def _quality(
    name: str,
    metric: BLEU | CHRF,
    sources: Sequence[str],
    translations: Sequence[str],
    references: Sequence[str],
    beam_size: int,
) -> Quality:
    by_length = []
    for low, high in LENGTH_BUCKETS:
        chosen = [i for i, source in enumerate(sources) if low <= len(source.split()) <= (high or 10**9)]
        if chosen:
            score, interval = _scored(metric, [translations[i] for i in chosen], [references[i] for i in chosen])
            by_length.append(
                LengthScore(from_words=low, to_words=high, segments=len(chosen), score=score, interval=interval)
            )
    score, interval = _scored(metric, translations, references)
    # The signature is that of the score; the bootstrap only adds the confidence interval.
    signature = type(metric)()
    signature.corpus_score([references[0]], [[references[0]]])
    return Quality(
        set=name,
        metric="BLEU" if isinstance(metric, BLEU) else "chrF",
        score=score,
        interval=interval,
        signature=str(signature.get_signature()),
        beam_size=beam_size,
        segments=len(sources),
        by_length=tuple(by_length),
    )


def _scored(metric: BLEU | CHRF, translations: Sequence[str], references: Sequence[str]) -> tuple[float, float | None]:
    """Returns the score and half the width of its 95 % confidence interval, which a single segment does not have."""
    draws = BOOTSTRAP_DRAWS if len(translations) > 1 else 1
    try:
        found = metric.corpus_score(list(translations), [list(references)], n_bootstrap=draws)
    except TypeError:  # sacreBLEU cannot average draws if some have a match and others have none
        draws = 1
        found = metric.corpus_score(list(translations), [list(references)])
    return round(found.score, 2), round(float(found._ci), 2) if draws > 1 else None
