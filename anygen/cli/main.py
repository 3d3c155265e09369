"""The commands of `anygen`. Each imports what it needs when it runs, so that --help is instant."""

from __future__ import annotations

import logging
import os
import signal
import sys
from contextlib import suppress
from io import TextIOWrapper
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup

from anygen.cli.arena import arena
from anygen.cli.build import build, review
from anygen.cli.chat import chat
from anygen.cli.data import data
from anygen.cli.evaluate import evaluation
from anygen.cli.generate import generate
from anygen.cli.inspect import config, doctor, models, plan
from anygen.cli.records import check, index, preview, split, stats
from anygen.cli.serve import serve, web
from anygen.cli.train import convert_checkpoint, pack, train
from anygen.core.version import __version__

INTERRUPTED = 130  # the exit code of a shell for SIGINT
TALK, GENERATE, SERVE, TRAIN = "Talk", "Generate", "Serve", "Data and training"
EVALUATE, LOOK = "Evaluate", "Look"
ORDER = (
    *("chat", "web", "generate", "serve"),
    *("data", "train", "pack", "convert"),
    *("evaluate", "arena", "models", "config", "plan", "doctor"),
)


class CommandGroup(TyperGroup):
    """Lists commands in ORDER; typer itself lists groups such as `data` after all commands."""

    def list_commands(self, ctx: Any) -> list[str]:  # a Context of click, or typer's copy of it
        return sorted(super().list_commands(ctx), key=ORDER.index)


app = typer.Typer(
    cls=CommandGroup,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command(rich_help_panel=TALK)(chat)
app.command(rich_help_panel=TALK)(web)
app.command(rich_help_panel=GENERATE)(generate)
app.command(rich_help_panel=SERVE)(serve)
for command in (build, review, check, stats, split, index, preview):
    data.command()(command)
app.add_typer(data, name="data", rich_help_panel=TRAIN)
app.command(rich_help_panel=TRAIN)(train)
app.command(rich_help_panel=TRAIN)(pack)
app.command("convert", rich_help_panel=TRAIN)(convert_checkpoint)
app.add_typer(evaluation, name="evaluate", rich_help_panel=EVALUATE)
app.add_typer(arena, name="arena", rich_help_panel=EVALUATE)
app.command(rich_help_panel=LOOK)(models)
app.command(rich_help_panel=LOOK)(config)
app.command(rich_help_panel=LOOK)(plan)
app.command(rich_help_panel=LOOK)(doctor)


def run() -> NoReturn:
    """The command as a process. After Ctrl-C it ends at once, also if threads are still at work.

    Everything that is written is whole before it gets its name, so nothing has to be waited for.
    """
    try:
        main()
    except (KeyboardInterrupt, SystemExit) as error:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        if isinstance(error, SystemExit) and error.code != INTERRUPTED:
            raise
        with suppress(OSError):
            sys.stdout.flush()
        os._exit(INTERRUPTED)


def main() -> NoReturn:
    """Runs a command. An error that the user can fix is one line on stderr and exit code 2."""
    prepare_streams()
    # bitsandbytes would recommend optional kernels in the middle of a chat.
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
    try:
        app()
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except BrokenPipeError:  # what reads our output has ended, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)
    except (ValueError, OSError) as error:
        from anygen.core.schema import explain

        for line in explain(error).splitlines():
            print(f"anygen: {line}", file=sys.stderr)
        sys.exit(2)
    sys.exit(0)


def prepare_streams() -> None:
    """Makes any bytes readable and any text writable; a closed stream becomes the null device."""
    sys.stdin = sys.stdin or Path(os.devnull).open()  # noqa: SIM115  # until the process ends
    sys.stdout = sys.stdout or Path(os.devnull).open("w")  # noqa: SIM115
    sys.stderr = sys.stderr or Path(os.devnull).open("w")  # noqa: SIM115
    if isinstance(sys.stdin, TextIOWrapper):
        sys.stdin.reconfigure(errors="replace")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def show_version(requested: bool) -> None:
    if requested:
        print(__version__)
        raise typer.Exit


@app.callback()
def anygen(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=show_version, is_eager=True, help="Show the version and exit."
        ),
    ] = False,
) -> None:
    """Text, images, audio and video, in and out of one conversation."""
