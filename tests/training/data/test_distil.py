"""A corpus translated for a student: order of the lines, interruptions, and the choice among candidates."""

import gzip
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sacrebleu.metrics.chrf import CHRF

import training.data.distil as distillation
from app.bundle.store import Bundle
from app.engine.loop import Engine
from app.engine.model import DecodingModel
from app.translation.assembly import Translation
from app.translation.translator import Translator
from tests.support.fakes import Machine, fake_bundle, text_machine
from tests.support.reversal import words
from training.__main__ import main
from training.data.corpus import read_pairs
from training.data.distil import DistilSettings, consensus, distil, nearest
from training.errors import CorpusError

pytestmark = pytest.mark.slow

PAIRS = [(f"Line {number} " + "xy" * (number % 17), f"ligne {number}") for number in range(40)]
CANDIDATES = st.lists(st.sampled_from(["the cat", "the cats", "a cat sat", "dogs", "the dog", "cat"]), min_size=1)


@pytest.fixture
def bundles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Three bundles: two write their source in capitals, one copies it; a second-best token is far less likely."""

    @contextmanager
    def open_translator(bundle: Bundle, name: str) -> Iterator[Translator]:
        machine: Machine = "copy" if bundle.folder.parent.name == "copy" else "upper"
        engine = Engine(text_machine(bundle, machine), DecodingModel.of(bundle.manifest, bundle.tokenizer), name=name)
        engine.start()
        try:
            yield Translator(bundle, engine)
        finally:
            engine.stop(drain=False)

    monkeypatch.setattr(distillation, "open_translator", open_translator)
    return [fake_bundle(tmp_path / name, "en", "fr").folder for name in ("upper", "copy", "upper-too")]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    path = tmp_path / "pairs.tsv.gz"
    path.write_bytes(gzip.compress("".join(f"{target}\t{source}\n" for source, target in PAIRS).encode()))
    return path


def settings_with(**changed: object) -> DistilSettings:
    settings = {"columns": ("fr", "en"), "engines": 2, "chunk_lines": 7, **changed}
    return DistilSettings(**settings)  # type: ignore[arg-type]


def read(path: Path) -> list[list[str]]:
    text = (gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()).decode()
    return [line.split("\t") for line in text.splitlines()]


def test_translations_keep_the_order_of_the_sources(bundles: list[Path], data: Path, tmp_path: Path) -> None:
    output = tmp_path / "out.tsv.gz"
    found = distil(bundles[:1], data, output, settings_with())
    sources = [source.strip() for source, _ in PAIRS]
    assert read(output) == [[source, source.upper()] for source in sources]
    assert (found.lines, found.translated, found.other) == (len(PAIRS), len(PAIRS), len(PAIRS))


def test_an_interrupted_run_continues(
    bundles: list[Path], data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, output = tmp_path / "whole.tsv", tmp_path / "out.tsv"
    distil(bundles, data, whole, settings_with())

    def broken(*given: object) -> Iterator[tuple[str, str]]:
        for number, pair in enumerate(read_pairs(*given)):  # type: ignore[arg-type]
            if number == 30:
                raise KeyboardInterrupt
            yield pair

    with monkeypatch.context() as patched:
        patched.setattr(distillation, "read_pairs", broken)
        with pytest.raises(KeyboardInterrupt):
            distil(bundles, data, output, settings_with())
    written = len(read(tmp_path / "out.tsv.part"))
    assert 0 < written < 30
    with pytest.raises(CorpusError, match="begun with another input, model or options"):
        distil(bundles[:1], data, output, settings_with())
    found = distil(bundles, data, output, settings_with())
    assert output.read_bytes() == whole.read_bytes()
    assert found.lines == len(PAIRS)
    assert found.translated == len(PAIRS) - written
    with pytest.raises(CorpusError, match="is there already"):
        distil(bundles, data, output, settings_with())


def test_several_bundles_agree_and_a_reference_decides(bundles: list[Path], data: Path, tmp_path: Path) -> None:
    """Two of three write capitals; only the third writes what the reference has."""
    distil(bundles, data, tmp_path / "out.tsv", settings_with(beam_size=1))
    assert all(text == source.upper() for source, text in read(tmp_path / "out.tsv"))
    copies = tmp_path / "copies.tsv"
    copies.write_text("".join(f"{source}\t{source}\n" for source, _ in PAIRS), encoding="utf-8")
    found = distil(bundles, copies, tmp_path / "near.tsv", settings_with(beam_size=3, reference=True))
    assert all(text == source for source, text in read(tmp_path / "near.tsv"))
    assert found.other == 0


def test_only_the_sources_column_is_needed(bundles: list[Path], tmp_path: Path) -> None:
    texts = tmp_path / "texts.txt"
    texts.write_text("one\ntwo\n\nthree\n", encoding="utf-8")
    found = distil(bundles[:1], texts, tmp_path / "out.tsv", settings_with(columns=("en",), max_lines=3))
    assert read(tmp_path / "out.tsv") == [["one", "ONE"], ["two", "TWO"], ["", ""]]
    assert (found.lines, found.translated, found.other) == (3, 2, None)
    with pytest.raises(CorpusError, match="hold no reference"):
        distil(bundles[:1], texts, tmp_path / "other.tsv", settings_with(columns=("en",), reference=True))
    with pytest.raises(CorpusError, match=r"columns de: .* translates from en"):
        distil(bundles[:1], texts, tmp_path / "other.tsv", settings_with(columns=("de",)))


def test_cut_translations_are_left_empty(bundles: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    long = "x" * 400
    data = tmp_path / "long.tsv"
    data.write_text(f"ligne\t{long}\ncourte\tshort\n", encoding="utf-8")
    monkeypatch.setattr(Translation, "is_complete", property(lambda one: len(one.text) < 100))
    found = distil(bundles[:1], data, tmp_path / "out.tsv", settings_with())
    assert read(tmp_path / "out.tsv") == [[long, ""], ["short", "SHORT"]]
    assert found.translated == 1


@given(CANDIDATES)
@settings(deadline=None)
def test_consensus_is_the_highest_mean_of_all_others(candidates: list[str]) -> None:
    metric = CHRF()

    def mean(place: int) -> float:
        others = [other for number, other in enumerate(candidates) if number != place]
        scores = [float(metric.sentence_score(candidates[place], [other]).score) for other in others]
        return sum(scores) / max(1, len(scores))

    chosen = candidates.index(consensus(candidates))
    assert mean(chosen) == pytest.approx(max(map(mean, range(len(candidates)))))


@given(CANDIDATES, st.sampled_from(["the cat", "a cat", "dog", "zebra"]))
@settings(deadline=None)
def test_the_nearest_has_the_highest_score(candidates: list[str], reference: str) -> None:
    def score(text: str) -> float:
        return float(CHRF().sentence_score(text, [reference]).score)

    assert score(nearest(candidates, reference)) == max(map(score, candidates))


def test_the_command_writes_what_a_real_bundle_translates(
    models: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, output = tmp_path / "pairs.tsv", tmp_path / "out.tsv"
    chosen = words(50, seed=3)
    data.write_text("".join(f"{word}\t{word[::-1]}\n" for word in chosen), encoding="utf-8")
    command = ["distil", str(output), "--from", str(models / "en-fr"), "--data", str(data), "--engines", "1"]
    assert main([*command, "--reference"]) == 0
    said = capsys.readouterr().out
    assert f"50 lines in {output}" in said
    lines = read(output)
    assert [source for source, _ in lines] == chosen
    right = sum(text == source[::-1] for source, text in lines)
    assert right >= 45
    assert f"{50 - right} of them differ from the targets of pairs.tsv" in said
    assert main(command) == 1
    assert "is there already" in capsys.readouterr().err


def test_a_converted_model_teaches(tmp_path: Path) -> None:
    """A student of Marian, converted, translates a corpus as any bundle does."""
    from tests.support.marian_models import Shape, sentences, write_files
    from training.convert.marian import MarianFiles, Published, convert

    model, (vocab,) = write_files(tmp_path / "files", Shape(32, 64, 1, 1, 4), seed=3)
    convert(MarianFiles(model, vocab, vocab), Published("en", "fr", "en-fr"), tmp_path / "en-fr")
    (tmp_path / "corpus.tsv").write_text("".join(f"{text}\tx\n" for text in sentences(20)), encoding="utf-8")
    settings = DistilSettings(columns=("en", "fr"), engines=1)
    found = distil([tmp_path / "en-fr"], tmp_path / "corpus.tsv", tmp_path / "made.tsv", settings)
    lines = (tmp_path / "made.tsv").read_text(encoding="utf-8").splitlines()
    assert found.lines == len(lines) == 20
    assert found.translated == sum(not line.endswith("\t") for line in lines) > 0
