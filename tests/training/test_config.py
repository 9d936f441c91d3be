"""A run's TOML file: every key is checked, and errors name the key."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from tests.support.reversal import write_task
from training.config import load_config
from training.errors import ConfigError
from training.model.config import ModelConfig

CONFIGS = sorted((Path(__file__).parents[2] / "training" / "configs").glob("*.toml"))


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_every_config_of_the_repository_loads(path: Path) -> None:
    config = load_config(path)
    assert config.name == path.stem
    assert all(entry.licence for entry in config.corpus.train)


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_every_config_of_the_repository_builds_its_model(path: Path) -> None:
    from training.model.seq2seq import EncoderDecoder

    model = EncoderDecoder(load_config(path).model, 50)
    model.build_weights()
    paths = [variable.path for variable in model.trainable_variables]
    assert len(set(paths)) == len(paths)


def test_the_systems_of_the_family_share_their_corpus() -> None:
    base = "bases/tatoeba-en-fr.toml"
    family = {
        config.name: config
        for config in (load_config(path) for path in CONFIGS if base in path.read_text(encoding="utf-8"))
    }
    assert len(family) >= 17
    # A fifth held out instead of the dev set; more languages.
    others = {"char-lstm", "char-gru", "multitask"}
    assert len({config.corpus.model_dump_json() for name, config in family.items() if name not in others}) == 1
    assert len({config.corpus.train[0].model_dump_json() for config in family.values()}) == 1
    assert len({config.corpus.test[0].model_dump_json() for config in family.values()}) == 1
    assert [family[name].corpus.dev_fraction for name in ("char-lstm", "char-gru")] == [0.2, 0.2]
    assert len({config.model.model_dump_json() for config in family.values()}) >= 12


def test_a_base_supplies_missing_keys(tmp_path: Path) -> None:
    write_task(tmp_path, pairs=10)
    path = tmp_path / "other.toml"
    path.write_text('base = "reversal.toml"\nname = "other"\n[model]\nunits = 7\n', encoding="utf-8")
    config, base = load_config(path), load_config(tmp_path / "reversal.toml")
    assert config.model == base.model.model_copy(update={"units": 7})
    assert (config.name, config.corpus, config.training) == ("other", base.corpus, base.training)
    path.write_text("base = 1\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="base must be the name of a file, got 1"):
        load_config(path)
    path.write_text('base = "none.toml"\n', encoding="utf-8")
    with pytest.raises(ConfigError, match=r"none\.toml"):
        load_config(path)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ({"attention": "dot"}, "dot attention needs memory of 96 units, the encoder has 48"),
        ({"bridge": "copy"}, "the encoder has 1 of 48, the decoder 2 of 96"),
        ({"input": "one-hot"}, "tied needs a readout and input = 'embedding'"),
        ({"readout": False}, "tied needs a readout"),
        ({"readout": False, "tied": False, "input_feeding": True}, "input_feeding needs a readout"),
        ({"reads_tokens": False}, "a decoder that reads no tokens needs a context"),
        ({"attention": "none", "bridge": "zero"}, "the decoder receives nothing of the source"),
        ({"attention": "none", "bridge": "start"}, "the decoder receives nothing of the source"),
        (
            {"encoder_layers": 0},
            "encoder_layers = 0 gives the decoder nothing to read: .* 'dense', 'none' and 'general'",
        ),
        ({"encoder_layers": -1}, "greater than or equal to 0"),
        ({"cell": "gru", "forget_bias": 2.0}, "forget_bias is 2.0, a gru cell has no forget gate of its own"),
    ],
)
def test_parts_that_do_not_fit_are_refused(model: dict[str, object], message: str) -> None:
    sizes = {"encoder_units": 48, "encoder_layers": 1, "units": 96, "bidirectional": False}
    with pytest.raises(ValidationError, match=message):
        ModelConfig.model_validate(sizes | model)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("dropout = 0.0", "dropuot = 0.0", r"model\.dropuot: Extra inputs are not permitted"),
        ("dropout = 0.0", "dropout = 1.5", r"model\.dropout: .*less than 1.*given: 1\.5"),
        ("bucket_widths = [5, 8]", "bucket_widths = [8, 5]", r"bucket_widths must ascend, got \[8, 5\]"),
        ("tokens_per_batch = 800", "tokens_per_batch = 6", r"tokens_per_batch \(6\) must hold one row of the widest"),
        ("dev_fraction = 0.03", "", "either corpus.dev files or a corpus.dev_fraction"),
        ('name = "reversal"', 'name = "../reversal"', "name: .*pattern"),
        ("dev_fraction", 'sides = "target"\ndev_fraction', "corpus.sides is 'target' and model.encoder_layers 1"),
        (
            "dev_fraction = 0.03",
            'dev_fraction = 0.03\nsides = "target"\n[[corpus.test]]\nname = "t"\npath = "t.en"\ntarget_path = "t.fr"\n'
            'licence = "CC0"',
            "sides = 'target' reads one file, t has a target_path: t.fr",
        ),
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
