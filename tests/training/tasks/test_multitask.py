"""One model for several tasks, selected by a tag on the source: prepared, trained, exported, served."""

from pathlib import Path

import pytest

from app.bundle.store import load_bundle
from app.engine.loop import Engine
from app.engine.model import DecodingModel
from app.engine.sequence import SearchOptions
from app.engine.sessions import OnnxGraphs
from app.errors import BundleFormatError
from app.translation.translator import Translator
from tests.support.reversal import words, write_task
from training.config import RunConfig
from training.data.dataset import TokenPairs
from training.data.prepare import load_run_tokenizer, prepare, read_entry, source_tags
from training.errors import CorpusError
from training.evaluate.evaluate import evaluate
from training.export.export import export, load_best_model
from training.export.reference import ReferenceDecoder
from training.learn.finetune import languages_of
from training.learn.train import Trainer

pytestmark = pytest.mark.slow


def task(folder: Path) -> RunConfig:
    """A word into its letters backwards (fr), into capitals (de), and again as it stands (en)."""
    config = write_task(folder, pairs=600, max_steps=160)
    written = words(600, seed=1)
    lines = [f"{word}\t{word[::-1]}\t{word.upper()}\n" for word in written]
    (folder / "three.tsv").write_text("".join(lines), encoding="utf-8")
    (folder / "test.tsv").write_text("".join(lines[:20]), encoding="utf-8")
    columns = ["en", "fr", "de"]
    entries = [
        {"name": f"words-{target}", "path": "three.tsv", "columns": columns, "target": target, "licence": "CC0"}
        for target in ("fr", "de", "en")
    ]
    tests = [{**entry, "path": "test.tsv"} for entry in entries[:2]]
    document = config.model_dump()
    document["corpus"] |= {"train": entries, "test": tests}
    document["tokenizer"] = {"kind": "sentencepiece", "vocabulary_size": 320}
    document["export"] |= {"parity_sentences": 12, "calibration_sentences": 16}
    return RunConfig.model_validate(document)


def test_every_task_is_learned_exported_and_served(tmp_path: Path) -> None:
    config, run = task(tmp_path), tmp_path / "run"
    assert config.tagged == ("fr", "de", "en")
    prepare(config, tmp_path, run)
    Trainer(config, run).fit()
    folders, _ = export(config, run)
    bundle = load_bundle(folders["int8"])
    assert bundle.manifest.targets == ("fr", "de")
    assert bundle.manifest.source_tags == source_tags(config, load_run_tokenizer(config, run))
    for scored in evaluate(config, tmp_path, run, folders["int8"]):
        assert len(scored.translations) == scored.quality[0].segments

    reference = ReferenceDecoder(load_best_model(config, run, bundle.tokenizer.vocabulary_size))
    decoding = DecodingModel.of(bundle.manifest)
    engine = Engine(OnnxGraphs(load_bundle(folders["float32"]), provider="cpu", threads=1), decoding)
    engine.start()
    try:
        answers = []
        for target in ("fr", "de"):
            directed = load_bundle(folders["float32"]).between(target=target)
            sources = [directed.tokenizer.encode_source(word) for word in words(6, seed=5)]
            assert {source[0] for source in sources} == {bundle.manifest.source_tags[target]}
            found = [future.result(30)[0] for future in engine.submit_many(sources, SearchOptions())]
            for source, hypothesis in zip(sources, found, strict=True):
                assert hypothesis.token_ids == reference.greedy(source, decoding.target_cap(len(source))).token_ids
            answers.append([directed.tokenizer.decode(hypothesis.token_ids) for hypothesis in found])
            assert [found.text for found in Translator(directed, engine).translate(["abc"])]
        assert answers[0] != answers[1]
    finally:
        engine.stop(drain=False)
    with pytest.raises(BundleFormatError, match="translates into fr, de, not into es"):
        bundle.between(target="es")


def test_each_source_has_the_tag_of_its_target(tmp_path: Path) -> None:
    config, run = task(tmp_path), tmp_path / "run"
    prepare(config, tmp_path, run)
    tokenizer = load_run_tokenizer(config, run)
    pairs, targets = TokenPairs.load(run / "train.npz"), set()
    by_id = {tag: target for target, tag in source_tags(config, tokenizer).items()}
    for index in range(len(pairs)):
        tag, *source = pairs.source.sentence(index).tolist()
        word, written = tokenizer.decode(source), tokenizer.decode(pairs.target.sentence(index).tolist())
        assert written == {"fr": word[::-1], "de": word.upper(), "en": word}[by_id[tag]]
        targets.add(by_id[tag])
    assert targets == {"fr", "de", "en"}
    # What the sets are measured on is the main task.
    lines = (run / "dev.tsv").read_text(encoding="utf-8").splitlines()
    assert all(target == source[::-1] for source, _, target in (line.partition("\t") for line in lines))
    assert len(list(read_entry(config.corpus.test[1], config, tmp_path, run))) == 20
    assert "<2de>" not in tokenizer.pieces(tokenizer.encode("<2de> abc"))  # no text can spell a tag


def test_tokenizers_without_tags_are_refused(tmp_path: Path) -> None:
    document = task(tmp_path).model_dump()
    document["tokenizer"] = {"kind": "characters"}
    with pytest.raises(ValueError, match="several targets need"):
        RunConfig.model_validate(document)
    document = task(tmp_path).model_dump()
    document["corpus"]["train"][0]["source"] = "es"
    with pytest.raises(ValueError, match=r"several sources \(en, es\) and several targets"):
        RunConfig.model_validate(document)
    document = task(tmp_path).model_dump()
    document["corpus"]["test"][0]["target"] = "es"
    with pytest.raises(ValueError, match="no training file has the target 'es'"):
        RunConfig.model_validate(document)


def two_sources(folder: Path) -> RunConfig:
    """A word (de), or its capitals (es), into the word itself (en)."""
    (folder / "two.tsv").write_text("".join(f"{word}\t{word.upper()}\t{word}\n" for word in words(300, seed=2)))
    shared = {"path": "two.tsv", "columns": ["de", "es", "en"], "licence": "CC0"}
    entries = [{**shared, "name": f"words-{source}", "source": source} for source in ("de", "es")]
    document = write_task(folder, pairs=10, max_steps=60).model_dump()
    document |= {"source": "de", "target": "en"}
    lines = [f"{word}\t{word.upper()}\t{word}\n" for word in words(20, seed=9, longest=9)]
    (folder / "test.tsv").write_text("".join(lines), encoding="utf-8")
    document["corpus"] |= {"train": entries, "test": [{**entry, "path": "test.tsv"} for entry in entries]}
    return RunConfig.model_validate(document)


def test_several_sources_are_read_without_a_tag(tmp_path: Path) -> None:
    config, run = two_sources(tmp_path), tmp_path / "run"
    assert (config.sources, config.tagged, config.bundle_name) == (("de", "es"), (), "de-es-en")
    prepare(config, tmp_path, run)
    tokenizer = load_run_tokenizer(config, run)
    pairs = TokenPairs.load(run / "train.npz")
    read = [tokenizer.decode(pairs.source.sentence(index).tolist()) for index in range(len(pairs))]
    assert {word.isupper() for word in read} == {False, True}
    Trainer(config, run).fit()
    bundle = load_bundle(export(config, run)[0]["int8"])
    assert bundle.manifest.sources == ("de", "es")
    assert bundle.between("es").manifest.source == "es"
    assert [scored.name for scored in evaluate(config, tmp_path, run, bundle.folder)] == ["dev", "words-de", "words-es"]
    with pytest.raises(BundleFormatError, match="translates from de, es, not from fr"):
        bundle.between("fr")


def test_own_text_is_of_one_pair_of_the_bundle(tmp_path: Path) -> None:
    several = two_sources(tmp_path)
    assert languages_of(several, ("de", "en")) == (None, None)
    assert languages_of(several, ("en", "es")) == ("es", None)
    assert languages_of(task(tmp_path), ("en", "de")) == (None, "de")
    with pytest.raises(CorpusError, match=r"columns fr, en: the bundle translates from de, es into en"):
        languages_of(several, ("fr", "en"))
