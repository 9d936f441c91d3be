"""``distil``: sequence-level knowledge distillation (Kim & Rush 2016, arXiv:1606.07947).

Bundles translate the sources of a corpus, and a student model is trained on the result. Translations by a model are
easier to learn than translations by people, because the same words are translated in the same way.
"""

from collections import Counter, deque
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path

from sacrebleu.metrics.chrf import CHRF

from app.bulk.files import LineSink
from app.bulk.run import open_translator, show_progress
from app.bundle.store import Bundle, load_bundle
from app.engine.sequence import Priority
from app.errors import PasserelleError
from app.server.resources import usable_cpus
from app.translation.pending import Pending
from app.translation.translator import Plan, Translation, TranslationOptions, Translator
from training.data.clean import normalise
from training.data.config import CorpusFile
from training.data.corpus import Pair, read_pairs, read_texts
from training.errors import CorpusError

# Chunks in flight for each set of engines: while the last sentences of one are decoded, the next one is started.
_CHUNKS_AHEAD = 2


@dataclass(frozen=True)
class DistilSettings:
    """Options of ``distil``.

    Attributes:
        columns: Languages of the columns of the corpus.
        beam_size: Width of the beam; None for that of the first bundle.
        reference: Whether the candidate nearest to the target of the corpus is chosen.
        max_lines: Lines of the corpus to read; None for all.
        engines: Engines for each bundle, one thread each; None for one per CPU.
        chunk_lines: Lines that are submitted together.
        anew: Whether the output of an earlier run is discarded.
    """

    columns: tuple[str, ...] = ("en", "fr")
    beam_size: int | None = None
    reference: bool = False
    max_lines: int | None = None
    engines: int | None = None
    chunk_lines: int = 256
    anew: bool = False


@dataclass(frozen=True)
class Distilled:
    """Counts of the result.

    Attributes:
        lines: Lines of the output, those of earlier runs included.
        translated: Translations that this call wrote.
        other: Those of them that differ from the targets of the corpus; None if it has no targets.
    """

    lines: int
    translated: int
    other: int | None


def distil(bundles: Sequence[Path], data: Path, output: Path, settings: DistilSettings) -> Distilled:
    """Writes a line ``source TAB translation`` for each line of ``data``; a call after an interruption continues.

    A source that could not be translated, or not to its end, gets an empty translation; ``prepare`` drops such lines.

    One bundle gives its best translation. With several bundles or with ``reference``, all hypotheses of their beams
    are candidates, and ``nearest`` (sequence-level interpolation, section 3.3 of the paper) or ``consensus`` chooses.

    Args:
        bundles: Folders of the bundles.
        data: The tab-separated corpus. Without ``settings.reference`` only the source column is needed.
        output: The file to write; gzipped if its name ends with ``.gz``.
        settings: Options.

    Raises:
        CorpusError: The data, a bundle or the output of an earlier run cannot be used.
    """
    try:
        loaded = _load(bundles, settings)
        manifest = loaded[0].manifest
        beam = settings.beam_size or manifest.search.beam_size
        several = len(loaded) > 1 or settings.reference
        options = TranslationOptions(beam_size=beam, alternatives=beam - 1 if several else 0)
        pairs = _read(data, settings, manifest.source, manifest.target)
        with LineSink(output, _describe(loaded, data, settings, beam), settings.anew) as sink, ExitStack() as engines:
            sets = [
                [engines.enter_context(open_translator(bundle, f"distil-{number}")) for bundle in loaded]
                for number in range(settings.engines or usable_cpus())
            ]
            for _ in islice(pairs, sink.lines):
                pass
            counts = Counter[str]()
            with show_progress(_count(data, settings), sink.lines) as wrote:
                for chunk, chosen in _translate(sets, pairs, options, settings):
                    sink.write([f"{source}\t{text}" for (source, _), text in zip(chunk, chosen, strict=True)])
                    counts["translated"] += sum(map(bool, chosen))
                    counts["other"] += sum(
                        bool(text) and text != target for (_, target), text in zip(chunk, chosen, strict=True)
                    )
                    wrote(len(chunk))
            sink.finish()
            has_references = manifest.target in settings.columns
            return Distilled(sink.lines, counts["translated"], counts["other"] if has_references else None)
    except PasserelleError as error:
        raise CorpusError(str(error)) from error


def consensus(candidates: Sequence[str]) -> str:
    """Returns the candidate with the highest mean chrF against all others; of equal ones the first.

    This is minimum Bayes risk (Kumar & Byrne 2004) over the candidates of several models (Kobayashi 2018,
    "Frustratingly easy model ensemble for abstractive summarization", EMNLP). A candidate that several models found
    counts several times.

    Args:
        candidates: At least one.
    """
    counts = Counter(candidates)
    metric = CHRF()

    def support(candidate: str) -> float:
        others = ((other, count - (other == candidate)) for other, count in counts.items())
        return sum(
            count * (100.0 if other == candidate else metric.sentence_score(candidate, [other]).score)
            for other, count in others
            if count
        )

    return max(counts, key=support) if len(counts) > 1 else candidates[0]


def nearest(candidates: Sequence[str], reference: str) -> str:
    """Returns the candidate with the highest chrF against the reference; of equal ones the first."""
    metric = CHRF()
    different = list(dict.fromkeys(candidates))
    if len(different) == 1 or reference in different:
        return reference if reference in different else different[0]
    return max(different, key=lambda candidate: metric.sentence_score(candidate, [reference]).score)


@dataclass(frozen=True)
class _Chunk:
    """Pairs that an engine of each bundle is translating.

    Attributes:
        pairs: Sources and references.
        submitted: What was submitted to each translator.
    """

    pairs: list[Pair]
    submitted: list[tuple[Translator, Plan, Pending]]

    @classmethod
    def begin(cls, translators: Sequence[Translator], pairs: list[Pair], options: TranslationOptions) -> "_Chunk":
        """Submits the sources of ``pairs`` to each translator."""
        submitted = []
        for translator in translators:
            plan = translator.prepare([source for source, _ in pairs], options)
            submitted.append((translator, plan, translator.submit(plan, priority=Priority.BULK)))
        return cls(pairs, submitted)

    def choose(self, reference: bool) -> list[str]:
        """Waits for the translations and chooses one for each pair; an empty text if there is none."""
        found: list[list[Translation]] = []
        for translator, plan, pending in self.submitted:
            pending.done.result()
            found.append(translator.finish(plan, pending))
        return [
            _choose(_candidates(of_pair), target if reference else None)
            for (_, target), of_pair in zip(self.pairs, zip(*found, strict=True), strict=True)
        ]

    def cancel(self) -> None:
        """Cancels what is not decoded yet."""
        for _, _, pending in self.submitted:
            pending.cancel()


def _candidates(found: Sequence[Translation]) -> list[str]:
    """Returns the finished hypotheses of all bundles, the most probable of each bundle first."""
    whole = [one for one in found if one.is_complete and not any(segment.is_source for segment in one.segments)]
    texts = (normalise(text) for one in whole for text in (one.text, *one.alternatives))
    return [text for text in texts if text]


def _choose(candidates: Sequence[str], reference: str | None) -> str:
    if not candidates:
        return ""
    return consensus(candidates) if reference is None else nearest(candidates, reference)


def _translate(
    sets: Sequence[Sequence[Translator]],
    pairs: Iterator[Pair],
    options: TranslationOptions,
    settings: DistilSettings,
) -> Iterator[tuple[list[Pair], list[str]]]:
    """Yields the pairs of each chunk and the chosen translations, in the order of ``pairs``."""
    ahead: deque[_Chunk] = deque()
    try:
        for translators in cycle(sets):
            chunk = list(islice(pairs, settings.chunk_lines))
            if not chunk:
                break
            ahead.append(_Chunk.begin(translators, chunk, options))
            if len(ahead) >= _CHUNKS_AHEAD * len(sets):
                first = ahead.popleft()
                yield first.pairs, first.choose(settings.reference)
        while ahead:
            first = ahead.popleft()
            yield first.pairs, first.choose(settings.reference)
    finally:
        for unfinished in ahead:
            unfinished.cancel()


def _load(bundles: Sequence[Path], settings: DistilSettings) -> list[Bundle]:
    """Loads all bundles for the languages that the columns name."""
    loaded = [load_bundle(folder) for folder in bundles]
    first = loaded[0].manifest
    source = next((code for code in settings.columns if code in first.sources), None)
    if source is None:
        raise CorpusError(
            f"columns {', '.join(settings.columns)}: {bundles[0]} translates from {', '.join(first.sources)}"
        )
    target = next((code for code in settings.columns if code in first.targets and code != source), None)
    if settings.reference and target is None:
        raise CorpusError(
            f"columns {', '.join(settings.columns)} hold no reference: {bundles[0]} translates into "
            f"{', '.join(first.targets)}"
        )
    return [bundle.between(source, target or first.target) for bundle in loaded]


def _read(data: Path, settings: DistilSettings, source: str, target: str) -> Iterator[Pair]:
    """Yields sources and references; a reference is empty if the corpus has none."""
    entry = CorpusFile(name=data.name, path=str(data), columns=settings.columns, licence="")
    if target in settings.columns:
        pairs = read_pairs(data, entry, source, target)
    else:
        pairs = ((text, "") for _, text in read_texts(data, entry, source))
    whole = ((normalise(left), normalise(right)) for left, right in pairs)
    return islice(whole, settings.max_lines)


def _count(data: Path, settings: DistilSettings) -> int:
    entry = CorpusFile(name=data.name, path=str(data), columns=settings.columns, licence="")
    return sum(1 for _ in islice(read_texts(data, entry, settings.columns[0]), settings.max_lines))


def _describe(bundles: Sequence[Bundle], data: Path, settings: DistilSettings, beam: int) -> str:
    """Describes data, bundles and options. A run continues an output only if its description is the same."""
    try:
        found = data.stat()
    except OSError as error:
        raise CorpusError(f"{data} cannot be read: {error}") from error
    languages = f"{bundles[0].manifest.source} to {bundles[0].manifest.target}"
    models = " and ".join(bundle.version[:12] for bundle in bundles)
    kind = "nearest to the reference" if settings.reference else "best"
    lines = "all" if settings.max_lines is None else f"the first {settings.max_lines}"
    return (
        f"{data.name}, {found.st_size} bytes of {found.st_mtime_ns}, {lines} lines; {languages} with {models}; "
        f"beam {beam}; {kind}"
    )
