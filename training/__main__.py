"""``python -m training COMMAND CONFIG``: prepare, train, export, evaluate. A run is one TOML file."""

import argparse
import os
import sys
from pathlib import Path

from training.config import RunConfig, load_config
from training.errors import TrainingError


def main(arguments: list[str] | None = None) -> int:
    """Run one command; an error made by the user is one clear line, not a traceback."""
    options = _parser().parse_args(arguments)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    try:
        config = load_config(options.config)
        run = options.runs / config.name
        options.command(config, run, options)
    except TrainingError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped; the same command goes on from the last checkpoint", file=sys.stderr)
        return 130
    return 0


def _prepare(config: RunConfig, run: Path, options: argparse.Namespace) -> None:
    from training.prepare import prepare

    for line in prepare(config, options.data, run).lines():
        print(line)


def _train(config: RunConfig, run: Path, options: argparse.Namespace) -> None:
    from training.train import Trainer, describe

    trainer = Trainer(config, run)
    print(describe(config.training, trainer.plan))
    trainer.fit(options.steps)


def _export(config: RunConfig, run: Path, options: argparse.Namespace) -> None:
    from training.export import export, install

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


def _evaluate(config: RunConfig, run: Path, options: argparse.Namespace) -> None:
    from training.evaluate import evaluate

    folder = options.models / f"{config.source}-{config.target}" if options.bundle is None else options.bundle
    for scored in evaluate(config, options.data, run, folder, options.beam_size):
        bleu, chrf = scored.quality
        print(
            f"{scored.name}: BLEU {bleu.score:.2f} chrF {chrf.score:.2f} on {bleu.segments:,} segments, "
            f"{scored.cut} cut at the length cap"
        )
    print(f"written into {folder}")


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
    return parser


if __name__ == "__main__":
    sys.exit(main())
