"""Connects a chat to the streams of this process, which may be a terminal or a pipe."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Timer

from anygen.chat.attachments import parse_line
from anygen.chat.session import ChatSettings, Session
from anygen.chat.slash_commands import COMMANDS
from anygen.checkpoints.checkpoint import find_model
from anygen.conversation.history import Conversation
from anygen.core.media import Part
from anygen.core.version import __version__
from anygen.generation.request import Model
from anygen.io.assets import are_fetched
from anygen.io.media_files import is_media, printable, read_bytes, read_media
from anygen.terminal.graphics import choose_graphics
from anygen.terminal.screen import Screen

PIPE_NOTICE = 1.0  # seconds after which a pipe that has not ended is mentioned


def open_session(
    model: str,
    open_model: Callable[[str], Model],
    settings: ChatSettings,
    graphics: str,
    seed: int,
) -> Session:
    """A chat whose model loads in the background. Raises ValueError if there is no such model."""
    find_model(model)
    screen = open_screen(graphics)
    loading = start_loading(model, open_model)
    return Session(loading, settings, screen, open_model, Conversation(seed))


def start_loading(model: str, open_model: Callable[[str], Model]) -> Future[Model]:
    """Loads the model in a thread; waits for it only if base weights have to be fetched first."""
    loading = ThreadPoolExecutor(max_workers=1).submit(open_model, model)
    if not are_fetched():  # progress bars would run into the prompt
        loading.result()
    return loading


def open_screen(graphics: str) -> Screen:
    chosen = choose_graphics(graphics, sys.stdin, sys.stdout, os.environ)
    return Screen(write, sys.stdout.isatty(), chosen)


def write(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


def read_question(prompt: str, attached: Sequence[Path]) -> tuple[Part, ...]:
    """Piped input, then attached files, then the prompt. Raises ValueError if all are empty."""
    named = parse_line(prompt)
    for medium in named:
        if not isinstance(medium, str):
            sys.stderr.write(f"anygen: attached {printable(medium.path or '')}\n")
    parts = (*read_pipe(), *map(read_media, attached), *named)
    if not parts:
        raise ValueError("--prompt is empty; write a text or attach a file")
    return parts


def read_pipe() -> tuple[Part, ...]:
    """The text or the medium on standard input; nothing if that is a terminal or empty."""
    if sys.stdin.isatty():
        return ()
    with notice_after(PIPE_NOTICE, "anygen: reading standard input; </dev/null skips it"):
        data = sys.stdin.buffer.read()
    if is_media(data):
        return (read_bytes(data, "standard input"),)
    text = data.decode(errors="replace").strip()
    return (f"{text}\n\n",) if text else ()


@contextmanager
def notice_after(seconds: float, text: str) -> Iterator[None]:
    """Prints a line to stderr if what is inside takes longer."""
    timer = Timer(seconds, print, [text], {"file": sys.stderr, "flush": True})
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def read_lines(session: Session, model: str, history: bool) -> Iterable[str]:
    """Lines typed with an editor and `history`, after a welcome; or the lines of a pipe."""
    if not sys.stdin.isatty():
        return sys.stdin
    from anygen.terminal.line_editor import typed_lines

    session.screen.line(f"anygen {__version__} with {model}; /help lists the commands")
    return typed_lines(COMMANDS, session.take_prefill, history)
