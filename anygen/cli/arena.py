"""`anygen arena`: votes on the answers of two anonymous models, and ratings from votes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from anygen.cli.options import (
    DeviceOption,
    DtypeOption,
    SeedOption,
    read_placement,
)
from anygen.cli.serve import NoOpenOption, PortOption, check_installed, opener

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anygen.core.media import Part
    from anygen.evaluation.arena.voters import Show

arena = typer.Typer(no_args_is_help=True, help="Compare models by votes on their answers.")

Models = Annotated[
    list[str], typer.Argument(metavar="MODEL...", help="Names, folders or endpoints: URL#NAME.")
]
Prompts = Annotated[
    Path, typer.Option(help="Prompts: a text file with one in each line, or .jsonl records.")
]
Out = Annotated[Path, typer.Option("--out", "-o", help="The folder for votes and media.")]


@arena.command()
def vote(  # noqa: PLR0913  # the options of a command
    models: Models,
    prompts: Prompts,
    out: Out = Path("arena"),
    seed: SeedOption = 0,
    web: Annotated[bool, typer.Option("--web", help="Vote on a page in the browser.")] = False,
    port: PortOption = 0,
    no_open: NoOpenOption = False,
    device: DeviceOption = "auto",
    dtype: DtypeOption = None,
) -> None:
    """Read two anonymous answers to each prompt, and say which is better."""
    from anygen.evaluation.arena.sessions import Session
    from anygen.evaluation.arena.voters import vote_by_hand

    if web:
        check_installed()
    place = read_placement(device, dtype, None, "none", None)
    session = Session.open(models, prompts, out, seed, place)
    if web:
        from anygen.web.arena import vote_in_browser

        vote_in_browser(session, port, opener("the arena", no_open), print)
        return
    show = printer(out / "media")
    for line in session.run(lambda match: vote_by_hand(match, show, input)):
        print(line)


@arena.command()
def judge(  # noqa: PLR0913  # the options of a command
    models: Models,
    prompts: Prompts,
    judge: Annotated[str, typer.Option(help="The language model that votes: URL#NAME.")],
    out: Out = Path("arena"),
    seed: SeedOption = 0,
    device: DeviceOption = "auto",
    dtype: DtypeOption = None,
) -> None:
    """Let a language model read both answers in both orders; only if these agree, one wins."""
    from anygen.evaluation.arena.sessions import Session
    from anygen.evaluation.arena.voters import judge_match
    from anygen.evaluation.endpoint import open_endpoint

    place = read_placement(device, dtype, None, "none", None)
    voter = open_endpoint(judge)
    session = Session.open(models, prompts, out, seed, place)
    for line in session.run(lambda match: judge_match(voter, match)):
        print(line)


@arena.command()
def rate(
    battles: Annotated[
        list[Path],
        typer.Argument(help="Folders of votes, or JSON files of FastChat or OpenING."),
    ],
    out: Annotated[
        Path, typer.Option("--out", "-o", help="The folder for ratings and their page.")
    ] = Path("ratings"),
) -> None:
    """Rate models from battles: Bradley-Terry with intervals, Elo, shares of wins."""
    from anygen.evaluation.arena.battles import read_battles
    from anygen.evaluation.arena.ratings import rate
    from anygen.evaluation.arena.tables import table, unplayed, write_files

    found = read_battles(battles)
    ratings = rate(found)
    for line in table(ratings):
        print(line)
    for first, second in unplayed(found):
        print(f"{first} and {second} never met; they are rated by what others did against them")
    for path in write_files(ratings, found, out):
        print(path)


def printer(folder: Path) -> Show:
    """Prints text; draws media, and writes them to numbered files."""
    import os
    import shutil
    import sys

    from anygen.core.media import modality_of
    from anygen.core.modality import TABLE
    from anygen.io.media_files import write_media
    from anygen.terminal.graphics import choose_graphics
    from anygen.terminal.preview import preview
    from anygen.terminal.screen import visible_text

    graphics = choose_graphics(None, sys.stdin, sys.stdout, os.environ)
    columns = min(64, shutil.get_terminal_size().columns)

    def show(heading: str, parts: Sequence[Part]) -> None:
        print(f"\n--- {heading}")
        for part in parts:
            if isinstance(part, str):
                print(visible_text(part))
                continue
            folder.mkdir(parents=True, exist_ok=True)
            number = len(list(folder.iterdir())) + 1
            path = folder / f"{number:04d}{TABLE[modality_of(part)].suffix}"
            print(preview(part, columns, graphics))
            print(write_media(part, path))

    return show
