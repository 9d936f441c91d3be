"""``distil``: what bundles make of the sources of a corpus, as pairs for a student to learn from (sequence-level
knowledge distillation: Kim & Rush 2016, arXiv:1606.07947). A model's own translations are easier to learn than
people's, for they are the same for the same words.
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

# Of each set of engines: while one chunk's last sentences are decoded the next one's begin.
_CHUNKS_AHEAD = 2


@dataclass(frozen=True)
class DistilSettings:
    """``beam_size`` None: the first bundle's own. ``reference``: of all candidates the nearest to what the corpus has
    as target. ``max_lines`` of the file. ``engines`` at once, a thread each, for each bundle; None: the CPUs."""

    columns: tuple[str, ...] = ("en", "fr")
    beam_size: int | None = None
    reference: bool = False
    max_lines: int | None = None
    engines: int | None = None
    chunk_lines: int = 256
    anew: bool = False


@dataclass(frozen=True)
class Distilled:
    """``lines`` of the output; of those written by this call, how many were ``translated``, and how many of these are
    ``other`` than the corpus's own targets (None where it has no such column)."""

    lines: int
    translated: int
    other: int | None


def distil(bundles: Sequence[Path], data: Path, output: Path, settings: DistilSettings) -> Distilled:
    """Write ``source TAB translation``, a line for each of ``data``, gzipped if the output's name says so. Killed and
    started again, it goes on.

    What was cut, or could not be translated, has an empty translation; ``prepare`` drops such a line.

    From one bundle comes its best translation. From several, or with ``reference``, all hypotheses of their beams are
    candidates: ``nearest`` to the reference (sequence-level interpolation, in the same paper), or ``consensus``.

    :param data: tab-separated, of which only the column of the source is needed without ``reference``.
    :raises CorpusError: the data, a bundle or what is there of the output cannot be used.
    """
    try:
        loaded = _loaded(bundles, settings)
        manifest = loaded[0].manifest
        beam = settings.beam_size or manifest.search.beam_size
        several = len(loaded) > 1 or settings.reference
        options = TranslationOptions(beam_size=beam, alternatives=beam - 1 if several else 0)
        pairs = _read(data, settings, manifest.source, manifest.target)
        with LineSink(output, _work(loaded, data, settings, beam), settings.anew) as sink, ExitStack() as engines:
            sets = [
                [engines.enter_context(open_translator(bundle, f"distil-{number}")) for bundle in loaded]
                for number in range(settings.engines or usable_cpus())
            ]
            for _ in islice(pairs, sink.lines):
                pass
            counts = Counter[str]()
            with show_progress(_count(data, settings), sink.lines) as wrote:
                for chunk, chosen in _translated(sets, pairs, options, settings):
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
    """The candidate with the highest mean chrF against all others; of equals the first (Kobayashi 2018, "Frustratingly
    easy model ensemble for abstractive summarization", EMNLP; minimum Bayes risk: Kumar & Byrne 2004).

    One that several models have found counts as often.
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
    """The candidate with the highest chrF against the reference; of equals the first."""
    metric = CHRF()
    different = list(dict.fromkeys(candidates))
    if len(different) == 1 or reference in different:
        return reference if reference in different else different[0]
    return max(different, key=lambda candidate: metric.sentence_score(candidate, [reference]).score)


@dataclass(frozen=True)
class _Chunk:
    """Pairs on their way through an engine of each bundle."""

    pairs: list[Pair]
    asked: list[tuple[Translator, Plan, Pending]]

    @classmethod
    def begin(cls, translators: Sequence[Translator], pairs: list[Pair], options: TranslationOptions) -> "_Chunk":
        asked = []
        for translator in translators:
            plan = translator.prepare([source for source, _ in pairs], options)
            asked.append((translator, plan, translator.submit(plan, priority=Priority.BULK)))
        return cls(pairs, asked)

    def chosen(self, reference: bool) -> list[str]:
        """A translation for each pair, empty if there is none. Waits until they are there."""
        found: list[list[Translation]] = []
        for translator, plan, pending in self.asked:
            pending.done.result()
            found.append(translator.finish(plan, pending))
        return [
            _choice(_candidates(of_pair), target if reference else None)
            for (_, target), of_pair in zip(self.pairs, zip(*found, strict=True), strict=True)
        ]

    def cancel(self) -> None:
        for _, _, pending in self.asked:
            pending.cancel()


def _candidates(found: Sequence[Translation]) -> list[str]:
    """All that the bundles wrote to the end, the likeliest of each first."""
    whole = [one for one in found if one.is_complete and not any(segment.is_source for segment in one.segments)]
    texts = (normalise(text) for one in whole for text in (one.text, *one.alternatives))
    return [text for text in texts if text]


def _choice(candidates: Sequence[str], reference: str | None) -> str:
    if not candidates:
        return ""
    return consensus(candidates) if reference is None else nearest(candidates, reference)


def _translated(
    sets: Sequence[Sequence[Translator]],
    pairs: Iterator[Pair],
    options: TranslationOptions,
    settings: DistilSettings,
) -> Iterator[tuple[list[Pair], list[str]]]:
    """Chunk after chunk, in order."""
    ahead: deque[_Chunk] = deque()
    try:
        for translators in cycle(sets):
            chunk = list(islice(pairs, settings.chunk_lines))
            if not chunk:
                break
            ahead.append(_Chunk.begin(translators, chunk, options))
            if len(ahead) >= _CHUNKS_AHEAD * len(sets):
                first = ahead.popleft()
                yield first.pairs, first.chosen(settings.reference)
        while ahead:
            first = ahead.popleft()
            yield first.pairs, first.chosen(settings.reference)
    finally:
        for waiting in ahead:
            waiting.cancel()


def _loaded(bundles: Sequence[Path], settings: DistilSettings) -> list[Bundle]:
    """All bundles, for the languages that the columns name."""
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
    """Sources and references, empty where there are none."""
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


def _work(bundles: Sequence[Bundle], data: Path, settings: DistilSettings, beam: int) -> str:
    """What is being done: with other data, bundles or options it is other work."""
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
