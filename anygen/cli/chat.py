"""`anygen chat`: a conversation in the terminal, or a single question."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from anygen.cli.options import (
    DeviceMapOption,
    DeviceOption,
    DtypeOption,
    LengthOption,
    MetadataOption,
    ModalitiesOption,
    ModelOption,
    OffloadOption,
    OutOption,
    QuantOption,
    SeedOption,
    SetOption,
    ThreadsOption,
    load_model,
    read_options,
    read_placement,
    use_threads,
)


def chat(  # noqa: PLR0913  # the options of a command
    model: ModelOption = "mini",
    prompt: Annotated[
        str | None, typer.Option("--prompt", "-p", help="Ask this one question, then exit.")
    ] = None,
    attach: Annotated[
        list[Path] | None,
        typer.Option("--attach", "-a", help="A file to attach to --prompt; can be repeated."),
    ] = None,
    out: OutOption = Path("out"),
    seed: SeedOption = 0,
    modalities: ModalitiesOption = None,
    max_new_tokens: LengthOption = 256,
    settings: SetOption = None,
    threads: ThreadsOption = None,
    device: DeviceOption = "auto",
    dtype: DtypeOption = None,
    quant: QuantOption = None,
    offload: OffloadOption = "none",
    device_map: DeviceMapOption = None,
    metadata: MetadataOption = True,
    graphics: Annotated[
        str,
        typer.Option(
            help="How to draw pictures: auto, kitty, iterm, sixel, blocks, 256, ascii or none."
        ),
    ] = "auto",
    history: Annotated[
        bool, typer.Option("--history/--no-history", help="Keep typed lines for later chats.")
    ] = True,
) -> None:
    """Chat with a model, which reads and answers with text, images, audio and video.

    Attach files with @path; /help lists the commands. Piped input is put before --prompt:
    cat notes.txt | anygen chat -p "summarize this in one sentence"
    """
    from anygen.chat.repl import answer_once, run_chat
    from anygen.chat.session import ChatSettings
    from anygen.chat.startup import open_session, read_lines, read_question

    if attach and prompt is None:
        raise ValueError("--attach needs --prompt; in a conversation, write @path")
    use_threads(threads)
    options = read_options(modalities, max_new_tokens, settings or [])
    chosen = ChatSettings(out, options, metadata)
    parts = None if prompt is None else read_question(prompt, attach or [])
    place = read_placement(device, dtype, quant, offload, device_map)
    session = open_session(model, partial(load_model, place=place), chosen, graphics, seed)
    if parts is None:
        run_chat(session, read_lines(session, model, history))
    else:
        answer_once(session, parts)
