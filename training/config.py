"""A run is one TOML file. Every key is checked; an unknown key is an error that names it."""

import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, model_validator

from training.config_section import Fraction, Positive, Section
from training.data.config import CorpusConfig, TokenizerConfig
from training.errors import ConfigError
from training.model.config import ModelConfig

TaskName = Literal["addition", "execute", "memory"]


class TrainingConfig(Section):
    """What is learned from, and how.

    - ``sampling``: how often the decoder reads its own last prediction in place of the true token while training, 0
      for teacher forcing and 1 for free running; it rises to this over the first ``sampling_rise`` of the run.
    - ``loss_on = "last"``: only the last token of a target (its eos aside) counts in the loss and on dev, for tasks
      that read a sequence and answer at its end.
    - ``budget_seconds`` is processor time of the training steps, all threads together: equal for runs that are to be
      compared, also on a busy machine. The learning rate then follows the budget instead of ``max_steps``.
    - ``resegmentation``: each time that a pair is met, its words are cut into other pieces: by a unigram vocabulary at
      this temperature (Kudo 2018, arXiv:1804.10959), by a BPE one with so many merges left out (Provilkov et al. 2020,
      arXiv:1910.13267).
    - ``averaged_steps``: what is measured on dev and exported are the weights averaged over about so many last steps
      (Polyak & Juditsky 1992, as an exponential moving average).
    - ``shortlist``: so many tokens of the vocabulary stand for all in the loss (see ``shortlist.py``), for the first
      ``shortlist_until`` of the run; then all do, and always for a batch that writes more different tokens. Dev is
      measured with all.
    """

    tokens_per_batch: Positive = 2500
    bucket_widths: Annotated[tuple[Positive, ...], Field(min_length=1)] = (8, 12, 16, 24, 40, 64)
    max_steps: Positive = 10_000
    budget_seconds: Annotated[float, Field(gt=0)] | None = None
    warmup_steps: Positive = 500
    learning_rate: Annotated[float, Field(gt=0)] = 2e-3
    final_learning_rate_fraction: Annotated[float, Field(ge=0, le=1)] = 0.02
    optimizer: Literal["adam", "rmsprop"] = "adam"
    label_smoothing: Fraction = 0.1
    sampling: Annotated[float, Field(ge=0, le=1)] = 0.0
    sampling_rise: Annotated[float, Field(ge=0, le=1)] = 0.0
    loss_on: Literal["all", "last"] = "all"
    resegmentation: Fraction = 0.0
    averaged_steps: Annotated[int, Field(ge=2)] | None = None
    shortlist: Positive | None = None
    shortlist_until: Annotated[float, Field(ge=0, le=1)] = 0.9
    gradient_clip_norm: Annotated[float, Field(gt=0)] = 1.0
    evaluate_every_steps: Positive = 500
    checkpoint_every_steps: Positive = 250
    patience_evaluations: Positive = 8
    precision: Literal["float32", "bfloat16"] = "bfloat16"
    jit_compile: bool = False

    @model_validator(mode="after")
    def _widths_ascend(self) -> "TrainingConfig":
        if list(self.bucket_widths) != sorted(set(self.bucket_widths)):
            raise ValueError(f"bucket_widths must ascend, got {list(self.bucket_widths)}")
        if self.tokens_per_batch < self.bucket_widths[-1]:
            raise ValueError(
                f"tokens_per_batch ({self.tokens_per_batch}) must hold one row of the widest bucket "
                f"({self.bucket_widths[-1]})"
            )
        return self


class ExportConfig(Section):
    max_source_tokens: Positive = 200
    max_target_tokens: Positive = 300
    beam_size: Positive = 4
    length_penalty: Annotated[float, Field(ge=0)] = 1.0
    calibration_sentences: Positive = 300
    parity_sentences: Positive = 100
    parity_tolerance: Annotated[float, Field(gt=0)] = 2e-4


class RunConfig(Section):
    """The whole run: what is read, how it is cut, what is learned and what is exported. ``task``: what is made up, and
    so how ``accuracy`` asks and groups its answers; None for text. ``begins_with``: whose weights ``train --weights``
    is given, for the model card."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]+$")]
    source: Annotated[str, Field(pattern=r"^[a-z]{2,3}$")]
    target: Annotated[str, Field(pattern=r"^[a-z]{2,3}$")]
    seed: int = 1
    task: TaskName | None = None
    begins_with: str | None = None
    corpus: CorpusConfig
    tokenizer: TokenizerConfig = TokenizerConfig()
    model: ModelConfig = ModelConfig()
    training: TrainingConfig = TrainingConfig()
    export: ExportConfig = ExportConfig()

    @property
    def tagged(self) -> tuple[str, ...]:
        """The languages that a tag on the source asks for, the run's target first; none for a single task."""
        others = [entry.target for entry in self.corpus.train if entry.target not in (None, self.target)]
        return (self.target, *dict.fromkeys(code for code in others if code)) if others else ()

    @property
    def sources(self) -> tuple[str, ...]:
        """The languages that the model reads, the run's source first."""
        return tuple(dict.fromkeys((self.source, *(entry.source or self.source for entry in self.corpus.train))))

    @property
    def bundle_name(self) -> str:
        """The folder of its bundle among others: all its languages, sources first."""
        return "-".join(dict.fromkeys((*self.sources, *(self.tagged or (self.target,)))))

    @model_validator(mode="after")
    def _one_side_has_one_language(self) -> "RunConfig":
        if len(self.sources) > 1 and self.tagged:
            raise ValueError(
                f"several sources ({', '.join(self.sources)}) and several targets ({', '.join(self.tagged)}): pairs "
                f"that nobody trained would be offered"
            )
        if len(self.sources) > 1 and self.target in self.sources:
            raise ValueError(f"{self.target} is a source and the target")
        for entry in (*self.corpus.dev, *self.corpus.test):
            if entry.source not in (None, *self.sources):
                raise ValueError(f"{entry.name}: no training file has the source {entry.source!r}")
        return self

    @model_validator(mode="after")
    def _tags_can_be_kept(self) -> "RunConfig":
        if self.tagged and self.tokenizer.kind != "sentencepiece":
            raise ValueError(f"several targets need tokenizer.kind = 'sentencepiece', not {self.tokenizer.kind!r}")
        for entry in (*self.corpus.dev, *self.corpus.test):
            if entry.target not in (None, self.target, *self.tagged):
                raise ValueError(f"{entry.name}: no training file has the target {entry.target!r}")
        return self

    @model_validator(mode="after")
    def _drawn_as_can_be(self) -> "RunConfig":
        if self.training.resegmentation and self.tokenizer.kind != "sentencepiece":
            raise ValueError(f"resegmentation needs tokenizer.kind = 'sentencepiece', not {self.tokenizer.kind!r}")
        if self.model.recurrent_dropout and self.training.sampling:
            raise ValueError("recurrent_dropout and sampling exclude each other: sampling goes through single steps")
        return self

    @model_validator(mode="after")
    def _encoder_has_a_source(self) -> "RunConfig":
        if (self.corpus.sides == "target") != (self.model.encoder_layers == 0):
            raise ValueError(
                f"corpus.sides is {self.corpus.sides!r} and model.encoder_layers {self.model.encoder_layers}: an empty "
                f"source ('target') has nothing to encode and needs 0 layers, a source ('both') needs 1 or more"
            )
        return self


def load_config(path: Path) -> RunConfig:
    """Read a run's TOML file. With ``base = "other.toml"`` it says only what differs from that file beside it.

    :raises ConfigError: unreadable file, broken TOML, an unknown key or a bad value; the message names each.
    """
    document = _read(path)
    base = document.pop("base", None)
    if isinstance(base, str):
        document = _over(_read(path.parent / base), document)
    elif base is not None:
        raise ConfigError(f"{path}: base must be the name of a file, got {base!r}")
    try:
        return RunConfig.model_validate(document)
    except ValidationError as error:
        lines = [
            f"  {'.'.join(map(str, e['loc'])) or '(file)'}: {e['msg']} (given: {e['input']!r:.80})"
            for e in error.errors()
        ]
        raise ConfigError("\n".join([f"{path}: {len(lines)} bad value(s)", *lines])) from error


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{path}: {error}") from error


def _over(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """``changes`` laid over ``base``: tables key by key, anything else as a whole."""
    merged = dict(base)
    for key, value in changes.items():
        below = merged.get(key)
        merged[key] = _over(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
    return merged
