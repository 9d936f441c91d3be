"""The configuration of a run: one TOML file. Every key is checked; an unknown key is an error that names it."""

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
    """The table ``[training]``: batches, optimizer, regularisation and limits of a run.

    Attributes:
        tokens_per_batch: Tokens of one side of a batch, padding included.
        bucket_widths: Widths of the length buckets, in tokens, ascending. A longer pair is left out.
        max_steps: Steps after which training ends; the learning rate falls until then.
        budget_seconds: Processor seconds of the training steps, summed over all threads. The budget makes runs
            comparable, also on a busy machine; the learning rate then follows it instead of ``max_steps``.
        warmup_steps: Steps over which the learning rate rises.
        learning_rate: At its peak.
        final_learning_rate_fraction: Learning rate at the end of the run, as a fraction of the peak.
        optimizer: ``adam`` or ``rmsprop``.
        label_smoothing: Probability mass that is spread over the whole vocabulary.
        sampling: Probability that the decoder reads its own last prediction instead of the true token in training:
            0 is teacher forcing, 1 free running (scheduled sampling: Bengio et al. 2015, arXiv:1506.03099).
        sampling_rise: Fraction of the run over which ``sampling`` rises from 0 to its value.
        loss_on: ``last`` counts only the last token of a target (before its eos) in the loss and on dev, for tasks
            that read a sequence and answer at its end.
        resegmentation: Words are segmented anew each time that a pair is read: by sampling from a unigram vocabulary
            at this temperature (Kudo 2018, arXiv:1804.10959), or by leaving out this share of the merges of a BPE
            vocabulary (Provilkov et al. 2020, arXiv:1910.13267). 0 turns it off.
        averaged_steps: Approximate number of last steps over which weights are averaged, as an exponential moving
            average (Polyak & Juditsky 1992). Dev is measured with the averaged weights, and they are exported.
        shortlist: Number of vocabulary tokens that stand for all in the loss (``shortlist.py``). A batch that writes
            more different tokens uses all. Dev is always measured with all.
        shortlist_until: Fraction of the run after which the shortlist is no longer used.
        gradient_clip_norm: Largest global norm of the gradients.
        evaluate_every_steps: Steps between two measurements on dev.
        checkpoint_every_steps: Steps between two checkpoints.
        patience_evaluations: Measurements on dev without an improvement after which training ends.
        precision: Of the arithmetic; weights are kept in float32.
        jit_compile: Whether TensorFlow compiles the step with XLA.
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
    """The table ``[export]``: limits and default search of the bundle, and the checks of the export.

    Attributes:
        max_source_tokens: Longest source that the bundle accepts, in tokens.
        max_target_tokens: Longest target that the bundle writes, in tokens.
        beam_size: Default beam of the bundle.
        length_penalty: Default length penalty of the bundle.
        calibration_sentences: Dev sentences that determine the activation scales of the int8 graphs.
        parity_sentences: Dev sentences on which graphs and model are compared.
        parity_tolerance: Largest accepted difference of log probabilities between the float32 graphs and the model.
        start_share: Of the weights that are exported, the share of those that the run began with (``train --weights``);
            the rest are the best ones. A model that learned another kind of text keeps more of what it could before
            (Wortsman et al. 2022, arXiv:2109.01903).
    """

    max_source_tokens: Positive = 200
    max_target_tokens: Positive = 300
    beam_size: Positive = 4
    length_penalty: Annotated[float, Field(ge=0)] = 1.0
    calibration_sentences: Positive = 300
    parity_sentences: Positive = 100
    parity_tolerance: Annotated[float, Field(gt=0)] = 2e-4
    start_share: Annotated[float, Field(ge=0, lt=1)] = 0.0


class RunConfig(Section):
    """The whole file: what is read, how it is tokenised, what is trained and what is exported.

    Attributes:
        name: Of the run and of its folder.
        source: Language of the sources; a training file may name another.
        target: Language of the targets; a training file may name another.
        seed: Of every random choice.
        task: The generated task that the corpus belongs to. It determines how ``accuracy`` builds its questions and
            groups the answers. None for text.
        begins_with: The model whose weights ``train --weights`` starts from, for the model card.
    """

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
        """Target languages that a tag on the source selects, the run's target first; empty if there is only one."""
        others = [entry.target for entry in self.corpus.train if entry.target not in (None, self.target)]
        return (self.target, *dict.fromkeys(code for code in others if code)) if others else ()

    @property
    def sources(self) -> tuple[str, ...]:
        """The languages that the model reads, the run's source first."""
        return tuple(dict.fromkeys((self.source, *(entry.source or self.source for entry in self.corpus.train))))

    @property
    def bundle_name(self) -> str:
        """Name of the bundle's folder: all languages of the model, sources first."""
        return "-".join(dict.fromkeys((*self.sources, *(self.tagged or (self.target,)))))

    @model_validator(mode="after")
    def _one_side_has_one_language(self) -> "RunConfig":
        if len(self.sources) > 1 and self.tagged:
            raise ValueError(
                f"several sources ({', '.join(self.sources)}) and several targets ({', '.join(self.tagged)}): the "
                f"bundle would offer pairs of languages that were not trained"
            )
        if len(self.sources) > 1 and self.target in self.sources:
            raise ValueError(f"{self.target} is a source and the target")
        for entry in (*self.corpus.dev, *self.corpus.test):
            if entry.source not in (None, *self.sources):
                raise ValueError(f"{entry.name}: no training file has the source {entry.source!r}")
        return self

    @model_validator(mode="after")
    def _tags_fit_the_tokenizer(self) -> "RunConfig":
        if self.tagged and self.tokenizer.kind != "sentencepiece":
            raise ValueError(f"several targets need tokenizer.kind = 'sentencepiece', not {self.tokenizer.kind!r}")
        for entry in (*self.corpus.dev, *self.corpus.test):
            if entry.target not in (None, self.target, *self.tagged):
                raise ValueError(f"{entry.name}: no training file has the target {entry.target!r}")
        return self

    @model_validator(mode="after")
    def _sampling_options_fit(self) -> "RunConfig":
        if self.training.resegmentation and self.tokenizer.kind != "sentencepiece":
            raise ValueError(f"resegmentation needs tokenizer.kind = 'sentencepiece', not {self.tokenizer.kind!r}")
        if self.model.recurrent_dropout and self.training.sampling:
            raise ValueError(
                "recurrent_dropout and sampling exclude each other: sampling runs the decoder in single steps"
            )
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
    """Reads a run's TOML file. A file with ``base = "other.toml"`` holds only what differs from that file beside it.

    Args:
        path: The TOML file.

    Raises:
        ConfigError: The file is unreadable or no TOML, a key is unknown or a value is bad; the message names each.
    """
    document = _read(path)
    base = document.pop("base", None)
    if isinstance(base, str):
        document = _merge(_read(path.parent / base), document)
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


def _merge(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """Merges ``changes`` into a copy of ``base``: tables key by key, other values are replaced."""
    merged = dict(base)
    for key, value in changes.items():
        former = merged.get(key)
        merged[key] = _merge(former, value) if isinstance(former, dict) and isinstance(value, dict) else value
    return merged
