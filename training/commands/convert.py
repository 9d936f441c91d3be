"""Commands that convert published models into bundles: ``convert marian`` and ``convert firefox``."""

import argparse
from pathlib import Path

from training.commands import Commands
from training.errors import ConversionError


def add_commands(commands: Commands) -> None:
    """Adds the commands that convert published models."""
    parser = commands.add_parser("convert", help="convert a published model into a bundle (pip install '.[convert]')")
    origins = parser.add_subparsers(required=True, metavar="ORIGIN")
    _add_marian(origins.add_parser("marian", help="the files of a student model of Marian"))
    _add_firefox(origins.add_parser("firefox", help="models that Mozilla publishes for Firefox, downloaded by pair"))


def _add_marian(marian: argparse.ArgumentParser) -> None:
    marian.add_argument(
        "model", type=Path, help="model.*.intgemm.alphas.bin, an .npz checkpoint, or the folder with all files"
    )
    marian.add_argument("--vocab", type=Path, help="SentencePiece model of both languages")
    marian.add_argument("--source-vocab", type=Path, help="of the source language alone")
    marian.add_argument("--target-vocab", type=Path, help="of the target language alone")
    marian.add_argument("--shortlist", type=Path, metavar="LEX", help="lexical shortlist, lex.*.s2t.bin or lex.s2t.gz")
    marian.add_argument(
        "--use-shortlist", action="store_true", help="use it by default (default: only with PASSERELLE_SHORTLIST=on)"
    )
    marian.add_argument("--calibrate", type=Path, metavar="FILE", help="source sentences, for a model without alphas")
    marian.add_argument("--source", required=True, help="code of the source language, e.g. en")
    marian.add_argument("--target", required=True, help="code of the target language, e.g. fr")
    marian.add_argument("--install", type=Path, default=Path("models"), metavar="MODELS", help="default: models")
    marian.add_argument("--name", help="of the bundle and its folder (default: SOURCE-TARGET)")
    marian.add_argument("--licence", default="MPL-2.0", help="of the model (default: MPL-2.0)")
    marian.add_argument("--attribution", default="", help="who made the model")
    marian.add_argument("--url", help="where the model was published")
    marian.add_argument("--replace", action="store_true", help="also replace a bundle that was not converted")
    marian.set_defaults(command=_marian)


def _marian(options: argparse.Namespace) -> None:
    from dataclasses import replace

    from training.convert.folder import find_files
    from training.convert.marian import MarianFiles, Published, convert

    given = (options.vocab, options.source_vocab, options.target_vocab)
    if options.use_shortlist and options.shortlist is None and not options.model.is_dir():
        raise ConversionError("--use-shortlist needs --shortlist")
    if options.model.is_dir():
        if any(given):
            raise ConversionError(f"{options.model} is a folder: its vocabularies are found there; give the model file")
        files = find_files(options.model, options.calibrate)
    elif options.vocab is not None and given[1:] == (None, None):
        files = MarianFiles(options.model, options.vocab, options.vocab, options.calibrate)
    elif options.vocab is None and None not in given[1:]:
        files = MarianFiles(options.model, options.source_vocab, options.target_vocab, options.calibrate)
    else:
        raise ConversionError("give --vocab, or --source-vocab and --target-vocab")
    if options.shortlist is not None:
        files = replace(files, shortlist=options.shortlist)
    files = replace(files, uses_shortlist=options.use_shortlist or files.uses_shortlist)
    name = options.name or f"{options.source}-{options.target}"
    published = Published(options.source, options.target, name, options.licence, options.attribution, options.url)
    manifest, parity = convert(files, published, options.install / name, options.replace)
    size = sum(entry.bytes for entry in manifest.files.values())
    print(f"{options.install / name}: {published.source} to {published.target}, {size / 1024**2:.1f} MiB")
    print(
        f"compared with the model's equations on {parity.sentences} sentences: {parity.forced:.1%} of "
        f"{parity.tokens:,} tokens are the same, {parity.free:.1%} decoding freely"
    )


def _add_firefox(firefox: argparse.ArgumentParser) -> None:
    firefox.add_argument("pairs", nargs="*", metavar="PAIR", help="source and target, e.g. en-fr fr-en")
    firefox.add_argument("--all", action="store_true", help="every pair of the catalogue, released models only")
    firefox.add_argument("--list", action="store_true", help="show what there is and install nothing")
    firefox.add_argument("--architecture", help="tiny, base-memory or base (default: the released one)")
    firefox.add_argument("--install", type=Path, default=Path("models"), metavar="MODELS", help="default: models")
    firefox.add_argument(
        "--catalogue",
        default="bucket",
        help="bucket (default), remote-settings, or the http, https or file address of a copy of either document",
    )
    firefox.add_argument("--files", metavar="ADDRESS", help="where the files lie (default: as the catalogue says)")
    firefox.add_argument("--replace", action="store_true", help="also replace bundles that were not converted")
    firefox.set_defaults(command=_firefox)


def _firefox(options: argparse.Namespace) -> None:
    from training.convert.catalogue import BUCKET, RELEASED, REMOTE_SETTINGS
    from training.convert.install import Store, describe, install_models

    if not (options.pairs or options.all or options.list):
        raise ConversionError("name pairs (en-fr), or give --all or --list")
    address = {"bucket": BUCKET, "remote-settings": REMOTE_SETTINGS}.get(options.catalogue, options.catalogue)
    store = Store(address, options.files, options.install, options.replace)
    catalogue = store.read()
    chosen = [catalogue.find(pair, options.architecture) for pair in options.pairs]
    if not options.pairs:
        found = [one for one in catalogue.models if options.architecture in (None, one.architecture)]
        pairs = dict.fromkeys(one.pair for one in found if options.list or one.status == RELEASED)
        chosen = found if options.list else [catalogue.find(pair, options.architecture) for pair in pairs]
    for reason, count in catalogue.refused.items():
        print(f"left out of the catalogue, {count} times: {reason}")
    if options.list:
        for model in chosen:
            print(describe(model))
        return
    install_models(store, chosen, print)
