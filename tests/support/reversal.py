"""A task learned in under a minute that proves the whole chain: write the letters of a word backwards."""

import random
from pathlib import Path

from training.config import RunConfig, load_config

LETTERS = "abcdefghij"


def words(count: int, seed: int, longest: int = 7) -> list[str]:
    """Random words, each once."""
    generator = random.Random(seed)
    found: dict[str, None] = {}
    while len(found) < count:
        found["".join(generator.choices(LETTERS, k=generator.randint(2, longest)))] = None
    return list(found)


def write_task(folder: Path, pairs: int = 4000, max_steps: int = 600) -> RunConfig:
    """Corpus and TOML file in ``folder``; the run's configuration."""
    lines = [f"{word}\t{word[::-1]}\n" for word in words(pairs, seed=1)]
    (folder / "pairs.tsv").write_text("".join(lines), encoding="utf-8")
    config = folder / "reversal.toml"
    config.write_text(
        f"""
name = "reversal"
source = "en"
target = "fr"

[corpus]
dev_fraction = 0.03

[[corpus.train]]
name = "words"
path = "pairs.tsv"
licence = "CC0"

[tokenizer]
kind = "characters"

[model]
embedding = 32
encoder_units = 48
encoder_layers = 1
units = 96
dropout = 0.0

[training]
tokens_per_batch = 800
bucket_widths = [5, 8]
max_steps = {max_steps}
warmup_steps = 50
learning_rate = 6e-3
label_smoothing = 0.0
evaluate_every_steps = {max(1, max_steps // 4)}
checkpoint_every_steps = {max(1, max_steps // 8)}
precision = "float32"

[export]
max_source_tokens = 20
max_target_tokens = 40
parity_sentences = 40
calibration_sentences = 60
""",
        encoding="utf-8",
    )
    return load_config(config)
