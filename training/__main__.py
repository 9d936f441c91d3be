"""``python -m training COMMAND CONFIG``: prepare, train, export, evaluate, accuracy, sample. A run is one TOML file.

``make`` writes the corpus of a task that needs no text from anywhere.
"""

import argparse
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from training import distil_command
from training.config import RunConfig, load_config
from training.errors import ConfigError, TrainingError

CONFIGS = Path(__file__).parent / "configs"


def main(arguments: list[str] | None = None) -> int:
    """Run one command; an error made by the user is one clear line, not a traceback."""
    options = _parser().parse_args(arguments)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    try:
        options.command(options)
    except TrainingError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped; the same command goes on from the last checkpoint", file=sys.stderr)
        return 130
    return 0


def _opened(options: argparse.Namespace) -> tuple[RunConfig, Path]:
    """The run that a command is about, and its folder."""
    config = load_config(options.config)
    return config, options.runs / config.name


def _make(options: argparse.Namespace) -> None:
    from training.files import write_atomically

    lines = [f"{line}\n" for line in options.lines(options)]
    options.file.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(options.file, "".join(lines).encode())
    print(f"{len(lines):,} lines in {options.file}")


def _addition(options: argparse.Namespace) -> Iterator[str]:
    from training.tasks.addition import addition

    return map("\t".join, addition(options.digits, options.count, options.seed))


def _execute(options: argparse.Namespace) -> Iterator[str]:
    from training.tasks.execute import execute

    return map("\t".join, execute(options.length, options.nesting, options.count, options.seed))


def _memory(options: argparse.Namespace) -> Iterator[str]:
    from training.tasks.memory import memory

    return memory(options.lag, options.alphabet, options.count, options.seed, options.distractors == "counting")


def _prepare(options: argparse.Namespace) -> None:
    from training.prepare import KeepBest, prepare

    config, run = _opened(options)
    keep_best: KeepBest | None = None
    if options.scored_by:
        from training.pair_scores import PairScorer

        keep_best = PairScorer(options.scored_by).best
    for line in prepare(config, options.data, run, options.tokenizer, keep_best).lines():
        print(line)


def _train(options: argparse.Namespace) -> None:
    from training.devices import ONE_DEVICE, all_devices, leave_out_tensorflow
    from training.prepare import load_run_tokenizer
    from training.starting_point import weights_of
    from training.train import Trainer, describe

    leave_out_tensorflow()
    config, run = _opened(options)
    devices = all_devices(config.seed) if options.data_parallel else ONE_DEVICE
    weights = options.weights
    if weights is not None and weights.is_dir():
        if devices.processes > 1:
            raise ConfigError(
                f"{devices.processes} processes cannot all carry over the weights of {weights}: begin with one "
                f"(train --steps 0 --weights {weights}) and go on from its checkpoint with all"
            )
        weights = weights_of(weights, run, load_run_tokenizer(config, run))
    trainer = Trainer(config, run, weights, devices)
    if devices.keep_files:
        print(f"{describe(config.training, trainer.plan)}{devices.described()}")
    trainer.fit(options.steps)


def _export(options: argparse.Namespace) -> None:
    from training.export import export, install, install_starting_point

    config, run = _opened(options)
    folders, parity = export(config, run)
    print(
        f"the graphs equal the model on {parity.sentences} sentences: same tokens, log probabilities within "
        f"{parity.max_score_difference:.1e}"
    )
    for precision, folder in folders.items():
        print(f"{precision}: {folder} ({sum(file.stat().st_size for file in folder.iterdir()) / 1e6:.1f} MB)")
    if options.install is not None:
        destination = options.install / config.bundle_name
        install(folders[options.precision], destination)
        print(f"installed {options.precision} as {destination}")
        print(f"what finetune begins with: {install_starting_point(config, run, destination)}")


def _evaluate(options: argparse.Namespace) -> None:
    from training.evaluate import evaluate

    config, run = _opened(options)
    if config.corpus.sides == "target":
        raise ConfigError(f"{config.name} translates nothing: accuracy or sample shows what it can do")
    folder = options.models / config.bundle_name if options.bundle is None else options.bundle
    for scored in evaluate(config, options.data, run, folder, options.beam_size):
        bleu, chrf = scored.quality
        print(
            f"{scored.name}: BLEU {bleu.score:.2f} chrF {chrf.score:.2f} on {bleu.segments:,} segments, "
            f"{scored.cut} cut at the length cap"
        )
    print(f"written into {folder}")


def _finetune(options: argparse.Namespace) -> None:
    from training.export import install
    from training.finetune import FinetuneSettings, finetune

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
    if options.install is not None:
        destination = options.install / options.bundle.name
        install(found.folder, destination)
        print(f"installed as {destination}")


def _accuracy(options: argparse.Namespace) -> None:
    from training.accuracy import accuracy, task_of
    from training.tasks.question import label

    config, run = _opened(options)
    found = accuracy(config, run, options.precision, options.file)
    for group, (right, asked) in found.groups.items():
        print(f"{task_of(config).axis} {label(group)}: {right:,} of {asked:,} right ({right / asked:.2%})")
    print(f"{config.name}: {found.right:,} of {found.asked:,} unseen answers right ({found.share:.2%})")


def _sample(options: argparse.Namespace) -> None:
    from training.sample import sample

    config, run = _opened(options)
    folder = run / options.precision
    drawn = (options.count, options.temperature, options.top_k, options.seed, options.prefix)
    print("\n".join(sample(config, folder, *drawn)))


def _compare(options: argparse.Namespace) -> None:
    from training.compare.page import write_page
    from training.compare.run import run_systems
    from training.compare.systems import SYSTEMS

    known = {system.name: system for system in SYSTEMS}
    unknown = [name for name in options.systems if name not in known]
    if unknown:
        raise ConfigError(f"no system {', '.join(unknown)}; there are {', '.join(known)}")
    systems = tuple(known[name] for name in options.systems) or SYSTEMS
    places = (options.configs, options.data, options.runs)
    results = run_systems(systems, *places, options.budget_seconds, print, options.sentences)
    if options.page is not None:
        for path in write_page(results, options.runs, options.page):
            print(f"written: {path}")


def _ladder(options: argparse.Namespace) -> None:
    from training.compare.ladder import LADDERS, climb
    from training.compare.ladder_page import write_ladders

    ladder = LADDERS[options.ladder]
    places = (options.configs, options.data, options.runs, options.models)
    climb(ladder, options.rungs, *places, options.budget_seconds or ladder.budget_seconds, print)
    if options.page is not None:
        write_ladders(options.runs, options.page)
        print(f"written: {options.page}")


def _tune(options: argparse.Namespace) -> None:
    from app.bundle.store import load_bundle
    from training.corpus import normalise, read_pairs
    from training.corpus_config import CorpusFile
    from training.tune import tune

    bundle = load_bundle(options.bundle).manifest
    columns = tuple(options.columns.split(","))
    entry = CorpusFile(name=options.data.name, path=str(options.data), columns=columns, licence="")
    read = read_pairs(options.data, entry, bundle.source, bundle.target)
    pairs = [(normalise(source), normalise(target)) for source, target in read][: options.sentences]
    scores = tune(options.bundle, pairs, options.beam_size, options.length_penalty, options.coverage_penalty)
    print(f"BLEU of {len(pairs):,} sentences, the best of {options.beam_size} hypotheses; across: coverage penalty")
    print("length penalty", *options.coverage_penalty, sep="\t")
    for length in options.length_penalty:
        print(length, *(f"{scores[length, coverage]:.2f}" for coverage in options.coverage_penalty), sep="\t")


def _quality(options: argparse.Namespace) -> None:
    from training.pages import check_marks
    from training.quality.measure import measure_bundle
    from training.quality.page import BEGIN, END, write_page

    if options.page is not None:
        check_marks(options.page, BEGIN, END)
    results = [one for bundle in options.bundles for one in measure_bundle(bundle, options.data, options.results)]
    if options.page is not None:
        write_page(results, options.page)
        print(f"written: {options.page}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m training", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("config", type=Path, help="the run's TOML file, e.g. training/configs/en-fr.toml")
    shared.add_argument("--runs", type=Path, default=Path("runs"), help="where runs keep their files (default: runs)")

    prepare = commands.add_parser("prepare", parents=[shared], help="read, clean, split and tokenise the corpus")
    prepare.add_argument("--data", type=Path, default=Path("data"), help="folder that the corpus paths start from")
    prepare.add_argument("--tokenizer", type=Path, help="use this vocabulary, of a bundle, instead of learning one")
    prepare.add_argument(
        "--scored-by",
        type=Path,
        nargs="+",
        metavar="BUNDLE",
        help="with corpus.keep_best: whose losses say which pairs are best; of two, one each way",
    )
    prepare.set_defaults(command=_prepare)

    train = commands.add_parser("train", parents=[shared], help="train, or go on from the last checkpoint")
    train.add_argument("--steps", type=int, default=None, help="stop after this many more steps (a checkpoint is kept)")
    train.add_argument(
        "--weights", type=Path, help="begin with these, of a run or of a bundle's folder (a checkpoint comes first)"
    )
    train.add_argument(
        "--data-parallel", action="store_true", help="share each batch out over all devices (KERAS_BACKEND=jax)"
    )
    train.set_defaults(command=_train)

    export = commands.add_parser("export", parents=[shared], help="best weights -> checked ONNX bundles")
    export.add_argument("--install", type=Path, metavar="MODELS", help="also put the bundle into this models folder")
    export.add_argument("--precision", choices=("int8", "float32"), default="int8", help="which one to install")
    export.set_defaults(command=_export)

    evaluate = commands.add_parser("evaluate", parents=[shared], help="BLEU and chrF of a bundle, into its card")
    evaluate.add_argument("--data", type=Path, default=Path("data"), help="folder that the corpus paths start from")
    evaluate.add_argument("--models", type=Path, default=Path("models"), help="folder of the bundles (default: models)")
    evaluate.add_argument("--bundle", type=Path, help="this bundle instead of MODELS/source-target")
    evaluate.add_argument("--beam-size", type=int, help="instead of the bundle's own")
    evaluate.set_defaults(command=_evaluate)

    _add_finetune(commands.add_parser("finetune", help="adapt a bundle to your own text"))

    distil_command.add_arguments(commands.add_parser("distil", help="translate a corpus, for a student to learn from"))

    accuracy = commands.add_parser(
        "accuracy", parents=[shared], help="how many answers are right to the last character"
    )
    accuracy.add_argument("--file", type=Path, help="ask what in this file was not trained on, not what was held out")
    accuracy.add_argument("--precision", choices=("int8", "float32"), default="int8", help="which bundle of the run")
    accuracy.set_defaults(command=_accuracy)

    compare = commands.add_parser("compare", help="train, export and measure the whole family with one budget")
    compare.add_argument("systems", nargs="*", metavar="SYSTEM", help="only these (default: all)")
    compare.add_argument("--data", type=Path, default=Path("data"), help="folder that the corpus paths start from")
    compare.add_argument("--runs", type=Path, default=Path("runs/compare"), help="default: runs/compare")
    compare.add_argument("--configs", type=Path, default=CONFIGS, help="folder of the systems' TOML files")
    compare.add_argument(
        "--budget-seconds", type=float, default=400.0, help="processor time of each system's training (default: 400)"
    )
    compare.add_argument("--page", type=Path, help="put table and pictures into this file, between its marks")
    compare.add_argument("--sentences", type=int, help="measure on so many test sentences only")
    compare.set_defaults(command=_compare)

    quality = commands.add_parser("quality", help="bundles on the dev sets of their languages, and their faults")
    quality.add_argument("bundles", nargs="+", type=Path, metavar="BUNDLE", help="models/en-fr")
    quality.add_argument("--data", type=Path, default=Path("data"), help="folder with en-fr/dev/*.tsv and so on")
    quality.add_argument("--results", type=Path, default=Path("runs/quality"), help="default: runs/quality")
    quality.add_argument("--page", type=Path, help="put the tables into this file, between its marks")
    quality.set_defaults(command=_quality)

    sample = commands.add_parser("sample", parents=[shared], help="sentences that a decoder alone writes")
    sample.add_argument("--count", type=int, default=10, help="sentences (default: 10)")
    sample.add_argument("--temperature", type=float, default=0.8, help="0 takes the best token (default: 0.8)")
    sample.add_argument("--top-k", type=int, default=40, help="tokens to draw from at each step (default: 40)")
    sample.add_argument("--seed", type=int, default=1)
    sample.add_argument("--prefix", default="", metavar="TEXT", help="what every sentence begins with")
    sample.add_argument("--precision", choices=("int8", "float32"), default="int8", help="which bundle of the run")
    sample.set_defaults(command=_sample)

    _add_ladder(commands.add_parser("ladder", help="recipes that differ in one thing each, measured on dev"))
    _add_tune(commands.add_parser("tune", help="length and coverage penalty of a bundle, on dev"))
    _add_tasks(commands.add_parser("make", help="write the corpus of a made-up task"))
    return parser


def _add_ladder(ladder: argparse.ArgumentParser) -> None:
    ladder.add_argument("ladder", choices=("first", "last"), help="from nothing, or on from a shipped model")
    ladder.add_argument("rungs", nargs="*", metavar="RUNG", help="only these (default: all)")
    ladder.add_argument("--data", type=Path, default=Path("data"), help="folder that the corpus paths start from")
    ladder.add_argument("--runs", type=Path, default=Path("runs/ladder"), help="default: runs/ladder")
    ladder.add_argument("--configs", type=Path, default=CONFIGS / "ladder", help="folder of the rungs' TOML files")
    ladder.add_argument("--models", type=Path, default=Path("models"), help="where the shipped models are")
    ladder.add_argument("--budget-seconds", type=float, help="processor time of each rung's training")
    ladder.add_argument("--page", type=Path, help="put the tables into this file, between its marks")
    ladder.set_defaults(command=_ladder)


def _add_tune(tune: argparse.ArgumentParser) -> None:
    tune.add_argument("bundle", type=Path, help="models/en-fr")
    tune.add_argument("--data", type=Path, required=True, help="dev pairs, tab-separated, also .gz; never a test set")
    tune.add_argument("--columns", default="en,fr", help="languages of its columns (default: en,fr)")
    tune.add_argument("--sentences", type=int, help="only so many")
    tune.add_argument("--beam-size", type=int, default=8, help="hypotheses to choose from (default: 8)")
    tune.add_argument("--length-penalty", type=float, nargs="+", default=[0.6, 1.0, 1.4, 1.8])
    tune.add_argument("--coverage-penalty", type=float, nargs="+", default=[0.0, 0.05, 0.1, 0.2, 0.4])
    tune.set_defaults(command=_tune)


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
        help="how much of what is read is the bundle's own text (default: 0.5)",
    )
    finetune.add_argument("--install", type=Path, metavar="MODELS", help="also put the bundle into this models folder")
    finetune.set_defaults(command=_finetune)


def _add_tasks(make: argparse.ArgumentParser) -> None:
    tasks = make.add_subparsers(required=True, metavar="TASK")
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("file", type=Path, help="the tab-separated file to write")
    shared.add_argument("--count", type=int, default=50_000, help="lines (default: 50,000)")
    shared.add_argument("--seed", type=int, default=1)

    addition = tasks.add_parser("addition", parents=[shared], help="sums: 535+61 -> 596")
    addition.add_argument("--digits", type=int, default=3, help="of the longest number (default: 3)")
    addition.set_defaults(command=_make, lines=_addition)

    execute = tasks.add_parser("execute", parents=[shared], help="small programs and what they print")
    execute.add_argument("--length", type=int, default=3, help="digits of the longest numbers (default: 3)")
    execute.add_argument("--nesting", type=int, default=2, help="most operations composed (default: 2)")
    execute.set_defaults(command=_make, lines=_execute)

    memory = tasks.add_parser("memory", parents=[shared], help="sequences that end as they began: 3 0 1 2 3")
    memory.add_argument("--lag", type=int, nargs="+", default=[10, 100], help="symbols between (default: 10 100)")
    memory.add_argument("--alphabet", type=int, default=10, help="different symbols (default: 10)")
    memory.add_argument("--distractors", choices=("random", "counting"), default="random", help="symbols between")
    memory.set_defaults(command=_make, lines=_memory)


if __name__ == "__main__":
    sys.exit(main())
