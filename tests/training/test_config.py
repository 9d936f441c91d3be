"""A run's TOML file: every key checked, every fault named."""

from pathlib import Path

import pytest

from tests.reversal import write_task
from training.config import load_config
from training.errors import ConfigError

CONFIGS = sorted((Path(__file__).parents[2] / "training" / "configs").glob("*.toml"))


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_every_config_of_the_repository_loads(path: Path) -> None:
    config = load_config(path)
    assert config.name == path.stem
    assert all(entry.licence for entry in config.corpus.train)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("dropout = 0.0", "dropuot = 0.0", r"model\.dropuot: Extra inputs are not permitted"),
        ("dropout = 0.0", "dropout = 1.5", r"model\.dropout: .*less than 1.*given: 1\.5"),
        ("bucket_widths = [5, 8]", "bucket_widths = [8, 5]", r"bucket_widths must ascend, got \[8, 5\]"),
        ("tokens_per_batch = 800", "tokens_per_batch = 6", r"tokens_per_batch \(6\) must hold one row of the widest"),
        ("dev_fraction = 0.03", "", "either corpus.dev files or a corpus.dev_fraction"),
        ('name = "reversal"', 'name = "../reversal"', "name: .*pattern"),
        ("[model]", "[model", "reversal.toml: "),
    ],
)
def test_a_fault_is_named(tmp_path: Path, old: str, new: str, message: str) -> None:
    write_task(tmp_path, pairs=10)
    path = tmp_path / "reversal.toml"
    path.write_text(path.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")
    with pytest.raises(ConfigError, match=message):
        load_config(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.toml"):
        load_config(tmp_path / "none.toml")
