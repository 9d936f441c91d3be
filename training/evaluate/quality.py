"""Measurement of a bundle on every dev set of its languages, translated as the service does it."""

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
from training.evaluate.score import TestSet, score_sets


def measure_bundle(folder: Path, data: Path, results: Path, say: Callable[[str], None] = print) -> list[SetResult]:
    """Measures each set with the bundle's own beam, unless ``results`` holds a result of the same bundle.

    Args:
        folder: Of the bundle.
        data: Folder with ``en-fr/dev/*.tsv`` and so on: lines of English, a tab and French, used for both directions.
            Only the folders ``dev`` are read.
        results: Folder of the results.
        say: Prints a line for each set.

    Raises:
        CorpusError: A pair of the bundle's languages has no set, or a set cannot be read.
    """
    bundle = load_bundle(folder)
    found: dict[tuple[str, str, str], SetResult] = {}
    missing: list[tuple[tuple[str, str, str], TestSet]] = []
    for source in bundle.manifest.sources:
        for target in bundle.manifest.targets:
            for one in dev_sets(data, source, target):
                key = (source, target, one.name)
                former = load_result(result_file(results, folder.name, *key))
                if former is not None and former.version == bundle.version:
                    found[key] = former
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


def dev_sets(data: Path, source: str, target: str) -> list[TestSet]:
    """Reads every dev set that two languages have in ``data``.

    Raises:
        CorpusError: There is none, or a line has not two columns.
    """
    for columns in ((source, target), (target, source)):
        files = sorted((data / "-".join(columns) / "dev").glob("*.tsv"))
        if files:
            return [_read_set(path, columns, source, target) for path in files]
    raise CorpusError(f"{data}: neither {source}-{target}/dev nor {target}-{source}/dev has a .tsv file")


def _read_set(path: Path, columns: tuple[str, str], source: str, target: str) -> TestSet:
    entry = CorpusFile(name=path.stem, path=path.name, columns=columns, licence="only measured")
    pairs = [(normalise(left), normalise(right)) for left, right in read_pairs(path, entry, source, target)]
    return TestSet(path.stem, pairs, source, target)
