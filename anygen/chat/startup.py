"""A chat on the streams of this process: a terminal, or a pipe."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from anygen.chat.attachments import parse_line
from anygen.chat.session import Session, Settings
from anygen.checkpoints.checkpoint import find_model
from anygen.conversation.history import Conversation
from anygen.core.media import Part
from anygen.core.version import __version__
from anygen.generation.request import Model
from anygen.io.assets import are_fetched
from anygen.io.media_files import is_media, read_bytes, read_media
from anygen.terminal.graphics import choose_graphics
from anygen.terminal.screen import Screen


def open_session(
    model: str,
    open_model: Callable[[str], Model],
    settings: Settings,
    graphics: str,
    seed: int,
) -> Session:
    """The model loads while the first question is typed. Raises ValueError for a wrong name."""
    find_model(model)
    screen = open_screen(graphics)
    return Session(load(model, open_model), settings, screen, open_model, Conversation(seed))


def load(model: str, open_model: Callable[[str], Model]) -> Future[Model]:
    loading = ThreadPoolExecutor(max_workers=1).submit(open_model, model)
    if not are_fetched():  # their progress must not cross what is typed
        loading.result()
    return loading


def open_screen(graphics: str) -> Screen:
    chosen = choose_graphics(graphics, sys.stdin, sys.stdout, os.environ)
    return Screen(write, sys.stdout.isatty(), chosen)


def write(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


def read_question(prompt: str, attached: Sequence[Path]) -> tuple[Part, ...]:
    """What is piped in and attached, then the prompt. Raises ValueError."""
    parts = (*read_pipe(), *map(read_media, attached), *parse_line(prompt))
    if not parts:
        raise ValueError("--prompt is empty; write a text or attach a file")
    return parts


def read_pipe() -> tuple[Part, ...]:
    """A text or a medium that is piped in."""
    if sys.stdin.isatty():
        return ()
    data = sys.stdin.buffer.read()
    if is_media(data):
        return (read_bytes(data, "standard input"),)
    text = data.decode(errors="replace").strip()
    return (f"{text}\n\n",) if text else ()


def read_lines(session: Session, model: str, history: bool) -> Iterable[str]:
    """What is typed, with line editing and history; or the lines of a pipe."""
    if not sys.stdin.isatty():
        return sys.stdin
    from anygen.terminal.line_editor import typed_lines

    session.screen.line(f"anygen {__version__}, {model}: /help lists the commands")
    return typed_lines(session.take_draft, history)
