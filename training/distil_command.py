"""The command ``distil``: its options, and what it says at its end."""

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Of the command ``distil``."""
    parser.add_argument("output", type=Path, help="source TAB translation, a line each; .gz too")
    parser.add_argument(
        "--from",
        dest="bundles",
        type=Path,
        nargs="+",
        required=True,
        metavar="BUNDLE",
        help="models/en-fr; of several, what most of their candidates agree with",
    )
    parser.add_argument("--data", type=Path, required=True, help="the corpus, tab-separated, also .gz")
    parser.add_argument("--columns", default="en,fr", help="languages of its columns (default: en,fr)")
    parser.add_argument("--beam-size", type=int, help="instead of the first bundle's own")
    parser.add_argument("--reference", action="store_true", help="the candidates nearest to the corpus's own targets")
    parser.add_argument("--max-lines", type=int, help="of the corpus (default: all)")
    parser.add_argument("--engines", type=int, help="at once, a thread each, for each bundle (default: the CPUs)")
    parser.add_argument("--anew", action="store_true", help="throw away what an earlier run left of this output")
    parser.set_defaults(command=_distil)


def _distil(options: argparse.Namespace) -> None:
    from training.distil import DistilSettings, distil

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
    others = "" if found.other is None else f", {found.other:,} of them other than the targets of {options.data.name}"
    print(f"by this run: {found.translated:,} translations{others}")
