"""What a run reads, and how it is cut into tokens."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from training.config_section import Fraction, Positive, Section


class Attribution(Section):
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


class CorpusConfig(Section):
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


class TokenizerConfig(Section):
    kind: Literal["sentencepiece", "characters", "words"] = "sentencepiece"
    algorithm: Literal["unigram", "bpe"] = "unigram"
    vocabulary_size: Annotated[int, Field(ge=1, le=65_535)] = 8000  # ids are kept in 16 bits
    max_sentences: Positive = 500_000
