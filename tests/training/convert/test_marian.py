"""The conversion of a model's files into a bundle: what is written, and what is refused before anything is."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from app.bundle.manifest import ShortlistEntry
from app.bundle.store import Bundle, load_bundle
from tests.support.marian_models import LEXICON, float_model, pieces, sentences, vocabulary, write_npz
from tests.training.convert.conftest import SHAPE, texts_of
from training.__main__ import main
from training.convert import parity
from training.convert.marian import MarianFiles, Published, convert
from training.convert.parity import LEAST_AGREEMENT, check_student
from training.convert.student import Student
from training.errors import ConversionError, ParityError

EN_FR = Published("en", "fr", "en-fr")
ENTRY = ShortlistEntry(file="shortlist.bin", first=10, adds_source_ids=True, is_default=False)


def test_the_manifest_names_origin_and_limits(converted: Bundle) -> None:
    manifest = converted.manifest
    assert manifest.origin is not None
    assert manifest.origin.licence == "MPL-2.0"
    assert "model.enfr.intgemm.alphas.bin" in manifest.origin.files
    assert len(manifest.origin.files) == 2 + bool(manifest.source_tokenizer) + bool(manifest.shortlist)
    assert (manifest.limits.max_source_tokens, manifest.limits.max_target_ratio) == (128, 2.0)
    assert manifest.tokenizer.bos_id == manifest.tokenizer.vocabulary_size - 1
    assert "MPL-2.0" in (converted.folder / "MODEL_CARD.md").read_text(encoding="utf-8")


def test_the_graphs_equal_the_equations(model_files: MarianFiles, tmp_path: Path) -> None:
    _, found = convert(model_files, EN_FR, tmp_path / "en-fr")
    assert found.sentences >= 40
    assert min(found.forced, found.free) >= 0.98
    assert found.median_difference <= 1e-5
    assert LEAST_AGREEMENT <= 0.98


def test_graphs_of_other_weights_are_refused(
    model_files: MarianFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = check_student

    def other(student: Student, *rest: object) -> object:
        first = student.decoder[0]
        unit = replace(first.recurrence, norm=replace(first.recurrence.norm, bias=first.recurrence.norm.bias + 0.3))
        changed = (replace(first, recurrence=unit), *student.decoder[1:])
        return usual(replace(student, decoder=changed), *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(parity, "check_student", other)
    with pytest.raises(ParityError, match="the graphs agree with the equations on"):
        convert(model_files, EN_FR, tmp_path / "en-fr")
    assert list(tmp_path.iterdir()) == []


def test_a_checkpoint_is_calibrated(tmp_path: Path) -> None:
    vocab = tmp_path / "vocab.enfr.spm"
    vocab.write_bytes(vocabulary(1))
    (tmp_path / "model.npz").write_bytes(write_npz(float_model(SHAPE, (pieces(vocabulary(1)),), 3)))
    (tmp_path / "en.txt").write_text("\n".join(sentences(24, 3)), encoding="utf-8")
    files = MarianFiles(tmp_path / "model.npz", vocab, vocab, tmp_path / "en.txt")
    _, found = convert(files, EN_FR, tmp_path / "models" / "en-fr")
    assert found.forced >= 0.95
    with pytest.raises(ConversionError, match="--calibrate"):
        convert(replace(files, calibration=None), EN_FR, tmp_path / "models" / "other")
    (tmp_path / "en.txt").write_text("\n\n", encoding="utf-8")
    with pytest.raises(ConversionError, match="no sentence"):
        convert(files, EN_FR, tmp_path / "models" / "other")
    assert not (tmp_path / "models" / "other").exists()


def test_the_vocabulary_of_another_model_is_refused(model_files: MarianFiles, tmp_path: Path) -> None:
    other = tmp_path / "vocab.spm"
    other.write_bytes(vocabulary(2, 450))
    with pytest.raises(ConversionError, match="vocabulary of another model"):
        convert(replace(model_files, source_vocabulary=other, target_vocabulary=other), EN_FR, tmp_path / "en-fr")
    other.write_bytes(b"no model")
    with pytest.raises(ConversionError, match="is no vocabulary"):
        convert(replace(model_files, target_vocabulary=other), EN_FR, tmp_path / "en-fr")
    assert not (tmp_path / "en-fr").exists()


def test_a_bundle_that_was_trained_is_not_replaced(model_files: MarianFiles, tmp_path: Path) -> None:
    folder = tmp_path / "en-fr"
    convert(model_files, EN_FR, folder)
    convert(model_files, EN_FR, folder)  # a converted one is
    content = (folder / "manifest.json").read_text(encoding="utf-8")
    start = content.index('"origin": {')
    end = content.index('"quality"')
    (folder / "manifest.json").write_text(content[:start] + '"origin": null,\n' + content[end:], encoding="utf-8")
    before = texts_of(folder)
    with pytest.raises(ConversionError, match="not converted; choose another --name, or --replace"):
        convert(model_files, EN_FR, folder)
    assert texts_of(folder) == before
    convert(model_files, EN_FR, folder, replace=True)
    assert load_bundle(folder).manifest.origin is not None


def test_the_command_converts_files_and_folders(
    model_files: MarianFiles, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    common = ["--source", "en", "--target", "fr", "--install", str(tmp_path)]
    vocab = str(model_files.source_vocabulary)
    assert main(["convert", "marian", str(model_files.model), "--vocab", vocab, *common]) == 0
    assert "100.0%" in capsys.readouterr().out
    assert main(["convert", "marian", str(model_files.model.parent), *common, "--name", "again"]) == 0
    first, second = (load_bundle(tmp_path / name) for name in ("en-fr", "again"))
    assert first.encoder_path.read_bytes() == second.encoder_path.read_bytes()
    assert (first.manifest.shortlist, second.manifest.shortlist) == (None, ENTRY)  # the folder has one
    lexicon = str(model_files.model.parent / LEXICON)
    arguments = ["convert", "marian", str(model_files.model), "--vocab", vocab, "--shortlist", lexicon, *common]
    assert main([*arguments, "--use-shortlist"]) == 0
    third = load_bundle(tmp_path / "en-fr")
    assert third.manifest.shortlist == ENTRY.model_copy(update={"is_default": True})
    assert third.decoder_step_path.read_bytes() == second.decoder_step_path.read_bytes()
    assert main(["convert", "marian", str(model_files.model), "--vocab", vocab, "--use-shortlist", *common]) == 1
    assert "--use-shortlist needs --shortlist" in capsys.readouterr().err
    assert main(["convert", "marian", str(model_files.model), "--source-vocab", vocab, *common]) == 1
    assert "--source-vocab and --target-vocab" in capsys.readouterr().err
    (tmp_path / "empty").mkdir()
    assert main(["convert", "marian", str(tmp_path / "empty"), *common]) == 1
    assert "has no model with constant scales" in capsys.readouterr().err


def test_weights_stay_as_they_were(model_files: MarianFiles, tmp_path: Path) -> None:
    """The file's own int8 numbers are in the graphs."""
    import onnx

    from training.convert.marian_file import read_model

    convert(model_files, EN_FR, tmp_path / "en-fr")
    graph = onnx.load(str(tmp_path / "en-fr" / "decoder_step.onnx")).graph
    tensors = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer}
    items = read_model(model_files.model).items
    assert np.array_equal(tensors["embedding"][:-1], items["Wemb"].values)
    assert np.array_equal(tensors["decoder_l1_ffn_W2_int8"], items["decoder_l1_ffn_W2"].values)
