"""What is typed: line editing, history, completion, texts of several lines, Ctrl-C and Ctrl-D."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator

from platformdirs import user_state_path
from prompt_toolkit import PromptSession, print_formatted_text
from prompt_toolkit.completion import CompleteEvent, Completer, Completion, PathCompleter
from prompt_toolkit.document import Document
from prompt_toolkit.history import FileHistory, History, InMemoryHistory
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent

from anygen.chat.slash_commands import COMMANDS

QUOTES = '"""'
PATH_COMMANDS = ("/attach ", "/load ", "/save ")
PATH_WORD = re.compile(r"""(?:^|\s)@["']?([^"']*)$""")


class LineCompleter(Completer):
    """Commands where a line begins with a slash, paths after an @ and after some commands."""

    def __init__(self) -> None:
        self.paths = PathCompleter(expanduser=True)

    def get_completions(self, document: Document, event: CompleteEvent) -> Iterable[Completion]:
        text = document.text_before_cursor
        if text.startswith("/") and " " not in text:
            names = (name for name in COMMANDS if name.startswith(text))
            yield from (Completion(name, -len(text)) for name in names)
        path = typed_path(text)
        if path is not None:
            yield from self.paths.get_completions(Document(path), event)


def typed_path(text: str) -> str | None:
    """The beginning of a path at the end of a line, or None."""
    for command in PATH_COMMANDS:
        if text.startswith(command):
            return text.removeprefix(command).lstrip("\"'")
    match = PATH_WORD.search(text)
    return match[1] if match else None


def typed_lines(take_draft: Callable[[], str], remember: bool = True) -> Iterator[str]:
    """What a person types, question by question; `take_draft` is what a prompt begins with.

    Ctrl-C clears the line, and leaves where it is empty for the second time; Ctrl-D leaves.
    """
    session: PromptSession[str] = PromptSession(
        history=open_history() if remember else InMemoryHistory(),
        completer=LineCompleter(),
        complete_while_typing=False,
        key_bindings=key_bindings(),
        enable_open_in_editor=True,  # Ctrl-X Ctrl-E
    )
    leaving = False
    while True:
        try:
            line = session.prompt("> ", default=take_draft())
            while line.startswith(QUOTES) and not is_whole(line):
                line += "\n" + session.prompt("… ")
        except KeyboardInterrupt:
            if leaving:
                return
            leaving = not session.default_buffer.text
            if leaving:
                print_formatted_text("(Ctrl-C again leaves)")
            continue
        except EOFError:
            return
        leaving = False
        yield unquoted(line)


def is_whole(line: str) -> bool:
    return len(line) >= 2 * len(QUOTES) and line.endswith(QUOTES)


def unquoted(line: str) -> str:
    return line[3:-3] if line.startswith(QUOTES) and is_whole(line) else line


def open_history() -> History:
    """Questions of earlier chats, for this user's eyes only. Raises ValueError."""
    path = user_state_path("anygen") / "history"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))
        path.chmod(0o600)  # one that was there before
    except OSError as error:
        raise ValueError(
            f"{path}: cannot be written ({error.strerror}); chat --no-history does without it"
        ) from error
    return FileHistory(path)


def key_bindings() -> KeyBindings:
    bindings = KeyBindings()

    @bindings.add("escape", "enter")
    def _(event: KeyPressEvent) -> None:
        event.current_buffer.insert_text("\n")

    return bindings
