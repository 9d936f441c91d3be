"""The command line ``passerelle``; ``python -m app`` is the same, and without a command it serves.

A command imports what it needs when it runs, so that ``passerelle keys`` does not load onnxruntime.
"""

import gc
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final

import typer

from app import __version__
from app.commands.exit_codes import report_errors
from app.commands.models import ModelsOption, models_commands

command_line: Final = typer.Typer(
    name="passerelle",
    help="Self-hosted translation: the service, and translation without it.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
# Between two searches for cycles; Python's own number, 700, is reached several times in one request.
_NEW_OBJECTS: Final = 10_000
# How long the engine's thread may wait for the event loop's behind each step; Python's own number is 5 milliseconds.
_SWITCH_SECONDS: Final = 0.0005
keys_commands: Final = typer.Typer(no_args_is_help=True, help="Keys that callers of the service may have.")
command_line.add_typer(models_commands, name="models")
command_line.add_typer(keys_commands, name="keys")


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command.

    Args:
        arguments: None for those of the process.

    Returns:
        The exit status: 0, 1 for a failure, 2 for arguments or settings that cannot be used.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        command_line(given, prog_name="passerelle")
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    return 0


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"passerelle {__version__}")
        raise typer.Exit


@command_line.callback()
def _options(
    _: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None: ...


@command_line.command()
@report_errors
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on (default: PASSERELLE_HOST).")] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Port to listen on (default: PASSERELLE_PORT, else 8000).")
    ] = None,
    models: ModelsOption = None,
    workers: Annotated[
        str | None,
        typer.Option(metavar="N|auto", help="Processes that serve the port (default: PASSERELLE_WORKERS, else 1)."),
    ] = None,
) -> int:
    """Run the service. Every other setting is an environment variable: see `passerelle settings`."""
    gc.set_threshold(_NEW_OBJECTS)
    sys.setswitchinterval(_SWITCH_SECONDS)
    from app.commands.serve import serve_until_stopped
    from app.server.environment import load_settings

    return serve_until_stopped(load_settings(host=host, port=port, models_dir=models, workers=workers))


@command_line.command()
@report_errors
def translate(
    text: Annotated[
        list[str] | None,
        typer.Argument(help="A text, the name of a file, or - for the standard input.", show_default=False),
    ] = None,
    target: Annotated[str, typer.Option("--to", metavar="CODE", help="Language wanted, such as fr.")] = ...,  # type: ignore[assignment]
    source: Annotated[str, typer.Option("--from", metavar="CODE", help="Language of the text.")] = "auto",
    html: Annotated[bool, typer.Option("--html", help="The text is HTML, whose tags are kept.")] = False,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write the translation to this file.")
    ] = None,
    models: ModelsOption = None,
) -> int:
    """Translate a text or a file on this machine, without a server.

    Reads every format of the service: docx, odt, pptx, epub, html, md, srt, vtt, po, xliff, csv, txt. Any other file is
    plain text. Documents that are no text are written beside the original: letter.docx becomes letter.fr.docx.
    """
    from app.commands.translate import TranslateOptions, translate_input

    options = TranslateOptions(None if source == "auto" else source, target, html, output)
    translate_input(text or ["-"], options, models)
    return 0


@command_line.command()
def settings() -> None:
    """Show every setting: its environment variable, default, unit, bounds and meaning."""
    from app.server.environment import settings_table

    print(settings_table(), end="")


@command_line.command(
    add_help_option=False, context_settings={"ignore_unknown_options": True, "allow_extra_args": True}
)
def bulk(context: typer.Context) -> None:
    """Translate every line of a file of millions of lines; `passerelle bulk --help` has its options."""
    from app.bulk.__main__ import main as translate_lines

    raise typer.Exit(translate_lines(context.args))


@command_line.command()
@report_errors
def check(
    url: Annotated[str, typer.Argument(help="Address of a running service.")] = "http://127.0.0.1:8000",
    timeout_seconds: Annotated[float, typer.Option(min=0.1, help="Longest wait for an answer.")] = 10.0,
) -> int:
    """Say whether a running service is healthy, and if not, why."""
    from app.commands.check import check_service

    return check_service(url, timeout_seconds)


@keys_commands.callback()
def _keys() -> None: ...


@keys_commands.command("new")
@report_errors
def new_key(
    name: Annotated[str, typer.Argument(help="Who gets it; it stands in no answer.")],
    characters: Annotated[
        int, typer.Option(min=0, help="Characters that may be translated with it; 0 is no limit.")
    ] = 0,
    requests_per_minute: Annotated[int, typer.Option(min=0, help="In place of the setting; 0 is the setting.")] = 0,
) -> int:
    """Make a key: it is shown once, on the error output; its line for the file of keys goes to the output.

    `passerelle keys new weblate >> keys.txt`
    """
    from app.access.keys import make_key

    key, line = make_key(name, characters, requests_per_minute)
    print(f"The key of {name}, shown only now: {key}", file=sys.stderr)
    print(line)
    return 0
