"""``python -m training COMMAND CONFIG``: prepare, train, export, evaluate, accuracy. A run is one TOML file.

``make`` writes the corpus of a task that needs no text from anywhere.
"""

import argparse
import os
import sys
from pathlib import Path

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
    from training.tasks import addition

    lines = [f"{source}\t{target}\n" for source, target in addition(options.digits, options.count, options.seed)]
    options.file.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(options.file, "".join(lines).encode())
    print(f"{len(lines):,} sums of numbers of up to {options.digits} digits in {options.file}")


def _prepare(options: argparse.Namespace) -> None:
    from training.prepare import prepare

    config, run = _opened(options)
    for line in prepare(config, options.data, run).lines():
        print(line)


def _train(options: argparse.Namespace) -> None:
    from training.train import Trainer, describe

    config, run = _opened(options)
    trainer = Trainer(config, run)
    print(describe(config.training, trainer.plan))
    trainer.fit(options.steps)


def _export(options: argparse.Namespace) -> None:
    from training.export import export, install

    config, run = _opened(options)
    folders, parity = export(config, run)
    print(
        f"the graphs equal the model on {parity.sentences} sentences: same tokens, log probabilities within "
        f"{parity.max_score_difference:.1e}"
    )
    for precision, folder in folders.items():
        print(f"{precision}: {folder} ({sum(file.stat().st_size for file in folder.iterdir()) / 1e6:.1f} MB)")
    if options.install is not None:
        destination = options.install / f"{config.source}-{config.target}"
        install(folders[options.precision], destination)
        print(f"installed {options.precision} as {destination}")


def _evaluate(options: argparse.Namespace) -> None:
    from training.evaluate import evaluate

    config, run = _opened(options)
    folder = options.models / f"{config.source}-{config.target}" if options.bundle is None else options.bundle
    for scored in evaluate(config, options.data, run, folder, options.beam_size):
        bleu, chrf = scored.quality
        print(
            f"{scored.name}: BLEU {bleu.score:.2f} chrF {chrf.score:.2f} on {bleu.segments:,} segments, "
            f"{scored.cut} cut at the length cap"
        )
    print(f"written into {folder}")


def _accuracy(options: argparse.Namespace) -> None:
    from training.accuracy import measure_accuracy
    from training.evaluate import read_dev

    config, run = _opened(options)
    found = measure_accuracy(run / options.precision, read_dev(run))
    for length, (right, questions) in found.by_length.items():
        print(f"{length} characters: {right:,} of {questions:,} right ({right / questions:.2%})")
    print(f"{config.name}: {found.right:,} of {found.questions:,} unseen answers right ({found.share:.2%})")


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


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m training", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("config", type=Path, help="the run's TOML file, e.g. training/configs/en-fr.toml")
    shared.add_argument("--runs", type=Path, default=Path("runs"), help="where runs keep their files (default: runs)")

    prepare = commands.add_parser("prepare", parents=[shared], help="read, clean, split and tokenise the corpus")
    prepare.add_argument("--data", type=Path, default=Path("data"), help="folder that the corpus paths start from")
    prepare.set_defaults(command=_prepare)

    train = commands.add_parser("train", parents=[shared], help="train, or go on from the last checkpoint")
    train.add_argument("--steps", type=int, default=None, help="stop after this many more steps (a checkpoint is kept)")
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

    accuracy = commands.add_parser("accuracy", parents=[shared], help="how many answers on dev are right altogether")
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

    make = commands.add_parser("make", help="write the corpus of a made-up task")
    make.add_argument("task", choices=("addition",))
    make.add_argument("file", type=Path, help="the tab-separated file to write")
    make.add_argument("--digits", type=int, default=3, help="of the longest number (default: 3)")
    make.add_argument("--count", type=int, default=50_000, help="pairs (default: 50,000)")
    make.add_argument("--seed", type=int, default=1)
    make.set_defaults(command=_make)
    return parser


if __name__ == "__main__":
    sys.exit(main())
