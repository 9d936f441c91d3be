"""The page with the quality of shipped bundles on dev sets."""

import shutil
from pathlib import Path

import pytest

from app.bundle.store import load_bundle
from tests.support.reversal import words
from tests.training.conftest import TrainedRun
from training.__main__ import main
from training.errors import ConfigError, CorpusError
from training.evaluate.error_analysis import FAULTS, SHORTEST_REFERENCE
from training.evaluate.quality import dev_sets, measure_bundle
from training.evaluate.quality_page import BEGIN, END, write_page
from training.evaluate.quality_results import SetResult, load_result, result_file
from training.export.export import export

pytestmark = pytest.mark.slow

KNOWN = words(30, seed=1, longest=6)


@pytest.fixture(scope="module")
def measured(trained_run: TrainedRun, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A folder with ``data``, ``results`` and ``page.md``, and the bundle that they are about."""
    folder = tmp_path_factory.mktemp("quality")
    dev = folder / "data" / "en-fr" / "dev"
    dev.mkdir(parents=True)
    for name, pairs in (
        ("everyday", [(word, word[::-1]) for word in KNOWN]),
        # References far too long, so that words are missing.
        ("longer", [(word, word[::-1] * 8) for word in KNOWN[:10]]),
    ):
        (dev / f"{name}.tsv").write_text("".join(f"{left}\t{right}\n" for left, right in pairs), encoding="utf-8")
    test = folder / "data" / "en-fr" / "test"
    test.mkdir()
    (test / "secret.tsv").write_text("not even two columns\n", encoding="utf-8")
    (folder / "page.md").write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n", encoding="utf-8")
    bundle = shutil.copytree(export(trained_run.config, trained_run.run)[0]["int8"], folder / "en-fr")
    assert main(arguments(folder, bundle)) == 0
    return folder, bundle


def arguments(folder: Path, bundle: Path) -> list[str]:
    places = ["--data", str(folder / "data"), "--results", str(folder / "results"), "--page", str(folder / "page.md")]
    return ["quality", str(bundle), *places]


def result(folder: Path, name: str) -> SetResult:
    found = load_result(result_file(folder / "results", "en-fr", "en", "fr", name))
    assert found is not None
    return found


def test_the_page_holds_results_of_dev_sets_only(measured: tuple[Path, Path]) -> None:
    folder, bundle = measured
    page = (folder / "page.md").read_text(encoding="utf-8")
    assert page.startswith(f"before\n{BEGIN}\n")
    assert page.endswith(f"\n{END}\nafter\n")
    assert "old" not in page
    assert "secret" not in page
    everyday, longer = result(folder, "everyday"), result(folder, "longer")
    assert (everyday.segments, longer.segments) == (30, 10)
    assert everyday.quality[0].beam_size == load_bundle(bundle).manifest.search.beam_size
    assert everyday.quality[1].score > 90
    assert everyday.faults["words missing"] == 0
    assert longer.faults["words missing"] == sum(len(word) * 8 >= SHORTEST_REFERENCE for word in KNOWN[:10])
    bleu, chrf = longer.quality
    assert f"| en-fr | en to fr | longer | 10 | {bleu.beam_size} | {bleu.score:.1f} ± {bleu.interval:.1f} | " in page
    assert f" {chrf.score:.1f} ± {chrf.interval:.1f} | {longer.cut} |\n" in page
    assert f"- BLEU: `{bleu.signature}`\n" in page
    shares = " | ".join(f"{10 * longer.faults[name]:.2f}" for name in FAULTS)
    assert f"| en-fr | en to fr | longer | {shares} |\n" in page
    (point,) = bleu.by_length
    assert f"| en-fr | en to fr | longer | {point.score:.1f} ± {point.interval:.1f} (10) |  |" in page


def test_sets_are_measured_again_only_for_a_changed_bundle(measured: tuple[Path, Path], tmp_path: Path) -> None:
    folder, bundle = measured
    shutil.copytree(folder / "results", tmp_path / "results")
    result_file(tmp_path / "results", "en-fr", "en", "fr", "longer").unlink()
    other = result(folder, "everyday").model_copy(update={"cut": 7})
    other.save(tmp_path / "results")
    said: list[str] = []
    found = measure_bundle(bundle, folder / "data", tmp_path / "results", said.append)
    assert [one.cut for one in found] == [7, result(folder, "longer").cut]
    assert [line.partition(":")[0] for line in said] == ["en-fr, en to fr, longer"]
    other.model_copy(update={"version": "another"}).save(tmp_path / "results")
    assert measure_bundle(bundle, folder / "data", tmp_path / "results", said.append)[0].cut != 7


def test_a_set_is_used_in_both_directions(measured: tuple[Path, Path]) -> None:
    data = measured[0] / "data"
    there, back = dev_sets(data, "en", "fr")[0], dev_sets(data, "fr", "en")[0]
    assert (there.source, there.target) == ("en", "fr")
    assert (back.source, back.target) == ("fr", "en")
    assert [(right, left) for left, right in there.pairs] == back.pairs


def test_errors_name_what_cannot_be_measured_or_written(
    measured: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, bundle = measured
    with pytest.raises(CorpusError, match=r"neither en-de/dev nor de-en/dev has a \.tsv file"):
        dev_sets(folder / "data", "en", "de")
    page = tmp_path / "page.md"
    page.write_text("no marks", encoding="utf-8")
    with pytest.raises(ConfigError, match="the comments"):
        write_page([result(folder, "longer")], page)
    # Before anything is measured.
    options = ["--data", str(folder / "data"), "--results", str(tmp_path / "results"), "--page", str(page)]
    assert main(["quality", str(bundle), *options]) == 1
    assert "the comments" in capsys.readouterr().err
    assert not (tmp_path / "results").exists()
    broken = result_file(tmp_path, "en-fr", "en", "fr", "longer")
    broken.parent.mkdir()
    broken.write_text("{}", encoding="utf-8")
    with pytest.raises(CorpusError, match="Field required"):
        load_result(broken)
