"""Measure a bundle on every dev set of its languages, as the service would translate it."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from app.bundle.store import load_bundle
from training.data.clean import normalise
from training.data.config import CorpusFile
from training.data.corpus import read_pairs
from training.errors import CorpusError
from training.evaluate.error_analysis import count_faults
from training.evaluate.markdown_section import machine
from training.evaluate.quality_results import SetResult, load_result, result_file
from training.evaluate.score import AskedSet, score_sets


def measure_bundle(folder: Path, data: Path, results: Path, say: Callable[[str], None] = print) -> list[SetResult]:
    """Each set with the bundle's own beam; what lies in ``results`` already is not measured again.

    :param data: has ``en-fr/dev/*.tsv`` and so on, lines of English, a tab and French; read either way round. Only
        what lies in ``dev`` is looked at.
    :raises CorpusError: no set for a pair of the bundle's languages, or one that cannot be read.
    """
    bundle = load_bundle(folder)
    found: dict[tuple[str, str, str], SetResult] = {}
    missing: list[tuple[tuple[str, str, str], AskedSet]] = []
    for source in bundle.manifest.sources:
        for target in bundle.manifest.targets:
            for one in dev_sets(data, source, target):
                key = (source, target, one.name)
                known = load_result(result_file(results, folder.name, *key))
                if known is not None and known.version == bundle.version:
                    found[key] = known
                else:
                    missing.append((key, one))
    beam = bundle.manifest.search.beam_size
    scored_sets = score_sets(folder, [one for _, one in missing], beam)
    for ((source, target, name), _), scored in zip(missing, scored_sets, strict=True):
        result = SetResult(
            bundle=folder.name,
            version=bundle.version,
            source=source,
            target=target,
            set=name,
            quality=scored.quality,
            cut=scored.cut,
            faults=count_faults(scored.sources, scored.translations, scored.references),
            machine=machine(),
            made_on=datetime.now(UTC).date(),
        )
        result.save(results)
        say(f"{folder.name}, {source} to {target}, {name}: BLEU {scored.bleu:.1f}")
        found[source, target, name] = result
    return [found[key] for key in sorted(found)]


def dev_sets(data: Path, source: str, target: str) -> list[AskedSet]:
    """Every set that the two languages have in ``data``.

    :raises CorpusError: there is none, or it has a line that is not two columns.
    """
    for columns in ((source, target), (target, source)):
        files = sorted((data / "-".join(columns) / "dev").glob("*.tsv"))
        if files:
            return [_asked(path, columns, source, target) for path in files]
    raise CorpusError(f"{data}: neither {source}-{target}/dev nor {target}-{source}/dev has a .tsv file")


def _asked(path: Path, columns: tuple[str, str], source: str, target: str) -> AskedSet:
    entry = CorpusFile(name=path.stem, path=path.name, columns=columns, licence="only measured")
    pairs = [(normalise(left), normalise(right)) for left, right in read_pairs(path, entry, source, target)]
    return AskedSet(path.stem, pairs, source, target)
