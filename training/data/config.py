"""The tables ``[corpus]`` and ``[tokenizer]`` of a run: which files are read, and how text becomes tokens."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from training.config_section import Fraction, Positive, Section


class Attribution(Section):
    """Origin and licence of text; copied into the manifest and the model card.

    Attributes:
        licence: Name of the licence.
        attribution: The credit that the licence requires.
        homepage: Address of the origin.
    """

    licence: str
    attribution: str = ""
    homepage: str | None = None


class CorpusFile(Attribution):
    """One file of parallel text.

    Attributes:
        name: Under which reports count its pairs.
        path: Relative to ``--data``, or an ``http(s)`` URL: tab-separated (``.tsv .txt``, also ``.gz``), a ``.zip``
            with one such file, or, with ``target_path``, the source side of a Moses pair.
        source: Language of the sources if it is not the run's. The model then reads several languages; it needs no
            tag for them.
        target: Language of the targets if it is not the run's. If one file names its own, the model learns several
            tasks, and a tag before each source selects one (``RunConfig.tagged``; Johnson et al. 2017,
            arXiv:1611.04558). The language of the source is a task too: to copy the source.
        target_path: The target side of a Moses pair.
        columns: Languages of the columns of a tab-separated file.
        sha256: Checksum of a downloaded file.
        max_pairs: Number of kept pairs after which reading stops.
        max_words: Longest side of a pair in words, below ``corpus.max_words``.
        repeat: Number of times that each pair is read in an epoch.
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
    """The table ``[corpus]``: files, and limits that each pair must keep.

    Attributes:
        sides: ``target`` reads only the target column and leaves the source empty, for a language model that
            continues a text and does not translate.
        train: Files to train on.
        dev: Files to measure on during training.
        dev_fraction: Share of the training pairs that is held out as dev set, instead of ``dev`` files.
        test: Files to measure on after training; their sentences are kept out of training.
        max_characters: Longest side of a pair, in characters.
        max_words: Longest side of a pair, in words.
        max_ratio: Largest ratio of the lengths of both sides.
        check_language: Whether training pairs are dropped if a side is certainly in another language.
        keep_best: Share of each training file that is kept: the pairs to which the bundles of
            ``prepare --scored-by`` give the highest probability.
        noise: Share of the training pairs that is added once more with a change to the source (``noise.py``).
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
    def _dev_has_one_origin(self) -> "CorpusConfig":
        if bool(self.dev) == (self.dev_fraction > 0):
            raise ValueError("give either corpus.dev files or a corpus.dev_fraction above 0, not both, not neither")
        return self

    @model_validator(mode="after")
    def _single_side_has_single_file(self) -> "CorpusConfig":
        for entry in (*self.train, *self.dev, *self.test):
            if self.sides == "target" and entry.target_path is not None:
                raise ValueError(
                    f"sides = 'target' reads one file, {entry.name} has a target_path: {entry.target_path}"
                )
        return self

    @model_validator(mode="after")
    def _options_have_both_sides(self) -> "CorpusConfig":
        options = {"check_language": self.check_language, "keep_best": self.keep_best < 1, "noise": self.noise > 0}
        for name in (name for name, is_on in options.items() if is_on and self.sides == "target"):
            raise ValueError(f"{name} needs both sides of a pair, sides = 'target' has one")
        return self


class TokenizerConfig(Section):
    """The table ``[tokenizer]``.

    Attributes:
        kind: SentencePiece pieces, characters, or whole words.
        algorithm: Of SentencePiece: ``unigram`` (Kudo 2018, arXiv:1804.10959) or ``bpe`` (Sennrich et al. 2016,
            arXiv:1508.07909).
        vocabulary_size: Tokens of the vocabulary, special tokens included.
        max_sentences: Sentences from which SentencePiece learns, drawn at random.
    """

    kind: Literal["sentencepiece", "characters", "words"] = "sentencepiece"
    algorithm: Literal["unigram", "bpe"] = "unigram"
    vocabulary_size: Annotated[int, Field(ge=1, le=65_535)] = 8000  # ids are kept in 16 bits
    max_sentences: Positive = 500_000
