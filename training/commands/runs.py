"""Commands that work on one run: ``prepare``, ``train``, ``export``, ``evaluate``, ``accuracy`` and ``sample``."""

import argparse
from pathlib import Path

from training.commands import Commands, of_a_run
from training.config import RunConfig, load_config
from training.errors import ConfigError


def add_commands(commands: Commands) -> None:
    """Adds the commands that work on one run."""
    shared = of_a_run()
    prepare = commands.add_parser("prepare", parents=[shared], help="read, clean, split and tokenise the corpus")
    prepare.add_argument("--data", type=Path, default=Path("data"), help="folder that the corpus paths start from")
    prepare.add_argument("--tokenizer", type=Path, help="use this vocabulary, of a bundle, instead of learning one")
    prepare.add_argument(
        "--scored-by",
        type=Path,
        nargs="+",
        metavar="BUNDLE",
        help="with corpus.keep_best: bundles that score the pairs; two must translate in opposite directions",
    )
    prepare.set_defaults(command=_prepare)

    train = commands.add_parser("train", parents=[shared], help="train, or continue from the last checkpoint")
    train.add_argument("--steps", type=int, default=None, help="stop after this many more steps (a checkpoint is kept)")
    train.add_argument(
        "--weights",
        type=Path,
        help="start from this file of a run or from this bundle's folder, unless the run has a checkpoint",
    )
    train.add_argument(
        "--data-parallel", action="store_true", help="divide each batch among all devices (KERAS_BACKEND=jax)"
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

    accuracy = commands.add_parser(
        "accuracy", parents=[shared], help="how many answers are right to the last character"
    )
    accuracy.add_argument(
        "--file", type=Path, help="take the questions that were not trained on from this file instead of the dev set"
    )
    accuracy.add_argument("--precision", choices=("int8", "float32"), default="int8", help="which bundle of the run")
    accuracy.set_defaults(command=_accuracy)

    sample = commands.add_parser("sample", parents=[shared], help="sentences written by a model without an encoder")
    sample.add_argument("--count", type=int, default=10, help="sentences (default: 10)")
    sample.add_argument("--temperature", type=float, default=0.8, help="0 takes the best token (default: 0.8)")
    sample.add_argument("--top-k", type=int, default=40, help="tokens to draw from at each step (default: 40)")
    sample.add_argument("--seed", type=int, default=1)
    sample.add_argument("--prefix", default="", metavar="TEXT", help="text that every sentence starts with")
    sample.add_argument("--precision", choices=("int8", "float32"), default="int8", help="which bundle of the run")
    sample.set_defaults(command=_sample)


def _open_run(options: argparse.Namespace) -> tuple[RunConfig, Path]:
    """Returns the configuration and the folder of the run that a command works on."""
    config = load_config(options.config)
    return config, options.runs / config.name


def _prepare(options: argparse.Namespace) -> None:
    from training.data.prepare import KeepBest, prepare

    config, run = _open_run(options)
    keep_best: KeepBest | None = None
    if options.scored_by:
        from training.evaluate.pair_scores import PairScorer

        keep_best = PairScorer(options.scored_by).best
    for line in prepare(config, options.data, run, options.tokenizer, keep_best).lines():
        print(line)


def _train(options: argparse.Namespace) -> None:
    from training.data.prepare import load_run_tokenizer
    from training.learn.devices import ONE_DEVICE, all_devices, leave_out_tensorflow
    from training.learn.starting_point import weights_of
    from training.learn.train import Trainer, describe

    leave_out_tensorflow()
    config, run = _open_run(options)
    devices = all_devices(config.seed) if options.data_parallel else ONE_DEVICE
    weights = options.weights
    if weights is not None and weights.is_dir():
        if devices.processes > 1:
            raise ConfigError(
                f"{devices.processes} processes cannot all transfer the weights of {weights}: start with one "
                f"(train --steps 0 --weights {weights}) and continue from its checkpoint with all"
            )
        weights = weights_of(weights, run, load_run_tokenizer(config, run))
    trainer = Trainer(config, run, weights, devices)
    if devices.keep_files:
        print(f"{describe(config.training, trainer.plan)}{devices.describe()}")
    trainer.fit(options.steps)


def _export(options: argparse.Namespace) -> None:
    from training.export.export import export, install, install_starting_point

    config, run = _open_run(options)
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
        print(f"weights that finetune starts from: {install_starting_point(config, run, destination)}")


def _evaluate(options: argparse.Namespace) -> None:
    from training.evaluate.evaluate import evaluate

    config, run = _open_run(options)
    if config.corpus.sides == "target":
        raise ConfigError(f"{config.name} has no source to translate: use accuracy or sample instead of evaluate")
    folder = options.models / config.bundle_name if options.bundle is None else options.bundle
    for scored in evaluate(config, options.data, run, folder, options.beam_size):
        bleu, chrf = scored.quality
        print(
            f"{scored.name}: BLEU {bleu.score:.2f} chrF {chrf.score:.2f} on {bleu.segments:,} segments, "
            f"{scored.cut} cut at the length cap"
        )
    print(f"written into {folder}")


def _accuracy(options: argparse.Namespace) -> None:
    from training.evaluate.accuracy import accuracy, task_of
    from training.tasks.question import label

    config, run = _open_run(options)
    found = accuracy(config, run, options.precision, options.file)
    for group, (right, total) in found.groups.items():
        print(f"{task_of(config).axis} {label(group)}: {right:,} of {total:,} right ({right / total:.2%})")
    print(f"{config.name}: {found.right:,} of {found.total:,} unseen answers right ({found.share:.2%})")


def _sample(options: argparse.Namespace) -> None:
    from training.evaluate.sample import Drawing, sample

    config, run = _open_run(options)
    folder = run / options.precision
    drawing = Drawing(options.count, options.temperature, options.top_k, options.seed, options.prefix)
    print("\n".join(sample(config, folder, drawing)))
