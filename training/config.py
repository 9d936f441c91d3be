"""A run is one TOML file. Every key is checked; an unknown key is an error that names it."""

import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from training.errors import ConfigError

CellKind = Literal["lstm", "gru", "peephole", "coupled"]
TaskName = Literal["addition", "execute", "memory"]
Fraction = Annotated[float, Field(ge=0, lt=1)]
Positive = Annotated[int, Field(ge=1)]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Attribution(_Section):
    """Where text comes from and what its licence asks for; copied into the manifest and the model card."""

    licence: str
    attribution: str = ""
    homepage: str | None = None


class CorpusFile(Attribution):
    """One piece of parallel text.

    ``path`` is relative to ``--data`` (or an ``http(s)`` URL): tab-separated (``.tsv .txt``, also ``.gz``), a ``.zip``
    holding one such file, or, with ``target_path``, one side of a Moses pair.

    ``target``: the language of its targets where that is not the run's. As soon as one file has its own, the model
    learns several tasks, and a tag before each source says which (``RunConfig.tagged``). The source's own language is a
    task too: to write the source again. ``source``: the language of its sources where that is not the run's; the model
    then reads several languages, and needs no tag for it.

    ``repeat``: each of its pairs is met so many times in an epoch.
    """

    name: str
    path: str
    source: str | None = None
    target: str | None = None
    target_path: str | None = None
    columns: tuple[str, ...] = ("en", "fr")
    sha256: str | None = None
    max_pairs: Positive | None = None
    max_words: Positive | None = None
    repeat: Positive = 1


class CorpusConfig(_Section):
    """``sides = "target"``: only the target's column is read and the source stays empty, for a model that goes on from
    what is begun and translates nothing.

    ``check_language``: a training pair of which a side is surely of another language is dropped.

    ``keep_best``: of each training file the share that the bundles of ``prepare --scored-by`` find likeliest is kept.

    ``noise``: so large a share of the training pairs comes once more, with a change to the source (``noise.py``).
    """

    sides: Literal["both", "target"] = "both"
    train: Annotated[tuple[CorpusFile, ...], Field(min_length=1)]
    dev: tuple[CorpusFile, ...] = ()
    dev_fraction: Fraction = 0.0
    test: tuple[CorpusFile, ...] = ()
    max_characters: Positive = 400
    max_words: Positive = 80
    max_ratio: Annotated[float, Field(gt=1)] = 3.0
    check_language: bool = False
    keep_best: Annotated[float, Field(gt=0, le=1)] = 1.0
    noise: Fraction = 0.0

    @model_validator(mode="after")
    def _dev_from_somewhere(self) -> "CorpusConfig":
        if bool(self.dev) == (self.dev_fraction > 0):
            raise ValueError("give either corpus.dev files or a corpus.dev_fraction above 0, not both, not neither")
        return self

    @model_validator(mode="after")
    def _one_side_in_one_file(self) -> "CorpusConfig":
        for entry in (*self.train, *self.dev, *self.test):
            if self.sides == "target" and entry.target_path is not None:
                raise ValueError(
                    f"sides = 'target' reads one file, {entry.name} has a target_path: {entry.target_path}"
                )
        return self

    @model_validator(mode="after")
    def _has_what_is_worked_on(self) -> "CorpusConfig":
        asked = {"check_language": self.check_language, "keep_best": self.keep_best < 1, "noise": self.noise > 0}
        for name in (name for name, is_asked in asked.items() if is_asked and self.sides == "target"):
            raise ValueError(f"{name} needs both sides of a pair, sides = 'target' has one")
        return self


class TokenizerConfig(_Section):
    kind: Literal["sentencepiece", "characters", "words"] = "sentencepiece"
    algorithm: Literal["unigram", "bpe"] = "unigram"
    vocabulary_size: Annotated[int, Field(ge=1, le=65_535)] = 8000  # ids are kept in 16 bits
    max_sentences: Positive = 500_000


class ModelConfig(_Section):
    """The pieces of the model. ``units`` is the width of each decoder layer; each direction of the encoder has
    ``encoder_units``.

    - ``encoder_layers = 0``: no encoder, a decoder alone.
    - ``bridge``: how the encoder's last state starts the decoder. ``dense`` makes every state from that of the top
      layer; ``copy`` hands the states of layer i to layer i. Two hand over nothing: ``zero`` begins with zeros,
      ``start`` with states that are learned.
    - ``context``: a fixed vector of the source that enters every step, the last state or the mean or maximum of all.
    - ``attention`` has its place after ``layers_below`` decoder layers and before ``layers_above``.
    - ``input_feeding``: the last readout enters the next step (Luong et al. 2015, arXiv:1508.04025).
    - ``reads_tokens = false``: no token enters the decoder; it writes from the context alone.
    - ``readout``: a tanh layer of ``embedding`` units between the decoder and the scores.
    - ``residual``: each layer but the lowest of either side adds to what it reads.
    - ``layer_norm``: what each recurrent layer gives is normalised (Ba et al. 2016, arXiv:1607.06450).
    - ``recurrent_dropout``: of the states between steps, one mask for a whole sequence (Gal & Ghahramani 2016,
      arXiv:1512.05287).
    - ``encoder = "self-attention"``: layers of self-attention of ``encoder_units`` with ``encoder_heads`` each, under a
      recurrent decoder (Chen et al. 2018, arXiv:1804.09849). In place of a last state it hands over the mean of all.
    - ``attention_heads``: general attention asks so many questions at once, each of a part of the memory (Vaswani et
      al. 2017, arXiv:1706.03762).
    - ``forget_bias``: of an LSTM's forget gates at first. The higher, the longer a cell keeps what it holds before it
      learned to: at 1 for some steps, at 5 for a hundred (Gers et al. 2000, "Learning to forget"; Jozefowicz et al.
      2015, "An empirical exploration of recurrent network architectures").
    """

    cell: CellKind = "lstm"
    encoder: Literal["recurrent", "self-attention"] = "recurrent"
    encoder_heads: Positive = 4
    input: Literal["embedding", "one-hot"] = "embedding"
    embedding: Positive = 384
    encoder_units: Positive = 192
    encoder_layers: Annotated[int, Field(ge=0)] = 2
    bidirectional: bool = True
    reversed_source: bool = False
    bridge: Literal["dense", "copy", "zero", "start"] = "dense"
    context: Literal["none", "last", "mean", "max"] = "none"
    units: Positive = 384
    layers_below: Positive = 1
    layers_above: Annotated[int, Field(ge=0)] = 1
    attention: Literal["none", "dot", "general", "bahdanau"] = "general"
    attention_heads: Positive = 1
    input_feeding: bool = False
    reads_tokens: bool = True
    residual: bool = False
    layer_norm: bool = False
    forget_bias: float = 1.0
    readout: bool = True
    tied: bool = True
    dropout: Fraction = 0.2
    recurrent_dropout: Fraction = 0.0

    @property
    def memory_units(self) -> int:
        """The width of the encoder's outputs, both directions together."""
        return self.encoder_units * (2 if self.bidirectional else 1)

    @property
    def decoder_layers(self) -> int:
        return self.layers_below + self.layers_above

    @model_validator(mode="after")
    def _pieces_fit(self) -> "ModelConfig":
        same_width = self.memory_units == self.units
        if self.attention == "dot" and not same_width:
            raise ValueError(f"dot attention needs memory of {self.units} units, the encoder has {self.memory_units}")
        if self.bridge == "copy" and not (same_width and self.encoder_layers == self.decoder_layers):
            raise ValueError(
                f"bridge copy needs as many layers of as many units on both sides: the encoder has "
                f"{self.encoder_layers} of {self.memory_units}, the decoder {self.decoder_layers} of {self.units}"
            )
        if self.tied and not (self.readout and self.input == "embedding"):
            raise ValueError("tied needs a readout and input = 'embedding'")
        if self.input_feeding and not self.readout:
            raise ValueError("input_feeding needs a readout")
        if not self.reads_tokens and self.context == "none":
            raise ValueError("a decoder that reads no tokens needs a context")
        reads_source = self.attention != "none" or self.context != "none" or self.bridge in ("dense", "copy")
        if self.encoder_layers and not reads_source:
            raise ValueError("the decoder knows nothing of the source: give it a bridge, a context or attention")
        if not self.encoder_layers and reads_source:
            raise ValueError(
                f"encoder_layers = 0 leaves nothing to read: it needs bridge = 'zero' or 'start', context and "
                f"attention 'none'; they are {self.bridge!r}, {self.context!r} and {self.attention!r}"
            )
        if self.forget_bias != 1.0 and self.cell not in ("lstm", "peephole"):
            raise ValueError(f"forget_bias is {self.forget_bias}, a {self.cell} cell has no forget gate of its own")
        if self.recurrent_dropout and (self.cell not in ("lstm", "gru") or self.input_feeding):
            raise ValueError("recurrent_dropout is for lstm and gru cells without input_feeding")
        return self

    @model_validator(mode="after")
    def _heads_divide(self) -> "ModelConfig":
        if self.attention_heads > 1 and self.attention != "general":
            raise ValueError(f"attention_heads is {self.attention_heads}: only general attention has heads")
        if self.memory_units % self.attention_heads:
            raise ValueError(f"attention_heads ({self.attention_heads}) must divide the memory ({self.memory_units})")
        if self.encoder == "self-attention":
            if self.bidirectional or self.reversed_source or not self.encoder_layers or self.bridge == "copy":
                raise ValueError(
                    "encoder = 'self-attention' sees all at once and has no last states: it needs encoder_layers, "
                    "bidirectional = false, reversed_source = false and a bridge other than copy"
                )
            if self.encoder_units % self.encoder_heads:
                raise ValueError(
                    f"encoder_heads ({self.encoder_heads}) must divide encoder_units ({self.encoder_units})"
                )
        return self


class TrainingConfig(_Section):
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


class ExportConfig(_Section):
    max_source_tokens: Positive = 200
    max_target_tokens: Positive = 300
    beam_size: Positive = 4
    length_penalty: Annotated[float, Field(ge=0)] = 1.0
    calibration_sentences: Positive = 300
    parity_sentences: Positive = 100
    parity_tolerance: Annotated[float, Field(gt=0)] = 2e-4


class RunConfig(_Section):
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
