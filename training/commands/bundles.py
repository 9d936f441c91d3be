"""Commands for finished bundles: ``finetune``, ``distil``, ``tune``, ``phrases`` and ``quality``."""

import argparse
import sys
from pathlib import Path

from training.commands import Commands


def add_commands(commands: Commands) -> None:
    """Adds the commands for finished bundles."""
    _add_finetune(commands.add_parser("finetune", help="adapt a bundle to your own text"))
    _add_distil(commands.add_parser("distil", help="translate a corpus, for a student to learn from"))
    _add_tune(commands.add_parser("tune", help="compare length and coverage penalties of a bundle on dev"))
    _add_phrases(commands.add_parser("phrases", help="add a table of words and short phrases to bundles"))
    _add_quality(
        commands.add_parser("quality", help="score bundles on the dev sets of their languages and count errors")
    )


def _add_finetune(finetune: argparse.ArgumentParser) -> None:
    finetune.add_argument("--from", dest="bundle", type=Path, required=True, metavar="BUNDLE", help="models/en-fr")
    finetune.add_argument("--data", type=Path, required=True, help="your pairs, tab-separated, also .gz")
    finetune.add_argument("--columns", default="en,fr", help="languages of its columns (default: en,fr)")
    finetune.add_argument("--licence", default="private", help="of your text, for the manifest (default: private)")
    finetune.add_argument("--name", default="finetuned", help="of the run and the new bundle (default: finetuned)")
    finetune.add_argument("--runs", type=Path, default=Path("runs"), help="where runs keep their files (default: runs)")
    finetune.add_argument("--epochs", type=int, default=3, help="times that your pairs are read (default: 3)")
    finetune.add_argument("--learning-rate", type=float, default=5e-4, help="at its peak (default: 5e-4)")
    finetune.add_argument(
        "--general-share",
        type=float,
        default=0.5,
        help="share of the bundle's own training text in an epoch (default: 0.5)",
    )
    finetune.add_argument(
        "--install", type=Path, metavar="MODELS", help="also put the bundle into this models folder, after a question"
    )
    finetune.add_argument("--yes", action="store_true", help="install without a question, whatever the scores are")
    finetune.set_defaults(command=_finetune)


def _finetune(options: argparse.Namespace) -> None:
    from training.export.export import install
    from training.learn.finetune import FinetuneSettings, finetune

    settings = FinetuneSettings(
        options.name,
        tuple(options.columns.split(",")),
        options.licence,
        options.epochs,
        options.learning_rate,
        options.general_share,
    )
    found = finetune(options.bundle, options.data, options.runs, settings)
    print("set, sentences: BLEU and chrF before -> after")
    for before, after in (found.own, found.general):
        (bleu, chrf), (new_bleu, new_chrf) = before.quality, after.quality
        print(
            f"{before.name}, {bleu.segments:,}: BLEU {bleu.score:.1f} -> {new_bleu.score:.1f}, "
            f"chrF {chrf.score:.1f} -> {new_chrf.score:.1f}"
        )
    print(f"{found.minutes:.1f} minutes of training; the new bundle is {found.folder}")
    if found.gain <= 0:
        print(
            f"WARNING: nothing was gained; the new bundle has {found.gain:+.1f} BLEU on your held-out text. "
            "More pairs, fewer --epochs or a smaller --learning-rate may help.",
            file=sys.stderr,
        )
    if options.install is None:
        return
    destination = options.install / options.bundle.name
    if options.yes or _may_install(destination, found.gain):
        install(found.folder, destination)
        print(f"installed as {destination}")
    else:
        print(f"not installed; --yes with the same command installs it as {destination}")


def _may_install(destination: Path, gain: float) -> bool:
    """Asks whether to install a bundle; without a terminal only one that is better is installed."""
    if not sys.stdin.isatty():
        return gain > 0
    replaced = f" in place of the bundle in {destination}" if destination.exists() else f" as {destination}"
    answer = input(f"{gain:+.1f} BLEU on your held-out text. Install the new bundle{replaced}? [y/N] ")
    return answer.strip().lower() in ("y", "yes")


def _add_distil(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("output", type=Path, help="source TAB translation, a line each; .gz too")
    parser.add_argument(
        "--from",
        dest="bundles",
        type=Path,
        nargs="+",
        required=True,
        metavar="BUNDLE",
        help="models/en-fr; of several bundles, the candidate with the highest agreement is chosen",
    )
    parser.add_argument("--data", type=Path, required=True, help="the corpus, tab-separated, also .gz")
    parser.add_argument("--columns", default="en,fr", help="languages of its columns (default: en,fr)")
    parser.add_argument("--beam-size", type=int, help="instead of the first bundle's own")
    parser.add_argument(
        "--reference", action="store_true", help="choose the candidates nearest to the corpus's own targets"
    )
    parser.add_argument("--max-lines", type=int, help="translate only the first lines of the corpus (default: all)")
    parser.add_argument("--engines", type=int, help="engines per bundle, one thread each (default: the CPUs)")
    parser.add_argument("--anew", action="store_true", help="discard what an earlier run left of this output")
    parser.set_defaults(command=_distil)


def _distil(options: argparse.Namespace) -> None:
    from training.data.distil import DistilSettings, distil

    settings = DistilSettings(
        tuple(options.columns.split(",")),
        options.beam_size,
        options.reference,
        options.max_lines,
        options.engines,
        anew=options.anew,
    )
    found = distil(options.bundles, options.data, options.output, settings)
    print(f"{found.lines:,} lines in {options.output}")
    others = "" if found.other is None else f", {found.other:,} of them differ from the targets of {options.data.name}"
    print(f"by this run: {found.translated:,} translations{others}")


def _add_tune(tune: argparse.ArgumentParser) -> None:
    tune.add_argument("bundle", type=Path, help="models/en-fr")
    tune.add_argument("--data", type=Path, required=True, help="dev pairs, tab-separated, also .gz; never a test set")
    tune.add_argument("--columns", default="en,fr", help="languages of its columns (default: en,fr)")
    tune.add_argument("--sentences", type=int, help="use only the first sentences (default: all)")
    tune.add_argument("--beam-size", type=int, default=8, help="hypotheses to choose from (default: 8)")
    tune.add_argument("--length-penalty", type=float, nargs="+", default=[0.6, 1.0, 1.4, 1.8])
    tune.add_argument("--coverage-penalty", type=float, nargs="+", default=[0.0, 0.05, 0.1, 0.2, 0.4])
    tune.set_defaults(command=_tune)


def _tune(options: argparse.Namespace) -> None:
    from app.bundle.store import load_bundle
    from training.data.clean import normalise
    from training.data.config import CorpusFile
    from training.data.corpus import read_pairs
    from training.learn.tune import tune

    bundle = load_bundle(options.bundle).manifest
    columns = tuple(options.columns.split(","))
    entry = CorpusFile(name=options.data.name, path=str(options.data), columns=columns, licence="")
    read = read_pairs(options.data, entry, bundle.source, bundle.target)
    pairs = [(normalise(source), normalise(target)) for source, target in read][: options.sentences]
    scores = tune(options.bundle, pairs, options.beam_size, options.length_penalty, options.coverage_penalty)
    print(f"BLEU of {len(pairs):,} sentences, best of {options.beam_size} hypotheses; columns: coverage penalty")
    print("length penalty", *options.coverage_penalty, sep="\t")
    for length in options.length_penalty:
        print(length, *(f"{scores[length, coverage]:.2f}" for coverage in options.coverage_penalty), sep="\t")


def _add_phrases(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("config", type=Path, help="names the corpus: training/configs/phrases.toml")
    parser.add_argument("bundles", type=Path, nargs="+", metavar="BUNDLE", help="models/en-fr")
    parser.add_argument("--data", type=Path, required=True, help="folder of the corpus")
    parser.set_defaults(command=_phrases)


def _phrases(options: argparse.Namespace) -> None:
    from training.config import load_config
    from training.phrases.build import add_phrases

    config = load_config(options.config)
    for bundle in options.bundles:
        for (source, target), count in add_phrases(config, options.data, bundle).items():
            print(f"{bundle}: {count:,} phrases from {source} to {target}")


def _add_quality(quality: argparse.ArgumentParser) -> None:
    quality.add_argument("bundles", nargs="+", type=Path, metavar="BUNDLE", help="models/en-fr")
    quality.add_argument("--data", type=Path, default=Path("data"), help="folder with en-fr/dev/*.tsv and so on")
    quality.add_argument("--results", type=Path, default=Path("runs/quality"), help="default: runs/quality")
    quality.add_argument("--page", type=Path, help="put the tables into this file, between its comments")
    quality.set_defaults(command=_quality)


def _quality(options: argparse.Namespace) -> None:
    from training.evaluate.markdown_section import check_comments
    from training.evaluate.quality import measure_bundle
    from training.evaluate.quality_page import BEGIN, END, write_page

    if options.page is not None:
        check_comments(options.page, BEGIN, END)
    results = [one for bundle in options.bundles for one in measure_bundle(bundle, options.data, options.results)]
    if options.page is not None:
        write_page(results, options.page)
        print(f"written: {options.page}")
